import numpy as np
import pytest

from smartpix.geometry import Detector
from smartpix.layers import layer_pairs
from tests.helpers import detector_of, embedded_detector, module_row
from tracking.finders.paths import layer_ranks


@pytest.fixture(scope="module")
def detector():
    return embedded_detector()


def expected_pairs(max_eta, z0_max):
    """Layer pairs of the embedded detector by following single rays from surface to surface, ideal cylinders
    and disks.
    """
    barrel = [(f"B{i + 1}", r, 491.0) for i, r in enumerate((32.0, 72.0, 116.0, 172.0))]
    disks = [(f"{i + 1}", z) for i, z in enumerate((600.0, 700.0, 820.0, 960.0, 1100.0, 1300.0, 1500.0))]
    found = set()
    for eta in np.linspace(-max_eta, max_eta, 301):
        for z0 in np.linspace(-z0_max, z0_max, 41):
            slope = np.sinh(eta)
            crossed = [(r, name) for name, r, half in barrel if abs(z0 + slope * r) < half]
            for name, z in disks:
                for side, sign in (("E+", 1), ("E-", -1)):
                    r = (sign * z - z0) / slope if slope else -1.0
                    if 30.0 < r < 176.0:
                        crossed.append((r, side + name))
            names = [name for _, name in sorted(crossed)]
            found |= set(zip(names, names[1:], strict=False))
    return found


def test_layer_pairs_are_those_that_straight_rays_cross_in_turn(detector):
    layers, pairs = detector.layers, layer_pairs(detector)
    assert len({*zip(pairs.inner, pairs.outer, strict=True)}) == len(pairs)
    direct = pairs.skipped == -1
    names = {
        (layers.name(a), layers.name(b))
        for a, b in zip(pairs.inner[direct], pairs.outer[direct], strict=True)
    }
    wanted = expected_pairs(4.2, 200.0)
    assert wanted <= names
    # The slack at the rims may add pairs of neighbours, never one that skips a disk or a cylinder or goes
    # back.
    order = {"B": 0, "E+": 1, "E-": 1}
    for first, second in names - wanted:
        a, b = (first[:-1], int(first[-1])), (second[:-1], int(second[-1]))
        assert (a[0] == b[0] and b[1] == a[1] + 1) or (order[a[0]] < order[b[0]] and b[1] == 1)


def test_layer_pairs_of_central_rays_are_barrel_only(detector):
    layers = detector.layers
    assert {(layers.name(a), layers.name(b)) for a, b in zip(*pair_columns(layer_pairs(detector, 1.0, 10.0)),
    strict=True)} == {
        ("B1", "B2"), ("B2", "B3"), ("B3", "B4"),
    }  # fmt: skip


def pair_columns(pairs):
    return pairs.inner, pairs.outer


def test_layers_before_and_after_a_gap_follow_one_another(detector):
    layers, pairs = detector.layers, layer_pairs(detector)
    past = {
        (layers.name(a), layers.name(b), layers.name(k))
        for a, b, k in zip(pairs.inner, pairs.outer, pairs.skipped, strict=True) if k >= 0
    }  # fmt: skip
    assert {("E+1", "E+3", "E+2"), ("B2", "E-2", "E-1")} <= past
    assert all(k.startswith("E") for _, _, k in past)


def test_skips_and_overlaps_come_on_request(detector):
    plain, skips, overlaps = (
        layer_pairs(detector),
        layer_pairs(detector, skips=True),
        layer_pairs(detector, overlaps=True),
    )
    listed = {
        p for p, k in zip(zip(plain.inner, plain.outer, strict=True), plain.skipped, strict=True) if k == -1
    }
    expected = {(a, d) for a, b in listed for c, d in listed if b == c} - listed
    got = {(a, b) for a, b, k in zip(skips.inner, skips.outer, skips.skipped, strict=True) if k == -2}
    assert got == expected
    assert len(overlaps) == len(plain) + len(detector.layers)
    assert not np.any(plain.inner == plain.outer)


def planes(centres, half=20.0, z_axis=(0.0, 0.0, 1.0)):
    """A telescope: one module a layer, its normal along z."""
    n = len(centres)
    columns = {"volume_id": np.zeros(n), "layer_id": np.arange(n), "module_id": np.zeros(n)}
    columns |= dict(zip(("cx", "cy", "cz"), np.array(centres, dtype=float).T, strict=True))
    for axis, vector in (("u", (1.0, 0.0, 0.0)), ("v", (0.0, 1.0, 0.0)), ("w", z_axis)):
        columns |= {f"rot_{g}{axis}": np.full(n, value) for g, value in zip("xyz", vector, strict=True)}
    sizes = {
        "module_t": 0.05,
        "module_minhu": half,
        "module_maxhu": half,
        "module_hv": half,
        "pitch_u": 0.05,
        "pitch_v": 0.05,
    }
    return Detector(columns | {name: np.full(n, value) for name, value in sizes.items()})


@pytest.mark.parametrize("shift", [(0.0, 0.0), (35.0, 0.0), (-25.0, 40.0)])
@pytest.mark.parametrize("side", [-1, 1])
@pytest.mark.parametrize(
    "z", [(20.0, 40.0, 60.0, 80.0), (100.0, 120.0, 140.0, 160.0), (300.0, 400.0, 500.0, 700.0)]
)
def test_planes_follow_one_another_outwards_and_never_back(shift, side, z):
    """Also where rays may start between them, at |z0| up to 200 mm."""
    pairs = layer_pairs(planes([(*shift, side * at) for at in z]))
    direct = set(
        zip(pairs.inner[pairs.skipped == -1].tolist(), pairs.outer[pairs.skipped == -1].tolist(), strict=True)
    )
    assert direct == {(0, 1), (1, 2), (2, 3)}
    assert layer_ranks(4, pairs).tolist() == [0, 1, 2, 3]


def test_planes_displaced_against_one_another_have_one_order():
    rng = np.random.default_rng(1)
    for _ in range(20):
        n = int(rng.integers(2, 7))
        detector = planes(np.column_stack([rng.uniform(-60, 60, (n, 2)), rng.uniform(-300, 300, n)]))
        for skips in (False, True):
            pairs = layer_pairs(detector, skips=skips)
            ranks = layer_ranks(n, pairs)
            assert np.all(ranks[pairs.inner] < ranks[pairs.outer])
            assert ranks.max() < n


def test_a_layer_that_overlaps_with_itself_keeps_its_rank(detector):
    n = len(detector.layers)
    np.testing.assert_array_equal(
        layer_ranks(n, layer_pairs(detector, overlaps=True)), layer_ranks(n, layer_pairs(detector))
    )


def test_small_planes_far_away_are_reached():
    pairs = layer_pairs(planes([(0.0, 0.0, z) for z in (2000.0, 2500.0, 3000.0)], half=5.0))
    assert list(zip(pairs.inner, pairs.outer, strict=True)) == [(0, 1), (1, 2)]


def cylinder(number, radius, half, z=0.0):
    """One module that stands for a barrel layer."""
    row = module_row((radius, 0.0, z), (0, -1.0, 0), (0, 0, 1.0), (-1.0, 0, 0), number, 1)
    return row | {"module_hv": half}


def disk(number, z, low, high):
    """One narrow module that stands for a disk."""
    row = module_row(((low + high) / 2, 0.0, z), (0, -1.0, 0), (1.0, 0, 0), (0, 0, 1.0), number, 1)
    return row | {"module_hv": (high - low) / 2, "module_minhu": 0.05, "module_maxhu": 0.05}


def pairs_of(rows, **options):
    pairs = layer_pairs(detector_of(rows), **options)
    return {*zip(pairs.inner.tolist(), pairs.outer.tolist(), strict=True)}


@pytest.mark.parametrize(("outer_radius", "reached"), [(83.3, True), (82.7, False)])
def test_envelopes_are_a_millimetre_and_a_hundredth_wider(outer_radius, reached):
    """From the origin over the end of a cylinder (32 mm, up to 36 mm) onto the outer rim of a disk at 100 mm.

    The ray over the widened end, (36 + 1 + 0.01 * 72) / 32, meets the disk at 84.84 mm, and its rim is at 1 +
    1.01 r.
    """
    rows = [cylinder(2, 32.0, 36.0), disk(4, 100.0, 70.0, outer_radius)]
    assert pairs_of(rows, max_eta=1.2, z0_max=0.0) == ({(0, 1)} if reached else set())


@pytest.mark.parametrize(("margin", "skipped"), [(0.002, True), (0.02, False)])
def test_a_layer_whose_rim_may_be_missed_is_skipped(margin, skipped):
    """Three cylinders that a ray from the origin crosses up to a slope of 0.5, in the middle one ``margin``
    further.

    Narrowed by 1 mm and 1 %, the middle one ends 1 mm (1 / 72 - 1 / 116) of slope before the last one:
    0.0054.
    """
    rows = [cylinder(2, 32.0, 36.0), cylinder(4, 72.0, 72.0 * (0.5 + margin)), cylinder(6, 116.0, 58.0)]
    found = pairs_of(rows, max_eta=0.6, z0_max=0.0)
    assert {(0, 1), (1, 2)} <= found
    assert ((0, 2) in found) == skipped


def test_rays_start_up_to_200_mm_from_the_middle():
    """Over a cylinder at 32 mm to one at 72 mm around z = -294 mm, which no ray from within 100 mm
    reaches.
    """
    rows = [cylinder(2, 32.0, 36.0), cylinder(4, 72.0, 36.0, -294.0)]
    assert pairs_of(rows) == {(0, 1)}
    assert pairs_of(rows, z0_max=100.0) == set()
