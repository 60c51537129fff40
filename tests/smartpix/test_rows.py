"""Length, loops, slices and tables of objects of rows."""

import sys
from dataclasses import dataclass
from types import SimpleNamespace

import awkward as ak
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartpix.geometry import Detector
from smartpix.rows import Rows
from smartpix.schema import InputError
from tests.helpers import embedded_detector
from tracking.finders.tracks import Tracks


@dataclass(frozen=True)
class Points(Rows):
    x: np.ndarray
    layer: np.ndarray

    def __len__(self):
        return len(self.x)

    def take(self, rows):
        return Points(self.x[rows], self.layer[rows])

    def table(self):
        return {"x": self.x, "layer": self.layer}


POINTS = Points(np.array([0.5, 1.5, 2.5]), np.array([1, 2, 3], dtype=np.int32))


def test_a_row_a_column_and_a_loop():
    assert POINTS[1] == {"x": 1.5, "layer": 2}
    assert POINTS[-1] == POINTS[np.int64(2)] == {"x": 2.5, "layer": 3}
    assert list(POINTS) == [POINTS[k] for k in range(3)]
    assert POINTS["layer"] is POINTS.layer
    for beyond in (3, -4):
        with pytest.raises(IndexError, match=f"Points: has 3 rows, and not the row {beyond}"):
            POINTS[beyond]
    with pytest.raises(InputError, match=r"no column 'laier'. Did you mean 'layer'\? It has x, layer"):
        POINTS["laier"]


@given(st.one_of(
    st.slices(3), st.lists(st.integers(-3, 2)), st.lists(st.booleans(), min_size=3, max_size=3).map(np.array)
))  # fmt: skip
def test_slices_masks_and_rows_are_those_of_numpy(which):
    if isinstance(which, list):
        which = np.array(which, dtype=np.int64)
    part = POINTS[which]
    assert isinstance(part, Points)
    np.testing.assert_array_equal(part.x, POINTS.x[which])
    np.testing.assert_array_equal(part.layer, POINTS.layer[which])


def test_tables_of_other_packages(monkeypatch):
    records = POINTS.to_awkward()
    assert records.tolist() == list(POINTS)
    # Stands in for pandas, which is no part of the tests.
    monkeypatch.setitem(sys.modules, "pandas", SimpleNamespace(DataFrame=dict))
    assert POINTS.to_pandas() == {"x": POINTS.x, "layer": POINTS.layer}
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(InputError, match=r"^pandas: cannot be imported .*pip install 'smartpix\[pandas\]'$"):
        POINTS.to_pandas()


def test_a_detector_there_and_back():
    detector = embedded_detector().with_dead([3, 7])
    records = detector.to_awkward()
    again = Detector({name: ak.to_numpy(records[name]) for name in records.fields})
    assert all(np.array_equal(again.columns[name], column) for name, column in detector.columns.items())
    part = detector[[7, 2, 3]]
    assert part.dead == (0, 2)
    np.testing.assert_array_equal(part.center, detector.center[[7, 2, 3]])


def test_tracks_give_their_hits_there_and_back():
    tracks = Tracks.from_rows([[0, 4, 2], [5, 1], [3]], [0.5, 0.75, 1.0])
    assert [rows.tolist() for rows in tracks] == [[0, 4, 2], [5, 1], [3]]
    assert tracks[1].tolist() == [5, 1]
    assert [rows.tolist() for rows in tracks[1:]] == [[5, 1], [3]]
    records = tracks.to_awkward()
    assert records.fields == ["n_hits", "score", "hits"]
    again = Tracks.from_rows(records["hits"], records["score"])
    for name in ("hits", "start", "score"):
        np.testing.assert_array_equal(getattr(again, name), getattr(tracks, name))
    assert len(Tracks.from_rows([]).to_awkward()) == 0
