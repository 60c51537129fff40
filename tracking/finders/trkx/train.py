"""Training of the networks of HEP.TrkX on toys that are made as it goes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from smartpix.networks.weights import check_output, describe_weights, weights_path
from smartpix.schema import InputError
from smartpix.train.checkpoint import resume, save_checkpoint
from smartpix.train.epoch import check_converges, descend
from tracking.finders.training import checkpoint_path, falling_rate, made_with, n_parameters, save_trained
from tracking.finders.trkx.captions import CaptionNetwork, CovarianceNetwork, caption_loss, covariance_loss
from tracking.finders.trkx.metrics import SHARE, by_multiplicity, hit_loss, images_of, measured, there
from tracking.finders.trkx.networks import make_network
from tracking.finders.trkx.options import ToyOptions, changed_options
from tracking.finders.trkx.toys import ToyEvents, make_toys
from tracking.finders.trkx.trained import ARCHITECTURE, load_network
from tracking.finders.trkx.training_options import TEST_SEED, VALIDATION_SEED, TrainTrkxOptions

log = logging.getLogger(__name__)

__all__ = ["loss_of", "train_trkx"]


def train_trkx(
    output: str | Path, options: TrainTrkxOptions, report: Callable[[str], None] = log.info
) -> dict[str, Any]:
    """Train a network of HEP.TrkX and save its weights.

    A checkpoint ``OUTPUT.checkpoint`` is written at each point of the curve, and taken up again if it was
    made with the same options and number of torch's threads.

    Returns:
        ``model``, ``toy`` (its kind), ``parameters``, ``samples``, ``width``; ``curve``: at each of its
        points ``samples`` and what :func:`tracking.finders.trkx.metrics.measured` gives on ``n_curve`` toys;
        of the trained network what it gives on ``n_events`` others; ``changed_toy``, if the toys are not the
        published ones: what of them differs; for square planes ``multiplicity``, the same on toys with exact
            numbers of
        background tracks; ``seconds`` that the training took, its curve included.

    Raises:
        InputError: the output cannot be written or is what the training starts from, unusable weights to
            start from, ones of other toys or of this seed, a checkpoint of other options or start, or a
            training that diverges.
    """
    check_output(output)
    if options.start:
        _check_other(Path(output), weights_path(options.start))
    torch.manual_seed(options.seed)
    network, start = _started(options)
    more: dict[str, Any] = {"curve": [], "seconds": 0.0}
    settings = made_with(options, [], **start)
    _fit(network, options, checkpoint_path(output), settings, more, report)
    test = options.seed + TEST_SEED
    report(f"measuring on {options.test:,} toys")
    metrics = {
        "model": options.model,
        "toy": options.toy.kind,
        "parameters": n_parameters(network),
        "samples": options.n_steps * options.batch_size,
        "width": options.width,
        "n_events": options.test,
        **measured(network, options.toy, options.test, test),
        "curve": more["curve"],
        "n_curve": options.validation,
    }
    if changed := changed_options(options.toy):
        metrics["changed_toy"] = changed
    if options.toy.kind == "3d":
        n = max(options.test // SHARE, 1)
        metrics["multiplicity"] = by_multiplicity(network, options.toy, n, test)
    save_trained(output, network, ARCHITECTURE, options, [], metrics, **start)
    return metrics | {"seconds": more["seconds"]}


def loss_of(network: nn.Module, toys: ToyEvents) -> Tensor:
    """What a training lowers: of captions the squared error, of their covariances the likelihood's, of all
    others the cross-entropy.
    """
    answer: Tensor = network(images_of(toys)).float()
    if isinstance(network, CovarianceNetwork):
        return covariance_loss(answer, torch.from_numpy(toys.parameters), there(toys))
    if isinstance(network, CaptionNetwork):
        return caption_loss(answer, torch.from_numpy(toys.parameters))
    return hit_loss(answer, torch.from_numpy(toys.wanted))


def _started(options: TrainTrkxOptions) -> tuple[nn.Module, dict[str, Any]]:
    """The network before its training, from random weights or with a trained caption inside; and what that
    was: ``started_from`` with the ``sha256`` of its weights, its ``seed`` and its ``toy``.
    """
    network = make_network(options.model, options.toy, options.width)
    if isinstance(network, CovarianceNetwork):
        if not options.start:
            raise InputError(
                "train trkx: --from must name weights of a trained caption, whose covariance is learned; train "
                "them first (smartpix train trkx --model caption)"
            )
        caption, toy = load_network(options.start, "caption")
        start = _start(options, toy)
        state = {name: tuple(values.shape) for name, values in network.caption.state_dict().items()}
        found = {name: tuple(values.shape) for name, values in caption.state_dict().items()}
        if found != state:
            raise InputError(f"{options.start}: is a caption of another width; give the same --width")
        network.caption.load_state_dict(caption.state_dict())
        return network, {"started_from": start}
    return network, {}


def _check_other(output: Path, start: Path) -> None:
    """Check that the weights to start from, which may be under another path, stay.

    Raises:
        InputError: the output would replace them.
    """
    if output.exists() and start.exists() and output.samefile(start):
        raise InputError(
            f"{output}: is the caption that --from names, which would be replaced; give the output another name"
        )


def _start(options: TrainTrkxOptions, toy: ToyOptions) -> dict[str, Any]:
    """What a covariance starts from.

    Raises:
        InputError: a caption that learned from other toys, or from those that the covariance is to learn
            from: it knows these better than fresh ones, and the covariance would be too small.
    """
    told = describe_weights(options.start)
    if toy != options.toy:
        learned, wanted = asdict(toy), asdict(options.toy)
        differs = ", ".join(f"{k} {v}" for k, v in learned.items() if v != wanted[k])
        raise InputError(
            f"{options.start}: is a caption that learned from other toys ({differs}); give the same ones (--toy, "
            f"--set)"
        )
    seed = told["options"]["seed"]
    if seed == options.seed:
        raise InputError(
            f"{options.start}: is a caption that learned from toys of seed {seed}, whose residuals are smaller than "
            f"those of fresh ones; learn its covariance with another --train-seed"
        )
    return {"sha256": told["sha256"], "seed": seed, "toy": asdict(toy)}


def _optimizer(network: nn.Module, options: TrainTrkxOptions) -> torch.optim.Optimizer:
    learned = [values for values in network.parameters() if values.requires_grad]
    if options.toy.has_lines:
        return torch.optim.Adam(learned, lr=options.learning_rate, fused=True)
    return torch.optim.NAdam(learned, lr=options.learning_rate, foreach=True)


def _fit(
    network: nn.Module,
    options: TrainTrkxOptions,
    checkpoint: Path,
    settings: dict[str, Any],
    more: dict[str, Any],
    report: Callable[[str], None],
) -> None:
    """All steps that are left; the points of the curve and the seconds are added to ``more``."""
    optimizer = _optimizer(network, options)
    n_steps, n_parts = options.n_steps, options.evaluations
    for part in range(resume(checkpoint, settings, network, optimizer, more), n_parts):
        started, total = time.perf_counter(), 0.0
        first, last = part * n_steps // n_parts, (part + 1) * n_steps // n_parts
        network.train()
        for step in range(first, last):
            if options.schedule == "falling":
                for group in optimizer.param_groups:
                    group["lr"] = falling_rate(options.learning_rate, step / n_steps)
            toys = make_toys(options.toy, options.batch_size, options.seed, step * options.batch_size)
            with torch.autocast("cpu", torch.bfloat16, enabled=options.precision == "bfloat16"):
                loss = loss_of(network, toys)
            descend(network, optimizer, loss)
            total += float(loss.detach())
        mean = total / (last - first)
        check_converges("train trkx", mean, part, options.learning_rate)
        found = measured(network, options.toy, options.validation, options.seed + VALIDATION_SEED)
        more["curve"].append({"samples": last * options.batch_size, **found})
        more["seconds"] += time.perf_counter() - started
        save_checkpoint(checkpoint, settings, part + 1, network, optimizer, more)
        accuracies = "".join(
            f"  {name.replace('_', ' ')} {found[name]:.4f}"
            for name in ("pixel_accuracy", "hit_accuracy", "coverage_68", "coverage_95")
            if found.get(name) is not None
        )
        report(
            f"{last * options.batch_size:,} of {n_steps * options.batch_size:,} toys  loss {mean:.4f}  held out "
            f"{found['loss']:.4f}{accuracies}  {time.perf_counter() - started:.1f} s"
        )
