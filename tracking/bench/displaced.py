"""Efficiency of finders for displaced particles, by their impact parameter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tracking.bench.judgement import Judgement, rates
from tracking.fit.resolution import true_parameters
from tracking.show.numbers import share

__all__ = ["D0_BINS", "FINDERS", "N_PIONS", "SAMPLES", "displaced_lines", "displaced_rates"]

D0_BINS = {
    "0_0p1": (0.0, 0.1),
    "0p1_0p5": (0.1, 0.5),
    "0p5_1": (0.5, 1.0),
    "1_5": (1.0, 5.0),
    "5_10": (5.0, 10.0),
}
"""Ranges of the absolute impact parameter in mm."""
N_PIONS = 300
"""Displaced pions in each event of the sample, whose impact parameters are uniform in their logarithm."""
SAMPLES: Mapping[str, Mapping[str, Any]] = {
    "displaced": {"displaced": N_PIONS}, "b_jets": {"jets": 20, "flight": 5.0},
}  # fmt: skip
"""Samples by their key in the results: arguments of :func:`tracking.bench.events.simulated`. Hadrons with a b
quark fly some 5 mm.
"""
FINDERS = {
    "ours": "chain-displaced",
    "ours_prompt": "chain",
    "acts": "acts-narrow",
    "acts_wide": "acts-wide",
}
"""Who is compared: ours with and without its second pass, ACTS with seeds up to 1 and to 10 mm from the beam
line.
"""


def displaced_rates(judgements: Mapping[str, Sequence[Judgement]], field: float) -> dict[str, Any]:
    """Efficiencies of findable particles in :data:`D0_BINS`, and the fakes of each finder.

    Args:
        judgements: of the same events, by role.
        field: along z in T.

    Returns:
        By bin, the efficiency by role and ``n``, how many particles there are; None where there is none.
        ``fake_rate_central``: by role.
    """
    result: dict[str, Any] = {}
    for name, (low, high) in D0_BINS.items():
        counts = {role: [0, 0] for role in judgements}
        for role, events in judgements.items():
            for event in events:
                truth = event.truth
                d0 = np.abs(true_parameters(truth.vertex, truth.momentum, truth.charge, field)[:, 0])
                inside = truth.findable & (d0 >= low) & (d0 < high)
                counts[role][0] += int(np.sum(event.matched() & inside))
                counts[role][1] += int(inside.sum())
        result[name] = {role: found / n if n else None for role, (found, n) in counts.items()}
        result[name]["n"] = next(n for _, n in counts.values())
    result["fake_rate_central"] = {
        role: rates(events)["fake_rate_central"] for role, events in judgements.items()
    }
    return result


def displaced_lines(result: Mapping[str, Any]) -> list[str]:
    """The table of :func:`displaced_rates`, a line each."""
    roles = list(result["fake_rate_central"])
    lines = [f"{'d0 [mm]':14s}{'n':>7s}" + "".join(f"{role:>30s}" for role in roles)]
    for name, (low, high) in D0_BINS.items():
        found = [result[name][role] for role in roles]
        numbers = "".join(share(value, result[name]["n"], 30) for value in found)
        lines.append(f"{f'{low:g} to {high:g}':14s}{result[name]['n']:7d}{numbers}")
    fakes = "".join(f"{result['fake_rate_central'][role]:30.4f}" for role in roles)
    return [*lines, f"{'central fakes':21s}{fakes}"]
