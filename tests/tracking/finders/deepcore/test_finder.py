"""DeepCore as a finder, with a network that knows the truth: the answers of one that has learned everything."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from smartpix.io.events import iterate, open_events
from smartpix.networks.weights import save_weights
from smartpix.schema import InputError
from smartpix.shipped import data_path
from tests.helpers import part_of
from tests.tracking.finders.deepcore.hand_made import jets_of
from tracking.bench.events import load_sample
from tracking.finders.deepcore.finder import CoreTracks, DeepCoreFinder, new_tracks, track_jets
from tracking.finders.deepcore.network import ARCHITECTURE, DeepCoreNetwork
from tracking.finders.deepcore.options import (
    DeepCoreOptions,
    JetOptions,
    MapOptions,
    TargetOptions,
    TrainDeepCoreOptions,
)
from tracking.finders.deepcore.seeds import CoreSeeds
from tracking.finders.deepcore.targets import make_targets, particle_crossings
from tracking.finders.deepcore.windows import JetCrossings, MapLayers, Windows
from tracking.finders.finder import FinderInput, checked_tracks
from tracking.finders.tracks import Tracks
from tracking.fit.tracks import fit_tracks
from tracking.metrics import score_tracks

SAMPLE = data_path("sample.root")
OPTIONS = DeepCoreOptions(jets=JetOptions(radius=0.02, min_pt=1.0, min_members=1))
MAPS = MapOptions()


class KnowingNetwork(DeepCoreNetwork):
    """Answers with the targets of an event."""

    def __init__(self, crossings, layers):
        super().__init__()
        self.crossings, self.layers = crossings, layers

    def answer(self, maps):
        # The maps of the axis tell where it is; its vertex does not come with them, so it is set by the test.
        crossings = JetCrossings.of(self.jets, self.layers, MAPS)
        jets = self.jets.take(crossings.reference >= 0)
        crossings = JetCrossings.of(jets, self.layers, MAPS)
        assert len(jets) == len(maps)
        np.testing.assert_allclose(maps[:, 4, 3, 3], jets.eta, rtol=1e-5)
        row = crossings.reference
        windows = Windows(
            jets,
            maps.numpy(),
            crossings,
            crossings.module[row],
            crossings.point[row],
            np.zeros(len(jets), bool),
        )
        parameters, probability = make_targets(windows, self.crossings, MAPS, TargetOptions())
        return torch.from_numpy(parameters[:, :, :5].copy()), torch.from_numpy(probability[:, :, 0].copy())


@pytest.fixture(scope="module")
def event():
    """The finder's input, the event's truth, and its crossings of the reference layer."""
    sample = load_sample(SAMPLE, 1)
    event = sample.events[0]
    layers = MapLayers.of(sample.header.detector, MAPS)
    record = next(iter(iterate(SAMPLE, step=1)))[1][0]
    given = FinderInput(event.clusters, event.hits, sample.header.detector, sample.header.field)
    return given, event.truth, particle_crossings(record["clusters"], layers)


def true_tracks(given, truth, particles):
    rows = [np.sort(truth.hit[truth.particle == k]) for k in particles]
    distance = np.linalg.norm(given.hits.position, axis=1)
    return Tracks.from_rows([row[np.argsort(distance[row])] for row in rows])


def finder_of(given, first, crossings, options=OPTIONS):
    layers = MapLayers.of(given.detector, MAPS)
    network = KnowingNetwork(crossings, layers)
    return DeepCoreFinder(first, fit_tracks, network, TargetOptions(), layers, given.field, 19, options)


def test_seeds_add_the_tracks_that_the_first_pass_lacks(event):
    given, truth, crossings = event
    stiff = np.flatnonzero(truth.findable & (truth.pt > 1.5) & (np.abs(truth.eta) < 1.3))
    every, half = (true_tracks(given, truth, rows) for rows in (stiff, stiff[::2]))
    finder = finder_of(given, lambda _: half, crossings)
    finder.network.jets = track_jets(given.hits, every, given.detector, given.field, fit_tracks, OPTIONS.jets)
    assert len(finder.network.jets) > 20
    found = finder.find(given, every)
    assert np.mean(np.sum(found.hits >= 0, axis=1) >= 3) > 0.95
    new = [rows for rows, _ in new_tracks(half, found, OPTIONS)]
    score = score_tracks(truth, half.rows() + new)
    # Softer ones bend by more than half a window before they reach the layer.
    others = stiff[1::2][truth.pt[stiff[1::2]] > 2.2]
    assert len(others) > 3
    assert np.mean(score.found[others]) > 0.9
    assert np.sum(score.particle < 0) <= 1
    assert score.duplicate.sum() <= 2


def test_the_first_pass_stays_and_comes_first(event):
    given, truth, crossings = event
    stiff = np.flatnonzero(truth.findable & (truth.pt > 1.5) & (np.abs(truth.eta) < 1.3))
    first = true_tracks(given, truth, stiff)
    finder = finder_of(given, lambda _: first, crossings)
    finder.network.jets = track_jets(given.hits, first, given.detector, given.field, fit_tracks, OPTIONS.jets)
    tracks = checked_tracks(finder(given), given, "deepcore")
    n = len(first.hits)
    np.testing.assert_array_equal(tracks.hits[:n], first.hits)
    np.testing.assert_array_equal(tracks.start[: len(first) + 1], first.start)
    # Their own particles are no further tracks.
    assert len(first) <= len(tracks) < 1.5 * len(first)
    assert not score_tracks(truth, tracks.rows()).duplicate.any()
    assert tracks.ms["deepcore"] > 0


def test_without_jets_the_first_pass_is_all(event):
    given, truth, crossings = event
    first = true_tracks(given, truth, np.flatnonzero(truth.findable)[:20])
    finder = finder_of(given, lambda _: first, crossings, DeepCoreOptions(jets=JetOptions(min_pt=1e5)))
    finder.network.jets = jets_of()
    tracks = finder(given)
    np.testing.assert_array_equal(tracks.hits, first.hits)
    np.testing.assert_array_equal(tracks.start, first.start)


def test_an_event_without_clusters(event):
    given, _, crossings = event
    empty = FinderInput(
        given.clusters[:0], given.hits.take(np.zeros(0, dtype=int)), given.detector, given.field
    )
    finder = finder_of(given, lambda _: Tracks.from_rows([]), crossings)
    finder.network.jets = jets_of()
    assert len(finder(empty)) == 0


@pytest.mark.parametrize("missing", [0, 1, 3])
def test_a_layer_without_hits(event, missing):
    """Its map is empty, and seeds may be less probable; tracks then have three hits."""
    given, truth, crossings = event
    layers = MapLayers.of(given.detector, MAPS)
    keep = np.flatnonzero(given.hits.layer != layers.barrel[missing])
    hits = dataclasses.replace(given.hits.take(keep), cluster=np.arange(len(keep)))
    less = FinderInput(given.clusters[keep], hits, given.detector, given.field)
    stiff = np.flatnonzero(truth.findable & (truth.pt > 1.5) & (np.abs(truth.eta) < 1.3))[::2]
    first = true_tracks(given, truth, stiff)
    finder = finder_of(given, lambda _: first, crossings)
    jets = track_jets(given.hits, first, given.detector, given.field, fit_tracks, OPTIONS.jets)
    finder.network.jets = jets
    from smartpix.clusters import flatten

    found = finder.find_in(jets, flatten(less.clusters, [19]), less.hits)
    assert found.windows.layer_off.all()
    assert np.all(found.hits[:, missing] == -1)
    others = np.delete(found.hits, missing, axis=1)
    assert np.mean(np.all(others >= 0, axis=1)) > 0.8


@given(
    st.lists(st.lists(st.integers(0, 12), min_size=3, max_size=6, unique=True), max_size=4),
    st.lists(st.tuples(*[st.integers(-1, 12)] * 4), max_size=6),
    st.sampled_from([0.0, 0.3, 0.5, 0.75]),
    st.sampled_from([3, 4]),
)
def test_new_tracks_are_those_that_nobody_has(first, picked, max_shared, min_hits):
    """Against the definition, set by set."""
    n = len(picked)
    none = np.zeros(n)
    seeds = CoreSeeds(
        none.astype(int), none.astype(int), np.zeros((n, 2)), none, none, none, np.linspace(1, 0.5, n),
        none.astype(int),
    )  # fmt: skip
    hits = np.array(picked, dtype=np.int64).reshape(n, 4)
    options = DeepCoreOptions(max_shared=max_shared, min_hits=min_hits)
    found = new_tracks(Tracks.from_rows(first), CoreTracks(jets_of(), None, seeds, hits), options)
    there, expected = [set(rows) for rows in first], []
    for rows in picked:
        rows = [row for row in rows if row >= 0]
        if len(rows) >= min_hits and all(
            sum(row in one for row in rows) <= max_shared * len(rows) for one in there
        ):
            there.append(set(rows))
            expected.append(rows)
    assert [rows.tolist() for rows, _ in found] == expected


def test_jets_are_those_of_the_fitted_tracks(event):
    given, truth, _ = event
    stiff = np.flatnonzero(truth.findable & (truth.pt > 1.5) & (np.abs(truth.eta) < 1.3))[::2]
    jets = track_jets(
        given.hits, true_tracks(given, truth, stiff), given.detector, given.field, fit_tracks,
        JetOptions(radius=0.01, min_pt=0.0, min_members=1),
    )  # fmt: skip
    nearest = [
        np.abs(jets.eta - truth.eta[k]).min() + np.abs(jets.z - truth.vertex[k, 2]).min() for k in stiff
    ]
    assert np.median(nearest) < 0.1


def test_what_cannot_be_set_up(event, tmp_path):
    given, _, _ = event
    path = tmp_path / "w.safetensors"
    arrays = {k: v.numpy() for k, v in DeepCoreNetwork().state_dict().items()}
    options = dataclasses.asdict(TrainDeepCoreOptions())
    save_weights(path, arrays, {"architecture": ARCHITECTURE, "options": options, "data": [{"seed": 5}]})
    chosen = DeepCoreOptions(weights=str(path))
    first = finder_of(given, None, None)
    object.__setattr__(first, "options", dataclasses.replace(chosen, weights=str(path)))
    finder = DeepCoreFinder.for_detector(given.detector, given.field, 19, lambda _: None, fit_tracks, chosen)
    assert finder.training_seeds == {5}
    disks = part_of(given.detector, ~given.detector.barrel)
    with pytest.raises(InputError, match="4 barrel layers"):
        DeepCoreFinder.for_detector(disks, given.field, 19, lambda _: None, fit_tracks, chosen)
    assert open_events(SAMPLE).header.slices[-1] == 19
