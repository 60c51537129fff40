"""What a detector is like: modules that run into one another, how many layers a track crosses, what follows
what.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.geometry import Detector
from smartpix.layers import layer_pairs

__all__ = ["Report", "check_layout", "colliding", "layers_crossed"]

Floats = npt.NDArray[np.float64]

ENOUGH = 4
"""Layers, as of a findable particle (metrics.min_layers)."""
RAYS_IN_PHI = 180
ETA_STEP = 0.1
SHARE = 0.95
HALF_LENGTH = 50.0
"""mm, of the region in which the tracks start."""
CLOSE = 1e-6
"""mm: modules that touch do not run into one another."""


@dataclass(frozen=True)
class Report:
    """What :func:`check_layout` finds.

    Attributes:
        layers: of each: name, volume, layer, barrel, modules, and its envelope (mm).
        sensors: of each kind: modules, pitch_u, pitch_v, thickness (mm).
        follows: pairs of names of layers that follow one another.
        eta: absolute pseudorapidities.
        crossed: mean number of layers that straight tracks from near the origin cross at each.
        enough: share of them that cross 4 layers.
        enough_from, enough_to: the widest range of absolute pseudorapidity in which 95 % of them do; both 0:
            none.
        colliding: pairs of rows of modules that run into one another.
    """

    layers: tuple[dict[str, Any], ...]
    sensors: tuple[dict[str, Any], ...]
    follows: tuple[tuple[str, str], ...]
    eta: tuple[float, ...]
    crossed: tuple[float, ...]
    enough: tuple[float, ...]
    enough_from: float
    enough_to: float
    colliding: tuple[tuple[int, int], ...]

    def as_mapping(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return asdict(self)


def check_layout(detector: Detector, max_eta: float = 4.0) -> Report:
    """Look at a detector; ``max_eta``: of the tracks that are shot through it."""
    layers = detector.layers
    n_modules = np.bincount(detector.layer_index, minlength=len(layers))
    rows = tuple(
        {
            "name": layers.name(k), "volume": int(layers.volume_id[k]), "layer": int(layers.layer_id[k]),
            "barrel": bool(layers.barrel[k]), "modules": int(n_modules[k]),
            "r": [float(layers.r_min[k]), float(layers.r_max[k])],
            "z": [float(layers.z_min[k]), float(layers.z_max[k])],
        }
        for k in range(len(layers))
    )  # fmt: skip
    kinds, of = np.unique(
        np.stack([detector.pitch_y, detector.pitch_x, detector.thickness], axis=1).round(9),
        axis=0, return_counts=True,
    )  # fmt: skip
    sensors = tuple(
        {"modules": int(n), "pitch_u": float(u), "pitch_v": float(v), "thickness": float(t)}
        for (u, v, t), n in zip(kinds, of, strict=True)
    )
    pairs = layer_pairs(detector)
    follows = tuple(
        (layers.name(a), layers.name(b))
        for a, b in zip(pairs.inner.tolist(), pairs.outer.tolist(), strict=True)
    )
    eta = np.arange(0.0, max_eta + 1e-9, ETA_STEP)
    crossed = layers_crossed(detector, eta)
    enough = np.mean(crossed >= ENOUGH, axis=1)
    first, last = _longest_run(enough >= SHARE)
    return Report(
        layers=rows, sensors=sensors, follows=follows, eta=_rounded(eta, 3),
        crossed=_rounded(crossed.mean(axis=1), 3), enough=_rounded(enough, 4),
        enough_from=round(float(eta[first]), 3), enough_to=round(float(eta[last]), 3),
        colliding=tuple((int(a), int(b)) for a, b in colliding(detector)),
    )  # fmt: skip


def _rounded(values: Floats, digits: int) -> tuple[float, ...]:
    return tuple(float(v) for v in np.round(values, digits))


def _longest_run(good: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """First and last place of the longest run of true values; 0 and 0: there is none."""
    steps = np.diff(np.concatenate([[0], good.astype(int), [0]]))
    first, behind = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
    if len(first) == 0:
        return 0, 0
    k = int(np.argmax(behind - first))
    return int(first[k]), int(behind[k]) - 1


def layers_crossed(detector: Detector, eta: Floats) -> npt.NDArray[np.int64]:
    """(E, K) number of layers that straight tracks cross, at each eta and its negative, at some azimuths and
    from z within 50 mm of the origin.
    """
    from smartpix.simulate.generate import along
    from smartpix.simulate.particles import Particles
    from smartpix.simulate.propagate import propagate
    from smartpix.simulate.transport_options import TransportOptions

    # Not of a rational part of a turn, which layouts repeat in.
    phi = 0.0123 + 2 * np.pi * np.arange(RAYS_IN_PHI) / RAYS_IN_PHI
    both = np.stack([eta, -eta], axis=1)
    eta_of, phi_of = (a.ravel() for a in np.broadcast_arrays(both[:, :, None], phi))
    n = len(eta_of)
    # Additive recurrence of the golden ratio: evenly spread, whatever the number.
    z = HALF_LENGTH * (2 * np.modf(0.6180339887 * np.arange(n))[0] - 1)
    rays = Particles(
        np.ones(n, dtype=np.int32), np.full(n, 211, dtype=np.int32), np.ones(n),
        np.column_stack([np.zeros((n, 2)), z]),
        along(phi_of, eta_of), np.zeros(n),
    )  # fmt: skip
    straight = TransportOptions(scattering=False, ionisation=False)
    crossings = propagate([rays], detector, 0.0, 0, straight)[0]
    pairs = np.unique(np.stack([crossings.particle, detector.layer_index[crossings.module]], axis=1), axis=0)
    return np.bincount(pairs[:, 0], minlength=n).reshape(len(eta), -1)


def colliding(detector: Detector) -> npt.NDArray[np.int64]:
    """(P, 2) rows of modules that share some space, by the separating axes of two convex bodies (S.
    Gottschalk et al., SIGGRAPH 1996): normals of faces, and what is across an edge of each.
    """
    found = [pair[_share(detector, pair)] for pair in _near(detector)]
    return np.concatenate([np.zeros((0, 2), dtype=np.int64), *found])


def _near(detector: Detector, many: int = 50_000) -> Iterator[npt.NDArray[np.int64]]:
    """Pairs of modules whose spheres meet, some at a time."""
    from scipy.spatial import cKDTree

    reach = np.sqrt(detector.half_x**2 + detector.half_y**2 + 0.25 * detector.thickness**2)
    pairs = cKDTree(detector.center).query_pairs(2 * float(reach.max()), output_type="ndarray")
    apart = np.linalg.norm(detector.center[pairs[:, 0]] - detector.center[pairs[:, 1]], axis=1)
    pairs = pairs[apart < reach[pairs[:, 0]] + reach[pairs[:, 1]]]
    for first in range(0, len(pairs), many):
        yield pairs[first : first + many].astype(np.int64)


def _share(detector: Detector, pairs: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """(P,) whether no axis separates two modules."""
    normal = detector.axes[:, :, 2]
    outline = detector.outline
    depth = 0.5 * detector.thickness[:, None, None] * normal[:, None]
    corners = np.concatenate([outline - depth, outline + depth], axis=1)
    # Round the outline the edges along y, along one slanted side, and along the other one.
    edges = np.stack(
        [outline[:, 1] - outline[:, 0], outline[:, 2] - outline[:, 1], outline[:, 3] - outline[:, 0], normal],
        axis=1,
    )
    faces = np.concatenate([normal[:, None], np.cross(edges[:, :3], normal[:, None])], axis=1)
    a, b = pairs.T
    across = np.cross(edges[a][:, :, None], edges[b][:, None]).reshape(len(a), -1, 3)
    axes = np.concatenate([faces[a], faces[b], across], axis=1)
    length = np.linalg.norm(axes, axis=2)
    # Two edges in parallel have no cross product, and separate nothing.
    axes = axes / np.where(length > 1e-9, length, 1.0)[..., None]
    one, other = (np.einsum("pni,pki->pnk", axes, corners[rows]) for rows in (a, b))
    gap = np.maximum(one.min(axis=2) - other.max(axis=2), other.min(axis=2) - one.max(axis=2))
    return np.asarray(~((gap > -CLOSE) & (length > 1e-9)).any(axis=1))
