import sys
from dataclasses import replace

import numpy as np
import pytest

from smartpix.geometry import Detector
from smartpix.schema import InputError
from tests.tracking.acts.pulls import half_widths, pulls
from tracking import metrics
from tracking.acts.reference import ActsFinder, ActsOptions, acts_tracks
from tracking.acts.setup import acts_setup


def test_acts_finds_the_particles(sample, reference):
    hits, truths, _, _ = sample
    for tracks in reference:
        assert set(tracks.ms) == {"seeding", "parameters", "ckf", "ambiguity"}
        assert min(tracks.ms.values()) > 0
        assert np.all(tracks.score == 1)
    found = wanted = fakes = total = 0
    for event, truth, tracks in zip(hits, truths, reference, strict=True):
        rows = tracks.rows()
        assert all(np.all(np.diff(np.linalg.norm(event.position[r], axis=1)) > 0) for r in rows)
        assert all(len(r) >= 4 and len(np.unique(r)) == len(r) for r in rows)
        score = metrics.score_tracks(truth, rows)
        found += np.sum(score.found & truth.findable)
        wanted += np.sum(truth.findable)
        fakes += np.sum(score.particle < 0)
        total += len(tracks)
    assert found > 0.95 * wanted
    assert fakes < 0.03 * total


def test_parameters_are_those_of_the_truth(sample, reference):
    spread = pulls(sample, reference, [tracks.parameters for tracks in reference])
    assert len(spread) > 100
    assert np.all(np.abs(half_widths(spread) - 1) < 0.35)
    assert np.all(np.abs(np.median(spread, axis=0)) < 0.35)


def test_options_reach_acts(sample, reference):
    hits, _, _, header = sample
    (strict,) = acts_tracks(hits[:1], header.detector, header.field, ActsOptions(min_pt=1.0))
    values = strict.parameters
    assert np.all(np.abs(np.sin(values.theta) / values.qop) > 0.99)
    assert 0 < len(strict) < len(reference[0])
    # Seeds of stiff particles only.
    (few,) = acts_tracks(hits[:1], header.detector, header.field, seeding={"minPt": 3.0})
    assert len(few) < 0.5 * len(reference[0])


def test_what_cannot_be_done_is_said(sample, monkeypatch):
    pytest.importorskip("acts")
    hits, _, _, header = sample
    with pytest.raises(InputError, match="no events"):
        acts_tracks([], header.detector, header.field)
    with pytest.raises(InputError, match="the field is 0"):
        acts_tracks(hits, header.detector, 0.0)
    moved = Detector({**header.detector.columns, "cz": np.asarray(header.detector.columns["cz"]) + 0.01})
    with pytest.raises(InputError, match="is not where ACTS's generic detector has it"):
        acts_tracks(hits, moved, header.field)
    unknown = Detector(
        {**header.detector.columns, "layer_id": np.asarray(header.detector.columns["layer_id"]) + 1}
    )
    with pytest.raises(InputError, match="is not where ACTS's generic detector has it"):
        acts_tracks(hits, unknown, header.field)
    with pytest.raises(InputError, match="chi2 must be positive and is -1"):
        ActsOptions(chi2=-1)
    monkeypatch.setitem(sys.modules, "acts", None)
    with pytest.raises(InputError, match=r"pip install 'smartpix\[acts\]'"):
        acts_tracks(hits, header.detector, header.field)


def test_events_without_hits(sample):
    pytest.importorskip("acts")
    hits, _, _, header = sample
    empty = hits[0].take(np.zeros(0, dtype=np.int64))
    found = acts_tracks([empty, hits[0], empty], header.detector, header.field)
    assert [len(tracks) > 0 for tracks in found] == [False, True, False]
    assert [len(tracks.parameters.d0) for tracks in found] == [len(tracks) for tracks in found]


def test_without_the_strips_the_tracks_are_the_same(sample, reference):
    """The finder searches a geometry of pixels alone; the full one only takes longer."""
    acts = pytest.importorskip("acts")
    hits, _, _, header = sample
    finder = ActsFinder.for_detector(header.detector, header.field)
    assert finder.setup.pixels_alone
    full = replace(finder, setup=acts_setup(acts, header.detector, header.field))
    assert [full.setup.volumes[v] for v in (7, 8, 9)] == [7, 8, 9]
    for other, tracks in zip(full.find(hits), reference, strict=True):
        assert [rows.tolist() for rows in other.rows()] == [rows.tolist() for rows in tracks.rows()]
        assert other.parameters.d0 == pytest.approx(tracks.parameters.d0, abs=1e-6)
        assert other.parameters.qop == pytest.approx(tracks.parameters.qop, rel=1e-6)


def test_a_search_may_be_of_some_volumes(sample, reference):
    pytest.importorskip("acts")
    hits, _, _, header = sample
    (barrel,) = acts_tracks(hits[:1], header.detector, header.field, ActsOptions(volumes=(8,)))
    on_disks = ~header.detector.barrel[hits[0].module]
    assert 0 < len(barrel) < len(reference[0])
    # Seeds may still have some.
    assert np.sum(on_disks[barrel.hits]) < 0.5 * np.sum(on_disks[reference[0].hits])
