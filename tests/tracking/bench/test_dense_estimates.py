"""Residuals of merged clusters: particles put beside made-up estimates."""

from types import SimpleNamespace

import awkward as ak
import numpy as np
import pytest

from smartpix.estimate.base import Estimate
from smartpix.schema import TARGETS
from smartpix.shipped import data_path
from tracking.bench.dense_estimates import (
    KINDS,
    CrossingResiduals,
    crossing_residuals,
    estimate_numbers,
    samples_by_hits,
)
from tracking.bench.events import load_sample

SIGMA = np.array([0.01, 0.005, 0.2, 0.3])


def sample(targets, shares, mean, cluster, barrel=True):
    """One event: targets (x alone) and shares of each cluster's particles, and hits with means of x."""
    counts = [len(t) for t in targets]
    x = np.concatenate([np.array(t, dtype=float) for t in targets])
    columns = {name: np.zeros(len(x)) for name in TARGETS} | {"share": np.concatenate(shares), "x": x}
    clusters = ak.zip({"truth": ak.unflatten(ak.zip(columns), counts)}, depth_limit=1)
    means = np.zeros((len(mean), 4))
    means[:, 0] = mean
    cluster = np.array(cluster)
    hits = SimpleNamespace(
        estimate=Estimate(means, np.tile(np.diag(SIGMA), (len(mean), 1, 1))), cluster=cluster,
        n_parts=np.bincount(cluster)[cluster], module=np.zeros(len(mean), dtype=np.int64),
        __len__=lambda: len(mean),
    )  # fmt: skip
    hits = Hits(hits)
    detector = SimpleNamespace(barrel=np.array([barrel]))
    return SimpleNamespace(
        events=[SimpleNamespace(hits=hits, clusters=clusters)], header=SimpleNamespace(detector=detector)
    )


class Hits:
    def __init__(self, columns):
        self.__dict__ |= columns.__dict__

    def __len__(self):
        return len(self.cluster)


def test_each_particle_of_a_cluster_has_the_residual_of_its_own_estimate():
    # One particle; two with one estimate; two with two, the other way round; one that is split; two that share
    # an estimate; and a delta ray that does not count.
    found = crossing_residuals(
        sample(
            [[0.01], [0.0, 0.1], [0.0, 0.1], [0.0], [0.0, 0.1], [0.02, 3.0]],
            [[1.0], [0.5, 0.5], [0.6, 0.4], [1.0], [0.5, 0.5], [0.95, 0.05]],
            [0.0, 0.05, 0.09, 0.01, 0.0, 0.5, 0.05, 0.05, 0.0],
            [0, 1, 2, 2, 3, 3, 4, 4, 5],
        )
    )
    names = np.array([*KINDS, "neither"])
    pairs = list(zip(names[found.kind].tolist(), found.residual[:, 0].round(6).tolist(), strict=True))
    assert sorted(p for p in pairs if p[0] != "neither") == [
        ("as_one", -0.05), ("as_one", 0.05), ("lone", 0.01), ("lone", 0.02), ("split", -0.01), ("split", 0.01),
    ]  # fmt: skip
    np.testing.assert_allclose(found.pull, found.residual / SIGMA)
    assert np.all(found.barrel)


@pytest.mark.parametrize("n", [2, 3])
def test_pulls_of_particles_that_cannot_be_told_apart_are_of_unit_width(n):
    """Estimates that are right, a sigma apart: by the nearest of each, pulls would be too narrow."""
    rng = np.random.default_rng(2)
    mean = np.tile(SIGMA[0] * (np.arange(n) - (n - 1) / 2), (4000, 1))
    x = rng.permuted(rng.normal(mean, SIGMA[0]), axis=1)
    shares = [np.full(n, 1 / n)] * len(x)
    found = crossing_residuals(sample(list(x), shares, mean.ravel(), np.repeat(np.arange(len(x)), n)))
    assert np.all(found.kind == 2)
    assert found.pull[:, 0].std() == pytest.approx(1.0, abs=0.03)


def test_widths_are_those_of_the_numbers_in_each_region():
    rng = np.random.default_rng(1)
    pull = rng.normal(0, 1.2, (3000, 4))
    kind, barrel = np.arange(3000) % 3, np.arange(3000) % 2 == 0
    numbers = estimate_numbers(CrossingResiduals(pull * SIGMA, pull, kind, barrel))
    for region, inside in (("barrel", barrel), ("endcap", ~barrel)):
        for k, name in enumerate(KINDS):
            rows = inside & (kind == k)
            of = numbers[region][name]
            assert of["n"] == rows.sum()
            assert of["x"]["half_width"] == pytest.approx(
                1e3 * np.percentile(np.abs(pull[rows, 0] * 0.01), 68.27)
            )
            assert of["cot_beta"]["half_width"] == pytest.approx(
                np.percentile(np.abs(pull[rows, 3] * 0.3), 68.27)
            )
            assert of["y"]["pull"] == pytest.approx(pull[rows & (np.abs(pull[:, 1]) <= 5), 1].std())
    none = estimate_numbers(CrossingResiduals(pull[:0], pull[:0], kind[:0], barrel[:0]))
    assert none["barrel"]["split"]["n"] == 0
    assert none["barrel"]["split"]["x"] == {"half_width": None, "pull": None, "pull_half_width": None}


def test_samples_are_put_together_in_their_order():
    parts = [
        CrossingResiduals(np.full((n, 4), n), np.zeros((n, 4)), np.arange(n), np.ones(n, bool))
        for n in (1, 2)
    ]
    both = CrossingResiduals.of_all(parts)
    assert both.residual[:, 0].tolist() == [1, 2, 2]
    assert both.kind.tolist() == [0, 0, 1]


def test_a_splitter_gives_a_second_sample_of_the_same_events():
    sample = load_sample(data_path("sample.root"), 1)
    (event,) = sample.events

    def splitter(clusters, header, lone):
        # The third cluster gives two hits.
        cluster = np.insert(np.arange(len(lone)), 2, 2)
        return lone.take(cluster), cluster

    both = samples_by_hits(sample, splitter)
    assert list(both) == ["lone", "split"]
    assert both["lone"] is sample
    hits = both["split"].events[0].hits
    assert len(hits) == len(event.hits) + 1
    assert hits.n_parts[2:5].tolist() == [2, 2, 1]
    assert list(samples_by_hits(sample, None)) == ["lone"]
