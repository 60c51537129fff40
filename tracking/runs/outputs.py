"""Files that a run writes per event: ``tracks.root`` always; edges, and tracks in other formats, where they
are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from smartpix.files import store_text
from smartpix.schema import EDGES, PARAMETERS, TRACK_HITS, TRACK_TIMES, TRACKS, Column
from tracking.options import EXTRA
from tracking.runs.counts import COUNTS

if TYPE_CHECKING:
    from tracking.chain import EventResult
    from tracking.metrics import EventTruth, TrackScore

__all__ = ["ACTS_COLUMNS", "EXTRA", "Outputs", "csv_name", "joined_outputs", "output_writer", "outputs_of"]


ACTS_COLUMNS = (
    "track_id", "seed_id", "particleId", "nStates", "nMajorityHits", "nMeasurements", "nOutliers", "nHoles",
    "nSharedHits",
    "chi2", "ndf", "chi2/ndf", "pT", "eta", "phi", "truthMatchProbability", "good/duplicate/fake", "Hits_ID",
)  # fmt: skip

Columns = dict[str, Any]
Outputs = dict[str, Columns]
"""What goes into each file, by its name: branches or columns; of ``tracks.csv`` the texts, by file."""


def outputs_of(
    result: EventResult,
    truth: EventTruth | None,
    score: TrackScore | None,
    extra: Sequence[str] = (),
    counts: Mapping[str, int] | None = None,
) -> Outputs:
    """What one event puts into ``tracks.root`` and the files of ``extra`` (of :data:`EXTRA`); ``counts`` are
    those of :data:`tracking.runs.counts.COUNTS`.
    """
    event = np.array([result.event], dtype=np.int64)
    tracks, hits = _track_columns(result, truth, score), _hit_columns(result)
    # The hits of all tracks one after the other, n_hits of each.
    out: Outputs = {"tracks.root": {"event": event, "track": _entry(tracks), "hit": _entry(hits)}}
    of_event = {f"count_{n}": np.array([value], COUNTS[n].dtype) for n, value in (counts or {}).items()}
    out["tracks.root"] |= of_event
    if "edges.root" in extra or "edges.parquet" in extra:
        edges = _edge_columns(result, truth)
        if "edges.root" in extra:
            out["edges.root"] = {"event": event, "edge": _entry(edges)}
        if "edges.parquet" in extra:
            out["edges.parquet"] = {"event": np.repeat(event, len(result.edges)), **edges}
    if "tracks.parquet" in extra:
        start, n = result.whole.tracks.start, len(result.tracks)
        of_hits = {f"hit_{name}": np.split(v, start[1:-1]) if n else [] for name, v in hits.items()}
        out["tracks.parquet"] = {"event": np.repeat(event, n), **tracks, **of_hits}
    if "tracks.csv" in extra:
        lines = [",".join(ACTS_COLUMNS), *_acts_lines(result, truth, score)]
        out["tracks.csv"] = {csv_name(result.event): "\n".join(lines) + "\n"}
    return out


def csv_name(event: int) -> str:
    """Name of the file that ``tracks.csv`` stands for, of one event."""
    return f"event{event:09d}-tracks_smartpix.csv"


def joined_outputs(events: Sequence[Outputs]) -> Outputs:
    """Those of several events, at least one, in their order."""
    return {
        name: {k: _joined([e[name].get(k) for e in events]) for k in _keys(events, name)}
        for name in events[0]
    }


def _keys(events: Sequence[Outputs], name: str) -> list[str]:
    return list(dict.fromkeys(key for event in events for key in event[name]))


def _joined(values: Sequence[Any]) -> Any:
    import awkward as ak

    there = [value for value in values if value is not None]
    if isinstance(there[0], str):
        return there[-1]
    if isinstance(there[0], list):
        return [row for value in there for row in value]
    return ak.concatenate(there) if isinstance(there[0], ak.Array) else np.concatenate(there)


@contextmanager
def output_writer(
    folder: Path, extra: Sequence[str], has_truth: bool, has_times: bool, metadata: Mapping[str, Any]
) -> Iterator[Callable[[Outputs, int], None]]:
    """Open the files in a folder; gives a function that writes some events, of the input file of that number,
    to all of them.
    """
    from smartpix.io.write import table_writer

    counted = {f"count_{n}": "int64" for n in _present(COUNTS, has_truth)}
    of_tracks = _present(TRACKS, has_truth) | (TRACK_TIMES if has_times else {})
    with ExitStack() as stack:
        add: dict[str, Callable[[Columns], None]] = {}
        for name, tree, kinds in (
            ("tracks.root", "tracks", {"track": of_tracks, "hit": TRACK_HITS}),
            ("edges.root", "edges", {"edge": _present(EDGES, has_truth)}),
        ):
            if name == "tracks.root" or name in extra:
                types = {
                    "event": "int64",
                    "file": "int32",
                    **(counted if name == "tracks.root" else {}),
                    **{branch: _record(columns) for branch, columns in kinds.items()},
                }
                add[name] = stack.enter_context(table_writer(folder / name, tree, types, metadata)).extend
        for name, columns, hits in (
            ("edges.parquet", _present(EDGES, has_truth), {}), ("tracks.parquet", of_tracks, TRACK_HITS),
        ):  # fmt: skip
            if name in extra:
                from smartpix.tables import parquet_writer

                layout = _parquet_types(columns, hits)
                add[name] = stack.enter_context(parquet_writer(folder / name, layout, metadata))

        def write(outputs: Outputs, file_number: int) -> None:
            for name, columns in outputs.items():
                if name == "tracks.csv":
                    for file, text in columns.items():
                        store_text(folder / file, text)
                else:
                    add[name](
                        {"file": np.full(len(columns["event"]), file_number, dtype=np.int32), **columns}
                    )

        yield write


def _present(columns: Mapping[str, Column], has_truth: bool) -> dict[str, Column]:
    return {n: c for n, c in columns.items() if has_truth or not c.optional}


def _record(columns: Mapping[str, Column]) -> str:
    kinds = {"i4": "int32", "i8": "int64", "f4": "float32", "?": "bool"}
    return "var * {" + ", ".join(f'"{n}": {kinds[c.dtype]}' for n, c in columns.items()) + "}"


def _parquet_types(columns: Mapping[str, Column], hits: Mapping[str, Column]) -> dict[str, Any]:
    import pyarrow as pa

    kinds = {"i4": pa.int32(), "i8": pa.int64(), "f4": pa.float32(), "?": pa.bool_()}
    of_hits = {f"hit_{n}": pa.list_(kinds[c.dtype]) for n, c in hits.items()}
    return {
        "event": pa.int64(),
        "file": pa.int32(),
        **{n: kinds[c.dtype] for n, c in columns.items()},
        **of_hits,
    }


def _track_columns(result: EventResult, truth: EventTruth | None, score: TrackScore | None) -> Columns:
    tracks, helices = result.whole.tracks, result.whole.helices
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
    kinds = TRACKS
    if result.times is not None:
        columns |= {"time": result.times.time, "sigma_time": result.times.sigma}
        kinds = TRACKS | TRACK_TIMES
    return {n: np.asarray(v).astype(kinds[n].dtype) for n, v in columns.items()}


def _hit_columns(result: EventResult) -> Columns:
    hits, tracks, helices = result.whole.hits, result.whole.tracks, result.whole.helices
    columns = {
        "id": hits.hit_id[tracks.hits],
        "part": hits.part[tracks.hits],
        **{
            f"{n}_{axis}": getattr(helices, n)[:, i]
            for n in ("residual", "pull")
            for i, axis in enumerate("xy")
        },
        "outlier": helices.outlier,
    }
    return {n: np.asarray(columns[n]).astype(c.dtype) for n, c in TRACK_HITS.items()}


def _edge_columns(result: EventResult, truth: EventTruth | None) -> Columns:
    edges, ids = result.edges, result.hits.hit_id
    columns: dict[str, Any] = {
        "source": ids[edges.source],
        "target": ids[edges.target],
        "source_part": result.hits.part[edges.source],
        "target_part": result.hits.part[edges.target],
        "score": result.scores,
        **{n: getattr(edges, n) for n in ("chi2", "curvature", "cot_theta", "z0")},
    }
    if truth is not None:
        from tracking.metrics import edge_labels

        columns["true"] = edge_labels(truth, edges.source, edges.target)
    return {n: np.asarray(v).astype(EDGES[n].dtype) for n, v in columns.items()}


def _entry(columns: Columns) -> Any:
    """The jagged branches of one event's entry."""
    import awkward as ak

    return ak.unflatten(ak.zip(columns), [len(next(iter(columns.values())))])


def _acts_lines(result: EventResult, truth: EventTruth | None, score: TrackScore | None) -> Iterator[str]:
    """Tracks are of no seed (0) and their holes are not counted (0); without truth what ACTS says of it is 0
    and unknown. That counts hits of pixels.
    """
    tracks, helices, hits = result.whole.tracks, result.whole.helices, result.whole.hits
    # Of a cluster that gave several hits, each on a track, too. Clusters of strips may be between.
    cluster, n_pixels = hits.cluster, np.diff(result.tracks.start)
    shared = (np.bincount(cluster[tracks.hits], minlength=int(cluster.max(initial=-1)) + 1) > 1)[cluster]
    for k, (first, last) in enumerate(zip(tracks.start[:-1], tracks.start[1:], strict=True)):
        n_hits, outlier = int(last - first), helices.outlier[first:last]
        measured = hits.hit_id[tracks.hits[first:last]][~outlier]
        particle, fraction, kind = 0, 0.0, "unknown"
        if truth is not None and score is not None:
            row, fraction = score.particle[k], float(score.hit_fraction[k])
            particle = 0 if row < 0 else int(truth.particle_id[row])
            kind = "fake" if row < 0 else "duplicate" if score.duplicate[k] else "good"
        chi2, ndf, theta = float(helices.chi2[k]), int(helices.ndf[k]), float(helices.theta[k])
        pt, eta = np.sin(theta) / abs(helices.qop[k]), -np.log(np.tan(theta / 2))
        numbers = (chi2, ndf, chi2 / ndf if ndf else 0.0, pt, eta, helices.phi[k], fraction)
        n_majority = round(fraction * int(n_pixels[k]))
        counts = (k, 0, particle, n_hits, n_majority, len(measured), int(outlier.sum()), 0)
        n_shared = int(shared[tracks.hits[first:last]].sum())
        values = [*(str(n) for n in (*counts, n_shared)), *(f"{float(x):.9g}" for x in numbers), kind]
        yield ",".join(values) + ',"[' + "".join(f"{i}," for i in measured) + ']"'
