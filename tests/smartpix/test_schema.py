"""Names, near misses and the tables themselves."""

import dataclasses
import re
from typing import Literal

import numpy as np
import pytest

from smartpix import schema
from smartpix.schema import InputError, check_types, nearest, require, whole_ids

TABLES = [schema.CLUSTERS, schema.PIXELS, schema.TRUTH, schema.PARTICLES, schema.DETECTOR, schema.TRACKS]


@pytest.mark.parametrize("table", TABLES)
def test_every_column_has_a_numpy_type_a_known_unit_and_a_meaning(table):
    for column in table.values():
        assert np.dtype(column.dtype).itemsize in (1, 2, 4, 8)
        assert column.unit in ("", "mm", "GeV", "rad", "e", "ns", "1/GeV")
        assert column.meaning


def test_near_miss_is_suggested_and_far_miss_is_not():
    assert nearest("cluster_locl_x", ["cluster_local_x", "event"]) == " Did you mean 'cluster_local_x'?"
    assert nearest("qqqq", ["cluster_local_x", "event"]) == ""


def test_require_names_place_first_missing_count_and_fix():
    with pytest.raises(
        InputError,
        match=r"^F\.csv: 'pz' is missing \(2 missing in all: pz, q\)\. Did you mean 'px'\? Fix it\.$",
    ):
        require(["px", "eta"], ["px", "pz", "q"], "F.csv", "Fix it.")


def test_require_accepts_extra_names():
    require(["a", "b", "c"], ["a", "c"], "F", "")


def test_window_has_a_centre_pixel():
    assert (schema.N_ROWS, schema.N_COLUMNS) == (13, 21)


def test_bad_input_can_be_caught_as_a_value_error():
    assert issubclass(InputError, ValueError)


@dataclasses.dataclass(frozen=True)
class Some:
    whole: int = 1
    real: float = 0.5
    text: str = "a"
    yes: bool = True
    several: tuple[str, ...] = ()
    nothing: float | None = None
    pair: tuple[float, float] = (0.0, 1)
    one: Literal["a", "b"] = "a"


@pytest.mark.parametrize(
    "values", [{}, {"real": 2}, {"real": np.float64(0.1)}, {"several": ["a"]}, {"nothing": 1}]
)
def test_values_of_the_fields_types_pass(values):
    check_types("some", Some(**values))


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("whole", "2", "int"), ("whole", 2.0, "int"), ("whole", True, "int"), ("whole", np.int64(2), "int"),
        ("real", "0.5", "float"), ("real", False, "float"), ("text", 3, "str"), ("text", None, "str"), ("yes", 1, "bool"),
        ("several", "a", "tuple[str, ...]"), ("several", ("a", 1), "tuple[str, ...]"), ("pair", (1.0,), "tuple[float, float]"),
        ("pair", (1.0, "2"), "tuple[float, float]"), ("nothing", "any", "float | None"), ("one", "c", "Literal['a', 'b']"),
    ],
)  # fmt: skip
def test_values_of_other_types_are_named(name, value, kind):
    with pytest.raises(InputError, match=re.escape(f"some: {name} must be of type {kind} and is {value!r}")):
        check_types("some", Some(**{name: value}))


@pytest.mark.parametrize("value", ["a\nb\x1b[31m\r", "x" * 10_000, ["y" * 10_000], np.arange(9999.0)])
def test_whatever_the_value_the_message_is_one_short_line(value):
    for refuse in (
        lambda: schema.check("some", "text", value, False, "short"), lambda: check_types("some",
        Some(text=value, whole=value)),
    ):  # fmt: skip
        with pytest.raises(InputError) as told:
            refuse()
        assert str(told.value).isprintable()
        assert len(str(told.value)) < 150


@pytest.mark.parametrize("field", [0, 3.8, -3.8, 20.0, np.float32(-2)])
def test_fields_of_trackers_are_taken_of_either_sign(field):
    schema.check_field("run", field)


@pytest.mark.parametrize("field", [38.0, -20.1, 1e6, np.nan, np.inf, None, "3.8", True])
def test_other_fields_are_refused(field):
    with pytest.raises(
        InputError, match=rf"^run: field must be a number of T from -20 to 20 and is {field!r}$"
    ):
        schema.check_field("run", field)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("floats", "bits"), [("f4", 24), ("f8", 53)])
def test_ids_as_floats_are_taken_up_to_where_two_of_them_share_a_float(floats, bits, sign):
    largest, merged = sign * (2**bits - 1), sign * 2**bits
    assert np.dtype(floats).type(merged) == np.dtype(floats).type(merged + sign)
    assert whole_ids(np.array([0, largest], dtype=floats), "i8", "F", "id").tolist() == [0, largest]
    with pytest.raises(
        InputError, match=r"^F: column 'id' .* row 1, which a float\d\d does not tell .* ids have been merged"
    ):
        whole_ids(np.array([7, merged], dtype=floats), "i8", "F", "id")


@pytest.mark.parametrize("kind", ["i1", "u2", "i8", "u8"])
def test_ids_as_whole_numbers_are_kept_to_the_last(kind):
    ends = [np.iinfo(kind).min, np.iinfo(kind).max]
    assert whole_ids(np.array(ends, dtype=kind), kind, "F", "id").tolist() == ends


@pytest.mark.parametrize(
    ("values", "dtype", "message"),
    [
        (np.array([1.0, np.nan]), "i8", "the value nan in row 1, which is not finite"),
        (np.array([1.0, 2.5]), "i8", "the value 2.5 in row 1, which is not a whole number"),
        (
            np.array([2**63], dtype="u8"),
            "i8",
            "value 9223372036854775808 in row 0, which is no number of type int64",
        ),
        (np.array([-1]), "u8", "the value -1 in row 0, which is no number of type uint64"),
        (np.array(["7"]), "i8", "must hold whole numbers and is of type <U1"),
        (np.array([True]), "i8", "must hold whole numbers and is of type bool"),
    ],
)
def test_what_is_no_id_is_refused(values, dtype, message):
    with pytest.raises(InputError, match=f"^F, event 3: column 'id' .*{message}"):
        whole_ids(values, dtype, "F, event 3", "id")


@dataclasses.dataclass(frozen=True)
class Ranged:
    """Options of which one has a range."""

    length: float = schema.ranged(2.0, 0.5, 1e6, "mm")
    turns: int = schema.ranged(3, 1, 7)
    name: str = "x"


def test_defaults_and_ranges_of_options_are_one_table():
    assert Ranged() == Ranged(2.0, 3, "x")
    expected = {"length": (0.5, 1e6, "mm"), "turns": (1, 7, "")}
    assert schema.ranges_of(Ranged) == schema.ranges_of(Ranged()) == expected
    for values in ({"length": 0.5}, {"length": 1e6}, {"turns": 1}, {"turns": 7}):
        schema.check_ranges("some", Ranged(**values))
    for values, words in (
        ({"length": 0.4}, "some: length must be from 0.5 to 1000000 mm and is 0.4"),
        ({"length": float("nan")}, "some: length must be from 0.5 to 1000000 mm and is nan"),
        ({"turns": 8}, "some: turns must be from 1 to 7 and is 8"),
    ):
        with pytest.raises(InputError, match=f"^{re.escape(words)}$"):
            schema.check_ranges("some", Ranged(**values))
