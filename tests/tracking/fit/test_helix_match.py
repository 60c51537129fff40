"""Matching by helix against SciPy's distances, straight loops and truth."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from smartpix.physics import HIGHLAND, PION_MASS
from tests.seeding import toys
from tracking.fit.helix_match import match_helices
from tracking.fit.options import HelixMatchOptions
from tracking.metrics import Particles

N = 30


def particles_of_toy(toy):
    pt = toys.UNIT / np.abs(toy.curvature)
    momentum = pt[:, None] * np.column_stack([np.cos(toy.phi), np.sin(toy.phi), toy.cot_theta])
    return Particles(np.arange(1, len(pt) + 1), toy.start, momentum, -np.sign(toy.curvature))


@pytest.fixture(scope="module")
def toy():
    return toys.toy_event(N, seed=11, pt=(0.5, 5.0))


@pytest.fixture(scope="module")
def hits(toy):
    return toys.toy_hits(toy)


def test_tracks_are_matched_to_their_own_particles(toy, hits):
    tracks = [rows for rows in toy.hit_rows() if len(rows)]
    owner = [toy.particle[rows[0]] for rows in tracks]
    particles = particles_of_toy(toy)
    score = match_helices(hits, tracks, particles, toys.FIELD)
    assert score.particle.tolist() == owner
    np.testing.assert_array_equal(score.hit_fraction, 1.0)
    assert score.found.sum() == len(set(owner))
    layers = np.array([len(set(toy.layer[rows])) for rows in toy.hit_rows()])
    accepted = particles.accepted
    # Of other particles' hits near a helix there are few among thirty particles.
    assert np.mean(score.n_layers[accepted] == layers[accepted]) > 0.9
    assert (score.n_layers[accepted] >= layers[accepted]).all()
    assert not score.n_layers[~accepted].any()
    assert score.findable.tolist() == (accepted & (score.n_layers >= 4)).tolist()


@pytest.mark.parametrize("field", [toys.FIELD, -toys.FIELD])
def test_near_is_what_scipy_says(field):
    """A particle, and hits beside its helix by a little less and a little more than is allowed."""
    options = HelixMatchOptions(min_layers=1)
    toy = toys.toy_event(8, seed=5, pt=(1.0, 3.0), max_eta=2.0)
    hits = toys.toy_hits(toy, position=False)
    particles = particles_of_toy(toy)
    if field < 0:
        particles = Particles(particles.particle_id, particles.vertex, particles.momentum, -particles.charge)
    pt = toys.UNIT / np.abs(toy.curvature)
    rng = np.random.default_rng(1)
    for p in range(8):
        row = toy.hit_rows()[p][-1]
        point = hits.position[row]
        momentum = pt[p] * np.hypot(1, toy.cot_theta[p])
        beta = momentum / np.hypot(momentum, PION_MASS)
        theta = HIGHLAND / beta / momentum * np.sqrt(options.material * np.hypot(1, toy.cot_theta[p]))
        away = np.cross(toy.direction[row], rng.normal(size=3))
        away /= np.linalg.norm(away)
        for inside, factor in ((True, 0.98), (False, 1.02)):
            there = point.copy()
            for _ in range(3):
                length = np.hypot(*(there - toy.start[p])[:2])
                path = 2 / abs(toy.curvature[p]) * np.arcsin(abs(toy.curvature[p]) * length / 2)
                allowed = options.tolerance + options.scattering * theta * path * np.hypot(
                    1, toy.cot_theta[p]
                )
                there = point + factor * allowed * away

            def distance(arc, p=p, there=there):
                at = toys.helix(toy.start[p], toy.phi[p], toy.curvature[p], toy.cot_theta[p], np.array([arc]))
                return float(np.linalg.norm(at[0][0] - there))

            nearest = minimize_scalar(distance, bounds=(0.8 * path, 1.2 * path), method="bounded",
                                      options={"xatol": 1e-9}).fun  # fmt: skip
            assert (nearest < allowed) == inside
            moved = hits.take(np.array([row]))
            moved.position[0] = there
            one = Particles(*(a[p : p + 1] for a in (
                particles.particle_id, particles.vertex, particles.momentum, particles.charge
            )))  # fmt: skip
            score = match_helices(moved, [np.array([0])], one, field, options)
            assert (score.particle[0] == 0) == inside
            assert score.n_layers[0] == inside


def test_half_of_the_hits_and_half_of_the_layers_decide(toy, hits):
    particles, own = particles_of_toy(toy), toy.hit_rows()
    n_layers = match_helices(hits, [], particles, toys.FIELD).n_layers
    # One hit on each layer, of particles with no other's hit near them.
    one = [rows[np.unique(toy.layer[rows], return_index=True)[1]] for rows in own]
    a, b = [p for p in range(N) if particles.accepted[p] and n_layers[p] == len(one[p]) in (5, 6)][:2]
    tracks = [
        np.concatenate([one[a][:3], one[b][-2:]]),  # most of a's
        np.concatenate([one[a][:2], one[b][-4:]]),  # most of b's
        one[a][:2],  # all its, on less than half of the layers
        np.zeros(0, dtype=np.int64),
    ]
    score = match_helices(hits, tracks, particles, toys.FIELD)
    assert score.particle.tolist() == [a, b, -1, -1]
    assert score.hit_fraction[:2] == pytest.approx([3 / 5, 4 / 6])
    strict = match_helices(hits, tracks, particles, toys.FIELD, HelixMatchOptions(fraction=0.8))
    assert strict.particle.tolist() == [-1] * 4


def test_neutral_particles_and_events_without_any_match_nothing(toy, hits):
    particles = particles_of_toy(toy)
    neutral = Particles(particles.particle_id, particles.vertex, particles.momentum, 0 * particles.charge)
    tracks = [rows for rows in toy.hit_rows() if len(rows)]
    none = Particles(*(a[:0] for a in (
        particles.particle_id, particles.vertex, particles.momentum, particles.charge
    )))  # fmt: skip
    for nobody in (neutral, none):
        score = match_helices(hits, tracks, nobody, toys.FIELD)
        assert (score.particle == -1).all()
        assert not score.found.any()
    assert len(match_helices(hits, [], particles, toys.FIELD).particle) == 0
