"""What a run counts in every event, and the rates that it makes of the sums."""

from __future__ import annotations

from collections.abc import Mapping

from smartpix.schema import Column
from tracking.metrics import share_interval

__all__ = ["COUNTS", "PER_EVENT", "RATES", "intervals", "rates"]

COUNTS: dict[str, Column] = {
    "events": Column("i8", "", "events: 1"),
    "hits": Column("i8", "", "hits"),
    "window_edges": Column("i8", "", "edges of the reference window"),
    "edges": Column("i8", "", "edges in cones"),
    "seeds": Column("i8", "", "seeds"),
    "tracks": Column("i8", "", "tracks"),
    "vertices": Column("i8", "", "vertices"),
    "true_edges": Column("i8", "", "true edges among those in cones", optional=True),
    "wanted_edges": Column("i8", "", "true edges of findable particles", optional=True),
    "kept_edges": Column("i8", "", "those of them in cones", optional=True),
    "wanted_edges_0p5": Column("i8", "", "true edges of particles of pT > 0.5 GeV", optional=True),
    "kept_edges_0p5": Column("i8", "", "those of them in cones", optional=True),
    "window_true_edges": Column("i8", "", "true edges among the window's", optional=True),
    "window_wanted_edges": Column(
        "i8",
        "",
        "true edges of findable particles, 0 without field",
        optional=True,
    ),
    "window_kept_edges": Column("i8", "", "those of them in the window", optional=True),
    "findable": Column("i8", "", "findable particles", optional=True),
    "seeded": Column("i8", "", "those of them with a seed", optional=True),
    "found": Column("i8", "", "those of them with a matched track", optional=True),
    "accepted": Column("i8", "", "accepted particles, findable or not", optional=True),
    "found_accepted": Column("i8", "", "those of them with a matched track", optional=True),
    "fakes": Column("i8", "", "tracks that match no particle", optional=True),
    "duplicates": Column("i8", "", "further tracks of a particle", optional=True),
    "true_vertices": Column("i8", "", "true vertices that should be found", optional=True),
    "found_vertices": Column("i8", "", "those of them that are found", optional=True),
    "false_vertices": Column("i8", "", "vertices that are of no true one", optional=True),
    "split_vertices": Column("i8", "", "further vertices of a true one", optional=True),
}
"""Counts of an event, in ``tracks.root`` as ``count_*``; their sums are in ``summary.json``."""

RATES: dict[str, tuple[str, str]] = {
    "edge_efficiency": ("kept_edges", "wanted_edges"),
    "edge_efficiency_0p5": ("kept_edges_0p5", "wanted_edges_0p5"),
    "edge_purity": ("true_edges", "edges"),
    "window_edge_efficiency": ("window_kept_edges", "window_wanted_edges"),
    "window_edge_purity": ("window_true_edges", "window_edges"),
    "seed_efficiency": ("seeded", "findable"),
    "track_efficiency": ("found", "findable"),
    "fake_rate": ("fakes", "tracks"),
    "duplicate_rate": ("duplicates", "tracks"),
    "physics_efficiency": ("found_accepted", "accepted"),
    "vertex_efficiency": ("found_vertices", "true_vertices"),
    "vertex_false_rate": ("false_vertices", "vertices"),
    "vertex_split_rate": ("split_vertices", "vertices"),
}
"""Shares of the summary that need truth: which count of which."""

PER_EVENT = ("hits", "window_edges", "edges", "seeds", "tracks", "vertices")
"""Counts that need no truth."""


def rates(counts: Mapping[str, int]) -> dict[str, float | None]:
    """The shares of :data:`RATES`; None where there is nothing to have a share of."""
    return {name: counts[part] / counts[of] if counts[of] else None for name, (part, of) in RATES.items()}


def intervals(counts: Mapping[str, int]) -> dict[str, tuple[float, float] | None]:
    """The 68 % intervals of the shares of :data:`RATES`
    (:func:`tracking.metrics.share_interval`)."""
    return {name: share_interval(counts[part], counts[of]) for name, (part, of) in RATES.items()}
