import numpy as np
import pytest

from tests.helpers import embedded_detector
from tests.tracking.finders.deepcore.hand_made import jets_of, single_pixels, truth_records
from tracking.finders.deepcore.options import MapOptions, TargetOptions
from tracking.finders.deepcore.targets import make_targets, particle_crossings
from tracking.finders.deepcore.windows import MapLayers, jet_windows

MAPS = MapOptions()
JET = (0.3, 0.7, 400.0, 5.0)


@pytest.fixture(scope="module")
def layers():
    return MapLayers.of(embedded_detector(), MAPS)


@pytest.fixture(scope="module")
def windows(layers):
    return jet_windows(single_pixels(layers.detector, [], np.zeros((0, 2)), []), jets_of(JET), layers, MAPS)


def crossings_at(layers, windows, shifts, pt, slopes=(0.0, 0.0)):
    """Particles of pT whose points are shifted from the axis by cells (x, y)."""
    module, point = windows.module[0], windows.point[0]
    truths = [
        [(k + 1, 1.0, 0, *(point + np.multiply(shift, (0.15, 0.1))), *slopes, pt[k])]
        for k, shift in enumerate(shifts)
    ]
    return particle_crossings(truth_records([module] * len(shifts), truths), layers)


def test_one_particle(layers, windows):
    direction = layers.detector.direction_to_global(windows.module, np.array([[0.31, -0.02, 1.0]]))[0]
    crossings = crossings_at(layers, windows, [(2.3, -4.1)], [8.0], (0.31, -0.02))
    parameters, probability = make_targets(windows, crossings, MAPS, TargetOptions())
    row, column = 15 - 4, 15 + 2
    near = np.zeros((30, 30))
    near[row - 2 : row + 3, column - 2 : column + 3] = 1
    np.testing.assert_array_equal(probability[0, 0, 1], near)
    np.testing.assert_array_equal(parameters[0, 0, 5], near)
    assert np.argwhere(probability[0, 0, 0]).tolist() == [[row, column]]
    assert not probability[0, 1:].any()
    eta = np.arcsinh(direction[2] / np.hypot(*direction[:2]))
    phi = np.arctan2(direction[1], direction[0])
    expected = [0.3 * 0.15 * 10, -0.1 * 0.1 * 10, 100 * (eta - 0.3), 100 * (phi - 0.7), 1 / 8]
    np.testing.assert_allclose(parameters[0, 0, :5, row, column], expected, rtol=1e-5)
    # Of a neighbour: the same particle, farther from its centre.
    expected[0] += 2 * 0.15 * 10
    expected[1] -= 0.1 * 10
    np.testing.assert_allclose(parameters[0, 0, :5, row + 1, column - 2], expected, rtol=1e-5)
    assert not parameters[0, 0, :, row + 3, column].any()


def test_overlaps_are_sorted_by_distance_and_the_fourth_is_left_out(layers, windows):
    shifts = [(0.4, 0.0), (0.0, 0.1), (-0.2, 0.3), (0.3, -0.4)]
    crossings = crossings_at(layers, windows, shifts, [2.0, 4.0, 8.0, 16.0])
    parameters, probability = make_targets(windows, crossings, MAPS, TargetOptions())
    assert probability[0, :, 0, 15, 15].tolist() == [1, 1, 1]
    # Distances from the centre in um: 60, 10, 42, 60.2.
    np.testing.assert_allclose(parameters[0, :, 4, 15, 15], [1 / 4, 1 / 8, 1 / 2])


@pytest.mark.parametrize("options", [
    TargetOptions(), TargetOptions(near="radius", distance=4.0), TargetOptions(near="radius"),
    TargetOptions(distance=0.0, momentum="pt"), TargetOptions(min_pt=5.0),
])  # fmt: skip
def test_many_particles_cell_by_cell(layers, windows, options):
    """Against a loop over cells that sorts all particles."""
    rng = np.random.default_rng(3)
    shifts, pt = rng.uniform(-17, 17, (60, 2)), rng.uniform(0.5, 50, 60)
    crossings = crossings_at(layers, windows, shifts, pt)
    parameters, probability = make_targets(windows, crossings, MAPS, options)
    for row in range(30):
        for column in range(30):
            away = shifts - [column - 15, row - 15]
            if options.near == "box":
                near = np.all(np.abs(np.rint(shifts) - [column - 15, row - 15]) <= options.distance, axis=1)
            else:
                near = np.hypot(*away.T) <= options.distance
            near &= (pt > options.min_pt) & (row > 0) & (column > 0)
            order = np.argsort(np.hypot(*(away * [0.15, 0.1]).T))
            order = order[near[order]][:3]
            assert probability[0, :, 1, row, column].sum() == len(order)
            for overlap, k in enumerate(order):
                own = np.all(np.abs(away[k]) <= 0.5)
                assert probability[0, overlap, :, row, column].tolist() == [own, 1]
                momentum = pt[k] if options.momentum == "pt" else 1 / pt[k]
                np.testing.assert_allclose(
                    parameters[0, overlap, :2, row, column], away[k] * [1.5, 1.0], atol=1e-4
                )
                assert parameters[0, overlap, 4, row, column] == pytest.approx(momentum, rel=1e-5)


def test_who_crosses(layers, windows):
    module, other = int(windows.module[0]), int(np.flatnonzero(layers.maps == 0)[0])
    records = truth_records(
        [module, module, other, module],
        [
            # The second crossing of particle 1 does not count, nor what left too little.
            [(1, 0.7, 3, 1.0, 2.0, 0.1, 0.2, 5.0), (2, 0.05, 1, 0.0, 0.0, 0.0, 0.0, 5.0)],
            [(1, 1.0, 1, 3.0, 4.0, 0.1, 0.2, 6.0)],
            [(3, 1.0, 0, 3.0, 4.0, 0.1, 0.2, 6.0)],
            [],
        ],
    )
    crossings = particle_crossings(records, layers)
    assert crossings.particle.tolist() == [1]
    assert crossings.point.tolist() == [[3.0, 4.0]]
    assert crossings.pt.tolist() == [6.0]
    assert len(particle_crossings(truth_records([module], [[(1, 0.01, 0, *[0.0] * 5)]]), layers)) == 0


def test_azimuth_goes_round(layers):
    jets = jets_of((0.0, np.pi - 1e-3, 100.0, 0.0))
    windows = jet_windows(single_pixels(layers.detector, [], np.zeros((0, 2)), []), jets, layers, MAPS)
    angle = -np.pi + 1e-3
    local = layers.detector.direction_to_local(
        windows.module, np.array([[np.cos(angle), np.sin(angle), 0.0]])
    )[0]
    crossings = crossings_at(layers, windows, [(0, 0)], [3.0], local[:2] / local[2])
    parameters, _ = make_targets(windows, crossings, MAPS, TargetOptions())
    assert parameters[0, 0, 3, 15, 15] == pytest.approx(0.2, abs=1e-4)
