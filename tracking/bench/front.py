"""The cost of compression: resolution against size of quantised networks, on clusters that none was trained
on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from smartpix.chip.fixed_point import FixedNetwork
from smartpix.export.clusters import load_fixed
from smartpix.export.logic import estimate_luts
from smartpix.schema import InputError, check
from tracking.bench.clusters import chip_samples
from tracking.bench.export import PUBLISHED_AREAS, TARGETS, measured, ratios

log = logging.getLogger(__name__)

__all__ = ["front_of", "front_study", "front_table"]

Report = Callable[[str], None]


def front_study(
    weights: Sequence[str], base: str, n_clusters: int = 50_000, report: Report = log.info
) -> dict[str, Any]:
    """Resolution, zeros and look-up tables of quantised networks.

    Args:
        weights: shipped ones by name, or paths.
        base: what the half widths are compared with.
        n_clusters: see :func:`tracking.bench.clusters.chip_samples`.
        report: called with a line per network.

    Returns:
        ``networks``: by name ``kind``, ``method`` and its ``setting``, ``parameters``, ``nonzero_weights``,
        ``zeros`` by layer, ``da4ml_luts`` (its count, fully unrolled), ``nll``, ``coverage68``,
        ``pull_sigma`` by target, ``hw68_ratio_to_base`` by target and the ``worst``, ``on_front``;
        ``by_epoch`` (zeros by layer, multipliers) and ``weights``, counts of the weights' values, for
        figures; ``base``; ``published_areas``.

    Raises:
        InputError: weights missing, damaged or of a float network.
    """
    check("study front", "clusters", n_clusters, n_clusters >= 1000, "at least 1000")
    names = [base, *(w for w in weights if w != base)]
    if len({Path(name).stem for name in names}) < len(names):
        raise InputError(f"study front: {names} have names in common; give each a name of its own")
    report(f"simulating {n_clusters} clusters")
    samples = chip_samples(n_clusters)
    networks: dict[str, dict[str, Any]] = {}
    reference: Mapping[str, Any] = {}
    for name in names:
        report(f"{name}: resolution and look-up tables")
        network, description = load_fixed(name)
        resolved = measured(name, samples)
        reference = reference or resolved
        compress = description["options"]["compress"]
        ratio = ratios(resolved, reference)
        worst = max(ratio[target] for target in TARGETS)
        networks[Path(name).stem] = {
            "kind": network.kind, "method": compress["method"], "setting": setting(compress),
            "parameters": network.parameters,
            "nonzero_weights": network.nonzero_weights, "zeros": zeros(network),
            "da4ml_luts": estimate_luts(network),
            "nll": resolved["nll"], "coverage68": resolved["coverage68"], "pull_sigma": resolved["pull_sigma"],
            "hw68_ratio_to_base": ratio, "worst": worst,
            "by_epoch": description["metrics"]["by_epoch"],
            "weights": {
                layer: _counted(whole * 2.0 ** -network.formats[layer].fraction) for layer,
                whole in network.weights.items()
            },
        }  # fmt: skip
    for name in networks:
        networks[name]["on_front"] = name in front_of(networks)
    return {"base": Path(base).stem, "networks": networks, "published_areas": PUBLISHED_AREAS}


def front_of(networks: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Names of those that no other one beats in both look-up tables and the worst ratio of half widths,
    smallest first.
    """
    best, front = np.inf, []
    for name in sorted(networks, key=lambda n: (networks[n]["da4ml_luts"], networks[n]["worst"])):
        if networks[name]["worst"] < best:
            best = networks[name]["worst"]
            front.append(name)
    return front


def zeros(network: FixedNetwork) -> dict[str, float]:
    """Share of weights that are exactly zero, by layer, and ``"all"``."""
    n = sum(w.size for w in network.weights.values())
    return {k: float(np.mean(w == 0)) for k, w in network.weights.items()} | {
        "all": 1 - network.nonzero_weights / n
    }


def setting(compress: Mapping[str, Any]) -> str:
    """Strength or target that the method was given."""
    if compress["method"] == "none":
        return ""
    if compress["method"] in ("bdmm", "mdmm"):
        return f"{compress['target']:g}" + (" each layer" if compress["scope"] == "layer" else "")
    return f"{compress['strength']:g}"


def front_table(result: Mapping[str, Any]) -> str:
    """The networks as lines of text, fewest look-up tables first; a star marks those on the front."""
    head = (
        f"{'network':24s}{'kind':>9s}{'method':>8s}{'setting':>17s}{'weights':>9s}{'zeros':>7s}{'LUTs':>9s}"
    )
    lines = [head + "".join(f"{target:>10s}" for target in TARGETS) + f"{'nll':>8s}{'pulls':>12s}"]
    for name, r in sorted(result["networks"].items(), key=lambda item: item[1]["da4ml_luts"]):
        shown = name + (" *" if r["on_front"] else "")
        size = f"{r['nonzero_weights']:9d}{r['zeros']['all']:7.3f}{r['da4ml_luts']:9d}"
        resolution = "".join(f"{r['hw68_ratio_to_base'][target]:10.3f}" for target in TARGETS)
        widths = r["pull_sigma"].values()
        pulls = f"{min(widths):.2f}-{max(widths):.2f}"
        lines.append(
            f"{shown:24s}{r['kind']:>9s}{r['method']:>8s}{r['setting']:>17s}{size}{resolution}{r['nll']:8.2f}{pulls:>12s}"
        )
    areas = ", ".join(
        f"{name} {' / '.join(f'{v:.2f}' for v in v3)}" for name, v3 in result["published_areas"].items()
    )
    lines.append(f"published areas (HLS / synthesis / place and route, no unit given): {areas}")
    return "\n".join(lines)


def _counted(values: Any) -> dict[str, int]:
    found, counts = np.unique(values, return_counts=True)
    return {f"{v:g}": int(n) for v, n in zip(found, counts, strict=True)}
