"""True paths of simulated events: the hits of each particle on its way out, and where it crossed their
modules.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from seeding.hits import Hits
from smartpix.geometry import Detector
from smartpix.schema import MIN_SHARE, TARGETS
from tracking.metrics.split_clusters import makers_of_parts

__all__ = ["TruePaths", "true_paths"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class TruePaths:
    """Paths of P particles of one event.

    Attributes:
        rows: (P, M) of the hits, inner first, -1 behind the last; count: (P,) of each.
        crossing: (P, M, 2) of the particle with the hit's module less the hit's place, along x and y, mm.
        pt: (P,) at production, GeV; eta: (P,) likewise.
    """

    rows: Ints
    count: Ints
    crossing: Floats
    pt: Floats
    eta: Floats

    def __len__(self) -> int:
        return len(self.rows)


def true_paths(
    record: Any,
    hits: Hits,
    detector: Detector,
    min_hits: int = 3,
    pt: tuple[float, float] = (0.2, 10.0),
    max_radius: float = 1.0,
    longest: int = 16,
) -> TruePaths:
    """Paths of the charged particles of an event's record.

    A path ends where the particle comes no further from the beam's centre: it curls, or leaves backwards.

    Args:
        hits: of the record's clusters; detector: of these.
        min_hits: fewest hits of a path; pt: range of the particle's transverse momentum in GeV.
        max_radius: farthest from the beam line that a particle may be produced, mm: cones are about tracks
            from there.
        longest: largest number of hits; what follows is left out.
    """
    counts = ak.to_numpy(ak.num(record["clusters"]["truth"], axis=1))
    cluster = np.repeat(np.arange(len(counts)), counts)
    flat = ak.flatten(record["clusters"]["truth"], axis=1)
    target = np.stack([ak.to_numpy(flat[name]) for name in TARGETS], axis=1).astype(np.float64)
    ids, share = ak.to_numpy(flat["particle_id"]), ak.to_numpy(flat["share"])
    order = ak.to_numpy(flat["order"]).astype(np.int64)
    particles = record["particles"]
    of, who = np.unique(ak.to_numpy(particles["particle_id"]), return_index=True)
    momentum = np.stack([ak.to_numpy(particles[name]) for name in ("px", "py", "pz")], axis=1)[who]
    vertex = np.stack([ak.to_numpy(particles[name]) for name in ("vx", "vy", "vz")], axis=1)[who]
    if not detector.frame.is_centred:
        vertex, momentum = detector.frame.to_beam(vertex), detector.frame.direction_to_beam(momentum)
    near = np.hypot(vertex[:, 0], vertex[:, 1]) < max_radius
    charged = near & (ak.to_numpy(particles["charge"])[who] != 0)
    across = np.hypot(momentum[:, 0], momentum[:, 1])
    wanted = charged & (across > pt[0]) & (across < pt[1])
    place = np.minimum(np.searchsorted(of, ids), max(len(of) - 1, 0))
    keep = (share >= MIN_SHARE) & (of[place] == ids) & wanted[place]
    cluster, target, order, place = cluster[keep], target[keep], order[keep], place[keep]
    part, made = makers_of_parts(cluster, target, hits.cluster, hits.estimate)
    place, order, target = place[made], order[made], target[made]
    sort = np.lexsort((order, place))
    part, place, target = part[sort], place[sort], target[sort]
    at = detector.to_global(hits.module[part], target[:, :2])
    far = np.linalg.norm(at, axis=1)
    fresh = np.concatenate([[True], place[1:] != place[:-1]]) if len(place) else np.zeros(0, dtype=bool)
    # Of a particle what follows its first step back.
    back = ~fresh & np.concatenate([[False], (far[1:] <= far[:-1]) | (part[1:] == part[:-1])])[: len(fresh)]
    group = np.cumsum(fresh) - 1
    steps_back = np.cumsum(back)
    start = np.flatnonzero(fresh)
    number = np.arange(len(place)) - start[group] if len(place) else np.zeros(0, dtype=np.int64)
    good = (steps_back == steps_back[start][group] if len(place) else back) & (number < longest)
    part, at, group, number = part[good], at[good], group[good], number[good]
    size = np.bincount(group, minlength=len(start))
    long = np.flatnonzero(size >= min_hits)
    renamed = np.full(len(start), -1)
    renamed[long] = np.arange(len(long))
    chosen = renamed[group] >= 0
    part, at, group, number = part[chosen], at[chosen], renamed[group[chosen]], number[chosen]
    rows = np.full((len(long), max(int(size[long].max(initial=0)), min_hits)), -1, dtype=np.int64)
    crossing = np.zeros((*rows.shape, 2))
    rows[group, number] = part
    axes = hits.axes[part].reshape(-1, 3, 3)[:, :2]
    crossing[group, number] = np.einsum("nij,nj->ni", axes, at - hits.position[part])
    row = place[start[long]]
    with np.errstate(divide="ignore"):
        eta = np.arcsinh(momentum[row, 2] / across[row])
    return TruePaths(rows, size[long], crossing, across[row], eta)
