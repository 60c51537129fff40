"""Training of the mixture density network on event files, with checkpoints, resume and a report."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt
import torch

from smartpix.checkpoint import resume, save_checkpoint
from smartpix.clusters import flatten, windows
from smartpix.estimate import TARGETS, sensor_of, truth_targets, window_center
from smartpix.files import check_writable
from smartpix.io import iterate, open_events
from smartpix.model import ARCHITECTURE, TARGET_SCALE, Mdn, encode, negative_log_likelihood, split_outputs
from smartpix.schema import InputError, check
from smartpix.weights import save_weights

__all__ = ["TrainMdnOptions", "load_samples", "train_mdn"]

Floats = npt.NDArray[np.float64]
Report = Callable[[str], None]


@dataclass(frozen=True)
class TrainMdnOptions:
    """Options of the training.

    Attributes:
        epochs: passes over the training clusters.
        batch_size, learning_rate: of Adam; the rate falls to 1 % along a cosine.
        seed: of the initial weights and of the order.
        validation_share: last part of the clusters, held out for calibration and the report.
        min_share: clusters need one particle with this share of the charge.
    """

    epochs: int = 60
    batch_size: int = 1024
    learning_rate: float = 5e-3
    seed: int = 1
    validation_share: float = 0.15
    min_share: float = 0.95

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            check("train mdn", name, getattr(self, name), getattr(self, name) >= 1, "at least 1")
        check("train mdn", "learning_rate", self.learning_rate, 0 < self.learning_rate < 1, "between 0 and 1")
        check("train mdn", "seed", self.seed, self.seed >= 0, "0 or more")
        check("train mdn", "validation_share", self.validation_share, 0 < self.validation_share < 1, "between 0 and 1")


def load_samples(
    files: Sequence[str | Path], region: str, slices: Sequence[int], min_share: float
) -> tuple[npt.NDArray[np.float32], Floats, npt.NDArray[np.bool_], dict[str, Any]]:
    """Images and scaled targets of the clusters of one region.

    Returns:
        (N, S, 13, 21) charge in e; (N, 4) targets divided by :data:`smartpix.model.TARGET_SCALE`, x and y from the
        window's centre; (N,) which do not fit the window; and a description of the sensor.

    Raises:
        InputError: a file has no truth, or the files are of different sensors.
    """
    images, targets, truncated = [], [], []
    sensor: dict[str, Any] = {}
    for opened, events in iterate(list(files), step=5):
        if not opened.has_truth:
            raise InputError(f"{opened.path}: has no truth to train on; give simulated files")
        detector = opened.header.detector
        sensors = sensor_of(detector, opened.header.field)
        if region not in sensors:
            raise InputError(
                f"{opened.path}: the detector has no {region} modules; give files of one that has, or train the other region"
            )
        here = sensors[region]
        if sensor and sensor != here:
            raise InputError(f"{opened.path}: sensor {here} differs from the files' before it ({sensor})")
        sensor = here
        clusters = ak.flatten(events["clusters"], axis=1)
        target, has = truth_targets(clusters, min_share)
        chosen = has & (detector.barrel[ak.to_numpy(clusters["module_index"])] == (region == "barrel"))
        clusters, target = clusters[chosen], target[chosen]
        if len(clusters) == 0:
            continue
        flat = flatten(clusters, slices)
        image, origin = windows(flat)
        target[:, :2] -= window_center(origin, flat.module, detector)
        images.append(image)
        targets.append(target / np.array(TARGET_SCALE))
        truncated.append(flat.truncated)
    if not images:
        raise InputError(f"{[str(f) for f in files]}: no {region} cluster with truth to train on; simulate more events")
    return np.concatenate(images), np.concatenate(targets), np.concatenate(truncated), sensor


def train_mdn(
    files: Sequence[str | Path], region: str, output: str | Path, options: TrainMdnOptions, report: Report = print
) -> dict[str, Any]:
    """Train, calibrate on held-out clusters, and save the weights.

    A checkpoint ``OUTPUT.checkpoint`` is written after every epoch and taken up again if it is there and was made with the same
    options; the result is that of an uninterrupted training.

    Args:
        region: ``"barrel"`` or ``"endcap"``.
        output: weights to write (.safetensors).
        report: called with a line per epoch.

    Returns:
        ``nll``, ``parameters``, ``n_train``, ``n_validation``, and by target ``half_width_68``, ``pull_mean``, ``pull_sigma``.

    Raises:
        InputError: unusable files, or a checkpoint of other options.
    """
    if region not in ("barrel", "endcap"):
        raise InputError(f"region '{region}' is unknown; use barrel or endcap")
    check_writable(output)
    header = open_events(files[0]).header
    slices = (header.slices[0], header.slices[-1])
    images, targets, truncated, sensor = load_samples(files, region, slices, options.min_share)
    n_validation = max(int(options.validation_share * len(images)), 1)
    if len(images) - n_validation < options.batch_size:
        raise InputError(
            f"{len(images)} {region} clusters are too few to train on (batch size {options.batch_size}); simulate more"
        )
    x = encode(torch.from_numpy(images))
    y = torch.from_numpy(targets.astype(np.float32))
    x_train, y_train = x[:-n_validation], y[:-n_validation]
    x_held, y_held = x[-n_validation:], y[-n_validation:]

    torch.manual_seed(options.seed)
    model = Mdn(len(slices))
    optimizer = torch.optim.Adam(model.parameters(), lr=options.learning_rate)
    checkpoint = Path(output).with_suffix(".checkpoint")
    made_with = {**asdict(options), "files": [str(f) for f in files], "region": region}
    first = resume(checkpoint, made_with, model, optimizer)
    n_batches = len(x_train) // options.batch_size
    for epoch in range(first, options.epochs):
        started = time.perf_counter()
        order = torch.randperm(len(x_train), generator=torch.Generator().manual_seed(1000 * options.seed + epoch))
        model.train()
        total = 0.0
        for b in range(n_batches):
            progress = (epoch * n_batches + b) / (options.epochs * n_batches)
            for group in optimizer.param_groups:
                group["lr"] = options.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))
            batch = order[b * options.batch_size : (b + 1) * options.batch_size]
            loss = negative_log_likelihood(model(x_train[batch]), y_train[batch]).mean()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
            optimizer.step()
            total += float(loss.detach())
        held = _nll(model, x_held, y_held)
        save_checkpoint(checkpoint, made_with, epoch + 1, model, optimizer)
        report(
            f"epoch {epoch + 1}/{options.epochs}  nll {total / n_batches:.3f}  held out {held:.3f}  "
            f"{time.perf_counter() - started:.1f} s"
        )
    metrics, calibration = _evaluate(model, x_held, y_held, truncated[-n_validation:])
    metrics |= {
        "parameters": sum(p.numel() for p in model.parameters()),
        "n_train": len(x_train),
        "n_validation": n_validation,
    }
    save_weights(
        output,
        {k: v.numpy() for k, v in model.state_dict().items()},
        {
            "architecture": ARCHITECTURE, "region": region, "sensor": sensor, "slices": list(slices),
            "calibration": calibration, "options": asdict(options), "data": dict(header.made_by), "metrics": metrics,
        },
    )  # fmt: skip
    checkpoint.unlink(missing_ok=True)
    return metrics


@torch.inference_mode()
def _nll(model: Mdn, x: torch.Tensor, y: torch.Tensor) -> float:
    model.eval()
    parts = [negative_log_likelihood(model(a), b) for a, b in zip(torch.split(x, 8192), torch.split(y, 8192), strict=True)]
    return float(torch.cat(parts).mean())


@torch.inference_mode()
def _evaluate(
    model: Mdn, x: torch.Tensor, y: torch.Tensor, truncated: npt.NDArray[np.bool_]
) -> tuple[dict[str, Any], dict[str, list[float]]]:
    """Metrics on held-out clusters, and the factors on the sigmas that make the central 68 % of the pulls unit wide.

    Clusters that do not fit the window have factors of their own, or the others' where fewer than 100 are held out.
    """
    model.eval()
    raw = torch.cat([model(part) for part in torch.split(x, 8192)])
    mean, cholesky = split_outputs(raw)
    residual = (y - mean).double().numpy()
    pull = residual / torch.linalg.vector_norm(cholesky, dim=2).double().numpy()
    factors = {}
    for name, chosen in (("complete", ~truncated), ("truncated", truncated)):
        enough = chosen if np.sum(chosen) >= 100 else np.ones(len(pull), dtype=bool)
        factors[name] = np.percentile(np.abs(pull[enough]), 68.27, axis=0)
    pull /= np.where(truncated[:, None], factors["truncated"], factors["complete"])
    scale = np.array(TARGET_SCALE)
    half_width = np.percentile(np.abs(residual), 68.27, axis=0) * scale
    return {
        "nll": float(negative_log_likelihood(raw, y).mean()),
        "half_width_68": dict(zip(TARGETS, half_width.tolist(), strict=True)),
        "pull_mean": dict(zip(TARGETS, pull.mean(axis=0).tolist(), strict=True)),
        "pull_sigma": dict(zip(TARGETS, pull.std(axis=0).tolist(), strict=True)),
    }, {name: values.tolist() for name, values in factors.items()}
