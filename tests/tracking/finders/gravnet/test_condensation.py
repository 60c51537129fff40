"""The loss of object condensation against a straight loop, and what it rewards."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from smartpix.schema import InputError
from tracking.finders.gravnet.condensation import MAX_BETA, charges, condensation_loss
from tracking.finders.gravnet.options import CondensationOptions

OPTIONS = CondensationOptions(min_charge=0.3, noise=0.7)


def hits_of(n, seed, particles=4, groups=2):
    random = np.random.default_rng(seed)
    beta, place = random.uniform(0.01, 0.99, n), random.normal(size=(n, 3)) * 0.6
    particle, group = random.integers(-1, particles, n), random.integers(0, groups, n)
    return tuple(torch.from_numpy(v) for v in (beta, place, particle, group))


def in_a_loop(beta, place, particle, group):
    """Equations 3 to 9, hit by hit."""
    n = len(beta)
    charge = [math.atanh(min(b, MAX_BETA)) ** 2 + OPTIONS.min_charge for b in beta.tolist()]
    objects = sorted({(g, p) for g, p in zip(group.tolist(), particle.tolist(), strict=True) if p >= 0})
    potential = missing = 0.0
    for g, p in objects:
        mine = [h for h in range(n) if (group[h], particle[h]) == (g, p)]
        point = max(mine, key=lambda h: charge[h])
        missing += 1 - float(beta[point])
        for h in range(n):
            if group[h] != g:
                continue
            d = math.dist(place[h].tolist(), place[point].tolist())
            felt = d**2 if h in mine else max(0.0, 1 - d)
            potential += charge[h] * charge[point] * felt
    noise = [float(b) for b, p in zip(beta, particle, strict=True) if p < 0]
    mean_noise = sum(noise) / len(noise) if noise else 0.0
    return potential / n, missing / max(len(objects), 1), mean_noise


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 30), st.integers(0, 10**6), st.integers(0, 5), st.integers(1, 4))
def test_the_loss_is_that_of_a_loop(n, seed, particles, groups):
    hits = hits_of(n, seed, particles, groups)
    loss = condensation_loss(*hits, OPTIONS)
    expected = in_a_loop(*hits)
    np.testing.assert_allclose(
        [float(v) for v in (loss.potential, loss.missing, loss.noise)], expected, atol=1e-9
    )
    assert float(loss.total(OPTIONS)) == pytest.approx(expected[0] + expected[1] + 0.7 * expected[2])


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 30), st.integers(0, 10**6))
def test_neither_order_nor_names_matter(n, seed):
    beta, place, particle, group = hits_of(n, seed)
    random = np.random.default_rng(seed)
    order = torch.from_numpy(random.permutation(n))
    renamed = torch.where(particle < 0, -1, torch.from_numpy(random.permutation(4))[particle])
    before = condensation_loss(beta, place, particle, group, OPTIONS).total(OPTIONS)
    after = condensation_loss(beta[order], place[order], renamed[order], 7 - group[order], OPTIONS).total(
        OPTIONS
    )
    torch.testing.assert_close(before, after)


def test_gradients_are_those_of_differences():
    beta, place, particle, group = hits_of(12, 1)

    def total(b, x):
        return condensation_loss(b, x, particle, group, OPTIONS).total(OPTIONS)

    assert torch.autograd.gradcheck(total, (beta.requires_grad_(), place.requires_grad_()))


def test_what_is_meant_is_a_minimum():
    """Hits of a particle at one place, places far apart, one hit that stands for each: nothing but q_min is left."""
    place = torch.tensor([[0.0], [0.0], [5.0], [5.0], [9.0]])
    beta, particle = torch.tensor([1.0, 0.0, 1.0, 0.0, 0.0]), torch.tensor([0, 0, 1, 1, -1])
    group = torch.zeros(5, dtype=torch.int64)
    good = float(condensation_loss(beta, place, particle, group, OPTIONS).total(OPTIONS))
    assert good == pytest.approx(0)
    together = condensation_loss(beta, 0 * place, particle, group, OPTIONS)
    assert float(together.potential) > 1
    nobody = condensation_loss(0 * beta, place, particle, group, OPTIONS)
    assert float(nobody.missing) == 1
    # What no edges join is not pushed apart.
    apart = condensation_loss(beta, 0 * place, particle, torch.tensor([0, 0, 1, 1, 2]), OPTIONS)
    assert float(apart.potential) == 0


def test_charges_end():
    assert charges(torch.zeros(1), 0.25).tolist() == [0.25]
    assert torch.all(torch.isfinite(charges(torch.ones(1), 0.0)))
    with pytest.raises(InputError, match="min_beta"):
        CondensationOptions(min_beta=1.5)
