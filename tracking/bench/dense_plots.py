"""Figures of ``smartpix bench dense``; colours and style as in :mod:`tracking.show.style`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from smartpix.estimate.quality import half_width
from tracking.bench.dense_estimates import KINDS, CrossingResiduals
from tracking.bench.dense_network_plots import plot_counting, plot_endcap, plot_positions
from tracking.fit.resolution import RESOLUTIONS
from tracking.metrics import clopper_pearson
from tracking.show.formats import FORMATS
from tracking.show.points import histogram, rate_points, sigma_text, unit_gaussian
from tracking.show.style import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, SIGMA_NOTE, about, figure

__all__ = ["STYLES", "plot_curves", "plot_dense", "plot_rates", "plot_residuals", "plot_resolutions"]

STYLES = {
    "ours": ("cones + GNN", BLUE, "o"), "ours-split": ("cones + GNN, clusters split", RED, "s"),
    "kmeans": ("cones + GNN, K-means splitting", PURPLE, "^"),
    "deepcore": ("cones + GNN and DeepCore's seeds", GREEN, "D"),
    "acts": ("ACTS CKF, tuned at pile-up 200", ORANGE, "v"), "acts-gbts": ("ACTS CKF, GBTS seeds", "#56B4E9", "P"),
    "acts-loose": ("ACTS CKF, loose", GREY, "X"), "acts-dense": ("ACTS CKF, tuned in cores", "#000000", "<"),
    "acts-dense-loose": ("ACTS CKF, loose in cores", "#7F3B08", ">"),
    "acts-split": ("ACTS CKF, clusters split", "#C5A900", "h"),
}  # fmt: skip
"""Name, colour and marker of each finder."""
AXES = {
    "distance": (r"distance to the next particle in ($\eta$, $\phi$)", True),
    "jet_pt": ("charged $p_T$ of the jet [GeV]", False),
    "pt": ("$p_T$ of the particle [GeV]", True),
    "merged": ("merged clusters of the particle", False),
}
"""Label of each curve, and whether its axis is logarithmic."""
FEWEST = 10
"""Particles in a bin that is drawn: of fewer the interval is as wide as the axis."""
BOOTSTRAPS = 100
"""Samples drawn for the error of a half width."""
COLOURS = {"lone": GREY, "as_one": BLUE, "split": RED}


def plot_dense(
    folder: Path, result: Mapping[str, Any], arrays: Mapping[str, Any], kind: str = FORMATS[0]
) -> None:
    """All figures of :func:`tracking.bench.dense.bench_dense`, in a folder.

    Args:
        arrays: what the function gives under that name.
        kind: format of the figures.
    """
    for name, sample in result["samples"].items():
        plot_curves(
            folder / f"efficiency-{name}.{kind}",
            sample,
            about(name, sample.get("n_events"), f"{sample['n_findable']:,} findable particles"),
        )
        n = len(next(iter(arrays["tracks"][name].values())))
        if n >= FEWEST:
            title = about(name, None, f"{n:,} particles in jets with merged clusters that all finders found")
            plot_resolutions(folder / f"resolution-{name}.{kind}", arrays["tracks"][name], title)
    plot_rates(folder / f"rates.{kind}", result["samples"])
    if result["merged"]:
        plot_counting(folder / f"counting.{kind}", result["merged"])
        if result["merged"]["positions"]:
            plot_positions(folder / f"positions.{kind}", result["merged"]["positions"])
    if result["endcap"]:
        plot_endcap(folder / f"endcap.{kind}", result["endcap"])
    plot_residuals(folder / f"residuals.{kind}", arrays["crossings"])


def plot_curves(path: Path, sample: Mapping[str, Any], title: str) -> None:
    """Efficiency of all finders in a sample against what surrounds the particles; none of too few."""
    names = [name for name in AXES if name != "jet_pt" or sample["n_in_jets"]]
    names = [name for name in names if np.sum(np.array(sample["curves"][name]["total"]) >= FEWEST) > 1]
    if not names:
        return
    columns = 2 if len(names) > 1 else 1
    note = f"Error bars: 68 % Clopper-Pearson intervals. Bins of fewer than {FEWEST} particles are left out."
    with figure(
        path, title, nrows=-(-len(names) // columns), ncols=columns, note=note, squeeze=False,
        figsize=(7.4 * columns, 5.0 * -(-len(names) // columns)),
    ) as (whole, axes):  # fmt: skip
        for axis in axes.flat[len(names) :]:
            axis.set_visible(False)
        for axis, name in zip(axes.flat, names, strict=False):
            curve = sample["curves"][name]
            edges, total = np.array(curve["edges"]), np.array(curve["total"])
            enough = np.where(total >= FEWEST, total, 0)
            lowest = 1.0
            for k, (who, found) in enumerate(curve["found"].items()):
                label, colour, marker = STYLES.get(who, (who, GREY, "."))
                passed = np.where(total >= FEWEST, found, 0)
                shift = 0.5 * (k - (len(curve["found"]) - 1) / 2) / len(curve["found"])
                low, _ = rate_points(
                    axis, edges, passed, enough, bars=False, fmt=marker, color=colour, ms=5.5, lw=1.4, label=label,
                    shift=shift, log=AXES[name][1],
                )  # fmt: skip
                lowest = min(lowest, float(low.min(initial=1.0)))
            if AXES[name][1]:
                axis.set_xscale("log")
            shown = np.flatnonzero(total >= FEWEST)
            axis.set_xlim(edges[shown[0]], edges[shown[-1] + 1])
            if name == "merged":
                axis.set_xticks(np.arange(shown[-1] + 1))
                axis.tick_params(axis="x", which="minor", bottom=False, top=False)
            axis.set_ylim(max(0.0, lowest - 0.03), 1.0 + 0.12 * (1.0 - lowest) + 0.005)
            axis.axhline(1.0, color=GREY, lw=0.8, ls=":")
            axis.set_xlabel(AXES[name][0], fontsize=14)
            of_jets = name.endswith("pt") or (name == "merged" and sample["n_in_jets"])
            axis.set_ylabel(
                "efficiency of findable particles" + (", in jets" if of_jets else ""), fontsize=13
            )
        whole.legend(
            *axes.flat[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=12
        )


def plot_rates(path: Path, samples: Mapping[str, Any]) -> None:
    """Efficiency against the share of fake tracks, and against processor time: a column for each sample, a
    point for each finder.
    """
    n_columns = len(samples)
    title = about(", ".join(samples), None, "efficiency of findable particles")
    note = "Error bars: over events, of one event binomial; of fakes 68 % Clopper-Pearson intervals."
    with figure(
        path, title, nrows=2, ncols=n_columns, figsize=(max(9.0, 5.6 * n_columns), 10), squeeze=False, note=note
    ) as (whole, axes):  # fmt: skip
        for (upper, lower), (name, sample) in zip(axes.T, samples.items(), strict=True):
            for who, r in sample["finders"].items():
                label, colour, marker = STYLES.get(who, (who, GREY, "."))
                n = max(r["n_tracks"], 1)
                error = _efficiency_error(r)
                low, high = clopper_pearson(np.array([r["fake_rate"] * n]), np.array([float(n)]))
                across = np.abs(np.stack([r["fake_rate"] - low, high - r["fake_rate"]]))
                style = {"fmt": marker, "color": colour, "ms": 8, "lw": 1.2, "label": label}
                upper.errorbar(1e3 * r["fake_rate"], r["efficiency"], yerr=error, xerr=1e3 * across, **style)
                lower.errorbar(r["ms"], r["efficiency"], yerr=error, **style)
            upper.set_title(f"{name}: {sample['n_findable']:,} findable particles", fontsize=13, loc="left")
            upper.set_xlabel("fake tracks [per mille]", fontsize=14)
            # Linear up to one in a thousand, so that a point without fakes is drawn whole.
            upper.set_xscale("symlog", linthresh=1.0)
            upper.set_xlim(-0.2, max(2.0, 1.3 * upper.get_xlim()[1]))
            upper.xaxis.set_major_formatter("{x:g}")
            lower.set_xlabel("processor time [ms per event]", fontsize=14)
            lower.set_xscale("log")
            for axis in (upper, lower):
                axis.margins(y=0.12)
        for axis in axes[:, 0]:
            axis.set_ylabel("efficiency of findable particles", fontsize=14)
        handles = axes[0, 0].get_legend_handles_labels()
        whole.legend(*handles, loc="outside lower center", ncols=2 + n_columns, fontsize=12)


def _efficiency_error(r: Mapping[str, Any]) -> float:
    """Over events. Of one event nothing is known about how much events differ: then the binomial one."""
    error = r["efficiency_error"]
    if error is None:
        return float(np.sqrt(r["efficiency"] * (1 - r["efficiency"]) / r["n_findable"]))
    return float(error)


def plot_residuals(path: Path, crossings: Mapping[str, CrossingResiduals]) -> None:
    """Residuals and pulls of x and y in the barrel: each particle of merged clusters beside lone clusters."""
    panels = [(pulls, i, axis) for pulls in (False, True) for i, axis in enumerate("xy")]
    n = sum(len(values.kind) for values in crossings.values())
    title = about("clusters in dense events, barrel", None, f"{n:,} crossings of particles")
    with figure(path, title, nrows=2, ncols=2, figsize=(14, 10), note=f"{SIGMA_NOTE}.") as (_, axes):
        for axis, (pulls, i, name) in zip(axes.flat, panels, strict=True):
            reach = 5.0 if pulls else (60.0 if name == "x" else 20.0)
            for values, kind in _by_kind(crossings):
                # Estimate less truth, as in all figures.
                shown = -values.pull[:, i] if pulls else -1e3 * values.residual[:, i]
                shown = shown[(values.kind == list(KINDS).index(kind)) & values.barrel]
                if len(shown) < FEWEST:
                    continue
                text = f"{KINDS[kind]}: {sigma_text(shown, '' if pulls else 'µm')}"
                histogram(axis, shown, reach, 50, density=True, color=COLOURS[kind], label=text)
            if pulls:
                unit_gaussian(axis, reach)
            axis.set_xlim(-reach, reach)
            axis.set_ylim(0, 1.5 * axis.get_ylim()[1])
            what = (
                rf"(estimate $-$ truth) / $\sigma$ of {name}"
                if pulls
                else rf"estimate $-$ truth of {name} [µm]"
            )
            axis.set_xlabel(what, fontsize=14)
            axis.set_ylabel("share of the particles" + ("" if pulls else " [1/µm]"), fontsize=13)
            axis.legend(fontsize=10, loc="upper right")


def _by_kind(crossings: Mapping[str, CrossingResiduals]) -> list[tuple[CrossingResiduals, str]]:
    """Lone clusters and merged ones with one estimate, from hits of which each cluster gives one, and split
    ones from those of which several are.
    """
    pairs = [(crossings["lone"], "lone"), (crossings["lone"], "as_one")] if "lone" in crossings else []
    return pairs + [(found, "split") for kind, found in crossings.items() if kind == "split"]


def plot_resolutions(path: Path, arrays: Mapping[str, Any], title: str) -> None:
    """68 % half widths of d0, phi and theta of particles that all finders found, with errors of a
    bootstrap.
    """
    units = {"d0": r"$d_0$ [µm]", "phi": r"$\phi$ [mrad]", "theta": r"$\theta$ [mrad]"}
    place = np.arange(len(arrays))[::-1]
    note = f"{SIGMA_NOTE}. Error bars: of {BOOTSTRAPS} bootstrap samples."
    size = (16, 2.2 + 0.42 * len(arrays))
    with figure(path, title, nrows=1, ncols=3, figsize=size, sharey=True, note=note) as (_, axes):
        for axis, (name, label) in zip(axes, units.items(), strict=True):
            k, factor = list(RESOLUTIONS).index(name), RESOLUTIONS[name][1]
            for y, (who, residual) in zip(place, arrays.items(), strict=True):
                values = factor * residual[:, k]
                rng = np.random.default_rng(0)
                drawn = [half_width(rng.choice(values, len(values))) for _ in range(BOOTSTRAPS)]
                _, colour, marker = STYLES.get(who, (who, GREY, "."))
                axis.errorbar(
                    half_width(values), y, xerr=np.std(drawn), fmt=marker, color=colour, ms=8, lw=1.4
                )
            axis.set_xlim(left=0)
            axis.set_xlabel(rf"$\sigma$ of {label}", fontsize=13)
            axis.tick_params(axis="y", which="minor", left=False, right=False)
        axes[0].set_yticks(place, [STYLES.get(who, (who,))[0] for who in arrays], fontsize=11)
        axes[0].set_ylim(-0.7, len(arrays) - 0.3)
