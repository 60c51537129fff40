"""Seeds made of the truth of the embedded sample, with errors as large as a seed's, find their own hits."""

import dataclasses

import numpy as np
import pytest

from seeding.cones import to_plane
from seeding.options import ConeOptions
from smartpix.io.events import iterate, open_events
from smartpix.shipped import data_path
from tracking.bench.events import load_sample
from tracking.finders.deepcore.follow import follow_seeds, seed_cones
from tracking.finders.deepcore.options import DeepCoreOptions, MapOptions
from tracking.finders.deepcore.seeds import CoreSeeds
from tracking.finders.deepcore.targets import particle_crossings
from tracking.finders.deepcore.windows import MapLayers

SAMPLE, OPTIONS, CONE = data_path("sample.root"), DeepCoreOptions(), ConeOptions()


@pytest.fixture(scope="module")
def event():
    """Layers, field, an event, and the crossings of its stiffer particles."""
    sample = load_sample(SAMPLE, 1)
    layers = MapLayers.of(sample.header.detector, MapOptions())
    record = next(iter(iterate(SAMPLE, step=1)))[1][0]
    crossings = particle_crossings(record["clusters"], layers)
    crossings = crossings.take((crossings.pt > 1.5) & (np.abs(crossings.eta) < 1.4))
    assert len(crossings) > 20
    return layers, open_events(SAMPLE).header.field, sample.events[0], crossings


def seeds_of(crossings, rng=None):
    """Seeds where the particles are; with errors of the fixed size, if there is a generator."""
    n = len(crossings)
    error = np.zeros((n, 4)) if rng is None else rng.normal(0, 1, (n, 4))
    return CoreSeeds(
        np.zeros(n, dtype=np.int64), crossings.module, crossings.point + 0.044 * error[:, :2],
        crossings.eta + 0.0015 * error[:, 2], crossings.phi + 0.0015 * error[:, 3], crossings.pt,
        np.ones(n), np.zeros(n, dtype=np.int64),
    )  # fmt: skip


def test_cones_start_at_the_seeds(event):
    layers, field, _, crossings = event
    seeds = seeds_of(crossings)
    cones = seed_cones(seeds, layers.detector, field, OPTIONS, CONE)
    # The luminous region moves them, by less than the seeds' own uncertainties.
    at = layers.detector.to_global(seeds.module, seeds.point)
    assert np.linalg.norm(cones.position - at, axis=1).max() < 0.1
    assert np.abs((cones.psi - seeds.phi + np.pi) % (2 * np.pi) - np.pi).max() < 0.01
    # Stiff seeds bend no more than their pT says; of soft ones the luminous region knows as much.
    stiff = dataclasses.replace(seeds, pt=np.full(len(seeds), 300.0))
    stiff = seed_cones(stiff, layers.detector, field, OPTIONS, CONE)
    assert np.sqrt(stiff.covariance[:, 4, 4]).max() < 1.01 * 0.3e-3 * field / 128
    assert np.sqrt(cones.covariance[:, 4, 4]).min() > 2e-5
    assert len(seed_cones(seeds.take(np.zeros(0, dtype=int)), layers.detector, field, OPTIONS, CONE)) == 0


@pytest.mark.parametrize("smeared", [False, True])
def test_seeds_find_their_own_hits(event, smeared):
    layers, field, event, crossings = event
    seeds = seeds_of(crossings, np.random.default_rng(3) if smeared else None)
    picked = follow_seeds(seeds, event.hits, layers.barrel, layers.detector, field, OPTIONS, CONE)
    assert picked.shape == (len(seeds), 4)
    truth = event.truth
    row = np.searchsorted(truth.particle_id, crossings.particle)
    made = set(zip(truth.particle.tolist(), truth.hit.tolist(), strict=True))
    n_right = n_made = 0
    for k, rows in enumerate(picked):
        assert np.all(event.hits.layer[rows[rows >= 0]] == layers.barrel[rows >= 0])
        n_right += sum((row[k], hit) in made for hit in rows.tolist())
        on = event.hits.layer[truth.hit[truth.particle == row[k]]]
        n_made += np.isin(layers.barrel, on).sum()
    assert n_right > 0.97 * n_made


def test_no_hits_and_no_seeds(event):
    layers, field, event, crossings = event
    seeds, none = seeds_of(crossings), np.zeros(0, dtype=np.int64)
    at = (layers.barrel, layers.detector, field, OPTIONS, CONE)
    assert np.all(follow_seeds(seeds, event.hits.take(none), *at) == -1)
    assert follow_seeds(seeds.take(none), event.hits, *at).shape == (0, 4)


def test_a_layer_without_hits_is_left_out(event):
    layers, field, event, crossings = event
    hits = event.hits.take(np.flatnonzero(event.hits.layer != layers.barrel[2]))
    picked = follow_seeds(seeds_of(crossings), hits, layers.barrel, layers.detector, field, OPTIONS, CONE)
    assert np.all(picked[:, 2] == -1)
    assert np.mean(picked[:, [0, 1, 3]] >= 0) > 0.9


def test_narrow_cones_hold_fewer_hits(event):
    layers, field, event, crossings = event
    seeds = seeds_of(crossings, np.random.default_rng(3))
    wide, narrow = (
        follow_seeds(
            seeds, event.hits, layers.barrel, layers.detector, field,
            dataclasses.replace(OPTIONS, quantile=quantile), CONE,
        )
        for quantile in (0.999, 0.2)
    )  # fmt: skip
    assert 0 < np.sum(narrow >= 0) < 0.8 * np.sum(wide >= 0)


def test_the_predictions_jacobian_is_its_derivative(event):
    layers, field, _, crossings = event
    cones = seed_cones(seeds_of(crossings), layers.detector, field, OPTIONS, CONE)
    n, side = len(cones), 1e-4
    axes = np.tile(np.eye(3)[[1, 2, 0]], (n, 1, 1))
    turn = np.stack([np.cos(cones.psi), np.sin(cones.psi), 0 * cones.psi], axis=1)
    axes[:, 2], axes[:, 0] = turn, np.stack([-turn[:, 1], turn[:, 0], 0 * cones.psi], axis=1)
    axes[:, 1] = [0.0, 0.0, 1.0]
    center = cones.position + 40.0 * turn
    at = to_plane(cones, center, axes)
    for column, name in enumerate(("psi", "cot_theta", "curvature")):
        step = side * (1e-2 if name == "curvature" else 1.0)
        ends = [
            to_plane(
                dataclasses.replace(cones, **{name: getattr(cones, name) + sign * step}), center, axes
            ).local
            for sign in (1, -1)
        ]
        slope = (ends[0] - ends[1]) / (2 * step)
        np.testing.assert_allclose(at.jacobian[:, :, 2 + column], slope, rtol=1e-3, atol=1e-2)
    for column in range(2):
        ends = [
            to_plane(
                dataclasses.replace(cones, position=cones.position + s * side * cones.axes[:, column]),
                center,
                axes,
            ).local
            for s in (1, -1)
        ]
        np.testing.assert_allclose(
            at.jacobian[:, :, column], (ends[0] - ends[1]) / (2 * side), rtol=1e-3, atol=1e-5
        )
