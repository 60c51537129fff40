"""How many true edges the joint test keeps, for the shares asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from seeding.cones import ConeOptions
from seeding.constants import MOST_BENT, NEAREST
from seeding.edges import find_edges
from tracking.bench.seeding_sample import SeedingEvent, SeedingSample
from tracking.metrics import edge_rows

__all__ = ["joint_coverage"]

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

ASKED = (0.9, 0.99, 0.997)
ALMOST_ALL = 1 - 1e-13
"""A quantile whose cut, a chi2 of 71, is far beyond those asked for."""
ETA_BINS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0)
PT_BINS = (0.9, 1.2, 1.6, 2.5, 4.0, np.inf)
"""From the softest findable particle on."""


def joint_coverage(sample: SeedingSample, estimator: str = "mdn") -> dict[str, Any]:
    """Share of the true edges of findable particles that the joint test keeps, for the shares asked for.

    Returns:
        By quantile ``n``, ``unreached``, ``kept`` and lists by ``eta`` (|eta|, 6 bins), ``pt`` (GeV, 5 bins)
        and ``layers`` of ``{"bin", "n", "unreached", "kept"}``. ``kept`` is a share of the ``n`` edges that
        the test is made for, None where there are none. ``unreached`` are edges besides: the helix from the
        beam line through both hits turns back before it is at the second.
    """
    layers = sample.detector.layers
    chi2, unreached, pt, eta, pair = [], [], [], [], []
    for event in sample.events:
        truth = event.truth
        wanted = np.flatnonzero(truth.edge_findable)
        ends = truth.edges[wanted]
        position = event.hits[estimator].position
        chi2.append(_joint_chi2(sample, event, estimator)[wanted])
        unreached.append(_turns_back(position[ends[:, 0]], position[ends[:, 1]]))
        maker = truth.edge_particle[wanted]
        pt.append(truth.pt[maker])
        eta.append(np.abs(truth.eta[maker]))
        layer = event.hits[estimator].layer[ends]
        pair += [f"{layers.name(a)}-{layers.name(b)}" for a, b in layer]
    far, names = np.concatenate(unreached), np.array(pair, dtype=str)
    bins = {
        "eta": _between(np.concatenate(eta), ETA_BINS),
        "pt": _between(np.concatenate(pt), PT_BINS),
        "layers": {str(name): names == name for name in np.unique(names)},
    }
    result: dict[str, Any] = {}
    for quantile in ASKED:
        inside = np.concatenate(chi2) <= ConeOptions(quantile=quantile).joint_cut()
        result[f"{quantile:g}"] = _shares(inside, far, np.ones(len(far), dtype=bool)) | {
            name: [{"bin": label, **_shares(inside, far, chosen)} for label, chosen in parts.items()]
            for name, parts in bins.items()
        }
    return result


def _joint_chi2(sample: SeedingSample, event: SeedingEvent, estimator: str) -> Floats:
    """(E,) chi2 of the event's true edges, infinite where the search makes no test."""
    truth = event.truth
    chi2 = np.full(len(truth.edges), np.inf)
    # Only hits of true edges, since so wide a cut keeps almost all pairs.
    hits = np.unique(truth.edges)
    if len(hits) == 0:
        return chi2
    options = ConeOptions(quantile=ALMOST_ALL)
    edges = find_edges(event.hits[estimator].take(hits), sample.detector, sample.pairs, sample.field, options)
    rows = edge_rows(truth, hits[edges.source].astype(np.int32), hits[edges.target].astype(np.int32))
    chi2[rows[rows >= 0]] = edges.chi2[rows >= 0]
    return chi2


def _turns_back(inner: Floats, outer: Floats) -> Flags:
    """(E,) whether the circle through the beam line and two points (E, 3) turns back before the second."""
    near, far = np.hypot(*inner[:, :2].T), np.hypot(*outer[:, :2].T)
    step = (outer - inner)[:, :2]
    area = inner[:, 0] * outer[:, 1] - inner[:, 1] * outer[:, 0]
    # Half the turn at the second point: r k / 2.
    sine = area / (near * np.maximum(np.hypot(*step.T), NEAREST))
    ahead = np.einsum("ni,ni->n", step, inner[:, :2]) > 0
    return np.asarray((far <= near + NEAREST) | ~ahead | (sine**2 > MOST_BENT))


def _between(values: Floats, edges: tuple[float, ...]) -> Mapping[str, Flags]:
    return {
        f"{low:g}-{high:g}": (values >= low) & (values < high)
        for low, high in zip(edges, edges[1:], strict=False)
    }


def _shares(inside: Flags, unreached: Flags, chosen: Flags) -> dict[str, Any]:
    tested = chosen & ~unreached
    n = int(tested.sum())
    return {
        "n": n,
        "unreached": int((chosen & unreached).sum()),
        "kept": float(inside[tested].mean()) if n else None,
    }
