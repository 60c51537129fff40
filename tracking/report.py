"""What a run leaves behind: progress, the table, summary.json, tracks.root, figures."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import awkward as ak

from smartpix.convert import detect
from smartpix.files import check_writable
from smartpix.io import iterate, open_events
from smartpix.parquet import describe_clusters, is_cluster_file
from smartpix.schema import InputError
from tracking.cli_output import log
from tracking.join import join_tracks
from tracking.metrics import EventTruth
from tracking.options import RunOptions
from tracking.outputs import event_writer
from tracking.pipeline import STAGES, Chain, EventResult, Totals, open_inputs, run_events

__all__ = ["describe_file", "progress_bar", "run"]

OUTSIDE = 0.02
"""Share of a feature's values beyond the training's range that is worth a warning."""
N_STUDY = 3
"""Events kept for the cone study."""


@contextmanager
def progress_bar(title: str, total: int) -> Iterator[Callable[[], None]]:
    """A bar on stderr, silent when stderr is no terminal; gives a function that advances it by one."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(title, total=total)
        yield lambda: progress.advance(task)


def describe_file(path: str | Path) -> dict[str, Any]:
    """What a file holds: an event file, or clusters (a .parquet file or a folder of them).

    Returns:
        Counts, slices and how it was made; of events also detector, field and truth, of clusters the sensor and the labels.

    Raises:
        InputError: as :func:`smartpix.io.open_events` and :func:`smartpix.parquet.describe_clusters`.
    """
    if is_cluster_file(path):
        return {"file": str(path), "container": "parquet", **describe_clusters(path)}
    opened = open_events(path)
    detector = opened.header.detector
    n_clusters = n_pixels = n_truncated = n_particles = 0
    for _, events in iterate(path):
        n_clusters += int(ak.sum(ak.num(events["clusters"])))
        n_pixels += int(ak.sum(ak.num(events["clusters", "pixels"], axis=2)))
        n_truncated += int(ak.sum(events["clusters", "truncated"]))
        if opened.has_truth:
            n_particles += int(ak.sum(ak.num(events["particles"])))
    layers = detector.layers
    return {
        "file": str(opened.path),
        "container": opened.container,
        "n_events": opened.n_events,
        "n_clusters": n_clusters,
        "n_pixels": n_pixels,
        "n_truncated": n_truncated,
        "truth": opened.has_truth,
        "n_particles": n_particles,
        "field_T": opened.header.field,
        "slices": list(opened.header.slices),
        "n_modules": len(detector),
        "layers": [layers.name(i) for i in range(len(layers))],
        "pitch_mm": sorted(
            {(round(float(x), 6), round(float(y), 6)) for x, y in zip(detector.pitch_x, detector.pitch_y, strict=True)}
        ),
        "thickness_mm": sorted({round(float(t), 6) for t in detector.thickness}),
        "made_by": dict(opened.header.made_by),
    }


def run(
    files: Sequence[str | Path],
    output: str | Path,
    options: RunOptions,
    figures: bool = True,
    as_json: bool = False,
    write: Sequence[str] = (),
    join: str | Path | None = None,
) -> dict[str, Any]:
    """Run the chain on files, write the results, print the table.

    Writes ``tracks.root``, ``summary.json`` and, unless switched off, the figures into ``output``.

    Args:
        as_json: print the summary as one JSON object on stdout instead of the table.
        write: more files, of :data:`tracking.outputs.EXTRA`.
        join: what the files were converted from: the results are also written per hit of it (:mod:`tracking.join`).

    Returns:
        The summary.

    Raises:
        InputError: files or options that cannot be used, or a file damaged in the middle; no result is written then.
    """
    original = None if join is None else detect(join)
    opened = open_inputs(files)
    chain = Chain.for_header(opened[0].header, options)
    output = Path(output)
    if output.exists() and not output.is_dir():
        raise InputError(f"{output}: is a file; give a folder for the results")
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{output}: the folder cannot be made ({error.strerror}); give another with -o") from error
    check_writable(output / "summary.json")
    totals = Totals()
    shown: tuple[EventResult, EventTruth | None] | None = None
    study: list[tuple[EventResult, EventTruth]] = []
    has_truth = all(f.has_truth for f in opened)
    names = [str(f) for f in files]
    # Everything is written beside and moved at the end, so that results of two runs never mix.
    with tempfile.TemporaryDirectory(prefix=".run-", dir=output) as folder:
        beside = Path(folder)
        metadata = {"files": names, "options": asdict(options)}
        with (
            event_writer(beside, write, has_truth, metadata) as write_event,
            progress_bar("tracking", sum(f.n_events for f in opened)) as step,
        ):
            for result, _, truth, score in run_events(opened, chain, totals, step):
                write_event(result, truth, score)
                if figures and (shown is None or len(shown[0].tracks) == 0):
                    shown = (result, truth)
                if figures and truth is not None and len(study) < N_STUDY:
                    study.append((result, truth))
        summary = {"files": names, **totals.summary()}
        if original is not None:
            summary["joined"] = join_tracks(beside / "tracks.root", original, beside)
        if summary["features_outside"] > OUTSIDE:
            log(
                f"warning: {summary['features_outside']:.1%} of the values of a feature lie beyond the range the graph network "
                f"'{options.gnn}' was trained in, so its scores may be off; train one on such events (smartpix train gnn)"
            )
        if figures:
            from tracking import plots

            plots.write_figures(beside, chain, totals, shown, study)
        (beside / "summary.json").write_text(json.dumps({**summary, "options": asdict(options)}, indent=1) + "\n")
        for path in sorted(beside.iterdir(), key=lambda p: p.name == "summary.json"):
            path.replace(output / path.name)
    if as_json:
        print(json.dumps(summary))
    else:
        _print_table(summary, output)
    return summary


def _print_table(summary: dict[str, Any], output: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    def rate(key: str, digits: int = 4) -> str:
        value = summary[key]
        return "-" if value is None else f"{value:.{digits}f}"

    table = Table(title=", ".join(Path(f).name for f in summary["files"]), show_header=False)
    per = max(summary["n_events"], 1)
    table.add_row("events", f"{summary['n_events']}")
    table.add_row("hits / event", f"{summary['n_hits'] / per:,.0f}")
    table.add_row("edges of the reference window / event", f"{summary['n_window_edges'] / per:,.0f}")
    table.add_row("edges in cones / event", f"{summary['n_edges'] / per:,.0f}")
    table.add_row("reduction", rate("reduction", 2))
    table.add_row("seeds / event", f"{summary['n_seeds'] / per:,.0f}")
    table.add_row("tracks / event", f"{summary['n_tracks'] / per:,.1f}")
    table.add_row("vertices / event", f"{summary['n_vertices'] / per:,.1f}")
    if "track_efficiency" in summary:
        table.add_section()
        table.add_row("findable particles", f"{summary['n_findable']:,}")
        table.add_row("edge efficiency (window)", f"{rate('edge_efficiency')} ({rate('window_edge_efficiency')})")
        table.add_row("edge purity (window)", f"{rate('edge_purity', 3)} ({rate('window_edge_purity', 3)})")
        table.add_row("seed efficiency", rate("seed_efficiency"))
        table.add_row("track efficiency", rate("track_efficiency"))
        table.add_row("fakes", rate("fake_rate"))
        table.add_row("duplicates", rate("duplicate_rate"))
        table.add_row("track efficiency (of all charged, pT > 0.9 GeV, |eta| < 2.5)", rate("physics_efficiency"))
        table.add_row("resolution of d0, z0 in µm", f"{rate('resolution_d0_um', 0)}, {rate('resolution_z0_um', 0)}")
        table.add_row("resolution of phi, theta in mrad", f"{rate('resolution_phi_mrad', 2)}, {rate('resolution_theta_mrad', 2)}")
        table.add_row("resolution of q/p, relative", rate("resolution_qop_rel"))
        table.add_row(
            "true vertices found (false, split)",
            f"{rate('vertex_efficiency', 3)} ({rate('vertex_false_rate', 3)}, {rate('vertex_split_rate', 3)})",
        )
    table.add_section()
    for stage in (*STAGES, "total"):
        table.add_row(f"ms / event: {stage}", f"{summary['ms_per_event'].get(stage, 0.0):,.1f}")
    console = Console(width=None if sys.stdout.isatty() else 100)
    console.print(table)
    if "joined" in summary:
        console.print(f"per hit of your files: {', '.join(summary['joined']['files'])}", highlight=False)
    console.print(f"results in {output}/", highlight=False)
