"""Finders beside each other where some particles are in jets and some of these have merged clusters."""

import numpy as np
import pytest

from smartpix.shipped import data_path
from tracking.bench import dense_curves
from tracking.bench.dense_comparison import compare_dense
from tracking.bench.dense_errors import share_error
from tracking.bench.events import load_sample
from tracking.bench.finding import run_finder
from tracking.bench.judgement import judge
from tracking.finder_table import make_finder
from tracking.finders.tracks import Tracks


def without(finder, every):
    """Without every so-manieth track."""

    def find(event):
        rows = [r for k, r in enumerate(finder(event).rows()) if k % every]
        return Tracks.from_rows(rows, np.ones(len(rows), dtype=np.float32))

    return find


@pytest.fixture(scope="module")
def sample():
    return load_sample(data_path("sample.root"), 3)


@pytest.fixture(scope="module")
def finders(sample):
    chain = make_finder("chain-unsplit", sample.header)
    return {"ours": without(chain, 3), "ours-split": without(chain, 4), "acts": without(chain, 5)}


@pytest.fixture(scope="module")
def compared(sample, finders):
    """As if those forward were in jets, and those of them that go up had merged clusters."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dense_curves, "jet_pts", lambda truth: np.where(truth.eta > 0, 600.0, 0.0))
        patch.setattr(dense_curves, "merged_of_particles", lambda truth: (truth.phi > 0).astype(int))
        return compare_dense(sample, finders, lambda line: None)


@pytest.fixture(scope="module")
def found(sample, finders):
    """By finder and event: flags of all particles that are findable and found."""
    runs = {name: run_finder(name, finder, sample).tracks for name, finder in finders.items()}
    return {name: [j.matched() for j in judge(sample.events, tracks)] for name, tracks in runs.items()}


def counted(sample, flags, *conditions):
    """Findable particles of all events with these flags, for which the conditions hold."""
    n = 0
    for event, own in zip(sample.events, flags, strict=True):
        truth = event.truth
        for k in np.flatnonzero(truth.findable & own):
            n += all(condition(truth, k) for condition in conditions)
    return n


def in_jet(truth, k):
    return truth.eta[k] > 0


def merged(truth, k):
    return truth.phi[k] > 0


def test_resolutions_are_of_particles_in_jets_that_all_found(sample, compared, found):
    by_all = [np.all(own, axis=0) for own in zip(*found.values(), strict=True)]
    n, n_merged = counted(sample, by_all, in_jet), counted(sample, by_all, in_jet, merged)
    assert 0 < n_merged < n < counted(sample, by_all)
    for name, r in compared["finders"].items():
        assert r["n_resolution"] == n
        assert r["with_merged"]["n_resolution"] == len(compared["arrays"][name]) == n_merged


def test_resolutions_beside_ours_are_of_particles_that_both_found(sample, compared, found):
    """So that they are the same whoever else takes part."""
    for name in ("ours", "acts"):
        both = [a & b for a, b in zip(found["ours-split"], found[name], strict=True)]
        pair = compared["differences"][name]["resolutions"]
        n = counted(sample, both, in_jet, merged)
        assert pair["ours-split"]["n_resolution"] == pair["other"]["n_resolution"] == n
        # One chain, so that its tracks of the same particles are the same.
        assert pair["ours-split"]["resolution_d0_um"] == pytest.approx(pair["other"]["resolution_d0_um"])
        assert n > compared["finders"][name]["with_merged"]["n_resolution"]


def test_efficiency_in_jets_and_its_error_are_of_those_in_jets(sample, compared, found):
    everyone = [np.ones(len(event.truth.findable), dtype=bool) for event in sample.events]
    assert compared["n_in_jets"] == counted(sample, everyone, in_jet) < compared["n_findable"]
    for name, flags in found.items():
        r = compared["finders"][name]
        assert r["efficiency_in_jets"] == counted(sample, flags, in_jet) / compared["n_in_jets"]
        passed, total = np.transpose(
            [
                [np.sum(own & truth.findable & (truth.eta > 0)), np.sum(truth.findable & (truth.eta > 0))]
                for own, truth in zip(flags, (event.truth for event in sample.events), strict=True)
            ]
        ).astype(float)
        assert r["efficiency_in_jets_error"] == pytest.approx(share_error(passed, total))
        assert r["efficiency_in_jets_error"] != pytest.approx(r["efficiency_error"])
