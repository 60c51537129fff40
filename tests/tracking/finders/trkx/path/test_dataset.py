"""True paths followed by the filter: each as if it were alone."""

from dataclasses import replace

import numpy as np
import pytest

from smartpix.merged.options import SplitOptions
from smartpix.schema import InputError
from smartpix.shipped import data_path
from tests.tracking.finders.trkx.path.truths import filter_of, toy_paths, with_jets
from tracking.finders.trkx.path.dataset import follow_truth, path_data
from tracking.finders.trkx.path.filter import PathFilter
from tracking.finders.trkx.path.options import FilterOptions
from tracking.finders.trkx.path.truth import TruePaths

UNSPLIT = SplitOptions(mode="off")


def test_a_path_is_followed_as_if_it_were_alone():
    hits, paths = toy_paths(25)
    together = follow_truth(paths, hits, filter_of())
    for k in (0, 7, 11):
        n = paths.count[k]
        only = slice(k, k + 1)
        one = TruePaths(
            paths.rows[only, :n], paths.count[only], paths.crossing[only, :n], paths.pt[only], paths.eta[only]
        )
        alone = follow_truth(one, hits, filter_of())
        for name in ("hit", "target", "crossing", "known", "area", "layer", "upright", "overlap", "path_pt"):
            np.testing.assert_array_equal(getattr(together, name)[k, : n - 1], getattr(alone, name)[0])


def test_there_is_a_prediction_after_each_hit_but_the_last():
    hits, paths = toy_paths(40)
    data = follow_truth(paths, hits, filter_of())
    np.testing.assert_array_equal(data.known.sum(axis=1), paths.count - 1)
    rows = np.argwhere(data.known)
    np.testing.assert_array_equal(data.layer[data.known], hits.layer[paths.rows[rows[:, 0], rows[:, 1] + 1]])
    before = hits.layer[paths.rows[rows[:, 0], rows[:, 1]]]
    np.testing.assert_array_equal(data.overlap[data.known], data.layer[data.known] == before)
    assert 0.02 < data.overlap[data.known].mean() < 0.6
    # Of toys the momentum of a path is soon the particle's.
    late = data.known & (np.arange(data.known.shape[1]) >= 2)
    ratio = (data.path_pt / data.pt[:, None])[late]
    assert np.abs(np.median(ratio) - 1) < 0.02


def test_files_without_such_paths_are_refused():
    with pytest.raises(InputError, match="no particles with 3 hits and pT from 50 to 90 GeV"):
        path_data([data_path("sample.root")], FilterOptions(), UNSPLIT, (50.0, 90.0))


def test_a_path_is_left_where_the_filter_does_not_come():
    hits, paths = toy_paths(30)
    k = int(np.argmax(paths.count))
    position = hits.position.copy()
    position[paths.rows[k, 2]] = [1e5, 0.0, 0.0]
    data = follow_truth(paths, replace(hits, position=position), filter_of())
    assert data.known[k].sum() == 1
    assert (data.known.sum(axis=1) >= 2).sum() == len(paths) - 1


class Doubtful(PathFilter):
    """Says of the first path that it never comes to a module, and of the second where nobody can know."""

    def predict(self, states, rows, hits, to):
        made = super().predict(states, rows, hits, to)
        if len(rows) > 1:
            made.reached[0] = False
            made.slopes[1] = np.nan
        return made


def test_a_prediction_that_does_not_come_or_is_not_finite_ends_its_path():
    hits, paths = toy_paths(30)
    plain, doubted = (
        follow_truth(paths, hits, kind(filter_of().field, filter_of().options))
        for kind in (PathFilter, Doubtful)
    )
    assert plain.known[:2].sum() == paths.count[:2].sum() - 2
    # Both end with their first prediction, and so do then the first two of those that are left.
    assert not doubted.known[:2].any()
    assert not doubted.known[2:4, 1:].any()
    assert doubted.known[2:4, 0].all()


def test_events_with_particles_on_top_are_not_of_collisions_alone(tmp_path):
    alone = path_data([data_path("sample.root")], FilterOptions(), UNSPLIT)
    assert alone.collisions.all()
    shot = path_data([with_jets(tmp_path / "jets.root")], FilterOptions(), UNSPLIT)
    assert not shot.collisions.any()
