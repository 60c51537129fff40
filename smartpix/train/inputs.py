"""What a training is fed with: which clusters, their encoding, and their mirrored and shifted copies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch

from smartpix.chip.fixed_point import adc_codes
from smartpix.chip.kernel import encode_codes
from smartpix.chip.options import QuantizedOptions
from smartpix.networks.modules import encode
from smartpix.networks.options import NetworkOptions
from smartpix.samples import Samples
from smartpix.schema import TARGET_SCALE, origin_pixel

__all__ = ["augment", "encoded", "moved_targets", "pixel_steps", "scaled_targets", "split"]

Rows = npt.NDArray[np.int64]

Moved = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]

ENCODED = 4096
"""Clusters encoded at a time."""
RUNS = 100
"""Runs of a file of which each holds some clusters out: more than the events of a file to train on."""


def split(samples: Samples, share: float) -> tuple[Rows, Rows, Rows]:
    """Rows to train on, to tune and calibrate with, and to test on.

    Every file is cut into up to 100 equal runs. Of each run the last ``share`` is held out, and the second
    half of that is for the test: files may differ, in pile-up say, so that each counts everywhere.
    """
    rows: tuple[list[Rows], ...] = ([], [], [])
    first = 0
    for n in samples.parts or (len(samples),):
        n_held = min(max(int(share * n), 2), n)
        # Conditions may be drawn for each event. Held out in one piece, ten events of fifty would tune, and
        # the mean Lorentz angle of ten is off by enough to shift y by 0.4 of its sigma.
        runs = min(max(n_held // 2, 1), RUNS)
        for run in range(runs):
            begin, end = n * run // runs, n * (run + 1) // runs
            held, test = (m * (run + 1) // runs - m * run // runs for m in (n_held, n_held // 2))
            edges = (begin, end - held, end - test, end)
            for part, low, high in zip(rows, edges, edges[1:], strict=False):
                part.append(np.arange(first + low, first + high))
        first += n
    return np.concatenate(rows[0]), np.concatenate(rows[1]), np.concatenate(rows[2])


def encoded(samples: Samples, rows: Rows, network: NetworkOptions | QuantizedOptions) -> torch.Tensor:
    """Input of some clusters; encoded a part at a time, since it takes several times its size."""
    x = torch.empty((len(rows), *samples.images.shape[1:]))
    for low in range(0, len(rows), ENCODED):
        part = slice(low, low + ENCODED)
        images = samples.images[rows[part]]
        if isinstance(network, NetworkOptions):
            x[part] = encode(torch.from_numpy(images), network)
        elif network.learn_edges:
            x[part] = torch.from_numpy(images)
        else:
            x[part] = encode_codes(torch.from_numpy(adc_codes(images, np.array(network.edges))), network.data)
    return x


def scaled_targets(samples: Samples, rows: Rows) -> torch.Tensor:
    """Targets of some clusters in scaled units, (N, 4) or (N, K, 4)."""
    return torch.from_numpy((samples.targets[rows] / np.array(TARGET_SCALE)).astype(np.float32))


def pixel_steps(sensor: Mapping[str, float]) -> tuple[float, float]:
    """One pixel along x and y in scaled units."""
    return sensor["pitch_x"] / TARGET_SCALE[0], sensor["pitch_y"] / TARGET_SCALE[1]


def moved_targets(target: torch.Tensor, signs: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
    """Targets (N, 4) of mirrored and shifted clusters, or (N, 4, 6) with a teacher's means and factors."""
    target = target * signs.view(4, *[1] * (target.ndim - 2))
    # The truth and, if there is one, the teacher's mean.
    where = target if target.ndim == 2 else target[..., :2]
    where[:, :2] += step.view(2, *[1] * (target.ndim - 2))
    return target


def augment(
    image: torch.Tensor,
    target: torch.Tensor,
    pixel: torch.Tensor,
    how: Sequence[str],
    generator: torch.Generator,
    moved: Moved = moved_targets,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mirror or shift a batch, the labels with it, by :attr:`smartpix.train.task.Task.moved`."""
    signs, step = torch.ones(4), torch.zeros(2)
    for axis, name in ((3, "mirror-x"), (2, "mirror-y")):
        if name in how and torch.rand(1, generator=generator).item() < 0.5:
            # About the origin pixel, from whose centre the labels count; it is off the middle of an even
            # number.
            size = image.shape[axis]
            image = _moved(image.flip(axis), axis, 2 * origin_pixel(size) - (size - 1))
            signs *= torch.tensor([-1.0, 1.0, -1.0, 1.0] if axis == 3 else [1.0, -1.0, 1.0, -1.0])
    if "shift" in how:
        columns, rows = (torch.randint(-1, 2, (2,), generator=generator)).tolist()
        image = _moved(_moved(image, 2, rows), 3, columns)
        step = torch.tensor([columns, rows]) * pixel
    return image, moved(target, signs, step)


def _moved(image: torch.Tensor, dim: int, step: int) -> torch.Tensor:
    """By one pixel or none; what is pushed over the edge does not come back on the other side."""
    if step == 0:
        return image
    image = torch.roll(image, step, dims=dim)
    image.select(dim, 0 if step > 0 else -1).zero_()
    return image
