"""Shares that the joint test keeps: of toys with known errors, and beside the search itself."""

import dataclasses

import numpy as np
import pytest
from scipy.stats import chi2

from seeding.cones import ConeOptions
from seeding.edges import find_edges
from smartpix.shipped import data_path
from tracking.bench.joint_coverage import ASKED, joint_coverage
from tracking.bench.seeding_sample import load_seeding_sample, with_directions

SIGMA = (0.3, 0.1)
"""So wide that scattering and the impact parameter's width are nothing beside."""


@pytest.fixture(scope="module")
def sample():
    return load_seeding_sample([data_path("sample.root")], 4, ("mdn",))


def blurred(sample, wrong=1.0):
    """True directions with Gaussian errors ``wrong`` times as large as their sigmas say."""
    rng = np.random.default_rng(3)
    events = []
    for event in sample.events:
        true = event.hits["truth"]
        noise = wrong * rng.normal(0, SIGMA, (len(true), 2))
        hits = with_directions(true, np.arange(len(true)), true.cot + noise, SIGMA)
        events.append(dataclasses.replace(event, hits={"toy": hits}))
    return dataclasses.replace(sample, events=events)


@pytest.mark.parametrize("wrong", [1.0, 1.4])
def test_a_toy_is_kept_as_often_as_its_errors_say(sample, wrong):
    """Four slopes of known width and the z0 of the particles that the sample has."""
    toy = blurred(sample, wrong)
    found = joint_coverage(toy, "toy")
    rng = np.random.default_rng(5)
    z0 = np.concatenate(
        [e.truth.vertex[e.truth.edge_particle[e.truth.edge_findable], 2] for e in sample.events]
    )
    slopes = wrong**2 * rng.chisquare(4, (200, len(z0)))
    drawn = slopes + (z0 / ConeOptions().sigma_z0) ** 2
    for quantile in ASKED:
        wanted = (drawn <= chi2.ppf(quantile, 5)).mean()
        result = found[f"{quantile:g}"]
        assert result["n"] > 1000
        assert result["kept"] == pytest.approx(wanted, abs=4 * np.sqrt(wanted * (1 - wanted) / len(z0)))


def test_shares_are_those_of_the_search_with_that_quantile(sample):
    found = joint_coverage(sample)
    for quantile in ASKED:
        kept = wanted = 0
        for event in sample.events:
            options = ConeOptions(quantile=quantile)
            edges = find_edges(event.hits["mdn"], sample.detector, sample.pairs, sample.field, options)
            pairs = set(zip(edges.source.tolist(), edges.target.tolist(), strict=True))
            true = event.truth.edges[event.truth.edge_findable].tolist()
            wanted += len(true)
            kept += sum((a, b) in pairs for a, b in true)
        result = found[f"{quantile:g}"]
        assert result["n"] + result["unreached"] == wanted
        assert result["kept"] * result["n"] == pytest.approx(kept)


def test_every_edge_is_in_one_bin_of_each_kind(sample):
    for result in joint_coverage(sample).values():
        assert [len(result[name]) for name in ("eta", "pt")] == [6, 5]
        for name in ("eta", "pt", "layers"):
            for key in ("n", "unreached"):
                assert sum(b[key] for b in result[name]) == result[key]
            shares = [(b["n"], b["kept"]) for b in result[name] if b["n"]]
            assert sum(n * kept for n, kept in shares) == pytest.approx(result["n"] * result["kept"])


def test_edges_whose_helix_turns_back_are_counted_apart(sample):
    """Hits swapped end for end: no helix on its way out leads from the outer to the inner one."""
    events = [
        dataclasses.replace(
            event, truth=dataclasses.replace(event.truth, edges=event.truth.edges[:, ::-1].copy())
        )
        for event in sample.events
    ]
    for result in joint_coverage(dataclasses.replace(sample, events=events)).values():
        assert (result["n"], result["kept"]) == (0, None)
        assert result["unreached"] == sum(int(e.truth.edge_findable.sum()) for e in sample.events)
