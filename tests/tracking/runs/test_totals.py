"""Sums of parts are those of the whole, whatever the parts."""

import dataclasses
import pickle

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from smartpix.io.events import open_events
from tracking.chain import Chain
from tracking.options import RunOptions
from tracking.runs import totals as module
from tracking.runs.totals import Totals
from tracking.runs.units import run_events


@pytest.fixture(scope="module")
def chain(files, weights):
    return Chain.for_header(open_events(files["toy"]).header, RunOptions(gnn=str(weights)))


def sums(chain, path, start=0, stop=None):
    found = Totals()
    for _ in run_events(chain, path, found, start, stop):
        pass
    found.ms = {}
    return found


def assert_same(one, two):
    for name in (f.name for f in dataclasses.fields(Totals)):
        a, b = getattr(one, name), getattr(two, name)
        assert type(a) is type(b), name
        if name == "track_residuals":
            a, b = ([dataclasses.astuple(r) for r in of] for of in (a, b))
        if isinstance(a, (list, np.ndarray)):
            assert pickle.dumps(a) == pickle.dumps(b), name
        else:
            assert a == b, name
    assert repr(one.summary()) == repr(two.summary())


@pytest.mark.parametrize("most", [1, 500, 200_000])
@settings(deadline=None, max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.sets(st.integers(1, 3)))
def test_merged_sums_are_those_of_one_run(files, chain, monkeypatch, most, cuts):
    monkeypatch.setattr(module, "MAX_RESIDUALS", most)
    edges = [0, *sorted(cuts), 4]
    merged = Totals()
    for start, stop in zip(edges[:-1], edges[1:], strict=True):
        merged.merge(sums(chain, files["toy"], start, stop))
    assert_same(merged, sums(chain, files["toy"]))


def test_nothing_adds_nothing(files, chain):
    whole = sums(chain, files["first"])
    merged = Totals()
    for part in (Totals(), sums(chain, files["first"]), Totals()):
        merged.merge(part)
    assert_same(merged, whole)


def test_merging_leaves_the_part_as_it_was(files, chain):
    part = sums(chain, files["first"])
    before = pickle.dumps(part)
    merged = Totals()
    merged.merge(part)
    merged.merge(sums(chain, files["second"]))
    assert pickle.dumps(part) == before
    assert merged.n_events == 4


def test_without_truth_the_sums_have_none(files, chain):
    merged = Totals(truth=False)
    merged.merge(sums(chain, files["bare"]))
    assert not merged.truth
    assert merged.pulls is None


def test_without_an_edge_in_the_window_there_is_no_reduction():
    """As without field: 0 edges of the window over those in cones would be no number of the cones."""
    assert Totals(n_events=1, n_edges=5).summary()["reduction"] is None
    assert Totals(n_events=1, n_edges=5, n_window=10).summary()["reduction"] == 2


def test_without_field_the_window_counts_nothing(files, chain):
    """A window that is empty by its definition has neither purity nor efficiency."""
    straight = dataclasses.replace(chain, header=dataclasses.replace(chain.header, field=0.0))
    summary = sums(straight, files["first"]).summary()
    assert summary["n_window_edges"] == 0
    assert (summary["reduction"], summary["window_edge_efficiency"], summary["window_edge_purity"]) == (
        None,
        None,
        None,
    )
    assert summary["edge_efficiency"] is not None
