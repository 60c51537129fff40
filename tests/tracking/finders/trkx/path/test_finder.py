"""The finder of the learned cone on the embedded sample, beside the chain; and the sharing of hits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smartpix.schema import InputError
from smartpix.shipped import data_path
from tracking.bench.events import load_sample
from tracking.chain import chain_finder
from tracking.finder_table import make_finder
from tracking.finders.finder import FinderInput, checked_tracks, training_seeds
from tracking.finders.trkx.path.finder import PathFinder, shared_out
from tracking.finders.trkx.path.options import PathOptions
from tracking.metrics import score_tracks


@pytest.fixture(scope="module")
def sample():
    return load_sample(data_path("sample.root"), 2)


@pytest.fixture(scope="module")
def finder(sample):
    return PathFinder.for_detector(sample.header.detector, sample.header.field)


def test_it_finds_what_the_chain_finds(sample, finder):
    chain = chain_finder(sample.header, "unsplit")
    n_both = n_chain = n_fake = n_tracks = 0
    for event in sample.events:
        given_ = FinderInput(event.clusters, event.hits, finder.detector, sample.header.field)
        tracks = checked_tracks(finder(given_), given_, "path")
        ours, theirs = (score_tracks(event.truth, found.rows()) for found in (tracks, chain(given_)))
        n_both += int((ours.found & theirs.found & event.truth.findable).sum())
        n_chain += int((theirs.found & event.truth.findable).sum())
        n_fake += int((ours.particle < 0).sum())
        n_tracks += len(tracks)
        assert set(tracks.ms) == {"cone", "seed", "follow", "build"}
        for rows in tracks.rows():
            layers = event.hits.layer[rows]
            assert len(np.unique(layers)) >= finder.options.min_layers
            assert (np.diff(finder.ranks[layers]) >= 0).all()
        assert ((tracks.score >= 0) & (tracks.score <= 1)).all()
    assert n_both >= 0.98 * n_chain > 50
    assert n_fake <= 0.01 * n_tracks


def test_tracks_do_not_depend_on_the_order_of_the_hits(sample, finder):
    event = sample.events[0]
    order = np.random.default_rng(3).permutation(len(event.hits))
    one = finder.find(event.hits)
    other = finder.find(event.hits.take(order))
    sets = [
        {frozenset(rows.tolist()) for rows in found}
        for found in (one.rows(), [order[rows] for rows in other.rows()])
    ]
    assert len(sets[0] & sets[1]) >= 0.99 * len(sets[0])


def test_an_event_without_hits_has_no_tracks(sample, finder):
    none = sample.events[0].hits.take(np.zeros(0, dtype=np.int64))
    assert len(finder.find(none)) == 0


def test_the_table_has_it_and_tells_its_seeds(sample):
    found = make_finder("path", sample.header)
    assert len(training_seeds(found)) >= 3
    assert not training_seeds(found) & {630_001, 2026}


def test_wrong_weights_are_refused(sample):
    options = PathOptions(weights="deepcore")
    with pytest.raises(InputError, match="smartpix train path"):
        PathFinder.for_detector(sample.header.detector, sample.header.field, options)
    with pytest.raises(InputError, match="path: quantile"):
        PathOptions(quantile=1.0)


PATHS = st.lists(st.lists(st.integers(0, 14), min_size=1, max_size=6, unique=True), min_size=1, max_size=8)


@settings(max_examples=80, deadline=None)
@given(paths=PATHS, max_shared=st.integers(0, 2), min_layers=st.integers(1, 4))
def test_hits_are_shared_out_as_by_a_straight_loop(paths, max_shared, min_layers):
    layer = (np.arange(15) % 7).astype(np.int32)
    start = np.cumsum([0, *map(len, paths)])
    flat = np.concatenate([np.array(p, dtype=np.int64) for p in paths])
    order = np.arange(len(paths))[::-1].copy()
    found = shared_out(order, start, flat, layer, 15, max_shared, min_layers)
    owned, expected = set(), []
    for k in order.tolist():
        shared = [h for h in paths[k] if h in owned]
        layers, first = [], []
        for h in paths[k]:
            if layer[h] not in layers:
                layers.append(layer[h])
                first.append(h)
        free = [h for h in first if h not in owned]
        if len(shared) <= max_shared and len(layers) >= min_layers and len(free) >= min_layers - 1:
            expected.append(k)
            owned |= set(paths[k])
    assert found.tolist() == expected
