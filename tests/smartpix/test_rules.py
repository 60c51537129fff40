"""Rules for JSON: what they let through, and that an error names key, expectation and value."""

import math

import pytest

from smartpix.rules import (
    check_json,
    entries,
    fields,
    flag,
    items,
    nullable,
    optional,
    parse_checked,
    real,
    text,
    whole,
)
from smartpix.schema import InputError

FILE = fields(
    {
        "n": whole(1, 9), "x": real(0, 2), "p": real(above=0), "kind": text("a", "b"), "name": text(),
        "on": flag,
        "at": items(real(), 1, 3, rising=True), "of": entries(("one", "two"), fields({"y": real()})),
        "more": optional(whole(0, 1)),
    }
)  # fmt: skip
GOOD = {
    "n": 9,
    "x": 2,
    "p": 1e-9,
    "kind": "a",
    "name": "",
    "on": False,
    "at": [-1, 0.5],
    "of": {"two": {"y": -3}},
}


def test_what_the_rules_allow_goes_through():
    check_json(GOOD, FILE, "f.json", "make it again")
    check_json({**GOOD, "more": 1, "x": 0.0, "at": [0]}, FILE, "f.json", "make it again")
    check_json({"y": 1, "z": None}, fields({"y": real()}, more=True), "f.json", "make it again")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n": 0}, "'n' must be a whole number from 1 to 9 and is 0"),
        ({"n": 10**400}, "'n' must be a whole number from 1 to 9 and is 1000"),
        ({"n": 1.0}, "'n' must be a whole number from 1 to 9 and is 1.0"),
        ({"n": True}, "'n' must be a whole number from 1 to 9 and is true"),
        ({"x": 2.1}, "'x' must be a finite number from 0 to 2 and is 2.1"),
        ({"x": -1e-9}, "'x' must be a finite number from 0 to 2 and is -1e-09"),
        ({"x": math.nan}, "'x' must be a finite number from 0 to 2 and is NaN"),
        ({"x": "1"}, "'x' must be a finite number from 0 to 2 and is \"1\""),
        ({"x": False}, "'x' must be a finite number from 0 to 2 and is false"),
        ({"p": 0}, "'p' must be a finite number above 0 and is 0"),
        ({"p": math.inf}, "'p' must be a finite number above 0 and is Infinity"),
        ({"p": 10**400}, "'p' must be a finite number above 0 and is 1000"),
        ({"kind": "c"}, "'kind' must be one of a, b and is \"c\""),
        ({"name": None}, "'name' must be a text and is null"),
        ({"on": 0}, "'on' must be true or false and is 0"),
        ({"at": []}, "'at' must be a list of 1 to 3 items and is []"),
        ({"at": [1, 2, 3, 4]}, "'at' must be a list of 1 to 3 items and is [1, 2, 3, 4]"),
        ({"at": [0, None]}, "'at[1]' must be a finite number and is null"),
        ({"at": [0, 1, 1]}, "'at' must be a list of rising numbers and is [0, 1, 1]"),
        ({"at": {"0": 1}}, "'at' must be a list of 1 to 3 items and is {\"0\": 1}"),
        ({"of": {}}, "'of' must be an object with any of one, two and is {}"),
        ({"of": {"three": {}}}, "'of' must be an object with any of one, two and is {\"three\": {}}"),
        ({"of": {"one": {}}}, "'of.one.y' must be a finite number and is missing"),
        ({"of": {"one": []}}, "'of.one' must be an object with y and is []"),
        ({"more": 2}, "'more' must be a whole number from 0 to 1 and is 2"),
        ({"kid": 1}, "'kid' is unknown. Did you mean 'kind'? There are n, x, p, kind"),
    ],
)
def test_what_they_do_not_is_named(changes, message):
    with pytest.raises(InputError) as error:
        check_json({**GOOD, **changes}, FILE, "f.json", "make it again")
    assert str(error.value).startswith(f"f.json: {message}")
    assert str(error.value).endswith("; make it again")
    assert len(str(error.value)) < 250


def test_every_key_is_needed_and_the_whole_must_be_an_object():
    for key in GOOD:
        with pytest.raises(InputError, match=rf"f\.json: '{key}' must be .* and is missing; make it again"):
            check_json({k: v for k, v in GOOD.items() if k != key}, FILE, "f.json", "make it again")
    for content in (None, [], 3):
        with pytest.raises(InputError, match=r"f\.json: the content must be an object with n, x"):
            check_json(content, FILE, "f.json", "make it again")


def test_a_value_may_be_null_and_items_different():
    rule = fields({"a": nullable(whole(0, 3)), "b": items(whole(0, 9), different=True)})
    for content in ({"a": None, "b": []}, {"a": 2, "b": [3, 1]}):
        check_json(content, rule, "f.json", "make it again")
    for content, message in (
        ({"a": 4, "b": []}, r"'a' must be a whole number from 0 to 3 and is 4"),
        ({"b": []}, "'a' must be a whole number from 0 to 3 and is missing"),
        ({"a": None, "b": [1, 2, 1]}, r"'b' must be a list of different items and is \[1, 2, 1\]"),
        ({"a": None, "b": 1}, "'b' must be a list and is 1"),
    ):
        with pytest.raises(InputError, match=f"^f.json: {message}; make it again$"):
            check_json(content, rule, "f.json", "make it again")


def test_text_is_parsed_and_checked():
    assert parse_checked(b'{"a": 1}', fields({"a": whole(0, 3)}), "f.json", "make it again") == {"a": 1}
    for text_, message in (
        ("{", r"not readable as JSON \(.*\)"),
        ('{"a": 1, "a": 1}', r"not readable as JSON \('a' is there twice\)"),
        ("[]", "the content must be an object with a and is \\[\\]"),
    ):
        with pytest.raises(InputError, match=f"^f.json: {message}; make it again$"):
            parse_checked(text_, fields({"a": whole(0, 3)}), "f.json", "make it again")
