"""Arithmetic of DD4hep: values, and that nothing else is taken."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartpix.layouts.expressions import LONGEST, Constants
from smartpix.schema import InputError

KNOWN = {
    "a": "10.*mm",
    "b": "2*a + c",
    "c": "sqrt(4)*cm",
    "loop": "pool",
    "pool": "loop + 1",
    "bad": "nosuch*2",
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10.*mm", 1.0), ("3*tesla", 3.0), ("b", 4.0), ("-620.*mm", -62.0), ("+6.1*mm", 0.61), ("0.", 0.0), (".95", 0.95),
        ("2^3", 8.0), ("2*pi/4", math.pi / 2), ("90*degree", math.pi / 2), (" 1 + 2*(3-1) ", 5.0), ("max(a, c)", 2.0),
        ("7%4", 3.0), ("cos(0)", 1.0), ("1e-3*m", 0.1),
    ],
)  # fmt: skip
def test_expressions_have_their_values_in_cm(text, value):
    assert Constants(KNOWN, "x.xml").value(text) == pytest.approx(value)


@given(st.lists(st.tuples(st.sampled_from("+-*/"), st.floats(0.1, 9.0)), max_size=8), st.floats(0.1, 9.0))
def test_arithmetic_is_pythons(steps, first):
    text = f"{first!r}" + "".join(f" {sign} {number!r}" for sign, number in steps)
    assert Constants({}, "x.xml").value(text) == pytest.approx(eval(text))  # of our own making


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("__import__('os').system('true')", "is no arithmetic"), ("a.real", "is no arithmetic"), ("[1]", "is no arithmetic"),
        ("1 if 1 else 2", "is no arithmetic"), ("'1'", "is no arithmetic"), ("True", "is no arithmetic"), ("", "is no arithmetic"),
        ("open(1)", "is no arithmetic"), ("1/0", "has no value"), ("sqrt(-1)", "has no value"), ("9^9^9^9", "has no value"),
        ("1e308*10", "no finite value"), ("nosuch", "names 'nosuch'"), ("bad", "names 'nosuch'"), ("mn", "no file defines"),
        ("loop", "is defined by itself"), ("1+" * LONGEST + "1", "is longer than"), ("(" * 400 + "1" + ")" * 400, "no arithmetic"),
        ("sin(1, 2)", "has no value"), ("-" * 300 + "1", "nested too deeply"),
    ],
)  # fmt: skip
def test_all_else_is_refused(text, message):
    with pytest.raises(InputError, match=message):
        Constants(KNOWN, "x.xml").value(text)
