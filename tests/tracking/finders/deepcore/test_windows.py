import numpy as np
import pytest

from smartpix.schema import InputError
from tests.helpers import embedded_detector, part_of
from tests.tracking.finders.deepcore.hand_made import jets_of, single_pixels
from tracking.finders.deepcore.options import MapOptions
from tracking.finders.deepcore.windows import CENTER, CHARGE, REFERENCE, JetCrossings, MapLayers, jet_windows

BARREL = MapOptions()


@pytest.fixture(scope="module")
def detector():
    return embedded_detector()


@pytest.fixture(scope="module")
def layers(detector):
    return MapLayers.of(detector, BARREL)


def inside(detector, crossings):
    """Rows of crossings that are on their modules."""
    return np.flatnonzero(
        (np.abs(crossings.point[:, 0]) < detector.half_x[crossings.module])
        & (np.abs(crossings.point[:, 1]) < detector.half_y[crossings.module])
    )


def test_crossings_lie_on_the_axes(detector, layers):
    rng = np.random.default_rng(5)
    jets = jets_of(*zip(rng.uniform(-1.4, 1.4, 40), rng.uniform(-np.pi, np.pi, 40), [200.0] * 40,
                        rng.normal(0, 50, 40), strict=True))  # fmt: skip
    crossings = JetCrossings.of(jets, layers, BARREL)
    point = detector.to_global(crossings.module, crossings.point)
    from_vertex = point - np.stack([0 * jets.z, 0 * jets.z, jets.z], axis=1)[crossings.jet]
    along = jets.directions()[crossings.jet]
    across = np.cross(from_vertex, along) / np.linalg.norm(along, axis=1)[:, None]
    assert np.abs(across).max() < 1e-9
    assert np.all(np.einsum("ni,ni->n", from_vertex, along) > 0)
    # Every axis of this acceptance crosses all four layers, once or where modules overlap.
    maps = layers.maps[crossings.module[inside(detector, crossings)]]
    for jet in range(40):
        assert set(maps[crossings.jet[inside(detector, crossings)] == jet]) == {0, 1, 2, 3}
    reference = crossings.module[crossings.reference]
    assert np.all(layers.maps[reference] == REFERENCE)
    assert np.all(np.isin(crossings.reference, inside(detector, crossings)))


def test_disks_are_those_of_the_jets_side(detector):
    layers = MapLayers.of(detector, MapOptions(layers="all"))
    jets = jets_of((2.4, 0.3, 200.0, 0.0), (-2.4, 0.3, 200.0, 0.0))
    crossings = JetCrossings.of(jets, layers, MapOptions(layers="all"))
    z = detector.center[crossings.module, 2]
    disk = layers.maps[crossings.module] >= 4
    assert set(layers.maps[crossings.module[disk]]) == {4, 5, 6}
    assert np.all((z[disk] > 0) == (crossings.jet[disk] == 0))
    # The nearest come first.
    order = [np.abs(z[disk & (layers.maps[crossings.module] == k)]).mean() for k in (4, 5, 6)]
    assert order == sorted(order)


def test_the_maps_are_made_pixel_by_pixel(detector, layers):
    """Against a loop over the definition, with all modules of the jets lit at random."""
    rng = np.random.default_rng(7)
    jets = jets_of((0.4, 0.1, 300.0, 12.0), (-1.2, 2.9, 900.0, -40.0), (0.41, 0.12, 250.0, 12.0))
    crossings = JetCrossings.of(jets, layers, BARREL)
    rows = rng.integers(0, len(crossings.module), 3000)
    module = crossings.module[rows]
    local = crossings.point[rows] + rng.uniform(-1, 1, (3000, 2)) * (3.0, 2.0)
    half = np.stack([detector.half_x, detector.half_y], axis=1)[module]
    on_module = np.all(np.abs(local) < half, axis=1)
    charge = rng.uniform(-500, 9000, 3000)
    clusters = single_pixels(detector, module[on_module], local[on_module], charge[on_module])
    windows = jet_windows(clusters, jets, layers, BARREL)
    expected = np.zeros((3, 4, 30, 30))
    for k in range(len(crossings.module)):
        m = crossings.module[k]
        for c in np.flatnonzero(clusters.module == m):
            x = (clusters.column[c] + 0.5) * 0.05 - 36.0
            y = (clusters.row[c] + 0.5) * 0.0125 - 8.4
            n_x = int(np.floor((x - crossings.point[k, 0]) / 0.15 + 0.5))
            n_y = int(np.floor((y - crossings.point[k, 1]) / 0.1 + 0.5))
            if abs(n_x) < 15 and abs(n_y) < 15:
                expected[crossings.jet[k], layers.maps[m], n_y + 15, n_x + 15] += (
                    clusters.charge[c, 0] / 14000
                )
    np.testing.assert_allclose(windows.maps[:, :4], expected, atol=1e-5)
    assert np.all(windows.maps[:, :4].sum(axis=(2, 3)) > 0)
    for k, jet in enumerate(((0.4, 300.0), (-1.2, 900.0), (0.41, 250.0))):
        np.testing.assert_allclose(
            windows.maps[k, 4:], np.broadcast_to(np.reshape(jet, (2, 1, 1)), (2, 30, 30)), rtol=1e-6
        )
    assert not windows.layer_off.any()


def test_all_charge_near_the_axis_is_in_the_map_whatever_the_cells(detector, layers):
    jets = jets_of((0.2, 1.0, 200.0, 0.0))
    crossings = JetCrossings.of(jets, layers, BARREL)
    row = crossings.reference[0]
    rng = np.random.default_rng(1)
    local = crossings.point[row] + rng.uniform(-0.25, 0.25, (50, 2))
    clusters = single_pixels(detector, [crossings.module[row]] * 50, local, np.full(50, 3000.0))
    for maps in (BARREL, MapOptions(cell_x=0.05, cell_y=0.025), MapOptions(cell_x=0.05, cell_y=0.0125 * 3)):
        windows = jet_windows(clusters, jets, layers, maps)
        assert windows.maps[0, REFERENCE].sum() == pytest.approx(50 * 3000 / CHARGE, rel=1e-5)
        assert windows.layer_off.tolist() == [True]
    # The first row and column are of the padding.
    assert not windows.maps[0, REFERENCE, 0].any()
    assert not windows.maps[0, REFERENCE, :, 0].any()


def test_a_pixel_on_the_axis_is_in_the_middle_cell(detector, layers):
    jets = jets_of((0.2, 1.0, 200.0, 0.0))
    crossings = JetCrossings.of(jets, layers, BARREL)
    row = crossings.reference[0]
    point = crossings.point[row] + [[0.02, 0.01]]
    windows = jet_windows(
        single_pixels(detector, [crossings.module[row]], point, [7000.0]), jets, layers, BARREL
    )
    assert windows.maps[0, REFERENCE, CENTER, CENTER] == pytest.approx(0.5)
    np.testing.assert_array_equal(windows.point[0], crossings.point[row])
    assert windows.module[0] == crossings.module[row]


def test_jets_that_miss_the_layer_and_events_without_jets(detector, layers):
    empty = single_pixels(detector, [], np.zeros((0, 2)), [])
    windows = jet_windows(empty, jets_of((3.5, 0.0, 200.0, 0.0), (0.1, 0.5, 100.0, 0.0)), layers, BARREL)
    assert len(windows) == 1
    assert windows.jets.eta[0] == 0.1
    assert windows.maps[:, :4].max() == 0
    assert windows.layer_off.tolist() == [True]
    assert jet_windows(empty, jets_of(), layers, BARREL).maps.shape == (0, 6, 30, 30)


def test_a_detector_with_too_few_layers_is_refused(detector):
    with pytest.raises(InputError, match="4 barrel layers and 0 disks on each side, and the detector has 3"):
        MapLayers.of(part_of(detector, detector.layer_index != 7), BARREL)
    barrel = part_of(detector, detector.barrel)
    assert len(MapLayers.of(barrel, BARREL).barrel) == 4
    with pytest.raises(InputError, match="has 4 and 0"):
        MapLayers.of(barrel, MapOptions(layers="all"))
