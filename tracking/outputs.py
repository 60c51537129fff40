"""Files that a run writes per event: ``tracks.root`` always; edges, and tracks in other formats, where they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from smartpix.schema import EDGES, PARAMETERS, TRACK_HITS, TRACKS, Column

if TYPE_CHECKING:
    from tracking.metrics import EventTruth, TrackScore
    from tracking.pipeline import EventResult

__all__ = ["ACTS_COLUMNS", "EXTRA", "event_writer"]

EXTRA = ("edges.root", "edges.parquet", "tracks.parquet", "tracks.csv")
"""What can be asked for besides ``tracks.root``; ``tracks.csv`` is one file an event, as ACTS's CsvTrackWriter writes them."""

ACTS_COLUMNS = (
    "track_id", "seed_id", "particleId", "nStates", "nMajorityHits", "nMeasurements", "nOutliers", "nHoles", "nSharedHits",
    "chi2", "ndf", "chi2/ndf", "pT", "eta", "phi", "truthMatchProbability", "good/duplicate/fake", "Hits_ID",
)  # fmt: skip

Write = Callable[["EventResult", "EventTruth | None", "TrackScore | None"], None]
Columns = dict[str, npt.NDArray[Any]]


@contextmanager
def event_writer(folder: Path, extra: Sequence[str], has_truth: bool, metadata: Mapping[str, Any]) -> Iterator[Write]:
    """Open the files in a folder; gives a function that writes one event to all of them.

    Args:
        extra: of :data:`EXTRA`.
    """
    from smartpix.write import table_writer

    with ExitStack() as stack:
        writers: list[Write] = []
        types = {"event": "int64", "track": _record(_present(TRACKS, has_truth)), "hit": _record(TRACK_HITS)}
        writers.append(_tracks_root(stack.enter_context(table_writer(folder / "tracks.root", "tracks", types, metadata))))
        if "edges.root" in extra:
            types = {"event": "int64", "edge": _record(_present(EDGES, has_truth))}
            writers.append(_edges_root(stack.enter_context(table_writer(folder / "edges.root", "edges", types, metadata))))
        for name, write_rows, columns, hits in (
            ("edges.parquet", _edges_parquet, EDGES, {}), ("tracks.parquet", _tracks_parquet, TRACKS, TRACK_HITS)
        ):  # fmt: skip
            if name in extra:
                from smartpix.tables import parquet_writer

                kinds = _parquet_types(_present(columns, has_truth), hits)
                writers.append(write_rows(stack.enter_context(parquet_writer(folder / name, kinds, metadata))))
        if "tracks.csv" in extra:
            writers.append(_acts_csv(folder))

        def write(result: EventResult, truth: EventTruth | None, score: TrackScore | None) -> None:
            for writer in writers:
                writer(result, truth, score)

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
    return {"event": pa.int64(), **{n: kinds[c.dtype] for n, c in columns.items()}, **of_hits}


def _track_columns(result: EventResult, truth: EventTruth | None, score: TrackScore | None) -> Columns:
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
    return {n: np.asarray(v).astype(TRACKS[n].dtype) for n, v in columns.items()}


def _hit_columns(result: EventResult) -> Columns:
    helices = result.helices
    columns = {
        "id": result.hits.hit_id[result.tracks.hits],
        **{f"{n}_{axis}": getattr(helices, n)[:, i] for n in ("residual", "pull") for i, axis in enumerate("xy")},
        "outlier": helices.outlier,
    }
    return {n: np.asarray(columns[n]).astype(c.dtype) for n, c in TRACK_HITS.items()}


def _edge_columns(result: EventResult, truth: EventTruth | None) -> Columns:
    edges, ids = result.edges, result.hits.hit_id
    columns: dict[str, Any] = {
        "source": ids[edges.source], "target": ids[edges.target], "score": result.scores,
        **{n: getattr(edges, n) for n in ("chi2", "curvature", "cot_theta", "z0")},
    }  # fmt: skip
    if truth is not None:
        from tracking.metrics import edge_labels

        columns["true"] = edge_labels(truth, edges.source, edges.target)
    return {n: np.asarray(v).astype(EDGES[n].dtype) for n, v in columns.items()}


def _entry(columns: Columns) -> Any:
    """The jagged branches of one event's entry."""
    import awkward as ak

    return ak.unflatten(ak.zip(columns), [len(next(iter(columns.values())))])


def _tracks_root(tree: Any) -> Write:
    """The hits of all tracks one after the other, n_hits of each."""

    def write(result: EventResult, truth: EventTruth | None, score: TrackScore | None) -> None:
        event = np.array([result.event], dtype=np.int64)
        tree.extend({"event": event, "track": _entry(_track_columns(result, truth, score)), "hit": _entry(_hit_columns(result))})

    return write


def _edges_root(tree: Any) -> Write:
    def write(result: EventResult, truth: EventTruth | None, score: TrackScore | None) -> None:
        tree.extend({"event": np.array([result.event], dtype=np.int64), "edge": _entry(_edge_columns(result, truth))})

    return write


def _edges_parquet(add: Callable[[Columns], None]) -> Write:
    def write(result: EventResult, truth: EventTruth | None, score: TrackScore | None) -> None:
        add({"event": np.full(len(result.edges), result.event), **_edge_columns(result, truth)})

    return write


def _tracks_parquet(add: Callable[[dict[str, Any]], None]) -> Write:
    def write(result: EventResult, truth: EventTruth | None, score: TrackScore | None) -> None:
        start = result.tracks.start
        hits = {f"hit_{n}": np.split(v, start[1:-1]) if len(result.tracks) else [] for n, v in _hit_columns(result).items()}
        add({"event": np.full(len(result.tracks), result.event), **_track_columns(result, truth, score), **hits})

    return write


def _acts_csv(folder: Path) -> Write:
    def write(result: EventResult, truth: EventTruth | None, score: TrackScore | None) -> None:
        lines = [",".join(ACTS_COLUMNS), *_acts_lines(result, truth, score)]
        (folder / f"event{result.event:09d}-tracks_smartpix.csv").write_text("\n".join(lines) + "\n")

    return write


def _acts_lines(result: EventResult, truth: EventTruth | None, score: TrackScore | None) -> Iterator[str]:
    """Tracks are of no seed (0) and their holes are not counted (0); without truth what ACTS says of it is 0 and unknown."""
    tracks, helices, ids = result.tracks, result.helices, result.hits.hit_id
    shared = np.bincount(tracks.hits, minlength=len(ids)) > 1
    for k, (first, last) in enumerate(zip(tracks.start[:-1], tracks.start[1:], strict=True)):
        n_hits, outlier = int(last - first), helices.outlier[first:last]
        measured = ids[tracks.hits[first:last]][~outlier]
        particle, fraction, kind = 0, 0.0, "unknown"
        if truth is not None and score is not None:
            row, fraction = score.particle[k], float(score.hit_fraction[k])
            particle = 0 if row < 0 else int(truth.particle_id[row])
            kind = "fake" if row < 0 else "duplicate" if score.duplicate[k] else "good"
        chi2, ndf, theta = float(helices.chi2[k]), int(helices.ndf[k]), float(helices.theta[k])
        pt, eta = np.sin(theta) / abs(helices.qop[k]), -np.log(np.tan(theta / 2))
        numbers = (chi2, ndf, chi2 / ndf if ndf else 0.0, pt, eta, helices.phi[k], fraction)
        counts = (k, 0, particle, n_hits, round(fraction * n_hits), len(measured), int(outlier.sum()), 0)
        n_shared = int(shared[tracks.hits[first:last]].sum())
        values = [*(str(n) for n in (*counts, n_shared)), *(f"{float(x):.9g}" for x in numbers), kind]
        yield ",".join(values) + ',"[' + "".join(f"{i}," for i in measured) + ']"'
