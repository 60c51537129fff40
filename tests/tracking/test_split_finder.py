"""The finder that splits clusters itself, with a splitter that knows the truth."""

import dataclasses

import numpy as np
import pytest

from smartpix.estimate.base import longer
from smartpix.io.events import iterate, open_events
from smartpix.merged.options import SplitOptions
from tests.tracking.oracle import oracle
from tracking.bench.events import Sample, make_event
from tracking.bench.finding import run_finder
from tracking.chain import Chain
from tracking.finders.finder import FinderInput, checked_tracks
from tracking.fit.tracks import fit_tracks
from tracking.metrics import score_tracks
from tracking.options import RunOptions
from tracking.split_finder import SplitFinder, split_finder


@pytest.fixture(scope="module")
def chain(close_pairs, weights):
    return Chain.for_header(open_events(close_pairs).header, RunOptions(gnn=str(weights)))


@pytest.fixture(scope="module")
def event(close_pairs, chain):
    return make_event(next(iterate(close_pairs, step=1))[1][0], chain.header, chain.estimator)


@pytest.fixture(scope="module")
def finder(chain, event):
    return SplitFinder(chain.finder, chain.header, oracle(event.clusters), chain.estimator.slices)


def test_tracks_are_those_of_the_chain_with_rows_of_the_clusters(chain, event, finder):
    result = dataclasses.replace(chain, splitter=oracle(event.clusters)).event(0, event.clusters)
    seen = FinderInput(event.clusters, event.hits, chain.header.detector, chain.header.field)
    tracks = checked_tracks(finder(seen), seen, "split")
    assert tracks.hits.tolist() == result.hits.cluster[result.tracks.hits].tolist()
    assert tracks.start.tolist() == result.tracks.start.tolist()
    assert tracks.hits.max() < len(event.clusters) < len(result.hits)
    for name in ("d0", "z0", "phi", "theta", "qop", "chi2"):
        np.testing.assert_array_equal(getattr(tracks.parameters, name), getattr(result.helices, name))
    assert set(tracks.ms) == {"split", "hits", "cone", "seed", "graph", "build", "fit"}
    plain = chain.finder(seen)
    found = [np.sum(score_tracks(event.truth, t.rows()).found) for t in (plain, tracks)]
    assert found[0] < found[1]


def test_hits_that_are_split_already_stay_as_they_are(chain, event, finder):
    result = dataclasses.replace(chain, splitter=oracle(event.clusters)).event(0, event.clusters)
    seen = FinderInput(event.clusters, result.hits, chain.header.detector, chain.header.field)
    assert finder(seen).hits.tolist() == result.tracks.hits.tolist()


def test_any_finder_gets_the_parts_of_clusters(chain, event):
    seen = []

    def other(given):
        seen.append(given)
        return chain.finder(given)

    finder = SplitFinder(other, chain.header, oracle(event.clusters), chain.estimator.slices)
    given = FinderInput(event.clusters, event.hits, chain.header.detector, chain.header.field)
    tracks = finder(given)
    assert len(seen[0].hits) > len(seen[0].clusters) == len(event.clusters)
    found = chain.finder(seen[0])
    assert tracks.hits.tolist() == seen[0].hits.cluster[found.hits].tolist()
    assert finder.training_seeds == frozenset()

    def with_parameters(given):
        tracks = other(given)
        return dataclasses.replace(tracks, parameters=fit_tracks(given.hits, tracks, given.detector, 1.0))

    fitted = dataclasses.replace(finder, finder=with_parameters)(given).parameters
    # A field of 1 T: whoever fits himself is not fitted again.
    assert not np.array_equal(fitted.qop, tracks.parameters.qop)


def test_without_splitting_it_is_the_finder_itself(chain):
    assert split_finder(chain.finder, chain.header, SplitOptions(mode="off")) is chain.finder
    splits = split_finder(chain.finder, chain.header, SplitOptions())
    assert isinstance(splits, SplitFinder)
    assert splits.finder is chain.finder


def test_its_time_is_told_with_that_of_splitting(chain, event, finder):
    run = run_finder("split", finder, Sample(chain.header, chain.estimator, [event]))
    assert run.ms["split"] > 0
    assert finder.training_seeds == chain.finder.training_seeds


def test_the_pixels_that_the_estimates_have_read_are_handed_over(chain, event, finder):
    seen, with_outlines = [], []

    def spy(given):
        seen.append(given)
        with_outlines.append("outlines" in vars(given.flat))
        return finder(given)

    (tracks,) = run_finder("split", spy, Sample(chain.header, chain.estimator, [event])).tracks
    assert seen[0].pixels(finder.slices) is seen[0].flat
    assert with_outlines == [True]
    # Of its own, so that another finder's are as they were.
    assert not np.shares_memory(seen[0].lone.cholesky, event.hits.estimate.cholesky)
    assert longer(seen[0].lone.cholesky, 1).base is seen[0].lone.cholesky.base
    alone = finder(dataclasses.replace(seen[0], flat=None, slices=(), lone=None))
    assert tracks.hits.tolist() == alone.hits.tolist()


def test_a_finder_that_tells_no_time_has_what_it_took(chain, event):
    def untimed(given):
        return dataclasses.replace(chain.finder(given), ms={})

    def with_hits(given):
        return dataclasses.replace(chain.finder(given), ms={"hits": 1e6})

    given = FinderInput(event.clusters, event.hits, chain.header.detector, chain.header.field)
    splitter = oracle(event.clusters), chain.estimator.slices
    ms = SplitFinder(untimed, chain.header, *splitter)(given).ms
    assert set(ms) == {"split", "hits", "find", "fit"}
    assert ms["find"] > 0
    # What is spent on hits out here is added to what the finder spends.
    assert SplitFinder(with_hits, chain.header, *splitter)(given).ms["hits"] > 1e6


def test_hits_that_others_see_stay_as_they_are(chain, event):
    """A splitter may write into the estimates it is given."""

    def splitter(flat, header, lone):
        lone.mean[:] = 0.0
        lone.cholesky[:] = 1.0
        return lone, np.arange(len(lone))

    given = FinderInput(event.clusters, event.hits, chain.header.detector, chain.header.field)
    before = event.hits.estimate.mean.copy(), event.hits.estimate.cholesky.copy()
    SplitFinder(chain.finder, chain.header, splitter, chain.estimator.slices)(given)
    np.testing.assert_array_equal(event.hits.estimate.mean, before[0])
    np.testing.assert_array_equal(event.hits.estimate.cholesky, before[1])
