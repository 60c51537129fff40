"""All figures of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tracking.chain import Chain
from tracking.runs.event_figures import cone_study, event_display, vertices
from tracking.runs.rate_figures import efficiency, fakes
from tracking.runs.residual_figures import residuals, track_pulls, track_resolutions
from tracking.runs.totals import Totals
from tracking.runs.units import ScoredEvent
from tracking.show.style import UNITS

__all__ = ["FIGURES", "FIGURES_OF_TRUTH", "write_figures"]

FIGURES = ("cone-study.png", "event-display.png")
FIGURES_OF_TRUTH = (
    "residuals.png", "pulls.png", "efficiency.png", "fakes.png", "track-pulls.png", "track-resolutions.png",
    "vertices.png",
)  # fmt: skip
"""Those that :func:`write_figures` writes where there is truth, besides."""


def write_figures(
    folder: Path,
    chain: Chain,
    totals: Totals,
    shown: ScoredEvent | None,
    study: Sequence[ScoredEvent],
) -> None:
    """Write all figures of a run; those that need truth only where there is truth.

    Args:
        shown: the event to display.
        study: events for the cone study.
    """
    if totals.truth and any(len(r["barrel"]) > 0 for r in totals.residuals):
        residuals(folder / "residuals.png", totals, lambda r, name: r[name] * UNITS[name][1], "residual")
        residuals(folder / "pulls.png", totals, lambda r, name: r[name] / r[f"sigma_{name}"], "pull")
        efficiency(folder / "efficiency.png", totals)
        fakes(folder / "fakes.png", totals)
        if totals.track_residuals and sum(map(len, totals.track_residuals)):
            track_pulls(folder / "track-pulls.png", totals)
            track_resolutions(folder / "track-resolutions.png", totals)
        if shown is not None and shown.truth is not None:
            vertices(folder / "vertices.png", totals, shown.result, shown.truth)
    if any(len(event.result.edges) for event in study):
        cone_study(folder / "cone-study.png", chain, study, totals)
    if shown is not None and len(shown.result.hits):
        event_display(folder / "event-display.png", chain, shown.result)
