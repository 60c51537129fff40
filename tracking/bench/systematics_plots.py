"""Figure of ``smartpix study systematics``; colours and style as in :mod:`tracking.show.style`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tracking.bench.systematics_table import judged_rows
from tracking.show.formats import sample_words
from tracking.show.style import BLUE, GREY, ORANGE, about, figure

__all__ = ["plot_systematics"]

PANELS = {
    "edge_efficiency": "true edges that are lost",
    "track_efficiency": "findable particles that are lost",
}
LEAST = 1e-4
"""Share below which a point lies at the edge: a logarithm shows no zero."""


def _title(result: Mapping[str, Any]) -> str:
    """The samples of the study, or of those that were joined."""
    samples = result.get("samples", [result["sample"]] if "sample" in result else [])
    words = [sample_words(s["files"]) if s["files"] else f"pile-up {s['pileup']}" for s in samples]
    n = sum(s["events"] for s in samples)
    return about(" and ".join(words), n, "after calibration on others")


def plot_systematics(path: Path, result: Mapping[str, Any]) -> None:
    """Shares of true edges and of findable particles that are lost in each effect, before and after
    calibration.
    """
    rows = list(judged_rows(result))
    place = range(len(rows), 0, -1)
    note = f"Shares below {LEAST:g} are drawn there: a logarithm shows no zero."
    size = (13, 2.1 + 0.34 * len(rows))
    with figure(path, _title(result), nrows=1, ncols=2, figsize=size, sharey=True, note=note) as (_, axes):
        for axis, (key, label) in zip(axes, PANELS.items(), strict=True):
            lost = {
                when: [max(1 - found[key][when], LEAST) for _, found in rows] for when in ("before", "after")
            }
            axis.hlines(place, lost["before"], lost["after"], color=GREY, lw=1)
            axis.plot(lost["before"], place, "o", color=ORANGE, mfc="white", label="before calibration")
            axis.plot(lost["after"], place, "o", color=BLUE, label="after calibration from tracks")
            axis.set_xscale("log")
            axis.set_xlabel(label)
            axis.tick_params(axis="y", which="minor", left=False, right=False)
        axes[0].set_yticks(list(place), [name for name, _ in rows], fontsize=11)
        axes[1].legend(fontsize=11)
