"""Frames, layers and the detector table against rotations written out by hand."""

import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smartpix.geometry import Detector, read_detector, write_detector
from smartpix.schema import DETECTOR, InputError
from smartpix.simulate.drift import Sensor, drift_tables
from tests.helpers import detector_of, embedded_detector, module_row, one_module_detector, part_of

QUICK = settings(max_examples=25, deadline=None)
SIGN = st.sampled_from([-1.0, 1.0])


@pytest.fixture(scope="module")
def detector():
    return embedded_detector()


def barrel_module(phi, z, radius, tilt, su, sv):
    """A module at azimuth phi, turned by tilt about the beam, with the file's u and v along either
    direction.
    """
    normal = np.array([np.cos(phi + tilt), np.sin(phi + tilt), 0.0])
    along_phi = np.array([-np.sin(phi + tilt), np.cos(phi + tilt), 0.0])
    center = np.array([radius * np.cos(phi), radius * np.sin(phi), z])
    return detector_of(
        [module_row(center, su * along_phi, sv * np.array([0, 0, 1.0]), su * sv * normal, 2, 1)]
    )


def disk_module(phi, z, radius, su, sv):
    radial = np.array([np.cos(phi), np.sin(phi), 0.0])
    along_phi = np.array([-np.sin(phi), np.cos(phi), 0.0])
    center = radius * radial + np.array([0, 0, z])
    return detector_of(
        [module_row(center, su * along_phi, sv * radial, -su * sv * np.array([0, 0, 1.0]), 2, 1)]
    )


@QUICK
@given(st.floats(-3.1, 3.1), st.floats(-500, 500), st.floats(20, 200), st.floats(-0.4, 0.4), SIGN, SIGN)
def test_barrel_frame_does_not_depend_on_the_direction_of_the_files_axes(phi, z, radius, tilt, su, sv):
    x, y, normal = barrel_module(phi, z, radius, tilt, su, sv).axes[0].T
    np.testing.assert_allclose(x, [0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(normal, [np.cos(phi + tilt), np.sin(phi + tilt), 0], atol=1e-12)
    # y = z cross x = outward cross beam: against increasing azimuth.
    np.testing.assert_allclose(y, [np.sin(phi + tilt), -np.cos(phi + tilt), 0], atol=1e-12)


def inclined_module(center, lean):
    """A module at azimuth 0, its normal ``lean`` rad from the radial direction towards +z."""
    normal = np.array([np.cos(lean), 0.0, np.sin(lean)])
    v = np.array([-np.sin(lean), 0.0, np.cos(lean)])
    return detector_of([module_row(np.array(center), np.cross(v, normal), v, normal, 2, 1)])


@pytest.mark.parametrize("degrees", [-44, -20, 20, 44])
@pytest.mark.parametrize("z", [-500.0, 500.0])
def test_a_module_that_leans_less_than_45_degrees_is_of_the_barrel_and_looks_outwards(degrees, z):
    """Also where it stands so far along the beam that the direction from the origin is behind it."""
    for half_turn in (0.0, np.pi):
        module = inclined_module((32.0, 0.0, z), np.radians(degrees) + half_turn)
        assert module.barrel[0]
        wanted = [np.cos(np.radians(degrees)), 0, np.sin(np.radians(degrees))]
        np.testing.assert_allclose(module.axes[0, :, 2], wanted, atol=1e-12)
        assert module.axes[0, 2, 0] > 0.7


@pytest.mark.parametrize("degrees", [46, 80, 100, 134])
@pytest.mark.parametrize("z", [-100.0, 100.0])
def test_a_module_that_leans_more_is_of_a_disk_and_looks_away_along_the_beam(degrees, z):
    for half_turn in (0.0, np.pi):
        module = inclined_module((170.0, 0.0, z), np.radians(degrees) + half_turn)
        assert not module.barrel[0]
        assert module.axes[0, 2, 2] * np.sign(z) == pytest.approx(np.sin(np.radians(degrees)))
        assert module.axes[0, 0, 0] > 0


@QUICK
@given(st.floats(-3.1, 3.1), st.sampled_from([-700.0, 600.0]), st.floats(20, 200), SIGN, SIGN)
def test_endcap_frame_has_x_outward_and_z_away_from_the_collision(phi, z, radius, su, sv):
    x, y, normal = disk_module(phi, z, radius, su, sv).axes[0].T
    np.testing.assert_allclose(x, [np.cos(phi), np.sin(phi), 0], atol=1e-12)
    np.testing.assert_allclose(normal, [0, 0, np.sign(z)], atol=1e-12)
    np.testing.assert_allclose(y, np.sign(z) * np.array([-np.sin(phi), np.cos(phi), 0]), atol=1e-12)


@QUICK
@given(st.floats(-3.1, 3.1), SIGN, SIGN, st.booleans())
def test_signs_of_u_and_v_say_how_the_sensor_frame_lies_on_the_files_axes(phi, su, sv, barrel):
    module = barrel_module(phi, 10, 32, 0.1, su, sv) if barrel else disk_module(phi, 600, 60, su, sv)
    assert module.v_sign[0] == sv
    # Towards increasing azimuth: against y in the barrel, along it on the +z disks.
    assert module.u_sign[0] == (-su if barrel else su)


@QUICK
@given(st.integers(0, 4003), st.lists(st.tuples(*[st.floats(-40, 40)] * 3), min_size=1, max_size=5))
def test_local_to_global_and_back(row, points):
    detector = embedded()
    local = np.array(points)
    module = np.full(len(local), row)
    there = detector.to_global(module, local)
    np.testing.assert_allclose(detector.to_local(module, there), local, atol=1e-9)
    columns = {name: np.asarray(values, dtype=float)[row] for name, values in detector.columns.items()}
    distance = np.linalg.norm(there - [columns["cx"], columns["cy"], columns["cz"]], axis=1)
    np.testing.assert_allclose(distance, np.linalg.norm(local, axis=1), atol=1e-9)


@QUICK
@given(st.integers(0, 4003), st.tuples(*[st.floats(-5, 5)] * 3))
def test_directions_turn_as_differences_of_points(row, direction):
    detector, step, module = embedded(), np.array([direction]), np.array([row])
    turned = detector.to_global(module, step) - detector.to_global(module, np.zeros((1, 3)))
    np.testing.assert_allclose(detector.direction_to_global(module, step), turned, atol=1e-9)
    np.testing.assert_allclose(detector.direction_to_local(module, turned), step, atol=1e-9)


_EMBEDDED = []


def embedded():
    if not _EMBEDDED:
        _EMBEDDED.append(embedded_detector())
    return _EMBEDDED[0]


def test_points_on_the_midplane_may_be_given_in_two_coordinates(detector):
    module, local = np.array([0, 2000, 4000]), np.array([[1.0, 2.0], [-3.0, 4.0], [0.5, -0.25]])
    three = np.column_stack([local, np.zeros(3)])
    np.testing.assert_array_equal(detector.to_global(module, local), detector.to_global(module, three))


def test_embedded_frames_are_orthonormal_right_handed_and_outward(detector):
    axes = detector.axes
    np.testing.assert_allclose(
        np.swapaxes(axes, 1, 2) @ axes, np.tile(np.eye(3), (len(detector), 1, 1)), atol=1e-6
    )
    np.testing.assert_allclose(np.linalg.det(axes), 1, atol=1e-6)
    x, z = axes[:, :, 0], axes[:, :, 2]
    barrel, center = detector.barrel, detector.center
    assert barrel.sum() == 16 * 14 + 32 * 14 + 52 * 14 + 78 * 14
    assert np.all(x[barrel, 2] > 0.999)
    assert np.all(np.sum((z * center)[barrel, :2], axis=1) > 0.9 * np.hypot(*center[barrel, :2].T))
    assert np.all(z[~barrel, 2] * center[~barrel, 2] > 0)
    assert np.all(np.sum((x * center)[~barrel, :2], axis=1) > 0)


def test_embedded_modules_carry_the_sensor_of_the_published_networks(detector):
    np.testing.assert_allclose(detector.pitch_x, 0.05)
    np.testing.assert_allclose(detector.pitch_y, 0.0125)
    np.testing.assert_allclose(detector.thickness, 0.1)
    assert set(detector.n_rows) == {1344}
    assert set(detector.n_columns) == {1440}


def test_electrons_drift_towards_minus_y_in_the_barrel_and_nowhere_on_the_disks(detector):
    field = np.tile([0, 0, 3.8], (len(detector), 1))
    local = detector.direction_to_local(np.arange(len(detector)), field)
    barrel = local[detector.barrel]
    np.testing.assert_allclose(barrel, np.tile([3.8, 0, 0], (len(barrel), 1)), atol=1e-5)
    assert np.abs(local[~detector.barrel, :2]).max() < 1e-5
    # Lorentz force on electrons (-e v x B) that move along +z, written out in the global frame.
    velocity = detector.axes[:, :, 2]
    force = -np.cross(velocity, field)[detector.barrel]
    along_y = np.sum(force * detector.axes[detector.barrel, :, 1], axis=1)
    np.testing.assert_allclose(along_y, -3.8, rtol=1e-6)
    assert drift_tables(Sensor(), (3.8, 0.0, 0.0)).shift_e[-1, 1] < -0.02


def test_layers_of_the_embedded_detector(detector):
    layers = detector.layers
    assert [layers.name(i) for i in range(len(layers))] == [
        *(f"E-{i}" for i in range(7, 0, -1)), *(f"B{i}" for i in range(1, 5)), *(f"E+{i}" for i in range(1,
        8)),
    ]  # fmt: skip
    np.testing.assert_allclose(layers.radius[layers.barrel], [32, 72, 116, 172], atol=0.5)
    np.testing.assert_allclose(layers.z[layers.z > 1], [600, 700, 820, 960, 1100, 1300, 1500], atol=3)
    assert np.all(layers.r_min <= layers.r_max)
    for i in range(len(layers)):
        members = detector.layer_index == i
        assert set(np.asarray(detector.columns["volume_id"])[members]) == {layers.volume_id[i]}
        assert set(np.asarray(detector.columns["layer_id"])[members]) == {layers.layer_id[i]}
        assert np.all(detector.barrel[members] == layers.barrel[i])


def test_envelopes_hold_the_corners_of_a_module_and_nothing_else():
    layers = one_module_detector().layers
    assert layers.z_min[0] == pytest.approx(-36)
    assert layers.z_max[0] == pytest.approx(36)
    assert layers.r_min[0] == pytest.approx(32)
    assert layers.r_max[0] == pytest.approx(np.hypot(32, 8.4))


def test_a_trapezoid_is_as_wide_as_its_wider_edge():
    for low, high in ((5.0, 8.4), (8.4, 5.0)):
        columns = dict(one_module_detector().columns) | {
            "module_minhu": np.array([low]),
            "module_maxhu": np.array([high]),
        }
        assert Detector(columns).half_y[0] == 8.4


def test_a_plane_across_the_beam_begins_at_the_beam():
    layers = detector_of([module_row((0.0, 0.0, 600.0), (0, 1.0, 0), (1.0, 0, 0), (0, 0, -1.0), 2, 1)]).layers
    assert layers.r_min[0] == 0
    assert layers.r_max[0] == pytest.approx(np.hypot(36.0, 8.4))


def test_a_short_ring_in_front_of_a_long_one_makes_no_gap_behind_it():
    """From 30 to 100 mm, inside it from 40 to 60 mm, and from 110 to 150 mm: the gap is between the first and
    the last.
    """
    rows = []
    for number, (low, high) in enumerate(((30.0, 100.0), (40.0, 60.0), (110.0, 150.0))):
        row = module_row(((low + high) / 2, 0.0, 600.0), (0, 1.0, 0), (1.0, 0, 0), (0, 0, -1.0), 2, number)
        rows.append(row | {"module_hv": (high - low) / 2, "module_minhu": 0.5, "module_maxhu": 0.5})
    layers = detector_of(rows).layers
    assert layers.gap_low[0] == pytest.approx(np.hypot(100.0, 0.5))
    assert layers.gap_high[0] == pytest.approx(110.0)


def test_the_gap_between_a_disks_rings_is_where_no_module_reaches(detector):
    layers = detector.layers
    assert np.all(layers.gap_high[layers.barrel] == 0)
    for k in np.flatnonzero(~layers.barrel):
        of = detector.layer_index == k
        module = np.flatnonzero(of)
        # Points all over the modules, none of them in the gap, some near both of its edges.
        u, v = (a.ravel() for a in np.meshgrid(np.linspace(-1, 1, 21), np.linspace(-1, 1, 41)))
        points = [
            detector.to_global(np.full(len(u), m), np.stack([v * detector.half_x[m], u * detector.half_y[m]],
            axis=1))
            for m in module[:: max(len(module) // 60, 1)]
        ]  # fmt: skip
        r = np.concatenate([np.hypot(p[:, 0], p[:, 1]) for p in points])
        assert layers.gap_high[k] > layers.gap_low[k] > layers.r_min[k]
        assert not np.any((r > layers.gap_low[k] + 1e-6) & (r < layers.gap_high[k] - 1e-6))
        assert r[r < layers.gap_high[k] - 0.1].max() > layers.gap_low[k] - 2
        assert r[r > layers.gap_low[k] + 0.1].min() < layers.gap_high[k] + 2


def test_modules_are_found_by_their_ids_in_any_order(detector):
    rows = np.array([3999, 0, 17, 2500, 17])
    ids = [np.asarray(detector.columns[n])[rows] for n in ("volume_id", "layer_id", "module_id")]
    np.testing.assert_array_equal(detector.find_modules(*ids), rows)


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
