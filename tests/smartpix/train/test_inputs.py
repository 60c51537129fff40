"""What a training is fed with: mirrored and shifted copies, and which clusters are held out."""

import dataclasses

import numpy as np
import pytest
import torch

from smartpix.schema import TARGET_SCALE
from smartpix.train import inputs
from smartpix.train.inputs import split
from smartpix.train.options import AUGMENTATIONS
from tests.helpers import SENSOR
from tests.smartpix.train.quick_trainings import PIXEL, Always, some_batch


@pytest.mark.parametrize("name", ["mirror-x", "mirror-y"])
@pytest.mark.parametrize("shape", [(13, 21), (16, 16)])
def test_mirror_turns_image_and_signs(monkeypatch, name, shape):
    Always(monkeypatch, yes=True)
    image, target = some_batch(shape=shape)
    before = image.clone(), target.clone()
    got, labels = inputs.augment(image, target, PIXEL, (name,), None)
    # About the pixel whose centre is the labels' origin: (6, 10) of 13 x 21, (7, 7) of 16 x 16. What has no
    # counterpart is 0.
    middle = {(13, 21): (6, 10), (16, 16): (7, 7)}[shape]
    for r in range(shape[0]):
        for c in range(shape[1]):
            source = (r, 2 * middle[1] - c) if name == "mirror-x" else (2 * middle[0] - r, c)
            inside = min(source) >= 0
            assert torch.equal(
                got[:, :, r, c], image[:, :, source[0], source[1]] if inside else torch.zeros(5, 2)
            )
    # Along x lie x and cot alpha, along y lie y and cot beta.
    for k, turned in enumerate(
        [True, False, True, False] if name == "mirror-x" else [False, True, False, True]
    ):
        assert torch.equal(labels[:, k], -target[:, k] if turned else target[:, k])
    twice = inputs.augment(got, labels, PIXEL, (name,), None)
    kept = (slice(None), slice(None), slice(2 * middle[0] + 1), slice(2 * middle[1] + 1))
    assert torch.equal(twice[0][kept], image[kept])
    assert torch.equal(twice[1], target)
    assert torch.equal(image, before[0])
    assert torch.equal(target, before[1])


@pytest.mark.parametrize("right", [-1, 0, 1])
@pytest.mark.parametrize("down", [-1, 0, 1])
def test_shift_moves_image_and_crossing_by_one_pixel_and_nothing_comes_back(monkeypatch, right, down):
    Always(monkeypatch, yes=True, shift=(right, down))
    image, target = some_batch()
    before = image.clone(), target.clone()
    got, labels = inputs.augment(image, target, PIXEL, ("shift",), None)
    for r in range(13):
        for c in range(21):
            row, column = r - down, c - right
            wanted = image[:, :, row, column] if 0 <= row < 13 and 0 <= column < 21 else torch.zeros(5, 2)
            assert torch.equal(got[:, :, r, c], wanted)
    torch.testing.assert_close(labels[:, 0] * 0.075, target[:, 0] * 0.075 + right * 0.05)
    torch.testing.assert_close(labels[:, 1] * 0.01875, target[:, 1] * 0.01875 + down * 0.0125)
    assert torch.equal(labels[:, 2:], target[:, 2:])
    assert torch.equal(image, before[0])
    assert torch.equal(target, before[1])


def test_augmentations_come_at_random_and_only_those_asked_for():
    image, target = some_batch()
    for how in ((), ("mirror-x",), ("mirror-y",), ("shift",), AUGMENTATIONS):
        generator = torch.Generator().manual_seed(1)
        results = [inputs.augment(image, target, PIXEL, how, generator)[1] for _ in range(600)]
        different = {tuple(labels[0].tolist()) for labels in results}
        assert len(different) == {(): 1, ("shift",): 9}.get(how, 2 if len(how) == 1 else 36)
    # A mirror stands with even chances.
    generator = torch.Generator().manual_seed(2)
    turned = sum(
        float(inputs.augment(image, target, PIXEL, ("mirror-x",), generator)[1][0, 0]) != target[0, 0]
        for _ in range(400)
    )
    assert 150 < turned < 250


@pytest.mark.parametrize("how", AUGMENTATIONS)
def test_augmented_clusters_are_still_those_of_their_labels(samples, how):
    """The charge's centre keeps its distance to the crossing, turned with the mirror."""
    whole = ~samples.truncated & samples.images[:, 1].any(axis=(1, 2))
    image = torch.from_numpy(np.maximum(samples.images[whole], 0))
    target = torch.from_numpy((samples.targets[whole] / np.array(TARGET_SCALE)).astype(np.float32))
    # What is beside the window after a shift would be missing.
    inner = ~(
        image[:, :, [0, -1]].any(dim=1).any(dim=1).any(dim=1)
        | image[:, :, :, [0, -1]].any(dim=1).any(dim=1).any(dim=1)
    )

    def distance(image, target):
        last = image[:, 1]
        total = last.sum(dim=(1, 2))
        x = (last.sum(dim=1) * (torch.arange(21) - 10)).sum(dim=1) / total * 0.05 - target[:, 0] * 0.075
        y = (last.sum(dim=2) * (torch.arange(13) - 6)).sum(dim=1) / total * 0.0125 - target[:, 1] * 0.01875
        return torch.stack([x, y], dim=1)[inner]

    before = distance(image, target)
    generator = torch.Generator().manual_seed(1)
    for _ in range(12):
        new_image, new_target = inputs.augment(image, target, PIXEL, (how,), generator)
        sign = torch.sign(new_target[0, 2:] / target[0, 2:])
        torch.testing.assert_close(distance(new_image, new_target), before * sign, atol=1e-5, rtol=1e-4)


def test_pixel_of_the_sensor_is_the_step_of_the_shift():
    np.testing.assert_allclose(inputs.pixel_steps(SENSOR), PIXEL.numpy(), rtol=1e-6)
    np.testing.assert_allclose(inputs.pixel_steps(SENSOR | {"pitch_y": 0.025}), [2 / 3, 4 / 3])


def test_every_file_is_held_out_in_proportion(few):
    parts = (1000, 600, 390, 3, 7)
    train_rows, tuning, test = split(dataclasses.replace(few, parts=parts), 0.2)
    assert sorted([*train_rows, *tuning, *test]) == list(range(2000))
    first = 0
    for n, n_held in zip(parts, (200, 120, 78, 2, 2), strict=True):
        own = [rows[(rows >= first) & (rows < first + n)] - first for rows in (train_rows, tuning, test)]
        assert [len(rows) for rows in own] == [n - n_held, n_held - n_held // 2, n_held // 2]
        assert all(np.all(np.diff(rows) > 0) for rows in own)
        first += n


def test_every_event_of_a_file_is_held_out_in_part(few):
    """Conditions may be drawn event by event: whatever an event has of its own must count in all three."""
    event = np.arange(2000) // 40
    for samples in (few, dataclasses.replace(few, parts=(2000,))):
        train_rows, tuning, test = split(samples, 0.2)
        assert [len(rows) for rows in (train_rows, tuning, test)] == [1600, 200, 200]
        for rows, share in ((train_rows, 0.8), (tuning, 0.1), (test, 0.1)):
            np.testing.assert_array_equal(np.bincount(event[rows], minlength=50), np.full(50, 40 * share))
