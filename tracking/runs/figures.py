"""All figures of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tracking.chain import Chain
from tracking.runs.event_display import event_display
from tracking.runs.event_figures import cone_study, vertices
from tracking.runs.rate_figures import efficiency, fakes
from tracking.runs.residual_figures import residuals, track_pulls, track_resolutions
from tracking.runs.totals import Totals
from tracking.runs.units import ScoredEvent
from tracking.show.style import UNITS, about, data_path_of

__all__ = ["FIGURES", "FIGURES_OF_TRUTH", "figure_names", "write_figures"]

FIGURES = ("cone-study", "event-display")
FIGURES_OF_TRUTH = (
    "residuals", "pulls", "efficiency", "fakes", "track-pulls", "track-resolutions", "vertices",
)  # fmt: skip
"""Those that :func:`write_figures` writes where there is truth, besides."""


def figure_names(truth: bool, kind: str) -> set[str]:
    """Files that :func:`write_figures` may write: each figure, and its data beside it."""
    pictures = [Path(f"{name}.{kind}") for name in FIGURES + (FIGURES_OF_TRUTH if truth else ())]
    return {path.name for picture in pictures for path in (picture, data_path_of(picture))}


def write_figures(
    folder: Path,
    chain: Chain,
    totals: Totals,
    shown: ScoredEvent | None,
    study: Sequence[ScoredEvent],
    sample: str,
    kind: str = "png",
) -> None:
    """Write all figures of a run; those that need truth only where there is truth.

    Args:
        shown: the event to display.
        study: events for the cone study.
        sample: the files, in words.
        kind: of the files, one of :data:`tracking.show.style.FORMATS`.
    """

    def at(name: str) -> Path:
        return folder / f"{name}.{kind}"

    title = about(sample, totals.n_events, simulated=totals.truth)
    if totals.truth and any(len(r["barrel"]) > 0 for r in totals.residuals):
        residuals(at("residuals"), title, totals, lambda r, name: r[name] * UNITS[name][1], "residual")
        residuals(at("pulls"), title, totals, lambda r, name: r[name] / r[f"sigma_{name}"], "pull")
        efficiency(at("efficiency"), title, totals)
        fakes(at("fakes"), title, totals)
        if totals.track_residuals and sum(map(len, totals.track_residuals)):
            track_pulls(at("track-pulls"), title, totals)
            track_resolutions(at("track-resolutions"), title, totals)
        if shown is not None and shown.truth is not None:
            vertices(at("vertices"), title, totals, shown.result, shown.truth)
    if any(len(event.result.edges) for event in study):
        cone_study(at("cone-study"), title, chain, study, totals)
    if shown is not None and len(shown.result.hits):
        title = about(sample, None, f"event {shown.result.event}", simulated=totals.truth)
        event_display(at("event-display"), title, chain, shown.result)
