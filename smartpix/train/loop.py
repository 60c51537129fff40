"""Training of the networks on clusters, with checkpoints, resume, calibration and a report."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from smartpix.chip.compress import Constraint
from smartpix.chip.fixed_point import describe, to_arrays
from smartpix.chip.options import QuantizedOptions
from smartpix.chip.quantize import QuantizedMdn, zero_shares
from smartpix.chip.transfer import to_fixed
from smartpix.estimate.descriptions import load_network_weights
from smartpix.files import as_paths
from smartpix.io.parquet import is_cluster_file
from smartpix.networks.modules import build
from smartpix.networks.options import NetworkOptions
from smartpix.networks.plan import N_OUTPUTS
from smartpix.networks.weights import check_output, save_weights
from smartpix.provenance import by_path, origin
from smartpix.samples import AS_THEY_ARE, Reading, Samples, load_samples
from smartpix.schema import REGIONS, InputError, quoted
from smartpix.simulate.readout import check_adc
from smartpix.train.calibrate import calibrate_and_test
from smartpix.train.checkpoint import resume, save_checkpoint
from smartpix.train.epoch import check_converges, cluster_losses, held_out_loss, one_epoch, stopped
from smartpix.train.inputs import encoded, moved_targets, pixel_steps, scaled_targets, split
from smartpix.train.options import TrainingOptions, TrainMdnOptions
from smartpix.train.start import Start, go_on, start_from
from smartpix.train.task import S, Task
from smartpix.train.teach import Lesson, lesson_of

log = logging.getLogger(__name__)

__all__ = ["estimates_task", "train_mdn", "train_on", "train_task"]

Rows = npt.NDArray[np.int64]
Report = Callable[[str], None]

FEWEST_HELD = 20
"""Complete clusters needed to tune and calibrate with."""


@dataclass(frozen=True)
class _Training:
    """What the epochs of a training share.

    Attributes:
        model, optimizer: with the weights and their moments.
        constraint: what makes a quantised network smaller; None: of floating point.
        train, held_out: inputs and scaled targets of the clusters to train on and to watch.
        pixel: (2,) one pixel along x and y in scaled units.
    """

    model: torch.nn.Module
    optimizer: torch.optim.Optimizer
    constraint: Constraint | None
    train: tuple[torch.Tensor, torch.Tensor]
    held_out: tuple[torch.Tensor, torch.Tensor]
    pixel: torch.Tensor


def estimates_task(options: TrainMdnOptions, lesson: Lesson | None = None) -> Task[Samples]:
    """What the estimates' networks learn: position and direction of a single particle.

    Args:
        lesson: what a teacher says of the samples, if there is one.
    """

    def targets(samples: Samples, rows: Rows) -> torch.Tensor:
        scaled = scaled_targets(samples, rows)
        return scaled if lesson is None else torch.cat([scaled[..., None], lesson.scaled(rows)], dim=2)

    def losses(raw: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return cluster_losses(raw, target, options.lesson, options.focus)

    return Task(
        "mdn", "fixed", N_OUTPUTS, targets, losses, moved_targets, load_network_weights, calibrate_and_test
    )


def train_mdn(
    files: str | Path | Sequence[str | Path],
    region: str,
    output: str | Path,
    options: TrainMdnOptions,
    report: Report = log.info,
    *,
    reading: Reading = AS_THEY_ARE,
    start: str | Path | Start | None = None,
    teacher: str | Path | None = None,
    code: str = "",
) -> dict[str, Any]:
    """Train on files, calibrate on held-out clusters, and save the weights.

    Args:
        files: event files or data sets, see :func:`smartpix.samples.load_samples`.
        region: ``"barrel"`` or ``"endcap"``.
        output: weights to write (.safetensors).
        report: called with a line per epoch.
        reading: slices, readout and sensor.
        start: weights of the same network to start from (another sensor, simpler events); of the same kind
            and sizes in floating point, for a quantised one.
        teacher: weights of a float network, with any slices, that sees the clusters of data sets without
            noise and threshold.
        code: weights of a learned code of the link that the clusters of event files go through: the estimates
            are then for what the host decodes. Empty: none.

    Returns:
        See :func:`train_on`.

    Raises:
        InputError: unusable files or weights, or a checkpoint of other options.
    """
    if region not in REGIONS:
        raise InputError(f"region {quoted(region)} is unknown; use {' or '.join(REGIONS)}")
    check_output(output)
    files = as_paths(files)
    samples = load_samples(files, region, reading, options.min_share, code)
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
    report: Report = log.info,
    start: str | Path | Start | None = None,
    lesson: Lesson | None = None,
) -> dict[str, Any]:
    """Train an estimates' network on clusters in memory, see :func:`train_task`.

    Returns:
        What :func:`train_task` does, with :func:`smartpix.estimate.quality.quality`.
    """
    teacher = None if lesson is None else lesson.teacher
    task = estimates_task(options, lesson)
    return train_task(task, samples, region, output, options, report, start, {"teacher": teacher})


def train_task(
    task: Task[S],
    samples: S,
    region: str,
    output: str | Path,
    options: TrainingOptions,
    report: Report = log.info,
    start: str | Path | Start | None = None,
    told: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """Train a network on clusters in memory.

    A checkpoint ``OUTPUT.checkpoint`` is written after every epoch. It is taken up again if it is there and
    was made with the same options, and the result is that of an uninterrupted training. Several threads add
    in another order, so that weights are the same to the bit only with the same number of torch's threads.
    That number is kept with the weights, and a checkpoint insists on it.

    Args:
        task: what it learns.
        told: what besides the options made the weights, for their description.

    Returns:
        ``parameters``, ``n_train``, ``n_validation``, ``epochs`` done, ``history`` (held-out loss by epoch),
        and what the task found on the last held-out clusters.

    Raises:
        InputError: too few clusters or some that are not finite, weights that do not fit, or a checkpoint of
            other options.
    """
    shape = samples.images.shape[1:]
    network = replace(
        options.network, n_slices=shape[0], n_rows=shape[1], n_columns=shape[2], n_outputs=task.n_outputs
    )
    _check_finite(samples, region, task)
    train, complete, tuning, test = _rows(samples, region, options)
    begun = start
    if isinstance(start, (str, Path)):
        begun = start_from(start, load=lambda name: task.load(name, task.chip_sort, task.sort))
    assert not isinstance(begun, (str, Path))
    model = _model(network, options, begun, task)
    training = _Training(
        model,
        torch.optim.Adam(model.parameters(), lr=options.learning_rate),
        Constraint(model, options.compress) if isinstance(model, QuantizedMdn) else None,
        (encoded(samples, train, network), task.targets(samples, train)),
        (encoded(samples, complete, network), task.targets(samples, complete)),
        torch.tensor(pixel_steps(samples.sensor), dtype=torch.float32),
    )
    checkpoint = Path(output).with_suffix(".checkpoint")
    made_with = {
        "options": asdict(options), "region": region, "start": None if begun is None else begun.name,
        "clusters": len(samples), "parts": list(samples.parts),
        "charge": float(samples.images.sum(dtype=np.float64)),
        "slices": list(samples.slices), **told, "threads": torch.get_num_threads(),
    }  # fmt: skip
    state = _epochs(training, options, task, checkpoint, made_with, report)
    arrays, facts, measured = _trained(model, network, state, task)
    description = {
        "architecture": facts["architecture"], "network": asdict(network), "region": region,
        "sensor": dict(samples.sensor),
        "slices": list(samples.slices), "options": asdict(options), "data": dict(samples.made_by),
        "start": None if begun is None else Path(begun.name).name, **told,
        "threads": torch.get_num_threads(), "provenance": origin(by_path(samples.files)), **facts,
    }  # fmt: skip
    description, metrics = task.finish(arrays, description, samples, tuning, test)
    metrics |= {
        "parameters": measured["parameters"], "n_train": len(train),
        "n_validation": len(tuning) + len(test),
        **measured,
    }  # fmt: skip
    save_weights(output, arrays, description | {"metrics": metrics})
    checkpoint.unlink(missing_ok=True)
    return metrics


def _check_finite(samples: S, region: str, task: Task[S]) -> None:
    rows = np.arange(len(samples))
    targets = task.targets(samples, rows).reshape(len(samples), -1)
    unusable = ~(np.isfinite(samples.images).all(axis=(1, 2, 3)) & torch.isfinite(targets).all(1).numpy())
    if unusable.any():
        raise InputError(
            f"train {task.sort}: {int(unusable.sum())} of the {len(samples)} {region} clusters have charges "
            "or a truth that are not finite; leave them out, or make the file again"
        )


def _rows(samples: Samples, region: str, options: TrainingOptions) -> tuple[Rows, Rows, Rows, Rows]:
    """Rows to train on, complete ones to watch, all to tune with, and to test on.

    Raises:
        InputError: too few clusters, or an augmentation that is no symmetry.
    """
    # Truncated clusters are flagged when they are used: they neither train nor tune.
    train, tuning, test = split(samples, options.validation_share)
    train, complete = (rows[~samples.truncated[rows]] for rows in (train, tuning))
    if len(train) < options.batch_size or len(complete) < FEWEST_HELD:
        cut = int(samples.truncated.sum())
        raise InputError(
            f"{len(samples)} {region} clusters, {cut} of them cut by the edge of their array, are too few to "
            f"train on: {len(train)} are left for training and {len(complete)} for tuning, and "
            f"{options.batch_size} (the batch size) and {FEWEST_HELD} are needed; simulate more"
        )
    if region == "barrel" and "mirror-y" in options.augment:
        raise InputError(
            f"{options.SECTION}: mirror-y is no symmetry of the barrel, where the field is along x; leave it out"
        )
    return train, complete, tuning, test


def _model(
    network: NetworkOptions | QuantizedOptions, options: TrainingOptions, begun: Start | None, task: Task[S]
) -> torch.nn.Module:
    """The network with fresh weights, or with those to go on from.

    Raises:
        InputError: weights of another network, or zeros to keep and no quantised weights that have them.
    """
    torch.manual_seed(options.seed)
    model: torch.nn.Module = (
        QuantizedMdn(network) if isinstance(network, QuantizedOptions) else build(network)
    )
    if begun is not None:
        go_on(model, network, begun, lambda name: task.load(name, task.sort))
    if isinstance(model, QuantizedMdn) and options.compress.keep_zeros:
        if begun is None or begun.network is None:
            raise InputError("compress: keep_zeros needs quantised weights to start from, whose zeros stay")
        model.keep_zeros()
    return model


def _epochs(
    training: _Training, options: TrainingOptions, task: Task[S], checkpoint: Path, made_with: dict[str, Any],
    report: Report,
) -> dict[str, Any]:  # fmt: skip
    """Train epoch by epoch, from the checkpoint on if there is one; leave the model with the weights to keep.

    Returns:
        ``history`` of the held-out likelihood, ``best`` weights with the ``lowest``, and of a quantised
        network what the constraint ``told`` of each epoch and its ``multipliers``.

    Raises:
        InputError: the training diverged, or a checkpoint of other options.
    """
    model, constraint = training.model, training.constraint
    state: dict[str, Any] = {"history": [], "best": None, "lowest": math.inf, "told": [], "multipliers": None}
    first = resume(checkpoint, made_with, model, training.optimizer, state)
    if constraint is not None and state["multipliers"] is not None:
        constraint.take_up(state["multipliers"])
    for epoch in range(first, options.epochs):
        if stopped(state["history"], options.patience):
            break
        started = time.perf_counter()
        if isinstance(model, QuantizedMdn):
            model.begin_epoch(epoch, options.epochs, options.free_epochs)
        loss = one_epoch(
            model, training.optimizer, *training.train, training.pixel, epoch, options, task, constraint
        )
        held = held_out_loss(model, *training.held_out, task.losses)
        check_converges(options.SECTION, held, epoch, options.learning_rate)
        state["history"].append(held)
        # Without rounding the loss is lower than it can be with it.
        counts = not isinstance(model, QuantizedMdn) or model.rounding
        if counts and held < state["lowest"]:
            state["lowest"], state["best"] = held, {k: v.clone() for k, v in model.state_dict().items()}
        line = f"epoch {epoch + 1}/{options.epochs}  nll {loss:.3f}  held out {held:.3f}"
        if constraint is not None:
            state["told"].append(constraint.record())
            state["multipliers"] = constraint.state()
            line += f"  zeros {state['told'][-1]['zeros']['all']:.3f}"
        save_checkpoint(checkpoint, made_with, epoch + 1, model, training.optimizer, state)
        report(f"{line}  {time.perf_counter() - started:.1f} s")
    # Rounded weights jump to the end of a training; under a constraint or a penalty the last epoch is what
    # was asked for.
    if options.patience or (constraint is not None and options.compress.method == "none"):
        model.load_state_dict(state["best"])
    model.eval()
    return state


def _trained(
    model: torch.nn.Module,
    network: NetworkOptions | QuantizedOptions,
    state: Mapping[str, Any],
    task: Task[S],
) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any], dict[str, Any]]:
    """Arrays to save, what the description says of them, and what the report says of the training."""
    measured: dict[str, Any] = {
        "epochs": len(state["history"]),
        "history": [round(h, 4) for h in state["history"]],
    }
    if not isinstance(model, QuantizedMdn):
        arrays = {k: v.numpy() for k, v in model.state_dict().items()}
        parameters = sum(p.numel() for p in model.parameters())
        return arrays, {"architecture": f"{task.sort}-{network.kind}"}, {"parameters": parameters, **measured}
    fixed = to_fixed(model)
    measured |= {
        "nonzero_weights": fixed.nonzero_weights,
        "zeros": zero_shares(model),
        "by_epoch": state["told"],
    }
    facts = {"architecture": f"{task.chip_sort}-{network.kind}", "fixed": describe(fixed)}
    return to_arrays(fixed), facts, {"parameters": fixed.parameters, **measured}
