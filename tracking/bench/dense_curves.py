"""What finders lose in dense environments: particles, what surrounds them, and who found them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tracking.bench.events import Event
from tracking.bench.judgement import Judgement
from tracking.metrics import EventTruth, merged_of_particles, pseudorapidity

__all__ = ["CURVES", "FoundParticles", "curves", "found_particles", "jet_pts", "won"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

JET_RADIUS, JET_PARTICLES = 0.2, 6
"""A jet is so many charged particles or more that begin at one point and are no farther from their common
direction, in (eta, phi). Those of a collision go everywhere, and decays in flight make fewer.
"""
CURVES = {
    "distance": np.geomspace(1e-4, 1, 13),
    "jet_pt": np.linspace(500, 2000, 7),
    "pt": np.geomspace(0.9, 1000, 11),
    "merged": np.arange(-0.5, 7),
}
"""Bins of the efficiency: against the distance to the next particle in (eta, phi), the pT of the jet and of
the particle (GeV), and the number of the particle's clusters that are merged. The outermost bins hold all
that is beyond.
"""


def jet_pts(truth: EventTruth) -> Floats:
    """(P,) scalar sum of the pT of each charged particle's jet, GeV; 0 for those of none."""
    charged = np.flatnonzero(truth.charge != 0)
    _, group = np.unique(truth.vertex[charged], axis=0, return_inverse=True)
    group = group.reshape(-1)
    n_groups = int(group.max(initial=-1)) + 1
    total = np.stack([np.bincount(group, p, n_groups) for p in truth.momentum[charged].T], axis=1)
    eta, phi = pseudorapidity(*total.T), np.arctan2(total[:, 1], total[:, 0])
    turn = (truth.phi[charged] - phi[group] + np.pi) % (2 * np.pi) - np.pi
    farthest = np.zeros(n_groups)
    np.maximum.at(farthest, group, np.hypot(truth.eta[charged] - eta[group], turn))
    is_jet = (farthest < JET_RADIUS) & (np.bincount(group, minlength=n_groups) >= JET_PARTICLES)
    values = np.zeros(len(truth.pt))
    values[charged] = np.where(is_jet, np.bincount(group, truth.pt[charged], n_groups), 0.0)[group]
    return values


@dataclass(frozen=True)
class FoundParticles:
    """All findable particles of a sample.

    Attributes:
        values: (P,) by name of :data:`CURVES`.
        found: (P,) by finder.
    """

    values: Mapping[str, Floats]
    found: Mapping[str, Bools]

    @property
    def in_jets(self) -> Bools:
        """(P,) those of jets."""
        return np.asarray(self.values["jet_pt"] > 0)

    @property
    def merged_in_jets(self) -> Bools:
        """(P,) those of jets that have a merged cluster."""
        return np.asarray(self.in_jets & (self.values["merged"] > 0))


def found_particles(events: Sequence[Event], judgements: Mapping[str, Sequence[Judgement]]) -> FoundParticles:
    """Findable particles of events, and which finder found them.

    Args:
        judgements: of the same events, by finder.
    """
    values: dict[str, list[Floats]] = {name: [] for name in CURVES}
    for truth in (event.truth for event in events):
        columns = {
            "distance": truth.distance,
            "jet_pt": jet_pts(truth),
            "pt": truth.pt,
            "merged": merged_of_particles(truth).astype(np.float64),
        }
        for name, column in columns.items():
            values[name].append(column[truth.findable])
    found = {
        name: np.concatenate([j.matched()[e.truth.findable] for j, e in zip(made, events, strict=True)])
        for name, made in judgements.items()
    }
    return FoundParticles({name: np.concatenate(parts) for name, parts in values.items()}, found)


def curves(particles: FoundParticles) -> dict[str, Any]:
    """Of each of :data:`CURVES` ``edges``, ``total`` and, by finder, ``found``: particles in each bin.

    Those against the pT of the jet and of the particle, and against merged clusters, are of the particles in
    jets; where there are none, the last is of all.
    """
    result = {}
    everyone = np.ones(len(particles.in_jets), dtype=bool)
    in_jets = {"jet_pt": particles.in_jets, "pt": particles.in_jets}
    if particles.in_jets.any():
        in_jets["merged"] = particles.in_jets
    for name, edges in CURVES.items():
        chosen = in_jets.get(name, everyone)
        value = np.clip(particles.values[name], edges[0], np.nextafter(edges[-1], edges[0]))
        result[name] = {
            "edges": edges.tolist(),
            "total": np.histogram(value[chosen], edges)[0].tolist(),
            "found": {
                who: np.histogram(value[chosen & found], edges)[0].tolist()
                for who, found in particles.found.items()
            },
        }
    return result


def won(particles: FoundParticles, before: str, after: str) -> dict[str, Any]:
    """Of the particles that one finder lost how many another found, and the other way round.

    Returns:
        ``n_lost``: by the first; ``n_won``: of these by the second; ``share_won``, None where none was lost;
        ``n_lost_anew``: found by the first and not by the second.
    """
    old, new = particles.found[before], particles.found[after]
    n_lost, n_won = int(np.sum(~old)), int(np.sum(~old & new))
    return {
        "n_lost": n_lost,
        "n_won": n_won,
        "share_won": n_won / n_lost if n_lost else None,
        "n_lost_anew": int(np.sum(old & ~new)),
    }
