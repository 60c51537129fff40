import numpy as np
import pytest

from smartpix.layers import layer_pairs
from tests.helpers import embedded_detector


@pytest.fixture(scope="module")
def detector():
    return embedded_detector()


def expected_pairs(max_eta, z0_max):
    """Layer pairs of the embedded detector by following single rays from surface to surface, ideal cylinders and disks."""
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
    names = {(layers.name(a), layers.name(b)) for a, b in zip(pairs.inner[direct], pairs.outer[direct], strict=True)}
    wanted = expected_pairs(4.2, 200.0)
    assert wanted <= names
    # The slack at the rims may add pairs of neighbours, never one that skips a disk or a cylinder or goes back.
    order = {"B": 0, "E+": 1, "E-": 1}
    for first, second in names - wanted:
        a, b = (first[:-1], int(first[-1])), (second[:-1], int(second[-1]))
        assert (a[0] == b[0] and b[1] == a[1] + 1) or (order[a[0]] < order[b[0]] and b[1] == 1)


def test_layer_pairs_of_central_rays_are_barrel_only(detector):
    layers = detector.layers
    assert {(layers.name(a), layers.name(b)) for a, b in zip(*pair_columns(layer_pairs(detector, 1.0, 10.0)), strict=True)} == {
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
    plain, skips, overlaps = layer_pairs(detector), layer_pairs(detector, skips=True), layer_pairs(detector, overlaps=True)
    listed = {p for p, k in zip(zip(plain.inner, plain.outer, strict=True), plain.skipped, strict=True) if k == -1}
    expected = {(a, d) for a, b in listed for c, d in listed if b == c} - listed
    got = {(a, b) for a, b, k in zip(skips.inner, skips.outer, skips.skipped, strict=True) if k == -2}
    assert got == expected
    assert len(overlaps) == len(plain) + len(detector.layers)
    assert not np.any(plain.inner == plain.outer)
