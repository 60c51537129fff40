import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers import embedded_detector
from tests.tracking.finders.deepcore.hand_made import jets_of, single_pixels
from tracking.finders.deepcore.options import MapOptions, SeedCuts, TargetOptions
from tracking.finders.deepcore.seeds import CoreSeeds, cleaned, make_seeds
from tracking.finders.deepcore.windows import MapLayers, jet_windows

MAPS, CUTS = MapOptions(), SeedCuts()


@pytest.fixture(scope="module")
def windows():
    """Of two jets without a hit."""
    layers = MapLayers.of(embedded_detector(), MAPS)
    clusters = single_pixels(layers.detector, [], np.zeros((0, 2)), [])
    made = jet_windows(clusters, jets_of((0.3, 0.7, 400.0, 5.0), (-1.0, 3.1, 400.0, 5.0)), layers, MAPS)
    made.layer_off[:] = [False, True]
    return made


def test_probable_cells_are_seeds(windows):
    parameters = np.zeros((2, 3, 5, 30, 30), dtype=np.float32)
    probability = np.zeros((2, 3, 30, 30), dtype=np.float32)
    for overlap, threshold in enumerate((0.85, 0.75, 0.65)):
        probability[0, overlap, 4, 20] = threshold + 0.01
        probability[0, overlap, 5, 20] = threshold - 0.01
        # A layer is off.
        probability[1, overlap, 6, 7] = threshold - 0.34
        probability[1, overlap, 6, 8] = threshold - 0.36
    probability[:, :, 0], probability[:, :, :, 0] = 1.0, 1.0
    parameters[0, 1, :, 4, 20] = [0.5, -0.2, 1.0, 2.0, 0.25]
    parameters[1, 0, :, 6, 7] = [0.0, 0.0, 0.0, 6.0, -3.0]
    seeds = make_seeds(windows, parameters, probability, MAPS, TargetOptions(), CUTS)
    assert seeds.jet.tolist() == [0, 0, 0, 1, 1, 1]
    assert seeds.overlap.tolist() == [0, 1, 2, 0, 1, 2]
    np.testing.assert_allclose(seeds.point[0], windows.point[0] + [5 * 0.15, -11 * 0.1])
    np.testing.assert_allclose(seeds.point[1], windows.point[0] + [5 * 0.15 + 0.05, -11 * 0.1 - 0.02])
    np.testing.assert_allclose([seeds.eta[1], seeds.phi[1], seeds.pt[1]], [0.31, 0.72, 4.0], rtol=1e-6)
    # Round in azimuth, and a curvature of the wrong sign is as stiff as may be.
    assert seeds.phi[3] == pytest.approx(3.16 - 2 * np.pi)
    assert seeds.pt[3] == 1e4
    assert np.all(seeds.module == windows.module[seeds.jet])
    parameters[0, 1, 4, 4, 20] = 40.0
    seeds = make_seeds(windows, parameters, probability, MAPS, TargetOptions(momentum="pt"), CUTS)
    assert seeds.pt[1] == pytest.approx(40.0)


def test_slopes_are_those_of_the_direction(windows):
    detector = embedded_detector()
    seeds = make_seeds(
        windows, np.zeros((2, 3, 5, 30, 30), dtype=np.float32), np.ones((2, 3, 30, 30), dtype=np.float32),
        MAPS, TargetOptions(), CUTS,
    ).take(np.array([0]))  # fmt: skip
    local = np.append(seeds.slopes(detector)[0], 1.0)
    back = detector.direction_to_global(seeds.module, local[None])[0]
    assert np.arctan2(back[1], back[0]) == pytest.approx(0.7)
    assert np.arcsinh(back[2] / np.hypot(*back[:2])) == pytest.approx(0.3)


STEP = st.integers(-3, 3)


@given(st.lists(st.tuples(STEP, STEP, STEP, STEP, st.integers(0, 9), st.integers(0, 1)), max_size=12))
def test_cleaning_keeps_the_most_probable_of_each(rows):
    """Against the definition, pair by pair; steps of 30 um and 0.0012 are on both sides of the cuts."""
    table = np.array(rows, dtype=float).reshape(-1, 6)
    n = len(table)
    seeds = CoreSeeds(
        np.zeros(n, dtype=np.int64), table[:, 5].astype(np.int64), 0.03 * table[:, :2], 0.0012 * table[:, 2],
        np.pi - 1e-4 + 0.0012 * table[:, 3], np.ones(n), table[:, 4] / 10, np.zeros(n, dtype=np.int64),
    )  # fmt: skip
    kept = []
    for k in sorted(range(n), key=lambda k: (-table[k, 4], k)):
        apart = np.abs(table - table[k])
        if not any(
            max(apart[i, :2]) * 0.03 < 0.05 and max(apart[i, 2:4]) * 0.0012 < 0.002 and apart[i, 5] == 0
            for i in kept
        ):
            kept.append(k)
    found = cleaned(seeds, CUTS)
    np.testing.assert_array_equal(found.point, seeds.point[sorted(kept)])
    np.testing.assert_array_equal(found.probability, seeds.probability[sorted(kept)])
