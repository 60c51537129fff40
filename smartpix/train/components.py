"""What networks of several components are trained, calibrated and tested on, and how good they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.clusters import pixel_lists
from smartpix.estimate.calibrate_components import fit_components
from smartpix.estimate.components import (
    APART,
    MIN_SHARE_LONE,
    REGION_SHARES,
    Components,
    density_rank,
    normal_scores,
    ordered,
    separation,
)
from smartpix.estimate.mixture import MIXTURE, MixtureNetwork, load_mixture_weights
from smartpix.estimate.quality import half_width, pull_width
from smartpix.merged.samples import load_merged
from smartpix.outlines import outlines_of
from smartpix.samples import AS_THEY_ARE, Reading, Samples, load_samples
from smartpix.schema import TARGETS, InputError
from smartpix.train.calibrate import truncated_scale, uncalibrated
from smartpix.train.recalibrate import save_recalibrated

__all__ = [
    "calibrate_components",
    "component_pulls",
    "component_quality",
    "component_samples",
    "recalibrate_mixture",
]

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


def component_samples(
    files: str | Path | Sequence[str | Path],
    region: str,
    sort: str,
    n: int,
    reading: Reading = AS_THEY_ARE,
    min_share: float = MIN_SHARE_LONE,
) -> Samples:
    """Clusters for a network of ``n`` components.

    Args:
        sort: ``set``: clusters of n particles, where three stand for more, too: the three largest shares are
            the targets; ``mixture``: of one, with ``min_share`` of the charge.

    Returns:
        Clusters with targets (N, n, 4) of the particles of a set, or (N, 4) of a mixture's one.

    Raises:
        InputError: as :func:`smartpix.samples.load_samples`, or no clusters of so many particles.
    """
    if sort == MIXTURE:
        return load_samples(files, region, reading, min_share)
    merged = load_merged(files, region, reading)
    wanted = merged.count == n
    if not wanted.any():
        raise InputError(
            f"{merged.files[0]}: has no {region} cluster of {n} particles; simulate groups of crossings "
            f"(smartpix simulate crossings --together {n})"
        )
    ends = np.cumsum([0, *(merged.parts or (len(merged),))])
    parts = tuple(int(wanted[low:high].sum()) for low, high in zip(ends, ends[1:], strict=False))
    chosen = merged.take(np.flatnonzero(wanted))
    return replace(chosen, targets=chosen.targets[:, :n], parts=parts)


def calibrate_components(
    arrays: Mapping[str, npt.NDArray[Any]],
    description: Mapping[str, Any],
    samples: Samples,
    tuning: Rows,
    test: Rows,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Calibrate trained weights on some clusters they were not trained on, test them on others.

    Args:
        arrays, description: of the network; an older calibration is replaced.
        tuning, test: rows of the samples.

    Returns:
        The description with ``calibration``, ``truncated_scale`` and, of a mixture, ``reliability``; and
        :func:`component_quality` of the test.

    Raises:
        InputError: too few clusters, or some that are not finite.
    """
    known = uncalibrated(description)
    network = MixtureNetwork.from_arrays(arrays, known)
    complete = tuning[~samples.truncated[tuning]]
    lists = pixel_lists(samples.images[complete])
    raw = network.fused.pixels(*lists)
    known |= fit_components(network, raw, outlines_of(*lists), samples.targets[complete])
    calibrated = MixtureNetwork.from_arrays(arrays, known)

    def pulls(images: npt.NDArray[np.float32], targets: Floats) -> Floats:
        return component_pulls(calibrated.predict_images(images), targets)

    known["truncated_scale"] = truncated_scale(samples, np.concatenate([tuning, test]), pulls)
    test = test[~samples.truncated[test]]
    found = MixtureNetwork.from_arrays(arrays, known).predict_images(samples.images[test])
    return known, component_quality(found, samples.targets[test])


def component_pulls(found: Components, targets: Floats) -> Floats:
    """Pulls (M, 4): of a mixture normal scores, of a set those of the particles drawn for each component."""
    if targets.ndim == 2:
        return normal_scores(found, targets)
    residual = ordered(found, targets, np.random.default_rng(0)) - found.mean
    return np.asarray(residual / np.linalg.norm(found.cholesky, axis=3)).reshape(-1, 4)


def component_quality(found: Components, targets: Floats) -> dict[str, Any]:
    """How good components are.

    Args:
        targets: (N, K, 4) of a set's particles, or (N, 4) of a mixture's one.

    Returns:
        Of a set ``half_width`` (central 68 %, mm and cotangents), ``pull_mean`` and ``pull_width`` by
        target, of the particles drawn for each component; ``apart`` is the share of clusters whose
        components can be told apart (2 sigmas), and ``pull_width_apart`` of these. Of a mixture
        ``pull_mean`` and ``pull_width`` of :func:`smartpix.estimate.components.normal_scores`,
        ``within_68`` and ``within_95``, shares in the regions of the highest density. ``n`` clusters.
    """
    rng = np.random.default_rng(0)
    if targets.ndim == 2:
        pull, rank = normal_scores(found, targets), density_rank(found, targets, rng)
        return {
            "n": len(targets), **_pulls(pull),
            **{name: float((rank < share).mean()) for name, share in REGION_SHARES.items()},
        }  # fmt: skip
    residual = ordered(found, targets, rng) - found.mean
    pull = residual / np.linalg.norm(found.cholesky, axis=3)
    apart = separation(found) > APART
    return {
        "n": len(targets),
        "half_width": {
            t: half_width(residual[..., k] - np.median(residual[..., k])) for k, t in enumerate(TARGETS)
        },
        **_pulls(pull.reshape(-1, 4)),
        "apart": float(apart.mean()),
        "pull_width_apart": _pulls(pull[apart].reshape(-1, 4))["pull_width"] if apart.any() else None,
    }


def _pulls(pull: Floats) -> dict[str, Any]:
    return {
        "pull_mean": dict(zip(TARGETS, pull.mean(axis=0).tolist(), strict=True)),
        "pull_width": dict(zip(TARGETS, (pull_width(column) for column in pull.T), strict=True)),
    }


def recalibrate_mixture(
    weights: str | Path,
    files: str | Path | Sequence[str | Path],
    output: str | Path,
    reading: Reading = AS_THEY_ARE,
) -> dict[str, Any]:
    """Calibrate trained weights of several components on clusters of other files, and save them.

    Arguments and errors as of :func:`smartpix.train.calibrate.recalibrate`.

    Returns:
        :func:`component_quality` of the test, and ``n_calibration``.
    """

    def read(description: Mapping[str, Any], reading: Reading) -> Samples:
        sort, n = str(description["architecture"]).split("-")[0], int(description["components"])
        min_share = description.get("options", {}).get("min_share", MIN_SHARE_LONE)
        return component_samples(files, description["region"], sort, n, reading, min_share)

    return save_recalibrated(
        weights, output, reading, command="mixture", load=load_mixture_weights, read=read,
        finish=calibrate_components,
    )  # fmt: skip
