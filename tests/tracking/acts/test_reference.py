import dataclasses
import sys

import awkward as ak
import numpy as np
import pytest

from seeding.hits import make_hits
from smartpix.estimate.base import estimate
from smartpix.estimate.choose import choose_estimator
from smartpix.extras import import_acts
from smartpix.geometry import Detector
from smartpix.io.events import iterate
from smartpix.schema import InputError
from smartpix.shipped import data_path
from tracking import metrics
from tracking.acts.event import acts_detector, local_measurements
from tracking.acts.reference import ActsOptions, acts_fits, acts_tracks
from tracking.finders.paths import Tracks

N_EVENTS = 2
PARAMETERS = ("d0", "z0", "phi", "theta", "qop")


@dataclasses.dataclass(frozen=True)
class Start:
    d0: np.ndarray
    z0: np.ndarray
    phi: np.ndarray
    theta: np.ndarray
    qop: np.ndarray


@pytest.fixture(scope="module")
def sample():
    """Hits, truth and particles of a few pile-up-20 events, and the header."""
    hits, truths, particles = [], [], []
    for opened, events in iterate(data_path("sample.root"), step=1, stop=N_EVENTS):
        header, record = opened.header, events[0]
        estimates = estimate(record["clusters"], header, choose_estimator(header))
        hits.append(make_hits(record["clusters"], estimates, header.detector))
        truths.append(metrics.event_truth(record["clusters"], record["particles"], hits[-1].layer))
        particles.append(
            record["particles"][np.argsort(ak.to_numpy(record["particles"]["particle_id"]), kind="stable")]
        )
    return hits, truths, particles, header


@pytest.fixture(scope="module")
def reference(sample):
    pytest.importorskip("acts")
    hits, _, _, header = sample
    return acts_tracks(hits, header.detector, header.field)


def true_parameters(particles):
    """(P, 5) at the closest approach to the z axis, of particles from near it."""
    x, y, z, px, py, pz, charge = (
        ak.to_numpy(particles[n]).astype(float) for n in ("vx", "vy", "vz", "px", "py", "pz", "charge")
    )
    phi, pt = np.arctan2(py, px), np.hypot(px, py)
    along = x * np.cos(phi) + y * np.sin(phi)
    return np.column_stack([
        y * np.cos(phi) - x * np.sin(phi), z - along * pz / pt, phi, np.arctan2(pt, pz),
        charge / np.hypot(pt, pz),
    ])  # fmt: skip


def pulls(sample, tracks, parameters):
    """Pulls (T, 5) of tracks of findable particles from the beam line."""
    rows = []
    for truth, particles, found, values in zip(*sample[1:3], tracks, parameters, strict=True):
        who, _ = metrics.match_tracks(truth, found.rows())
        near = np.hypot(ak.to_numpy(particles["vx"]), ak.to_numpy(particles["vy"])) < 0.1
        good = (who >= 0) & (truth.findable & near)[who] & (values.ndf > 0)
        difference = (
            np.column_stack([getattr(values, n) for n in PARAMETERS]) - true_parameters(particles)[who]
        )
        difference[:, 2] = (difference[:, 2] + np.pi) % (2 * np.pi) - np.pi
        rows.append((difference / np.sqrt(np.diagonal(values.covariance, axis1=1, axis2=2)))[good])
    return np.concatenate(rows)


def half_widths(values):
    return np.diff(np.quantile(values, [0.16, 0.84], axis=0), axis=0)[0] / 2


def test_measurements_are_where_the_hits_are(sample):
    pytest.importorskip("acts")
    acts = import_acts()
    hits, _, _, header = sample
    setup = acts_detector(acts, header.detector, header.field)
    surfaces = []
    setup.geometry.visitSurfaces(surfaces.append)
    by_id = {s.geometryId.value: s for s in surfaces}
    context, forward = acts.GeometryContext.dangerouslyDefaultConstruct(), acts.Vector3(0, 0, 1)
    event = hits[0]
    local, variance = local_measurements(event, header.detector)
    for k in range(0, len(event), 7):
        point = by_id[setup.ids[event.module[k]].value].localToGlobal(
            context, acts.Vector2(*local[k]), forward
        )
        assert np.allclose([*point], event.position[k], rtol=0, atol=1e-6)
    # ACTS's first axis is across, which is our y.
    assert np.allclose(np.sqrt(variance), event.estimate.sigma()[:, 1::-1])


def test_acts_finds_the_particles(sample, reference):
    hits, truths, _, _ = sample
    assert set(reference.ms) == {"seeding", "parameters", "ckf", "ambiguity", "total"}
    assert reference.ms["total"] == pytest.approx(sum(v for k, v in reference.ms.items() if k != "total"))
    found = wanted = fakes = total = 0
    for event, truth, tracks in zip(hits, truths, reference.tracks, strict=True):
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
    spread = pulls(sample, reference.tracks, reference.parameters)
    assert len(spread) > 100
    assert np.all(np.abs(half_widths(spread) - 1) < 0.35)
    assert np.all(np.abs(np.median(spread, axis=0)) < 0.35)


def test_fits_of_given_tracks(sample, reference):
    hits, _, _, header = sample
    # Off by several standard deviations: the start must not count.
    start = [
        Start(p.d0 + 0.2, p.z0 - 0.2, p.phi + 2e-3, p.theta - 2e-3, 1.1 * p.qop) for p in reference.parameters
    ]
    tracks = reference.tracks
    fits = acts_fits(hits, tracks, start, header.detector, header.field)
    assert fits.ms > 0
    for given, values, n_fitted in zip(tracks, fits.parameters, fits.n_fitted, strict=True):
        assert values.covariance.shape == (len(given), 5, 5)
        fitted = n_fitted > 0
        assert fitted.mean() > 0.99
        assert np.mean(n_fitted[fitted] == np.diff(given.start)[fitted]) > 0.99
        assert np.array_equal(np.isfinite(values.d0), fitted)
    spread = pulls(sample, tracks, fits.parameters)
    assert np.all(np.abs(half_widths(spread) - 1) < 0.35)
    near = acts_fits(
        hits[:1], tracks[:1], reference.parameters[:1], header.detector, header.field
    ).parameters[0]
    sigma = np.sqrt(np.diagonal(near.covariance, axis1=1, axis2=2))
    shift = np.column_stack([getattr(near, n) - getattr(fits.parameters[0], n) for n in PARAMETERS]) / sigma
    assert np.quantile(np.abs(shift), 0.95) < 0.2


def test_options_reach_acts(sample, reference):
    hits, _, _, header = sample
    strict = acts_tracks(hits[:1], header.detector, header.field, ActsOptions(min_pt=1.0))
    values = strict.parameters[0]
    assert np.all(np.abs(np.sin(values.theta) / values.qop) > 0.99)
    assert 0 < len(strict.tracks[0]) < len(reference.tracks[0])
    # Seeds of stiff particles only.
    few = acts_tracks(hits[:1], header.detector, header.field, seeding={"minPt": 3.0})
    assert len(few.tracks[0]) < 0.5 * len(reference.tracks[0])


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
    none = Tracks(np.zeros(0, dtype=np.int64), np.zeros(1, dtype=np.int64), np.zeros(0, dtype=np.float32))
    with pytest.raises(InputError, match="give one of each for every event"):
        acts_fits(hits[:1], [none], [Start(*np.zeros((5, 1)))], header.detector, header.field)
    with pytest.raises(InputError, match="chi2 must be positive and is -1"):
        ActsOptions(chi2=-1)
    monkeypatch.setitem(sys.modules, "acts", None)
    with pytest.raises(InputError, match=r"pip install 'smartpix\[acts\]'"):
        acts_tracks(hits, header.detector, header.field)


def test_events_without_hits_or_tracks(sample):
    pytest.importorskip("acts")
    hits, _, _, header = sample
    empty = hits[0].take(np.zeros(0, dtype=np.int64))
    found = acts_tracks([empty, hits[0], empty], header.detector, header.field)
    assert [len(t) > 0 for t in found.tracks] == [False, True, False]
    fits = acts_fits([empty, hits[0]], found.tracks[:2], found.parameters[:2], header.detector, header.field)
    assert [len(p.d0) for p in fits.parameters] == [len(t) for t in found.tracks[:2]]
