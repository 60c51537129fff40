"""Networks of several components in ``smartpix bench dense``: positions in merged clusters, and mixtures in
the end-caps.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from smartpix.estimate.mixture import MixtureNetwork
from smartpix.merged.mixture import PARTICLES, ParticleNetworks
from smartpix.networks.weights import describe_weights
from smartpix.schema import REGIONS
from smartpix.simulate.options import GenerateOptions, SimulateOptions
from tracking.bench.dense_counting import WEIGHTS, have_weights, simulated_crossings
from tracking.bench.merged_positions import endcap_clusters, endcap_numbers, merged_positions
from tracking.bench.mixture_edges import mixture_edges
from tracking.bench.mixture_tracks import mixture_tracks

__all__ = ["EDGES_ON", "MIXTURE", "endcap_comparison", "networks_seeds", "position_numbers"]

Report = Callable[[str], None]

MIXTURE = "bimodal-endcap"
"""Shipped weights of the possibilities of one particle in the end-caps."""
PARTICLE_WEIGHTS = {n: [f"{name}-{region}" for region in REGIONS] for n, name in PARTICLES.items()}
"""Shipped weights of the particles of a merged cluster, by their number."""
ALONE = SimulateOptions(generate=GenerateOptions(pileup=0))
"""Crossings of one particle each, at the standard working point."""
EDGES_ON = "pileup-200"
"""The sample whose edges are counted, and that the chain runs on."""
END_CAP_EVENTS = 30
"""Of crossings, for the mixture's pulls and regions."""


def position_numbers(groups: Path) -> dict[str, Any] | None:
    """:func:`tracking.bench.merged_positions.merged_positions` of a file of groups of crossings; None without
    weights of pairs.
    """
    there = [n for n, names in PARTICLE_WEIGHTS.items() if have_weights(names)]
    return merged_positions([groups], {n: ParticleNetworks.load(n) for n in there}) if there else None


def endcap_comparison(
    folder: Path, seed: int, collisions: tuple[Path, int] | None, report: Report
) -> dict[str, Any] | None:
    """The mixture of the end-caps beside one Gaussian.

    Args:
        folder: for files; seed: of crossings that are simulated.
        collisions: a file of :data:`EDGES_ON` and how many of its events are searched; None: neither edges
            nor tracks.

    Returns:
        ``mixture`` and ``single``: :func:`tracking.bench.merged_positions.endcap_numbers`; ``edges``:
        :func:`tracking.bench.mixture_edges.mixture_edges`, and ``tracks``:
        :func:`tracking.bench.mixture_tracks.mixture_tracks`, both None without collisions. None without
        weights.
    """
    if not have_weights([MIXTURE]):
        return None
    mixture = MixtureNetwork.load(MIXTURE)
    report("end-caps: pulls and regions of the mixture, on crossings")
    path = simulated_crossings(folder / "crossings.root", END_CAP_EVENTS, seed, ALONE)
    numbers = endcap_numbers(endcap_clusters([path], mixture))
    edges = tracks = None
    if collisions:
        report("end-caps: edges of the mixture's cones")
        edges = mixture_edges([collisions[0]], mixture, collisions[1])
        report("end-caps: the chain with the mixture's cones and without")
        tracks = mixture_tracks(*collisions)
    return numbers | {"edges": edges, "tracks": tracks}


def networks_seeds() -> dict[str, frozenset[int]]:
    """Seeds of the simulated crossings that each network of clusters here was trained and calibrated on, by
    its name, as far as its description tells.
    """
    names = [*WEIGHTS.values(), MIXTURE, *(name for own in PARTICLE_WEIGHTS.values() for name in own)]
    seeds = {}
    for name in names:
        if have_weights([name]):
            told = describe_weights(name)
            made = [told["data"], told.get("calibrated_on", {})]
            seeds[name] = frozenset(
                seed for own in made for seed in own.get("seeds", [own.get("seed")]) if seed
            )
    return seeds
