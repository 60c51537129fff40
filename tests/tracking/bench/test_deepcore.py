"""Seeds alone, with a finder whose answers are known."""

import dataclasses
import time

import numpy as np
import pytest

from smartpix.clusters import flatten
from smartpix.shipped import data_path
from tracking.bench import deepcore
from tracking.bench.deepcore import CORE, PUBLISHED, cone_seeds, deepcore_seeds
from tracking.bench.events import load_sample
from tracking.finder_table import make_finder
from tracking.finders.deepcore.finder import DeepCoreFinder
from tracking.finders.deepcore.jets import Jets
from tracking.finders.deepcore.network import DeepCoreNetwork
from tracking.finders.deepcore.options import DeepCoreOptions, JetOptions, MapOptions, SeedCuts, TargetOptions
from tracking.finders.deepcore.windows import MapLayers
from tracking.finders.tracks import Tracks
from tracking.fit.tracks import fit_tracks


@pytest.fixture(scope="module")
def sample():
    return load_sample(data_path("sample.root"), 1)


def finder_of(sample, min_pt):
    options = DeepCoreOptions(
        jets=JetOptions(radius=0.02, min_pt=min_pt, min_members=1),
        seeds=SeedCuts(thresholds=(1.0, 1.0, 1.0), layer_off=0.0),
    )
    truth = sample.events[0].truth
    rows = [truth.hit[truth.particle == k] for k in np.flatnonzero(truth.findable & (truth.pt > 1.5))]
    layers = MapLayers.of(sample.header.detector, MapOptions())
    return DeepCoreFinder(
        lambda event: Tracks.from_rows(rows), fit_tracks, DeepCoreNetwork().eval(), TargetOptions(), layers,
        sample.header.field, 19, options,
    )  # fmt: skip


def test_a_network_that_is_never_sure_finds_nothing(sample):
    numbers = deepcore_seeds(finder_of(sample, 1.0), sample.events)
    assert numbers["parameters"] == 77_373
    assert numbers["n_jets"] > 10
    assert numbers["particles_per_jet"] > 0.5
    assert numbers["seed_efficiency"] == numbers["seed_fake_rate"] == numbers["seeds_per_jet"] == 0
    assert numbers["ms"] > 0
    assert numbers["core_x_um"] is None
    assert numbers["cones"] is None


def test_without_jets_there_is_nothing_to_count(sample):
    numbers = deepcore_seeds(finder_of(sample, 1e5), sample.events)
    assert numbers["n_jets"] == numbers["particles_per_jet"] == 0


def test_cones_seeds_are_those_along_a_jet(sample):
    (event,) = sample.events
    search = make_finder("chain-unsplit", sample.header).search
    hits = event.hits
    seeds = search.seeds(hits, search.edges(hits)).hits
    # Along one of the seeds, so that there is one.
    x, y, z = hits.position[seeds[0, 1]] - hits.position[seeds[0, 0]]
    axis = [np.array([v]) for v in (np.arcsinh(z / np.hypot(x, y)), np.arctan2(y, x), 100.0, 0.0)]
    numbers = cone_seeds(search, [event], [Jets(*axis)])
    made = {}
    for hit, particle in zip(event.truth.hit.tolist(), event.truth.particle.tolist(), strict=True):
        made.setdefault(hit, set()).add(particle)
    near = fakes = 0
    for seed in seeds.tolist():
        x, y, z = hits.position[seed[1]] - hits.position[seed[0]]
        turn = (np.arctan2(y, x) - axis[1][0] + np.pi) % (2 * np.pi) - np.pi
        if np.hypot(np.arcsinh(z / np.hypot(x, y)) - axis[0][0], turn) < CORE:
            near += 1
            fakes += not set.intersection(*(made.get(hit, set()) for hit in seed))
    assert numbers["n_seeds"] == near > 0
    assert numbers["seed_fake_rate"] == fakes / near
    assert numbers["ms"] > 0
    none = cone_seeds(search, [event], [Jets(*(np.zeros(0) for _ in range(4)))])
    assert (none["n_seeds"], none["seed_fake_rate"]) == (0, None)


def test_jets_are_as_near_across_the_end_of_the_azimuth(sample):
    (event,) = sample.events
    search = make_finder("chain-unsplit", sample.header).search
    hits = event.hits
    pairs = search.seeds(hits, search.edges(hits)).hits[:, :2]
    x, y, z = (hits.position[pairs[:, 1]] - hits.position[pairs[:, 0]]).T
    phi = np.arctan2(y, x)
    last = np.argmax(phi)
    # A jet just beyond pi, told as one just above -pi, has the seed just below pi.
    assert np.pi - phi[last] < CORE / 2
    eta = np.arcsinh(z / np.hypot(x, y))[last]
    jet = [np.array([v]) for v in (eta, -np.pi + 1e-6, 100.0, 0.0)]
    assert cone_seeds(search, [event], [Jets(*jet)])["n_seeds"] > 0
    same = [np.array([v]) for v in (eta, np.pi + 1e-6, 100.0, 0.0)]
    numbers = [cone_seeds(search, [event], [Jets(*of)])["n_seeds"] for of in (jet, same)]
    assert numbers[0] == numbers[1]


def test_time_is_of_the_processor_and_without_the_first_pass_and_reading_pixels(sample, monkeypatch):
    """On a clock that only the steps move on."""
    seconds = [0.0]

    def spend(step, amount):
        def run(*arguments, **more):
            seconds[0] += amount
            return step(*arguments, **more)

        return run

    seen = []

    class Timed(DeepCoreFinder):
        def find(self, event, tracks):
            seen.append(event)
            return spend(super().find, 5.0)(event, tracks)

    finder = finder_of(sample, 1.0)
    parts = {of.name: getattr(finder, of.name) for of in dataclasses.fields(finder)}
    finder = Timed(**parts | {"first": spend(finder.first, 700.0)})
    monkeypatch.setattr(time, "process_time", lambda: seconds[0])
    monkeypatch.setattr(deepcore, "flatten", spend(flatten, 90.0))
    assert deepcore_seeds(finder, sample.events)["ms"] == 5000.0
    assert seen[0].pixels([finder.slice]) is seen[0].flat


def test_the_cones_time_is_of_the_processor_too(sample, monkeypatch):
    search, seconds = make_finder("chain-unsplit", sample.header).search, [0.0]

    class Timed:
        def edges(self, hits):
            seconds[0] += 2.0
            return search.edges(hits)

        def seeds(self, hits, edges):
            seconds[0] += 1.0
            return search.seeds(hits, edges)

    monkeypatch.setattr(time, "process_time", lambda: seconds[0])
    none = Jets(*(np.zeros(0) for _ in range(4)))
    assert cone_seeds(Timed(), sample.events, [none])["ms"] == 3000.0


def test_published_numbers():
    assert PUBLISHED["seeding_s"] / PUBLISHED["seeding_s_before"] == pytest.approx(1 - 0.85, abs=0.01)
