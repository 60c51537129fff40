"""Times in the search: flights in closed form, and where the joint test cuts."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seeding.arrays import EdgeColumns
from seeding.arrival import flight
from seeding.edges import find_edges
from smartpix.physics import PROTON_MASS, SPEED_OF_LIGHT
from smartpix.schema import InputError
from tests.seeding import toys
from tests.seeding.edge_events import CONE, pair_set

TIMED = replace(CONE, time_sigma=30.0)
TOY = toys.toy_event(140, seed=21)
HITS = toys.toy_hits(TOY, 21)


def path_lengths(toy):
    """(N,) mm from each particle's origin to its crossings, along the helix."""
    chord = np.hypot(*(toy.point[:, :2] - toy.start[toy.particle, :2]).T)
    k = toy.curvature[toy.particle]
    return 2 * np.arcsin(k * chord / 2) / k * np.hypot(1, toy.cot_theta[toy.particle])


def searched(time, options=TIMED):
    return find_edges(replace(HITS, time=time), toys.detector(), toys.pairs(), toys.FIELD, options)


LIGHT = (path_lengths(TOY) / SPEED_OF_LIGHT).astype(np.float32)


def test_flights_are_those_of_the_helix():
    edges = searched(None, CONE)
    same = TOY.particle[edges.source] == TOY.particle[edges.target]
    shortest, longest = flight(HITS, edges, toys.FIELD, CONE.min_pt)
    true = (LIGHT[edges.target] - LIGHT[edges.source])[same]
    np.testing.assert_allclose(shortest[same], true, rtol=0.01, atol=2e-3)
    pt = np.maximum(toys.UNIT / np.abs(edges.curvature), CONE.min_pt)
    p = pt * np.hypot(1, edges.cot_theta)
    np.testing.assert_allclose(longest / shortest, np.sqrt(1 + (PROTON_MASS / p) ** 2), rtol=1e-5)


@settings(max_examples=8, deadline=None)
@given(
    late=st.floats(0.0, 0.5), sigma=st.floats(5, 100), quantile=st.sampled_from([0.99, 0.9999]),
    seed=st.integers(0, 100),
)  # fmt: skip
def test_the_term_is_the_closed_form(late, sigma, quantile, seed):
    options = replace(CONE, time_sigma=sigma, quantile=quantile)
    time = (LIGHT + np.random.default_rng(seed).normal(0, late, len(LIGHT))).astype(np.float32)
    found = pair_set(searched(time, options))
    # The cut has one more degree of freedom, so that more edges come into question.
    wide = searched(None, replace(CONE, quantile=1 - (1 - quantile) / 50))
    shortest, longest = flight(HITS, wide, toys.FIELD, CONE.min_pt)
    taken = time[wide.target].astype(float) - time[wide.source]
    off = np.clip(taken, shortest, longest) - taken
    chi2 = wide.chi2 + (1e3 * off / sigma) ** 2 / 2
    for pair, total in zip(zip(wide.source, wide.target, strict=True), chi2, strict=True):
        if abs(total - options.joint_cut()) > 0.01:
            assert (pair in found) == (total < options.joint_cut())
    assert found <= pair_set(wide)


def test_other_collisions_are_left_out_and_true_edges_stay():
    rng = np.random.default_rng(5)
    own = {(i, j) for i, j in pair_set(searched(None, CONE)) if TOY.particle[i] == TOY.particle[j]}
    collision = rng.normal(0, 1.0, len(TOY.phi))[TOY.particle]
    time = (LIGHT + collision + rng.normal(0, 0.03, len(LIGHT))).astype(np.float32)
    without, with_ = pair_set(searched(None, CONE)), pair_set(searched(time))
    true = toys.true_edges(TOY)
    assert len(without & true - with_) <= 0.01 * len(true)
    assert len(without - own) >= 8
    assert len(with_ - own) < 0.5 * len(without - own)
    # What is drawn for the network stays what it learnt from.
    one, other = searched(None, CONE), searched(time)
    chi2 = dict(zip(zip(one.source, one.target, strict=True), one.chi2, strict=True))
    assert all(
        chi2.get(pair, c) == c
        for pair, c in zip(zip(other.source, other.target, strict=True), other.chi2, strict=True)
    )


def test_without_field_momenta_are_the_softest():
    """As the search hands edges on: of light, and of a proton of ``softest``."""
    edges = searched(None, CONE)
    columns = EdgeColumns(*(getattr(edges, name) for name in EdgeColumns._fields))
    straight = columns._replace(curvature=np.zeros_like(edges.curvature))
    shortest, longest = flight(HITS, straight, 0.0, 2.0)
    apart = np.linalg.norm(HITS.position[edges.target] - HITS.position[edges.source], axis=1)
    p = 2.0 * np.hypot(1, edges.cot_theta)
    np.testing.assert_allclose(shortest, apart / SPEED_OF_LIGHT, rtol=0.02, atol=1e-3)
    np.testing.assert_allclose(longest / shortest, np.hypot(1, PROTON_MASS / p), rtol=1e-6)


def test_unknown_times_tell_nothing_and_missing_ones_are_refused():
    for unknown in (np.nan, np.inf):
        assert pair_set(searched(None, CONE)) <= pair_set(searched(np.full(len(HITS), unknown, np.float32)))
    with pytest.raises(InputError, match="the hits have no times"):
        searched(None)
