"""The loss on maps made by hand, against sums written out."""

import math

import pytest
import torch

from tracking.finders.deepcore.loss import deepcore_loss, parameter_loss, probability_loss


def maps(channels):
    return torch.zeros(1, 3, channels, 30, 30, dtype=torch.float64)


def entropy(p, crossed):
    return -math.log(p if crossed else 1 - p)


def test_probability_loss_of_one_particle():
    target, logits = maps(2), maps(2)
    # It crosses one cell and is near eight others; the network says 1/2 everywhere, but for three cells.
    target[0, 0, 1, 9:12, 9:12] = 1
    target[0, 0, 0, 10, 10] = 1
    logits[0, 0, 0, 10, 10] = math.log(0.9 / 0.1)
    logits[0, 0, 0, 9, 9] = math.log(0.2 / 0.8)
    logits[0, 2, 0, 0, 0] = math.log(0.7 / 0.3)
    half, n_far = math.log(2), 3 * 900 - 9
    total = 10 * entropy(0.9, True) + 7 * half + entropy(0.2, False)
    total += 0.01 * ((n_far - 1) * half + entropy(0.7, False))
    assert float(probability_loss(logits, target)) == pytest.approx(total / 9, rel=1e-12)


def test_what_the_network_says_in_the_channel_of_the_weights_does_not_count():
    target, logits = maps(2), maps(2)
    target[0, 1, :, 4, 4] = 1
    before = float(probability_loss(logits, target))
    logits[:, :, 1] = 7.0
    assert float(probability_loss(logits, target)) == before
    shift, values = maps(6), maps(6)
    shift[0, 0, 5, 3, 3] = 1
    values[:, :, 5] = 7.0
    assert float(parameter_loss(values, shift)) == 0


def test_parameter_loss_counts_near_cells_alone_and_is_cut():
    target, values = maps(6), maps(6)
    target[0, 0, 5, 3, 3:5] = 1
    target[0, 0, :5, 3, 3] = torch.tensor([1.0, -2.0, 0.0, 0.5, 0.125])
    values[0, 0, :5, 3, 3] = torch.tensor([1.5, -2.0, 30.0, 0.5, 0.375])
    values[0, 0, 1, 3, 4] = -5.0
    # Far from any particle, whatever is said.
    values[0, 1:, :, 20] = 9.0
    total = 0.5**2 + 25 + 0.25**2 + 25
    assert float(parameter_loss(values, target)) == pytest.approx(total / (5 * 2), rel=1e-12)


def test_the_loss_is_the_sum_of_both():
    generator = torch.Generator().manual_seed(2)
    values, logits = (torch.randn(2, 3, n, 30, 30, generator=generator) for n in (6, 2))
    near = (torch.rand(2, 3, 1, 30, 30, generator=generator) < 0.1).float()
    target = torch.randn(2, 3, 6, 30, 30, generator=generator), torch.cat([near * (near > 2), near], dim=2)
    target[0][:, :, 5:] = near
    both = float(parameter_loss(values, target[0]) + probability_loss(logits, target[1]))
    assert float(deepcore_loss((values, logits), target)) == pytest.approx(both)


def test_windows_without_particles_are_no_division_by_zero():
    assert float(probability_loss(maps(2), maps(2))) == pytest.approx(0.01 * 2700 * math.log(2))
    assert float(parameter_loss(maps(6) + 1, maps(6))) == 0
