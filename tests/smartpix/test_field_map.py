"""Tables of the field: read in any order, bilinear as SciPy's, and refused where they are no grid."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.interpolate import RegularGridInterpolator

from smartpix.field_map import FieldMap, from_header, in_header, read_field_map, same_table, uniform_field
from smartpix.io.events import Header, open_events
from smartpix.io.write import write_events
from smartpix.schema import InputError
from tests.fields import even_table, falling_solenoid
from tests.helpers import one_module_detector

R, Z = [0.0, 100.0, 200.0], [-300.0, 0.0, 300.0, 600.0]


def lines(rng):
    rows = [f"{r} {z} {1e-3 * r * np.sign(z):.6f} {3.0 - 1e-3 * r:.6f}" for r in R for z in Z]
    return [rows[i] for i in rng.permutation(len(rows))]


def test_a_table_is_read_in_any_order_and_interpolated(tmp_path):
    path = tmp_path / "map.txt"
    path.write_text("# a solenoid\nr z Br Bz\n" + "\n".join(lines(np.random.default_rng(1))) + "\n")
    table = read_field_map(path)
    assert table.radial.shape == (3, 4)
    rng = np.random.default_rng(2)
    points = rng.uniform([-120, -120, -290], [120, 120, 590], (50, 3))
    found = table.at(points)
    place = np.column_stack([np.hypot(points[:, 0], points[:, 1]), points[:, 2]])
    radial, beam = (RegularGridInterpolator((R, Z), v)(place) for v in (table.radial, table.beam))
    np.testing.assert_allclose(found[:, 2], beam, atol=1e-12)
    np.testing.assert_allclose(found[:, :2], radial[:, None] * points[:, :2] / place[:, :1], atol=1e-12)
    assert table.at_origin() == pytest.approx(3.0)
    # Beyond the grid the field is that of its edge.
    np.testing.assert_allclose(table.at(np.array([[900.0, 0, 0]])), table.at(np.array([[200.0, 0, 0]])))
    np.testing.assert_array_equal(uniform_field(-2.0).at(np.ones((2, 3))), [[0, 0, -2.0]] * 2)


def test_a_table_travels_in_the_header_of_a_file(tmp_path):
    table = falling_solenoid(2.0)
    header = Header(one_module_detector(), 2.0, (0,), field_map=table)
    write_events(tmp_path / "f.root", header, [])
    assert same_table(open_events(tmp_path / "f.root").header.field_map, table)
    assert not same_table(even_table(2.0), table)
    write_events(tmp_path / "f.root", replace(header, field_map=None), [])
    assert open_events(tmp_path / "f.root").header.field_map is None


def test_what_a_header_cannot_hold_or_tell_is_refused():
    large = FieldMap(np.arange(500.0), np.arange(500.0), np.zeros((500, 500)), np.ones((500, 500)))
    with pytest.raises(InputError, match="has 250000 points and a file's header holds 200000 at most"):
        in_header(large)
    told = in_header(even_table(2.0))
    with pytest.raises(InputError, match="field_map has r from -40 mm on"):
        from_header(told | {"r": [r - 40 for r in told["r"]]}, "f.root")
    with pytest.raises(InputError, match="field_map has 84 and 85 values and 5 x 17 points"):
        from_header(told | {"radial": told["radial"][1:]}, "f.root")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda rows: rows[:-1],
            "has 11 points, 11 of them different, and the grid of 3 radii and 4 z has 12",
        ),
        (lambda rows: rows + rows[:1], "has 13 points, 12 of them different"),
        (lambda rows: [*rows, "1 2 3"], "line 13 must be four numbers r z Br Bz"),
        (lambda rows: [*rows, "1 2 3 nan"], "line 13 must be four numbers"),
        (lambda rows: [row + "e2" for row in rows], "beyond 20 T; give Br and Bz in T"),
        (lambda rows: [row.replace("100.0 ", "50.0 ") for row in rows], "r goes in steps of 50 to 150 mm"),
        (lambda rows: [row for row in rows if row.startswith("0.0")], "has one r only"),
        (
            lambda rows: [row if row[0] != "0" else "-100" + row[3:] for row in rows if row[0] != "2"],
            "radii are 0 or more",
        ),
        (lambda rows: [], "has no points"),
    ],
)
def test_what_is_no_table_of_a_field_is_refused(tmp_path, change, message):
    path = tmp_path / "map.txt"
    path.write_text("\n".join(change(lines(np.random.default_rng(1)))))
    with pytest.raises(InputError, match=message):
        read_field_map(path)
