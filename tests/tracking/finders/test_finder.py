"""The door for finders: what goes in and what comes out."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from smartpix.clusters import flatten
from smartpix.io.events import iterate
from smartpix.schema import InputError
from smartpix.shipped import data_path
from tracking.chain import Chain
from tracking.finders.finder import FinderInput, checked_tracks
from tracking.finders.tracks import Tracks
from tracking.options import RunOptions

SAMPLE = data_path("sample.root")


@pytest.fixture(scope="module")
def event():
    """Of the embedded sample: a finder's input."""
    opened, records = next(iter(iterate(SAMPLE, step=1)))
    header, clusters = opened.header, records[0]["clusters"]
    hits = Chain.for_header(header, RunOptions()).event(0, clusters).hits
    return FinderInput(clusters, hits, header.detector, header.field)


def test_a_finder_sees_no_truth(event):
    seen = event
    records = next(iter(iterate(SAMPLE, step=1)))[1]
    clusters = records[0]["clusters"]
    assert "truth" in clusters.fields
    assert set(clusters.fields) - set(seen.clusters.fields) == {"truth"}
    assert len(seen.clusters) == len(seen.hits)
    with pytest.raises(InputError, match=r"clusters and .* hits; give both of the same event"):
        dataclasses.replace(seen, clusters=seen.clusters[1:])


@pytest.mark.parametrize("slices", [[2, 19], [19], [19, 2]])
def test_pixels_are_those_of_the_clusters_whoever_has_read_them(event, slices):
    expected, at_hand = flatten(event.clusters, slices), flatten(event.clusters, [2, 19])
    given = dataclasses.replace(event, flat=at_hand, slices=(2, 19))
    fewer = dataclasses.replace(event, flat=flatten(event.clusters, [2]), slices=(2,))
    for seen in (event, given, fewer):
        found = seen.pixels(slices)
        for name in ("module", "first", "counts", "row", "column", "charge", "local", "truncated"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    assert given.pixels([2, 19]) is at_hand
    assert np.shares_memory(given.pixels([19]).row, at_hand.row)


def test_pixels_of_other_clusters_or_slices_are_refused(event):
    flat = flatten(event.clusters, [2, 19])
    with pytest.raises(InputError, match="give both of the same event"):
        dataclasses.replace(event, flat=flat.take(np.arange(3)), slices=(2, 19))
    with pytest.raises(InputError, match=r"with 1 slices, and plain arrays of .* with 2"):
        dataclasses.replace(event, flat=flat, slices=(19,))


def tracks_with(**changes):
    return dataclasses.replace(Tracks.from_rows([[0, 1, 2], [3, 4]]), **changes)


@pytest.mark.parametrize(
    ("tracks", "words"),
    [
        ([[0, 1, 2]], "must give Tracks and gives a list"),
        (tracks_with(hits=np.array([0, 1, 2, 3, 10**6])), "rows from 0 to 1000000"),
        (tracks_with(hits=np.array([-1, 1, 2, 3, 4])), "rows from -1 to 4"),
        (tracks_with(hits=np.arange(5.0)), "must be whole numbers; found float64"),
        (tracks_with(start=np.array([0, 3, 4])), "start must ascend from 0 to the 5 rows"),
        (tracks_with(start=np.array([0, 6, 5])), "start must ascend from 0 to the 5 rows"),
        (tracks_with(start=np.zeros(0, dtype=int)), "start must ascend from 0 to the 5 rows"),
        (tracks_with(score=np.ones(3)), "2 tracks and 3 scores"),
        (tracks_with(parameters=SimpleNamespace(qop=np.ones(1))), "2 tracks and parameters of 1"),
    ],
)
def test_what_is_no_tracks_of_the_event_is_refused(event, tracks, words):
    with pytest.raises(InputError) as caught:
        checked_tracks(tracks, event, "mine")
    assert words in str(caught.value)
    assert "finder 'mine'" in str(caught.value)


def test_tracks_of_rows():
    tracks = Tracks.from_rows([[4, 2], [], np.array([7, 8, 9], dtype=np.int32)], score=[0.5, 1, 0.25])
    assert [rows.tolist() for rows in tracks.rows()] == [[4, 2], [], [7, 8, 9]]
    assert (tracks.hits.dtype, tracks.start.dtype, tracks.score.dtype) == (np.int64, np.int64, np.float32)
    assert tracks.score.tolist() == [0.5, 1, 0.25]
    assert len(Tracks.from_rows([])) == 0
    assert Tracks.from_rows([[1]]).score.tolist() == [1]
