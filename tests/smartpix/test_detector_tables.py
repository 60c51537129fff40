"""The detector table: what comes back, and what no detector has."""

import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smartpix.geometry import Detector, read_detector, write_detector
from smartpix.schema import DETECTOR, InputError
from tests.helpers import embedded_detector, one_module_detector, part_of
from tests.smartpix.modules import barrel_module


def test_unknown_module_is_named_in_the_error(detector):
    with pytest.raises(InputError, match=r"no module with .* = \[8, 2, 99999\] \(1 such hits\)"):
        detector.find_modules([8, 8], [2, 2], [1, 99999])


@pytest.mark.parametrize("name", ["table.csv", "table.csv.gz"])
def test_table_round_trip(tmp_path, detector, name):
    write_detector(detector, tmp_path / name)
    assert [p.name for p in tmp_path.iterdir()] == [name]
    content = (tmp_path / name).read_bytes()
    assert b"volume_id" in (gzip.decompress(content) if name.endswith("gz") else content)[:40]
    again = read_detector(tmp_path / name)
    for column, entry in DETECTOR.items():
        assert again.columns[column].dtype == entry.dtype
        np.testing.assert_array_equal(again.columns[column], detector.columns[column])


def written(tmp_path, change):
    path = tmp_path / "table.csv"
    write_detector(one_module_detector(), path)
    path.write_text(change(path.read_text()))
    return path


def test_missing_table_says_how_to_make_one(tmp_path):
    with pytest.raises(InputError, match="no such file; `smartpix detector"):
        read_detector(tmp_path / "none.csv")


def test_missing_column_of_the_table_is_named_with_its_near_miss(tmp_path):
    path = written(tmp_path, lambda text: text.replace("pitch_u", "pich_u"))
    with pytest.raises(InputError, match=r"'pitch_u' is missing .* Did you mean 'pich_u'\?"):
        read_detector(path)


def test_table_with_ragged_rows_is_refused(tmp_path):
    with pytest.raises(InputError, match="not a readable CSV table"):
        read_detector(written(tmp_path, lambda text: text + "1,2,3\n"))


def test_table_with_text_for_a_number_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"column 'cx' has the value .* in row 0, which is no number"):
        read_detector(written(tmp_path, lambda text: text.replace("32,", "left,", 1)))


@pytest.mark.parametrize("column", ["module_id", "cx"])
def test_table_with_an_empty_cell_is_refused(tmp_path, column):
    def change(text):
        head, *rows = text.splitlines()
        place = [name.strip('"') for name in head.split(",")].index(column)
        cells = rows[0].split(",")
        gap = ",".join("" if i == place else value for i, value in enumerate(cells))
        return "\n".join([head, rows[0], gap, ""])

    with pytest.raises(InputError, match=column):
        read_detector(written(tmp_path, change))


def test_cut_off_compressed_table_is_refused(tmp_path, detector):
    path = tmp_path / "table.csv.gz"
    write_detector(detector, path)
    whole = path.read_bytes()
    for share in (0.1, 0.5, 0.99):
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(InputError):
            read_detector(path)


def test_columns_must_have_one_number_per_module():
    columns = dict(one_module_detector().columns)
    for wrong in (np.zeros(0), np.ones(2), np.ones((1, 2))):
        with pytest.raises(InputError, match=r"cx has the shape .* and volume_id \(1,\)"):
            Detector(columns | {"cx": wrong})


def with_value(name, value, row=1):
    """The columns of three modules, with one number changed."""
    columns = dict(part_of(embedded_detector(), [0, 1700, 4000]).columns)
    changed = np.asarray(
        columns[name], dtype=np.asarray(value).dtype if np.asarray(value).dtype.kind == "f" else None
    ).copy()
    changed[row] = value
    return columns | {name: changed}


IMPOSSIBLE = [
    *(
        (name, value, "must be from 0 to")
        for name in ("volume_id", "layer_id", "module_id")
        for value in (-1, 2**24)
    ),
    ("layer_id", 2**16, "must be from 0 to 65535"),
    *((name, 2.5, "which is not a whole number") for name in ("volume_id", "layer_id", "module_id")),
    *(
        (name, 0.0, "must be positive")
        for name in ("module_t", "module_hv", "module_maxhu", "pitch_u", "pitch_v")
    ),
    *(
        (name, -1.0, "must be positive")
        for name in ("module_t", "module_hv", "module_maxhu", "pitch_u", "pitch_v")
    ),
    ("module_minhu", -1.0, "must be from 0 to 500"),
    *(
        (name, value, "must be a finite number")
        for name in ("cx", "rot_zv", "module_t", "pitch_u")
        for value in (np.nan, np.inf)
    ),
    ("module_t", 100.0, "must be 5 at most"),
    *((name, 1e300, "must be 500 at most") for name in ("module_hv", "module_maxhu")),
    ("module_minhu", 501.0, "must be from 0 to 500"),
    *((name, 1e-320, "more than 32767 pixels along one side") for name in ("pitch_u", "pitch_v")),
    *((name, 1e-4, "more than 32767 pixels along one side") for name in ("pitch_u", "pitch_v")),
    ("pitch_v", 72.1, "wider than the module"),
    ("pitch_u", 16.9, "wider than the module"),
    *((f"rot_{g}{a}", 1e6, "must be from -1 to 1") for g in "xyz" for a in "uvw"),
    ("rot_zv", 0.999, "must be of length 1"),
    ("rot_zu", 0.001, r"must be at right angles to v"),
    *(
        (name, value, "puts a corner beyond 16384 mm")
        for name in ("cx", "cy", "cz")
        for value in (-1e5, 1.7e4, 1e300)
    ),
]


@pytest.mark.parametrize(("name", "value", "message"), IMPOSSIBLE)
def test_a_number_that_no_module_has_is_refused_with_table_column_row_and_module(name, value, message):
    columns = with_value(name, value)
    with pytest.raises(InputError, match=message) as raised:
        Detector(columns, "modules.csv")
    assert str(raised.value).startswith("modules.csv: ")
    assert ("in row 1, which" if value == 2.5 else "in row 1 (module ") in str(raised.value)
    assert name in str(raised.value)


def test_a_module_that_is_there_twice_is_refused():
    columns = part_of(embedded_detector(), [0, 1700, 4000]).columns
    twice = {name: np.append(values, values[1]) for name, values in columns.items()}
    with pytest.raises(
        InputError,
        match=r"module_id is \d+ in row 3 \(module 8, \d+, \d+\) like one before it; a module is there once",
    ):
        Detector(twice)


def test_mirrored_axes_are_refused():
    columns = dict(one_module_detector().columns)
    with pytest.raises(
        InputError, match=r"row 0 \(module 8, 2, 1\) and must be u x v \(right-handed axes\); turn one"
    ):
        Detector(columns | {"rot_yu": -np.asarray(columns["rot_yu"])})


def test_columns_that_hold_no_numbers_and_tables_without_modules_are_refused():
    columns = dict(one_module_detector().columns)
    with pytest.raises(InputError, match="column 'cx' must hold numbers and is of type <U4"):
        Detector(columns | {"cx": np.array(["left"])})
    with pytest.raises(InputError, match="detector table: has no modules"):
        Detector({name: np.zeros(0) for name in columns})


def test_axes_rounded_to_six_decimals_as_trackmls_are_taken_and_to_three_are_not():
    columns = dict(barrel_module(0.7, 0, 32, 0.2, 1, 1).columns)
    rounded = {n: np.round(v, 6) if n.startswith("rot") else v for n, v in columns.items()}
    np.testing.assert_allclose(Detector(rounded).axes, Detector(columns).axes, atol=1e-6)
    with pytest.raises(InputError, match="must be of length 1"):
        Detector({n: np.round(v, 3) if n.startswith("rot") else v for n, v in columns.items()})


def test_ids_beyond_the_packing_are_no_module(detector):
    """2^24 modules on would be the next layer's."""
    volume, layer, module = (
        int(np.asarray(detector.columns[n])[1700]) for n in ("volume_id", "layer_id", "module_id")
    )
    for ids in (
        [volume, layer - 1, module + 2**24],
        [volume - 1, layer + 2**16, module],
        [volume, layer + 1, module - 2**24],
    ):
        with pytest.raises(InputError, match="no module with volume_id, layer_id, module_id"):
            detector.find_modules(*([i] for i in ids))


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(sorted(DETECTOR)),
    row=st.integers(0, 2),
    value=st.one_of(
        st.floats(),
        st.integers(-(2**31), 2**31 - 1),
        st.floats(-2e4, 2e4),
        st.floats(-1, 1),
        st.sampled_from([0.0, 1e4, 1e6, 1e-4, -1.0, 500.0, 16383.0]),
    ),
)
def test_any_number_of_a_table_is_refused_or_leaves_a_detector_whose_search_grid_is_bounded(name, row, value):
    from seeding.table import layer_grid

    try:
        detector = Detector(with_value(name, value, row))
    except InputError:
        return
    layers, grid = detector.layers, layer_grid(detector)
    for values in (layers.r_min, layers.r_max, layers.z_min, layers.z_max, grid.low, grid.width):
        assert np.all(np.abs(values) <= 2.0**15)
    assert 0 < grid.first_cell[-1] <= 3 * 4200 * 512
    local = np.array([[0.1, -0.2, 0.01]])
    np.testing.assert_allclose(detector.to_local([row], detector.to_global([row], local)), local, atol=1e-3)
    assert 1 <= detector.n_rows.min() <= detector.n_rows.max() <= 32767
    assert 1 <= detector.n_columns.min() <= detector.n_columns.max() <= 32767
