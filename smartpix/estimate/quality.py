"""How good estimates are: residuals, pulls and coverage. The one definition of each."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.schema import TARGET_SCALE, TARGETS, InputError

__all__ = [
    "BINS",
    "BINS_COT_ALPHA",
    "PULL_BINS",
    "clipped",
    "degrees",
    "half_width",
    "mahalanobis",
    "pull_width",
    "quality",
    "residual_widths",
    "size_of_eta",
    "weighted_half_width",
]

Floats = npt.NDArray[np.float64]

# One and two standard deviations of a Gaussian, in per cent.
CORE, WIDE = 68.27, 95.45
CHI2_4 = {"coverage68": 4.7195, "coverage95": 9.7156}
"""Quantiles of chi square with 4 degrees of freedom for 68.27 and 95.45 %."""
BINS = 5
BINS_COT_ALPHA = (0.0, 1.0, 2.0, 4.0, 6.0, 8.0, 20.0)
PULL_BINS = {
    # A column more is one half in cot alpha at 100 um: finer bins would tell of columns, not of widths.
    "abs_cot_alpha": (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 20.0),
    "cot_beta": (-2.0, -0.2, 0.0, 0.2, 0.4, 2.0),
    "abs_eta": (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0),
    "columns": (1, 2, 3, 4, 6, 10, 22),
    "rows": (1, 2, 3, 4, 6, 8, 14),
}
"""Edges of the bins of :func:`quality`'s ``pulls_by``; each includes its lower edge."""
TAIL = 6.0
"""Pulls beyond so many half widths count as this: in 0.1 % of the clusters the slope has the wrong sign, or a
delta ray made most of the charge. These few must not set the width of all.
"""
FAR = 5.0
"""Sigmas beyond which pulls are counted besides."""
FEWEST = 10
"""Clusters below which a bin is left out."""


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


def clipped(pull: Floats) -> Floats:
    """Pulls (N,) with what lies beyond :data:`TAIL` half widths of their median brought there."""
    middle = float(np.median(pull))
    reach = TAIL * half_width(pull - middle)
    return np.clip(pull, middle - reach, middle + reach)


def pull_width(pull: Floats) -> float:
    """Standard deviation of pulls (N,) within :data:`TAIL` half widths, those beyond brought there."""
    return float(clipped(pull).std())


def _pulls(pull: Floats, distance: Floats) -> dict[str, Any]:
    return {
        **{k: float((distance < v).mean()) for k, v in CHI2_4.items()},
        "pull_mean": dict(zip(TARGETS, pull.mean(axis=0).tolist(), strict=True)),
        "pull_sigma": dict(zip(TARGETS, pull.std(axis=0).tolist(), strict=True)),
        "pull_width": dict(zip(TARGETS, (pull_width(column) for column in pull.T), strict=True)),
        "beyond_5_sigma": dict(zip(TARGETS, (np.abs(pull) > FAR).mean(axis=0).tolist(), strict=True)),
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


def size_of_eta(cot: Floats, region: str) -> Floats:
    """(N,) absolute pseudorapidity of directions (N, 2) of cot alpha and cot beta.

    The beam runs along x of a barrel module, whose y and normal may be turned about it. It runs along the
    normal of an end-cap module.
    """
    if region == "barrel":
        return np.asarray(np.arcsinh(np.abs(cot[:, 0]) / np.hypot(1.0, cot[:, 1])))
    # Along the beam itself the pseudorapidity has no end, and no bin.
    with np.errstate(divide="ignore"):
        return np.asarray(np.arcsinh(1.0 / np.hypot(cot[:, 0], cot[:, 1])))


def _pulls_by(
    mean: Floats, targets: Floats, pull: Floats, distance: Floats, region: str | None, sizes: Floats | None
) -> dict[str, list[dict[str, Any]]]:
    """Pulls and coverage in each of :data:`PULL_BINS` that is known."""
    # Slopes are those of the estimate: given the truth, a measurement in whole columns has no unit pull.
    values = {"abs_cot_alpha": np.abs(mean[:, 2]), "cot_beta": mean[:, 3]}
    if region is not None:
        values["abs_eta"] = size_of_eta(targets[:, 2:], region)
    if sizes is not None:
        values |= {"columns": sizes[:, 0], "rows": sizes[:, 1]}
    bins: dict[str, list[dict[str, Any]]] = {}
    for name, value in values.items():
        bins[name] = []
        for low, high in zip(PULL_BINS[name], PULL_BINS[name][1:], strict=False):
            inside = (value >= low) & (value < high)
            if inside.sum() >= FEWEST:
                n = int(inside.sum())
                bins[name].append(
                    {"low": low, "high": high, "n": n, **_pulls(pull[inside], distance[inside])}
                )
    return bins


def quality(
    mean: Floats,
    cholesky: Floats,
    targets: Floats,
    truncated: npt.NDArray[np.bool_],
    region: str | None = None,
    sizes: Floats | None = None,
) -> dict[str, Any]:
    """Residuals, pulls and coverage of estimates against the truth. Truncated clusters (flagged) only count
    as a share.

    Args:
        mean: (N, 4) x, y in mm, cot alpha, cot beta; cholesky: (N, 4, 4); targets: (N, 4).
        truncated: (N,).
        region: ``"barrel"`` or ``"endcap"``, to tell the pseudorapidity from the slopes; None: not known.
        sizes: (N, 2) columns and rows that clusters span; None: not known.

    Returns:
        ``n``, ``truncated`` (share), ``nll`` (per cluster, targets in the public scales), ``half_width_68``
        and ``standard_deviation`` (x and y in um, angles as cotangents and in degrees), ``coverage68`` /
        ``coverage95`` (share of the truth within the 4-D ellipsoids meant to hold 68.3 and 95.4 %),
        ``pull_mean``, ``pull_sigma``, ``within_1_sigma`` and ``within_2_sigma`` (by target; a Gaussian has
        0.683 and 0.954), ``pull_width`` (see :func:`pull_width`), ``beyond_5_sigma`` (share of pulls),
        ``half_width_68_central`` (for |cot alpha| < 2),
        and by bin: ``by_abs_cot_alpha`` (residuals), ``by_cot_alpha`` and ``by_cot_beta`` (pulls and coverage
        in 5 equally filled bins of the truth and of the estimate), and ``pulls_by``: the same in the bins of
        :data:`PULL_BINS` with ``low``, ``high`` and ``n``, by ``abs_cot_alpha`` and ``cot_beta`` (estimates),
        ``abs_eta`` (truth, if the region is known), ``columns`` and ``rows`` (if the sizes are). Bins of
        fewer than 10 clusters are left out.
    """
    good = ~truncated
    if not good.any():
        raise InputError(
            "quality: no cluster is complete, all are cut by the edge of their array; give other clusters"
        )
    share = float(truncated.mean()) if len(truncated) else 0.0
    mean, cholesky, targets = mean[good], cholesky[good], targets[good]
    sizes = None if sizes is None else sizes[good]
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
        "pulls_by": _pulls_by(mean, targets, pull, distance, region, sizes),
    }
    result["by_abs_cot_alpha"] = []
    size = np.abs(targets[:, 2])
    for low, high in zip(BINS_COT_ALPHA, BINS_COT_ALPHA[1:], strict=False):
        inside = (size >= low) & (size < high)
        if inside.sum() >= FEWEST:
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
