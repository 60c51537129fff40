"""What tracks gain that are followed into the strips: hits, whose they are, and the resolution of pT."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from tracking.chain import EventResult
from tracking.metrics import Particles, pseudorapidity

__all__ = ["PT_BINS", "FollowedTracks", "following_of", "following_summary"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

PT_BINS = ((0.5, 1.0), (1.0, 3.0), (3.0, 100.0))
"""GeV."""
CENTRAL, FORWARD = (0.0, 1.0), (1.0, 2.5)
"""Ranges of abs(eta)."""


@dataclass(frozen=True)
class FollowedTracks:
    """Matched tracks (M,) of one event.

    Attributes:
        pt, eta: of their particles, GeV.
        off_before, off_after: (M,) pT of the fit over the particle's less 1: of the pixels, and of all hits.
        n_added: (M,) strip hits.
        n_right: (M,) of these those of the particle; None without truth.
        n_there: (M,) strip hits that the particle made; None without truth.
    """

    pt: Floats
    eta: Floats
    off_before: Floats
    off_after: Floats
    n_added: Ints
    n_right: Ints | None
    n_there: Ints | None


def following_of(
    result: EventResult, particles: Particles, particle: Ints, clusters: ak.Array | None
) -> FollowedTracks | None:
    """The tracks of one event that have a particle; None where no track was followed.

    Args:
        particle: (T,) row of each track's particle, -1 for none.
        clusters: the event's records, where they tell the truth; None: they do not.
    """
    followed = result.followed
    if followed is None:
        return None
    good = np.flatnonzero(particle >= 0)
    momentum = particles.momentum[particle[good]]
    pt = np.hypot(momentum[:, 0], momentum[:, 1])
    off = [
        np.sin(h.theta[good]) / np.maximum(np.abs(h.qop[good]), 1e-9) / pt - 1
        for h in (result.helices, followed.helices)
    ]
    right = there = None
    if clusters is not None:
        right, there = _by_truth(result, particles, particle, good, clusters)
    eta = pseudorapidity(*momentum.T)
    return FollowedTracks(pt, eta, off[0], off[1], followed.n_added[good], right, there)


def _by_truth(
    result: EventResult, particles: Particles, particle: Ints, good: Ints, clusters: ak.Array
) -> tuple[Ints, Ints]:
    """Strip hits of the tracks ``good`` that their particles made, and all strip hits that these made."""
    followed = result.followed
    assert followed is not None
    hits, n_pixels = followed.hits, len(result.hits)
    made = clusters["truth"]["particle_id"]
    owner = ak.to_numpy(ak.flatten(made))
    cluster = np.repeat(np.arange(len(clusters)), ak.to_numpy(ak.num(made)))
    is_strip = np.zeros(len(clusters), dtype=bool)
    is_strip[hits.cluster[n_pixels:]] = True
    ids = particles.particle_id[particle[good]]
    strips = owner[is_strip[cluster]]
    there = np.array([int(np.sum(strips == i)) for i in ids], dtype=np.int64)
    pairs = set(zip(cluster.tolist(), owner.tolist(), strict=True))
    rows = followed.tracks.rows()
    right = [
        sum((int(hits.cluster[row]), int(i)) in pairs for row in rows[t] if row >= n_pixels)
        for t, i in zip(good, ids, strict=True)
    ]
    return np.array(right, dtype=np.int64), there


def following_summary(events: Sequence[FollowedTracks]) -> dict[str, Any]:
    """Numbers of some events, at least one.

    Returns:
        ``n_tracks`` matched, ``strip_hits_per_track``; with truth ``right`` (share of the added hits that are
        the particle's) and ``found`` (share of the particle's strip hits that were added); ``pt``, by range
        of abs(eta)
        and pT: ``n``, and median and half width (68 %) of pT over the true one less 1, before and after.
    """
    columns = {
        name: np.concatenate([getattr(e, name) for e in events])
        for name in ("pt", "eta", "off_before", "off_after", "n_added")
    }
    done: dict[str, Any] = {
        "n_tracks": len(columns["pt"]), "strip_hits_per_track": float(np.mean(columns["n_added"]))
    }  # fmt: skip
    right = [e.n_right for e in events if e.n_right is not None]
    there = [e.n_there for e in events if e.n_there is not None]
    if len(right) == len(there) == len(events):
        n_right = int(np.concatenate(right).sum())
        done["right"] = n_right / max(int(columns["n_added"].sum()), 1)
        done["found"] = n_right / max(int(np.concatenate(there).sum()), 1)
    done["pt"] = [
        {
            "eta": list(eta), "pt_GeV": list(pt), "n": int(chosen.sum()),
            "strip_hits": float(np.mean(columns["n_added"][chosen])),
            "before": _widths(columns["off_before"][chosen]), "after": _widths(columns["off_after"][chosen]),
        }
        for eta in (CENTRAL, FORWARD) for pt in PT_BINS
        if np.any(chosen := (np.abs(columns["eta"]) >= eta[0]) & (np.abs(columns["eta"]) < eta[1])
                  & (columns["pt"] >= pt[0]) & (columns["pt"] < pt[1]))
    ]  # fmt: skip
    return done


def _widths(off: Floats) -> dict[str, float]:
    middle = float(np.median(off))
    return {"median": middle, "half_width": float(np.quantile(np.abs(off - middle), 0.68))}
