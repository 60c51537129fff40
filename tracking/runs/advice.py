"""Warnings about a run whose numbers mean nothing, or less than they seem to, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tracking.metrics import MAX_ETA, MIN_PT
from tracking.options import RunOptions

__all__ = ["advice"]

MANY_OUTSIDE = 0.02
"""Share of a feature's values beyond the training's range that is worth a warning."""
FEW_HITS, FEW_FINDABLE, LOST = 20, 5, 0.1
"""Fewer hits or findable particles say nothing; fewer than this share of these found is a mistake
somewhere.
"""


def advice(summary: Mapping[str, Any], options: RunOptions, n_layers: int) -> list[str]:
    """Sentences about a run's numbers.

    Args:
        summary: of :meth:`tracking.runs.totals.Totals.summary`.
        n_layers: of the detector.
    """
    lines = []
    if summary["n_events"] == 0:
        return [
            "there are no events in what was given, so that all numbers are empty; look at how the files "
            "were made"
        ]
    few = n_layers < options.build.min_hits
    if few:
        lines.append(
            f"a track takes {options.build.min_hits} hits on different layers and the detector has "
            f"{n_layers}, so that none "
            f"can be found; set build.min_hits={n_layers} (--set)"
        )
    n_findable, efficiency = summary.get("n_findable"), summary.get("track_efficiency")
    if n_findable == 0 and summary["n_hits"] >= FEW_HITS:
        layers = options.findable_layers
        why = (
            f"that takes clusters on {layers} layers and the detector has {n_layers}; set "
            f"findable_layers={n_layers} (--set)"
            if n_layers < layers
            else f"charged, pT > {MIN_PT} GeV, |eta| < {MAX_ETA}, clusters on at least {layers} layers "
            "(findable_layers); look at the unit of the particles' momenta (GeV) and at the layers of the detector"
        )
        lines.append(f"no particle counts as findable, so that there are no efficiencies: {why}")
    lost = (
        n_findable is not None and efficiency is not None and n_findable >= FEW_FINDABLE and efficiency < LOST
    )
    if not few and summary["n_hits"] >= FEW_HITS and (summary["n_tracks"] == 0 or lost):
        cone = options.cone
        lines.append(
            f"nearly nothing is found in {summary['n_hits']} hits. Particles must come from the beam line, "
            f"within "
            f"{cone.sigma_d0:g} mm (cone.sigma_d0) and {cone.sigma_z0:g} mm of z = 0 (cone.sigma_z0), with "
            f"pT of "
            f"{cone.min_pt:g} GeV and more (cone.min_pt), and go outwards; parallel beams do not. Look at "
            f"the field's sign and "
            "unit (T), the positions' (mm), and the detector's axes"
        )
    if summary["features_outside"] > MANY_OUTSIDE:
        lines.append(
            f"{summary['features_outside']:.1%} of the values of a feature lie beyond the range the graph "
            f"network "
            f"'{options.gnn}' was trained in, so its scores may be off; train one on such events (smartpix "
            f"train gnn)"
        )
    return lines
