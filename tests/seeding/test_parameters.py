import dataclasses

import numpy as np
import pytest

from seeding.cones import ConeOptions
from seeding.edges import find_edges
from seeding.parameters import seed_parameters
from seeding.seeds import SeedOptions, Seeds, find_seeds
from tests.seeding import toys

CONE = ConeOptions(min_pt=0.4, sigma_d0=0.2, radiation_length=0.0)


def true_seeds(toy, hits, options=CONE):
    """Parameters of one seed for each particle, of its first hits on three layers, and the particles."""
    triplets, circles, particles = [], [], []
    for p, rows in enumerate(toy.hit_rows()):
        first = [h for k, h in enumerate(rows) if k == 0 or toy.layer[h] != toy.layer[rows[k - 1]]]
        if len(first) >= 3:
            triplets.append(first[:3])
            circles.append(toys.beam_circle(hits.position[first[0]], hits.position[first[2]]))
            particles.append(p)
    columns = [column.astype(np.float32) for column in np.array(circles).T]
    nothing = np.zeros(len(triplets), dtype=np.float32)
    seeds = Seeds(np.array(triplets, dtype=np.int32), *columns, nothing, np.zeros((0, 2), dtype=np.float32))
    return seed_parameters(hits, seeds, toys.FIELD, options), np.array(particles)


def displaced(n, seed):
    """Tracks that pass the beam line at up to 0.3 mm, and their d0 with the sign of the docstring."""
    rng = np.random.default_rng(seed)
    phi, d0 = rng.uniform(-np.pi, np.pi, n), rng.uniform(-0.3, 0.3, n)
    start = np.column_stack([-d0 * np.sin(phi), d0 * np.cos(phi), rng.normal(0, 50, n)])
    curvature = rng.choice([-1, 1], n) * toys.UNIT / np.exp(rng.uniform(np.log(0.5), np.log(5), n))
    return toys.event_of(start, phi, curvature, np.sinh(rng.uniform(-2.5, 2.5, n))), d0


def test_exact_positions_give_the_exact_helix():
    toy, d0 = displaced(60, 1)
    hits = toys.toy_hits(toy, 1, sigma=(1e-7, 1e-7, 0.05, 0.02))
    parameters, p = true_seeds(toy, hits)
    assert len(p) > 40
    np.testing.assert_allclose(parameters.curvature, toy.curvature[p], rtol=5e-3, atol=2e-6)
    np.testing.assert_allclose(parameters.d0, d0[p], atol=0.01)
    np.testing.assert_allclose(parameters.cot_theta, toy.cot_theta[p], rtol=5e-3, atol=1e-3)
    np.testing.assert_allclose(parameters.z0, toy.start[p, 2], atol=0.5)
    np.testing.assert_allclose(np.cos(parameters.phi - toy.phi[p]), 1, atol=1e-5)


def test_pulls_are_unit_gaussians():
    toy, d0 = displaced(1200, 2)
    hits = toys.toy_hits(toy, 2, sigma=(0.01, 0.01, 0.05, 0.02))
    parameters, p = true_seeds(toy, hits)
    truth = np.column_stack([d0[p], toy.start[p, 2], toy.phi[p], toy.cot_theta[p], toy.curvature[p]])
    found = np.column_stack(
        [parameters.d0, parameters.z0, parameters.phi, parameters.cot_theta, parameters.curvature]
    )
    residual = found - truth
    residual[:, 2] = np.angle(np.exp(1j * residual[:, 2]))
    sigma = np.sqrt(np.einsum("nii->ni", parameters.covariance))
    pull = np.clip(residual / sigma, -5, 5)
    np.testing.assert_allclose(pull.std(axis=0), 1, atol=0.12)
    np.testing.assert_allclose(pull.mean(axis=0), 0, atol=0.1)


def test_material_widens_everything_but_leaves_the_helix():
    toy, _ = displaced(40, 3)
    hits = toys.toy_hits(toy, 3)
    edges = find_edges(hits, toys.detector(), toys.pairs(), toys.FIELD, CONE)
    seeds = find_seeds(hits, edges, toys.FIELD, CONE, SeedOptions())
    thin, thick = (
        seed_parameters(hits, seeds, toys.FIELD, ConeOptions(radiation_length=x)) for x in (0.0, 0.1)
    )
    np.testing.assert_allclose(thick.curvature, thin.curvature, rtol=1e-6)
    wider = np.einsum("nii->ni", thick.covariance) / np.einsum("nii->ni", thin.covariance)
    assert np.all(wider > 1)


def test_no_seeds_have_no_parameters():
    hits = toys.toy_hits(toys.empty_event())
    edges = find_edges(hits, toys.detector(), toys.pairs(), toys.FIELD, CONE)
    parameters = seed_parameters(
        hits, find_seeds(hits, edges, toys.FIELD, CONE, SeedOptions()), toys.FIELD, CONE
    )
    assert len(parameters) == 0
    assert parameters.covariance.shape == (0, 5, 5)


@pytest.mark.parametrize("sign", [-1, 1])
def test_impact_parameter_lies_to_the_left_of_the_direction_if_positive(sign):
    start = np.array([[0.0, 0.2 * sign, 0.0]])
    toy = toys.event_of(start, np.zeros(1), np.full(1, 1e-6), np.full(1, 0.3))
    parameters, _ = true_seeds(toy, toys.toy_hits(toy, 4, sigma=(1e-6, 1e-6, 0.05, 0.02)))
    np.testing.assert_allclose(parameters.d0, 0.2 * sign, atol=0.01)


def test_pulls_are_unit_gaussians_with_material():
    """Every layer kicks the track across and along by Highland's angle; positions themselves are exact."""
    thick = ConeOptions(radiation_length=0.05)
    rng = np.random.default_rng(6)
    toy = toys.toy_event(900, seed=6, max_eta=1.5, pt=(0.6, 3.0))
    hits = toys.toy_hits(toy, 6, sigma=(1e-5, 1e-5, 0.05, 0.02))
    position = hits.position.copy()
    for p, rows in enumerate(toy.hit_rows()):
        c, pt = toy.cot_theta[p], toys.UNIT / abs(toy.curvature[p])
        theta0 = 0.0136 / (pt * np.hypot(1, c)) * np.sqrt(0.05)
        radius = np.hypot(*toy.point[rows, :2].T)
        path = 2 * np.arcsin(toy.curvature[p] * radius / 2) / toy.curvature[p]
        first = [k for k in range(len(rows)) if k == 0 or toy.layer[rows[k]] != toy.layer[rows[k - 1]]]
        kicks = {k: rng.normal(0, theta0, 2) for k in first}
        for k, h in enumerate(rows):
            lever = {m: path[k] - path[m] for m in first if m < k}
            across = sum(kicks[m][0] * np.hypot(1, c) * s for m, s in lever.items())
            along = sum(kicks[m][1] * (1 + c * c) * s for m, s in lever.items())
            direction = toy.direction[h, :2] / np.linalg.norm(toy.direction[h, :2])
            position[h] += [-direction[1] * across, direction[0] * across, along]
    parameters, p = true_seeds(toy, dataclasses.replace(hits, position=position), thick)
    truth = np.column_stack(
        [np.zeros(len(p)), toy.start[p, 2], toy.phi[p], toy.cot_theta[p], toy.curvature[p]]
    )
    found = np.column_stack(
        [parameters.d0, parameters.z0, parameters.phi, parameters.cot_theta, parameters.curvature]
    )
    residual = found - truth
    residual[:, 2] = np.angle(np.exp(1j * residual[:, 2]))
    pull = np.clip(residual / np.sqrt(np.einsum("nii->ni", parameters.covariance)), -5, 5)
    np.testing.assert_allclose(pull.std(axis=0), 1, atol=0.12)


def test_without_field_material_counts_at_the_softest_momentum():
    """The same seeds, once with the curvature of min_pt in a field, once without: kicks and covariances are
    the same.
    """
    thick = dataclasses.replace(CONE, radiation_length=0.05)
    toy, _ = displaced(10, 7)
    hits = toys.toy_hits(toy, 7)
    rows = np.array([rows[:3] for rows in toy.hit_rows() if len(rows) >= 3], dtype=np.int32)
    nothing = np.zeros(len(rows), dtype=np.float32)
    softest = np.full(len(rows), toys.UNIT / CONE.min_pt, dtype=np.float32)
    seeds = Seeds(
        rows, softest, nothing + np.float32(0.5), nothing, nothing, np.zeros((0, 2), dtype=np.float32)
    )
    bent, straight = (seed_parameters(hits, seeds, field, thick).covariance for field in (toys.FIELD, 0.0))
    np.testing.assert_allclose(straight, bent, rtol=1e-5)
    thin = seed_parameters(hits, seeds, 0.0, CONE).covariance
    assert np.all(np.einsum("nii->ni", straight) > 1.01 * np.einsum("nii->ni", thin))
