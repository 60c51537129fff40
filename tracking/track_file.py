"""The tree ``tracks`` of ``tracks.root``: its branches, and what an event puts into them."""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np

from smartpix.schema import PARAMETERS, TRACK_HITS, TRACKS
from tracking.metrics import EventTruth, TrackScore
from tracking.pipeline import EventResult

__all__ = ["track_branches", "track_types"]


def track_types(has_truth: bool) -> dict[str, str]:
    """Branches and their types, as :func:`smartpix.write.table_writer` takes them."""
    kinds = {"i4": "int32", "i8": "int64", "f4": "float32", "?": "bool"}
    fields = [f'"{n}": {kinds[c.dtype]}' for n, c in TRACKS.items() if has_truth or not c.optional]
    of_hits = [f'"{n}": {kinds[c.dtype]}' for n, c in TRACK_HITS.items()]
    return {"event": "int64", "track": "var * {" + ", ".join(fields) + "}", "hit": "var * {" + ", ".join(of_hits) + "}"}


def track_branches(result: EventResult, truth: EventTruth | None, score: TrackScore | None) -> dict[str, Any]:
    """One event's entry of ``tracks.root``: the hits of all tracks one after the other, n_hits of each."""
    tracks, helices = result.tracks, result.helices
    columns: dict[str, Any] = {
        "n_hits": np.diff(tracks.start),
        **{n: getattr(helices, n) for n in (*PARAMETERS, "chi2", "ndf")},
        **{
            f"cov_{a}_{b}": helices.covariance[:, i, j]
            for i, a in enumerate(PARAMETERS)
            for j, b in enumerate(PARAMETERS)
            if j >= i
        },
        "score": tracks.score,
    }
    if truth is not None and score is not None:
        # 0 stands for no particle.
        columns["particle_id"] = np.append(truth.particle_id, 0)[score.particle]
        columns["hit_fraction"] = score.hit_fraction
    records = ak.zip({n: np.asarray(v).astype(TRACKS[n].dtype) for n, v in columns.items()})
    of_hits = {
        "id": result.hits.hit_id[tracks.hits],
        **{f"{n}_{axis}": getattr(helices, n)[:, i] for n in ("residual", "pull") for i, axis in enumerate("xy")},
        "outlier": helices.outlier,
    }
    hits = ak.zip({n: np.asarray(of_hits[n]).astype(c.dtype) for n, c in TRACK_HITS.items()})
    return {
        "event": np.array([result.event], dtype=np.int64),
        "track": ak.unflatten(records, [len(tracks)]),
        "hit": ak.unflatten(hits, [len(tracks.hits)]),
    }
