"""The ONNX calibrator against our own estimates, on the clusters of an event file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np

from smartpix.estimate.base import estimate
from smartpix.estimate.choose import Chosen
from smartpix.export.calibrator import calibrator_inputs
from smartpix.extras import missing_package
from smartpix.io.events import Header, iterate
from smartpix.schema import InputError

__all__ = ["LARGEST", "compare_calibrator"]

LARGEST = 1e-4
"""Of a sigma: differences beyond are an error."""


def compare_calibrator(
    path: str | Path, file: str | Path, estimator: Chosen, header: Header, most: int = 10_000
) -> dict[str, Any]:
    """Run an exported graph in onnxruntime on a file's first clusters, and compare it with our estimates.

    Returns:
        ``clusters``, and the largest differences: ``mean`` (of x, y, cot alpha and cot beta, in sigmas),
        ``sigma`` (relative), ``covariance`` (of each element, over the two sigmas); ``flags_differ``.

    Raises:
        InputError: onnxruntime is not installed, no clusters, or a difference above :data:`LARGEST`.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise missing_package("onnxruntime", "onnx", error) from error
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    worst = {"mean": 0.0, "sigma": 0.0, "covariance": 0.0}
    n = n_flags = 0
    for _, events in iterate(file, step=1):
        clusters = ak.flatten(events["clusters"], axis=1)[: most - n]
        if len(clusters) == 0:
            continue
        ours = estimate(clusters, header, estimator)
        mean, covariance, flagged = session.run(
            None, calibrator_inputs(clusters, header, tuple(estimator.slices))
        )
        sigma, expected = ours.sigma(), ours.covariance()
        found = {
            "mean": np.abs(mean - ours.mean) / sigma,
            "sigma": np.abs(np.sqrt(np.diagonal(covariance, axis1=1, axis2=2)) / sigma - 1),
            "covariance": np.abs(covariance - expected) / (sigma[:, :, None] * sigma[:, None, :]),
        }
        worst = {name: max(value, float(found[name].max())) for name, value in worst.items()}
        n_flags += int(np.sum(flagged != ours.flagged))
        n += len(clusters)
        if n >= most:
            break
    if n == 0:
        raise InputError(f"{file}: has no clusters to compare the calibrator with; give another with --check")
    if max(worst.values()) > LARGEST or n_flags:
        raise InputError(
            f"{path}: differs from our estimates by {max(worst.values()):.2g} of a sigma on clusters of {file}; this "
            "is a fault of smartpix: tell us, with this line"
        )
    return {"clusters": n, "flags_differ": n_flags, **worst}
