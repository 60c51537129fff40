"""Training of the mixture density networks, with checkpoints, resume, calibration and a report."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from smartpix.chip.compress import Constraint
from smartpix.chip.fixed_point import adc_codes, describe, to_arrays
from smartpix.chip.kernel import encode_codes
from smartpix.chip.options import QuantizedOptions
from smartpix.chip.quantize import QuantizedMdn, zero_shares
from smartpix.chip.transfer import to_fixed
from smartpix.estimate.calibrate import fit_calibration, fit_length
from smartpix.estimate.mdn import TRUNCATED_SCALE, MdnNetwork, shapes_of_images
from smartpix.estimate.quality import quality
from smartpix.files import as_paths
from smartpix.io.parquet import is_cluster_file
from smartpix.networks.modules import build, encode, expected_negative_log_likelihood, negative_log_likelihood
from smartpix.networks.options import NetworkOptions
from smartpix.networks.weights import check_output, save_weights
from smartpix.samples import Samples, load_samples
from smartpix.schema import TARGET_SCALE, InputError, origin_pixel, quoted
from smartpix.simulate.readout import ReadoutOptions, check_adc
from smartpix.train.checkpoint import resume, save_checkpoint
from smartpix.train.options import AUGMENTATIONS, TrainMdnOptions
from smartpix.train.start import Start, go_on, start_from
from smartpix.train.teach import Lesson, lesson_of

__all__ = ["AUGMENTATIONS", "TrainMdnOptions", "calibrate_and_test", "split", "train_mdn", "train_on"]

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Report = Callable[[str], None]

LARGE_LOSS = 20.0
"""A cluster's loss grows only with its logarithm from here on: a wild one must not undo the others' work, yet
be learned from.
"""
RARE = 5e-4
"""Share of outputs that may saturate on the link, at either end."""
FEWEST_HELD = 20
"""Complete clusters needed to tune and calibrate with."""
SMALLEST_INFLATION = 1.5
ENCODED = 4096
"""Clusters encoded at a time."""
WARM_UP = 200
"""Steps over which the learning rate rises."""


def train_mdn(
    files: str | Path | Sequence[str | Path],
    region: str,
    output: str | Path,
    options: TrainMdnOptions,
    report: Report = print,
    *,
    slices: Sequence[int] | None = None,
    readout: ReadoutOptions | None = None,
    start: str | Path | Start | None = None,
    sensor: Mapping[str, float] | None = None,
    teacher: str | Path | None = None,
) -> dict[str, Any]:
    """Train on files, calibrate on held-out clusters, and save the weights.

    Args:
        files: event files or data sets, see :func:`smartpix.samples.load_samples`.
        region: ``"barrel"`` or ``"endcap"``.
        output: weights to write (.safetensors).
        report: called with a line per epoch.
        slices, readout, sensor: as for :func:`smartpix.samples.load_samples`.
        start: weights of the same network to start from (another sensor, simpler events); of the same kind
            and sizes in floating point, for a quantised one.
        teacher: weights of a float network, with any slices, that sees the clusters of data sets without
            noise and threshold.

    Returns:
        See :func:`train_on`.

    Raises:
        InputError: unusable files or weights, or a checkpoint of other options.
    """
    if region not in ("barrel", "endcap"):
        raise InputError(f"region {quoted(region)} is unknown; use barrel or endcap")
    check_output(output)
    files = as_paths(files)
    samples = load_samples(files, region, slices, readout, options.min_share, sensor=sensor)
    if isinstance(options.network, QuantizedOptions):
        if options.network.learn_edges and not all(is_cluster_file(f) for f in files):
            raise InputError(
                f"{files[0]}: event files are digitised already; edges are learned on data sets (parquet)"
            )
        check_adc(samples.made_by, np.array(options.network.edges), str(files[0]))
    lesson = None if teacher is None else lesson_of(teacher, files, samples, region, report)
    return train_on(samples, region, output, options, report, start, lesson)


def train_on(
    samples: Samples,
    region: str,
    output: str | Path,
    options: TrainMdnOptions,
    report: Report = print,
    start: str | Path | Start | None = None,
    lesson: Lesson | None = None,
) -> dict[str, Any]:
    """Train on clusters in memory.

    A checkpoint ``OUTPUT.checkpoint`` is written after every epoch and taken up again if it is there and was
    made with the same options; the result is that of an uninterrupted training. Sums of several threads are
    taken in another order: weights are the same to the bit with the same number of torch's threads only,
        which is kept with them and which a checkpoint insists on.

    Returns:
        ``nll``, ``parameters``, ``n_train``, ``n_validation``, ``epochs`` done, ``history`` (held-out
        likelihood by epoch), and the report of :func:`smartpix.estimate.quality.quality` on the last held-out
        clusters.

    Raises:
        InputError: too few clusters or some that are not finite, weights that do not fit, or a checkpoint of
            other options.
    """
    unusable = ~(np.isfinite(samples.images).all(axis=(1, 2, 3)) & np.isfinite(samples.targets).all(axis=1))
    if unusable.any():
        raise InputError(
            f"train mdn: {int(unusable.sum())} of the {len(samples)} {region} clusters have charges or a "
            f"truth that are not "
            "finite; leave them out, or make the file again"
        )
    n_slices, n_rows, n_columns = samples.images.shape[1:]
    network = replace(options.network, n_slices=n_slices, n_rows=n_rows, n_columns=n_columns)
    # Truncated clusters are flagged when they are used: they neither train nor tune.
    train, tuning, test = split(samples, options.validation_share)
    train, complete = (rows[~samples.truncated[rows]] for rows in (train, tuning))
    if len(train) < options.batch_size or len(complete) < FEWEST_HELD:
        cut = int(samples.truncated.sum())
        raise InputError(
            f"{len(samples)} {region} clusters, {cut} of them cut by the edge of their array, are too few to "
            f"train on: "
            f"{len(train)} are left for training and {len(complete)} for tuning, and {options.batch_size} "
            f"(the batch size) and "
            f"{FEWEST_HELD} are needed; simulate more"
        )
    if region == "barrel" and "mirror-y" in options.augment:
        raise InputError(
            "train mdn: mirror-y is no symmetry of the barrel, where the field is along x; leave it out"
        )
    x_train, y_train = _encoded(samples, train, network)
    x_held, y_held = _encoded(samples, complete, network)
    if lesson is not None:
        y_train = torch.cat([y_train[..., None], lesson.scaled(train)], dim=2)

    torch.manual_seed(options.seed)
    quantized = isinstance(network, QuantizedOptions)
    model: torch.nn.Module = (
        QuantizedMdn(network) if isinstance(network, QuantizedOptions) else build(network)
    )
    begun = start_from(start) if isinstance(start, (str, Path)) else start
    if begun is not None:
        go_on(model, network, begun)
    if isinstance(model, QuantizedMdn) and options.compress.keep_zeros:
        if begun is None or begun.network is None:
            raise InputError("compress: keep_zeros needs quantised weights to start from, whose zeros stay")
        model.keep_zeros()
    constraint = Constraint(model, options.compress) if isinstance(model, QuantizedMdn) else None
    optimizer = torch.optim.Adam(model.parameters(), lr=options.learning_rate)
    checkpoint = Path(output).with_suffix(".checkpoint")
    made_with = {
        "options": asdict(options), "region": region, "start": None if begun is None else begun.name,
        "clusters": len(samples), "parts": list(samples.parts),
        "charge": float(samples.images.sum(dtype=np.float64)),
        "slices": list(samples.slices), "teacher": None if lesson is None else lesson.teacher,
        "threads": torch.get_num_threads(),
    }  # fmt: skip
    state: dict[str, Any] = {"history": [], "best": None, "lowest": math.inf, "told": [], "multipliers": None}
    first = resume(checkpoint, made_with, model, optimizer, state)
    if constraint is not None and state["multipliers"] is not None:
        constraint.take_up(state["multipliers"])
    shift = torch.tensor(_pixel_steps(samples.sensor), dtype=torch.float32)
    for epoch in range(first, options.epochs):
        if _stopped(state["history"], options.patience):
            break
        started = time.perf_counter()
        if isinstance(model, QuantizedMdn):
            model.begin_epoch(epoch, options.epochs, options.free_epochs)
        loss = _one_epoch(model, optimizer, x_train, y_train, shift, epoch, options, constraint)
        held = _nll(model, x_held, y_held)
        if not math.isfinite(held):
            raise InputError(
                f"train mdn: the training diverged in epoch {epoch + 1}; lower the learning rate, now "
                f"{options.learning_rate}"
            )
        state["history"].append(held)
        # Without rounding the loss is lower than it can be with it.
        counts = not isinstance(model, QuantizedMdn) or model.rounding
        if counts and held < state["lowest"]:
            state["lowest"], state["best"] = held, {k: v.clone() for k, v in model.state_dict().items()}
        line = f"epoch {epoch + 1}/{options.epochs}  nll {loss:.3f}  held out {held:.3f}"
        if constraint is not None:
            state["told"].append(constraint.told())
            state["multipliers"] = constraint.state()
            line += f"  zeros {state['told'][-1]['zeros']['all']:.3f}"
        save_checkpoint(checkpoint, made_with, epoch + 1, model, optimizer, state)
        report(f"{line}  {time.perf_counter() - started:.1f} s")
    # Rounded weights jump to the end of a training; under a constraint or a penalty the last epoch is what
    # was asked for.
    if options.patience or (quantized and options.compress.method == "none"):
        model.load_state_dict(state["best"])
    model.eval()
    arrays = {k: v.numpy() for k, v in model.state_dict().items()}
    description = {
        "architecture": f"{'fixed' if quantized else 'mdn'}-{network.kind}", "network": asdict(network),
        "region": region,
        "sensor": dict(samples.sensor), "slices": list(samples.slices), "options": asdict(options),
        "data": dict(samples.made_by),
        "start": None if begun is None else Path(begun.name).name,
        "teacher": None if lesson is None else lesson.teacher,
        "threads": torch.get_num_threads(),
    }  # fmt: skip
    parameters = sum(p.numel() for p in model.parameters())
    if isinstance(model, QuantizedMdn):
        fixed = to_fixed(model)
        arrays, description["fixed"], parameters = to_arrays(fixed), describe(fixed), fixed.parameters
    description, metrics = calibrate_and_test(arrays, description, samples, tuning, test)
    metrics |= {
        "parameters": parameters,
        "n_train": len(x_train),
        "n_validation": len(tuning) + len(test),
        "epochs": len(state["history"]),
        "history": [round(h, 4) for h in state["history"]],
    }
    if isinstance(model, QuantizedMdn):
        metrics |= {
            "nonzero_weights": to_fixed(model).nonzero_weights,
            "zeros": zero_shares(model),
            "by_epoch": state["told"],
        }
    save_weights(output, arrays, description | {"metrics": metrics})
    checkpoint.unlink(missing_ok=True)
    return metrics


def split(samples: Samples, share: float) -> tuple[Rows, Rows, Rows]:
    """Rows to train on, to tune and calibrate with, and to test on.

    Of every file the last ``share`` is held out, and the second half of that is for the test: files may
    differ, in pile-up say, so that each counts everywhere.
    """
    rows: tuple[list[Rows], ...] = ([], [], [])
    first = 0
    for n in samples.parts or (len(samples),):
        n_held = min(max(int(share * n), 2), n)
        edges = (first, first + n - n_held, first + n - n_held // 2, first + n)
        for some, low, high in zip(rows, edges, edges[1:], strict=False):
            some.append(np.arange(low, high))
        first += n
    train, tuning, test = (np.concatenate(some) for some in rows)
    return train, tuning, test


def calibrate_and_test(
    arrays: Mapping[str, npt.NDArray[Any]],
    description: Mapping[str, Any],
    samples: Samples,
    tuning: Rows,
    test: Rows,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Calibrate trained weights on some clusters they were not trained on, test them on others.

    Args:
        arrays, description: of the network; an older calibration is replaced.
        tuning, test: rows of the samples, see :func:`split`.

    Returns:
        The description with ``calibration``, ``truncated_scale`` and, if clusters longer than the window are
        known, ``length``; and :func:`smartpix.estimate.quality.quality` of the test.
    """
    description = {
        k: v
        for k, v in description.items()
        if k not in ("calibration", "truncated_scale", "length", "metrics", "output_range")
    }
    raw = MdnNetwork.from_arrays(arrays, description)
    complete = tuning[~samples.truncated[tuning]]
    images = samples.images[complete]
    if "fixed" in description:
        outputs = raw.fused.images(images)
        ends = np.percentile(outputs, (100 * RARE, 100 * (1 - RARE)), axis=0)
        description["output_range"] = [[float(low), float(high)] for low, high in ends.T]
    mean, cholesky = raw.predict_images(images)
    # Of a chip's cluster the host has the outputs, not the pixels.
    shapes = None if "fixed" in description else shapes_of_images(images)
    description["calibration"] = fit_calibration(mean, cholesky, samples.targets[complete], shapes, raw.cells)
    calibrated = MdnNetwork.from_arrays(arrays, description)
    held = np.concatenate([tuning, test])
    cut = held[samples.truncated[held]]
    description["truncated_scale"] = _truncated_scale(calibrated, samples.images[cut], samples.targets[cut])
    long = np.flatnonzero(samples.columns > samples.images.shape[3])
    length = fit_length(samples.columns[long], samples.targets[long, 2], raw.cells[0])
    if length is not None and shapes is not None:
        description["length"] = length
    mean, cholesky = calibrated.predict_images(samples.images[test], samples.truncated[test])
    return description, quality(mean, cholesky, samples.targets[test], samples.truncated[test])


def _encoded(
    samples: Samples, rows: Rows, network: NetworkOptions | QuantizedOptions
) -> tuple[torch.Tensor, torch.Tensor]:
    """Input and scaled targets of some clusters; encoded a part at a time, since it takes several times its
    size.
    """
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
    return x, torch.from_numpy((samples.targets[rows] / np.array(TARGET_SCALE)).astype(np.float32))


def _loss(raw: torch.Tensor, target: torch.Tensor, lesson: float = 0.0) -> torch.Tensor:
    """Of targets (N, 4), or of (N, 4, 6): the targets, a teacher's means and its factors."""
    if target.ndim == 2:
        loss = negative_log_likelihood(raw, target)
    else:
        loss = (1 - lesson) * negative_log_likelihood(raw, target[..., 0])
        loss = loss + lesson * expected_negative_log_likelihood(raw, target[..., 1], target[..., 2:])
    return torch.where(
        loss > LARGE_LOSS, LARGE_LOSS * (1 + torch.log(loss.clamp(min=LARGE_LOSS) / LARGE_LOSS)), loss
    )


def _truncated_scale(network: MdnNetwork, images: npt.NDArray[np.float32], targets: Floats) -> list[float]:
    """Factors on the sigmas, never below 1.5, with which 95 % of the truncated clusters are within two of
    them.
    """
    if len(images) < 100:
        return [TRUNCATED_SCALE] * 4
    mean, cholesky = network.predict_images(images)
    pull = np.abs(targets - mean) / np.linalg.norm(cholesky, axis=2)
    return [float(v) for v in np.maximum(np.percentile(pull, 95.45, axis=0) / 2, SMALLEST_INFLATION)]


def _pixel_steps(sensor: Mapping[str, float]) -> tuple[float, float]:
    """One pixel along x and y in scaled units."""
    return sensor["pitch_x"] / TARGET_SCALE[0], sensor["pitch_y"] / TARGET_SCALE[1]


def _stopped(history: Sequence[float], patience: int) -> bool:
    return bool(patience) and len(history) - 1 - int(np.argmin(history or [0.0])) >= patience


def _rate(options: TrainMdnOptions, step: int, steps: int) -> float:
    warm = min(1.0, (step + 1) / WARM_UP)
    if options.schedule == "constant":
        return options.learning_rate * warm
    return options.learning_rate * warm * (0.002 + 0.998 * 0.5 * (1 + math.cos(math.pi * step / steps)))


def _one_epoch(
    model: torch.nn.Module, optimizer: torch.optim.Optimizer, x: torch.Tensor, y: torch.Tensor,
    pixel: torch.Tensor, epoch: int,
    options: TrainMdnOptions, constraint: Constraint | None = None,
) -> float:  # fmt: skip
    """One pass; everything random in it follows from the seed and the epoch, so that a resumed training is
    the same.
    """
    generator = torch.Generator().manual_seed(1000 * options.seed + epoch)
    order = torch.randperm(len(x), generator=generator)
    n_batches = len(x) // options.batch_size
    model.train()
    total = 0.0
    # Before there is rounding, nothing would speak against fewer bits.
    constrained = constraint if isinstance(model, QuantizedMdn) and model.rounding else None
    for b in range(n_batches):
        for group in optimizer.param_groups:
            group["lr"] = _rate(options, epoch * n_batches + b, options.epochs * n_batches)
        batch = order[b * options.batch_size : (b + 1) * options.batch_size]
        image, target = _augment(x[batch], y[batch], pixel, options.augment, generator)
        loss = _loss(model(image), target, options.lesson).mean()
        total += float(loss.detach())
        if constrained is not None:
            loss = loss + constrained.loss((epoch + b / n_batches) / options.epochs)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        if constrained is not None:
            constrained.ascend()
    return total / n_batches


def _augment(
    image: torch.Tensor,
    target: torch.Tensor,
    pixel: torch.Tensor,
    how: Sequence[str],
    generator: torch.Generator,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mirror or shift a batch, the labels with it."""
    for axis, name in ((3, "mirror-x"), (2, "mirror-y")):
        if name in how and torch.rand(1, generator=generator).item() < 0.5:
            # About the origin pixel, from whose centre the labels count; it is off the middle of an even
            # number.
            size = image.shape[axis]
            image = _moved(image.flip(axis), axis, 2 * origin_pixel(size) - (size - 1))
            sign = torch.tensor([-1.0, 1.0, -1.0, 1.0] if axis == 3 else [1.0, -1.0, 1.0, -1.0])
            target = target * sign.view(4, *[1] * (target.ndim - 2))
    if "shift" in how:
        columns, rows = (torch.randint(-1, 2, (2,), generator=generator)).tolist()
        image = _moved(_moved(image, 2, rows), 3, columns)
        target = target.clone()
        # The truth and, if there is one, the teacher's mean.
        where = target if target.ndim == 2 else target[..., :2]
        where[:, 0] += columns * pixel[0]
        where[:, 1] += rows * pixel[1]
    return image, target


def _moved(image: torch.Tensor, dim: int, step: int) -> torch.Tensor:
    """By one pixel or none; what is pushed over the edge does not come back on the other side."""
    if step == 0:
        return image
    image = torch.roll(image, step, dims=dim)
    image.select(dim, 0 if step > 0 else -1).zero_()
    return image


@torch.inference_mode()
def _nll(model: torch.nn.Module, x: torch.Tensor, y: torch.Tensor) -> float:
    model.eval()
    parts = [_loss(model(a), b) for a, b in zip(torch.split(x, 8192), torch.split(y, 8192), strict=True)]
    return float(torch.cat(parts).mean())
