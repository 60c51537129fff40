"""How good estimates are: residuals, pulls and coverage. The one definition of each."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.schema import TARGET_SCALE, TARGETS, InputError

__all__ = [
    "BINS",
    "BINS_COT_ALPHA",
    "degrees",
    "half_width",
    "mahalanobis",
    "quality",
    "residual_widths",
    "weighted_half_width",
]

Floats = npt.NDArray[np.float64]

# One and two standard deviations of a Gaussian, in per cent.
CORE, WIDE = 68.27, 95.45
CHI2_4 = {"coverage68": 4.7195, "coverage95": 9.7156}
"""Quantiles of chi square with 4 degrees of freedom for 68.27 and 95.45 %."""
BINS = 5
BINS_COT_ALPHA = (0.0, 1.0, 2.0, 4.0, 6.0, 8.0, 20.0)


def half_width(values: npt.ArrayLike) -> float:
    """Central 68 % half width: 68.27 % of the absolute values lie below it."""
    values = np.abs(np.asarray(values, dtype=np.float64))
    return float(np.percentile(values, CORE)) if values.size else float("nan")


def weighted_half_width(values: npt.ArrayLike, weights: npt.ArrayLike) -> float:
    """Central 68 % half width of weighted values."""
    size = np.abs(np.asarray(values, dtype=np.float64))
    order = np.argsort(size)
    share = np.cumsum(np.asarray(weights, dtype=np.float64)[order])
    return float(size[order][np.searchsorted(share, CORE / 100 * share[-1])])


def degrees(cot: npt.ArrayLike) -> Floats:
    """Angle in degrees from its cotangent, 0 to 180."""
    return np.asarray(np.degrees(np.arctan2(1.0, np.asarray(cot, dtype=np.float64))))


def mahalanobis(mean: Floats, cholesky: Floats, targets: Floats) -> Floats:
    """(N,) squared Mahalanobis distance of the truth; chi square with 4 degrees of freedom if all is
    right.
    """
    whitened = np.linalg.solve(cholesky, (targets - mean)[:, :, None])[:, :, 0]
    return np.asarray((whitened**2).sum(axis=1))


def negative_log_density(mean: Floats, cholesky: Floats, targets: Floats) -> Floats:
    """(N,) in the units given."""
    diagonal = np.diagonal(cholesky, axis1=1, axis2=2)
    return np.asarray(
        0.5 * mahalanobis(mean, cholesky, targets) + np.log(diagonal).sum(axis=1) + 2 * np.log(2 * np.pi)
    )


def _pulls(pull: Floats, distance: Floats) -> dict[str, Any]:
    return {
        **{k: float((distance < v).mean()) for k, v in CHI2_4.items()},
        "pull_mean": dict(zip(TARGETS, pull.mean(axis=0).tolist(), strict=True)),
        "pull_sigma": dict(zip(TARGETS, pull.std(axis=0).tolist(), strict=True)),
        "within_1_sigma": dict(zip(TARGETS, (np.abs(pull) < 1).mean(axis=0).tolist(), strict=True)),
        "within_2_sigma": dict(zip(TARGETS, (np.abs(pull) < 2).mean(axis=0).tolist(), strict=True)),
    }


def residual_widths(mean: Floats, targets: Floats) -> dict[str, Any]:
    """``half_width_68`` and ``standard_deviation`` of truth less estimate (N, 4).

    x and y are in um, angles as cotangents and in degrees.
    """
    residual, angle = targets - mean, degrees(targets[:, 2:]) - degrees(mean[:, 2:])
    columns = {
        "x_um": residual[:, 0] * 1e3, "y_um": residual[:, 1] * 1e3, "cot_alpha": residual[:, 2],
        "cot_beta": residual[:, 3],
        "alpha_deg": angle[:, 0], "beta_deg": angle[:, 1],
    }  # fmt: skip
    return {
        "half_width_68": {k: half_width(v) for k, v in columns.items()},
        "standard_deviation": {k: float(v.std()) for k, v in columns.items()},
    }


def quality(
    mean: Floats, cholesky: Floats, targets: Floats, truncated: npt.NDArray[np.bool_]
) -> dict[str, Any]:
    """Residuals, pulls and coverage of estimates against the truth. Truncated clusters (flagged) only count
    as a share.

    Args:
        mean: (N, 4) x, y in mm, cot alpha, cot beta; cholesky: (N, 4, 4); targets: (N, 4).
        truncated: (N,).

    Returns:
        ``n``, ``truncated`` (share), ``nll`` (per cluster, targets in the public scales), ``half_width_68``
        and ``standard_deviation`` (x and y in um, angles as cotangents and in degrees), ``coverage68`` /
        ``coverage95`` (share of the truth within the 4-D ellipsoids meant to hold 68.3 and 95.4 %),
        ``pull_mean``, ``pull_sigma``, ``within_1_sigma`` and ``within_2_sigma`` (by target; a Gaussian has
        0.683 and 0.954), ``half_width_68_central`` (for |cot alpha| < 2),
        and by bin: ``by_abs_cot_alpha`` (residuals), ``by_cot_alpha`` and ``by_cot_beta`` (pulls and coverage
        in 5 equally filled bins of the truth and of the estimate).
    """
    good = ~truncated
    if not good.any():
        raise InputError(
            "quality: no cluster is complete, all are cut by the edge of their array; give other clusters"
        )
    share = float(truncated.mean()) if len(truncated) else 0.0
    mean, cholesky, targets = mean[good], cholesky[good], targets[good]
    residual = targets - mean
    pull = residual / np.linalg.norm(cholesky, axis=2)
    distance = mahalanobis(mean, cholesky, targets)
    result: dict[str, Any] = {
        "n": len(mean),
        "truncated": share,
        # From mm to the public scales: the density is multiplied by the product of the units.
        "nll": float(negative_log_density(mean, cholesky, targets).mean() - np.log(TARGET_SCALE).sum()),
        **residual_widths(mean, targets),
        **_pulls(pull, distance),
    }
    result["by_abs_cot_alpha"] = []
    size = np.abs(targets[:, 2])
    for low, high in zip(BINS_COT_ALPHA, BINS_COT_ALPHA[1:], strict=False):
        inside = (size >= low) & (size < high)
        if inside.sum() >= 10:
            result["by_abs_cot_alpha"].append(
                {
                    "low": low,
                    "high": high,
                    "n": int(inside.sum()),
                    **residual_widths(mean[inside], targets[inside]),
                }
            )
    inside = size < 2
    result["half_width_68_central"] = (
        residual_widths(mean[inside], targets[inside])["half_width_68"] if inside.any() else {}
    )
    for name, column in (("cot_alpha", 2), ("cot_beta", 3)):
        result[f"by_{name}"] = {}
        for what, values in (("truth", targets[:, column]), ("estimate", mean[:, column])):
            groups = np.array_split(np.argsort(values, kind="stable"), BINS)
            result[f"by_{name}"][what] = [
                {
                    "low": float(values[g].min()),
                    "high": float(values[g].max()),
                    "n": len(g),
                    **_pulls(pull[g], distance[g]),
                }
                for g in groups
                if len(g)
            ]
    return result
