"""Two or more runs beside one another: which numbers differ, and by more than chance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.io.root_files import read_branches
from smartpix.rules import check_json, fields, items, nullable, optional, real, text, whole
from smartpix.schema import InputError
from smartpix.text import read_json
from tracking.fit.resolution import RESOLUTIONS
from tracking.options import flat
from tracking.runs.counts import COUNTS, PER_EVENT, RATES
from tracking.runs.differences import (
    Difference,
    Ratio,
    holm,
    of_estimates,
    of_events,
    of_same_events,
    of_sums,
)
from tracking.runs.results import SUMMARY

__all__ = ["SIGNIFICANT", "RunResult", "compare_runs", "read_run", "read_summary"]

SIGNIFICANT = 0.05
"""How often at most chance alone makes any number of a comparison significant."""
TRACKS = "tracks.root"
DEFINITIONS = ("findable_layers", "findable_pt")
"""What the rates are of: runs with other ones have other particles."""

_MOST = 10**15
_WHOLE, _INTERVAL = whole(0, _MOST), items(real(), 2, 2)
_OF_FITS = (
    *(f"resolution_{name}" for name, _ in RESOLUTIONS.values()), *(f"pull_sigma.{name}" for name in RESOLUTIONS),
)  # fmt: skip
"""Numbers of fitted tracks, by the names that their intervals have in a summary."""
_COUNTS = {name: optional(_WHOLE) if column.optional else _WHOLE for name, column in COUNTS.items()}
_RULE = fields(
    {
        "n_events": _WHOLE, "counts": fields(_COUNTS, more=True), "files": items(text()),
        "options": optional(fields({}, more=True)), "pull_sigma": optional(fields({}, more=True)),
        "interval": optional(fields(dict.fromkeys(_OF_FITS, optional(nullable(_INTERVAL))), more=True)),
        "sha256": optional(fields({}, more=True)),
        "provenance": fields({"inputs": fields({}, more=True)}, more=True),
        "detector": optional(fields({"modules": _WHOLE, "layers": _WHOLE, "sha256": text()})),
        **{f"resolution_{name}": optional(nullable(real())) for name, _ in RESOLUTIONS.values()},
    },
    more=True,
)  # fmt: skip
"""What a comparison takes of a summary."""

Counts = Mapping[str, npt.NDArray[np.float64]]
Fitted = tuple[float, tuple[float, float] | None]


@dataclass(frozen=True)
class RunResult:
    """A run as it is compared.

    Attributes:
        summary: of its ``summary.json``.
        counts: (N,) counts of its events by name, or (1,) their sums where ``events`` is None.
        events: (N) sha256 of the file and number of each event; None where the run's ``tracks.root`` is not
            there.
    """

    name: str
    summary: Mapping[str, Any]
    counts: Counts
    events: tuple[tuple[str, int], ...] | None


def read_summary(path: str | Path) -> tuple[Path, dict[str, Any]]:
    """The summary of a run, and its file, from the run's folder or from the file itself.

    Raises:
        InputError: it is none.
    """
    path = Path(path)
    file = path / SUMMARY if path.is_dir() else path
    if not file.is_file():
        raise InputError(f"{file}: no such file; give the folder of a run, or its {SUMMARY}")
    try:
        summary = read_json(file)
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: cannot be read ({error}); give the folder of a run") from error
    if not isinstance(summary, dict) or not isinstance(summary.get("n_events"), int):
        raise InputError(f"{file}: is no summary of a run; give the folder that `smartpix run -o` wrote")
    return file, summary


def read_run(path: str | Path) -> RunResult:
    """A run from its folder, or from its ``summary.json`` alone.

    Raises:
        InputError: it is none, was made by a version without counts, or its ``tracks.root`` is not the one
            that the summary is of.
    """
    file, summary = read_summary(path)
    if not isinstance(summary.get("counts"), dict):
        raise InputError(f"{file}: has no 'counts', so that an older version made it; run it again")
    check_json(summary, _RULE, file, "it is damaged or of another version; run it again")
    for part, of in RATES.values():
        if summary["counts"].get(part, 0) > summary["counts"].get(of, _MOST):
            raise InputError(
                f"{file}: counts.{part} is more than counts.{of}, of which it is a part; run it again"
            )
    tracks = file.with_name(TRACKS)
    if file.name == SUMMARY and tracks.is_file() and TRACKS in summary.get("sha256", {}):
        return RunResult(str(path), summary, *_of_events(tracks, summary))
    sums = {name: np.array([float(value)]) for name, value in summary["counts"].items() if name in COUNTS}
    return RunResult(str(path), summary, sums, None)


def _of_events(tracks: Path, summary: Mapping[str, Any]) -> tuple[Counts, tuple[tuple[str, int], ...]]:
    names = [name for name in COUNTS if name in summary["counts"]]
    branches = read_branches(
        tracks, "tracks", ["event", "file", *(f"count_{n}" for n in names)], "results of `smartpix run`"
    )
    columns = {name: np.asarray(values, dtype=np.float64) for name, values in branches.items()}
    counts = {name: columns[f"count_{name}"] for name in names}
    wrong = [name for name, values in counts.items() if values.sum() != summary["counts"][name]]
    if wrong:
        raise InputError(
            f"{tracks}: its events have other counts than {SUMMARY} beside it ({wrong[0]}), so that they are of two "
            "runs; run it again"
        )
    sums = summary["provenance"]["inputs"]
    if len(summary["files"]) <= columns["file"].max(initial=-1) or not sums.keys() >= {*summary["files"]}:
        raise InputError(
            f"{tracks}: its events are of files that {SUMMARY} beside it does not name, with their sums in "
            "provenance.inputs; run it again"
        )
    files = [sums[name] for name in summary["files"]]
    numbers = np.asarray(branches["event"]).tolist()
    return counts, tuple((files[int(f)], int(e)) for f, e in zip(columns["file"], numbers, strict=True))


def compare_runs(runs: Sequence[RunResult]) -> dict[str, Any]:
    """The first run beside each of the others.

    Where both keep the counts of their events and some events are the same, these alone are compared, event
    by event. What is significant is so after a correction for all numbers of all comparisons.

    Returns:
        ``numbers`` by name with ``a``, ``b``, ``interval_a``, ``interval_b``, ``difference`` (b less a), its
        ``interval``, ``p`` (of chance, corrected) and ``significant``; ``significant``: their names;
        ``same``: the numbers whose counts are the same in every event; ``paired``, ``n_events`` that were
            compared,
        ``n_tests``, ``options`` that differ, ``warnings``. These are of the first two runs; ``comparisons``
        has the same of every pair.

    Raises:
        InputError: fewer than two runs, or one twice.
    """
    if len(runs) < 2:
        raise InputError("compare: give two runs or more, the first is the one to compare with")
    names = [run.name for run in runs]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{name}: was given twice; it does not differ from itself")
    compared = [_compared(runs[0], other) for other in runs[1:]]
    # A number in which the runs do not differ at all could not have been significant (R. E. Tarone, Biometrics 46
    # (1990) 515), so that it is no test.
    every = [number for one in compared for number in one["numbers"].values()]
    tested = [number for number in every if number["informative"] and number["p"] is not None]
    for number, p in zip(tested, holm([number["p"] for number in tested]), strict=True):
        number["p"] = p
        number["significant"] = p < SIGNIFICANT
    for one in compared:
        one["significant"] = [name for name, number in one["numbers"].items() if number["significant"]]
        one["n_tests"] = len(tested)
        one["same"] = [
            name
            for name, number in one["numbers"].items()
            if not number.pop("informative") and number["p"] is not None and name not in _OF_FITS
        ]
    return {**compared[0], "comparisons": compared}


def _compared(a: RunResult, b: RunResult) -> dict[str, Any]:
    rows_a, rows_b = _same_events(a, b)
    paired = rows_a is not None
    warnings = list(_warnings(a, b, rows_a))
    numbers: dict[str, dict[str, Any]] = {}
    for name, part, of, share in _numbers(a, b):
        one, two = (
            Ratio(run.counts[part][rows], run.counts[of][rows], share)
            for run, rows in ((a, rows_a if paired else ...), (b, rows_b if paired else ...))
        )
        if not (one.of.sum() and two.of.sum()):
            continue
        if paired:
            difference = of_same_events(one, two)
        elif a.events is not None and b.events is not None:
            difference = of_events(one, two)
        else:
            difference = of_sums(one, two)
        numbers[name] = _number(one, two, difference)
    all_events = [a.summary["n_events"], b.summary["n_events"]]
    n = all_events if rows_a is None else [len(rows_a)] * 2
    if n == all_events:
        others = dict(_of_fits(b.summary))
        numbers |= {
            name: _of_tracks(one, others[name]) for name, one in _of_fits(a.summary) if name in others
        }
    return {
        "a": a.name, "b": b.name, "paired": paired, "n_events": n, "options": _options(a, b),
        "numbers": numbers, "warnings": warnings,
    }  # fmt: skip


def _same_events(a: RunResult, b: RunResult) -> tuple[Any, Any]:
    """Rows of the events that both runs have, in the order of the first; None where there are none, or where
    an event cannot be told from another.
    """
    if a.events is None or b.events is None:
        return None, None
    places = [{event: row for row, event in enumerate(run.events or ())} for run in (a, b)]
    if len(places[0]) < len(a.events) or len(places[1]) < len(b.events):
        return None, None
    both = [event for event in a.events if event in places[1]]
    if not both:
        return None, None
    first, second = (np.array([place[event] for event in both]) for place in places)
    return first, second


def _numbers(a: RunResult, b: RunResult) -> Iterator[tuple[str, str, str, bool]]:
    """Name, part, whole and whether it is a share, of all rates that both runs have counts for."""
    for name, (part, of) in RATES.items():
        if all({part, of} <= run.counts.keys() for run in (a, b)):
            yield name, part, of, True
    for name in PER_EVENT:
        yield f"{name}_per_event", name, "events", False
    yield "reduction", "window_edges", "edges", False


def _number(a: Ratio, b: Ratio, difference: Difference) -> dict[str, Any]:
    return {
        "a": a.value, "b": b.value, "interval_a": _list(a.interval()), "interval_b": _list(b.interval()),
        "difference": difference.value, "interval": _list(difference.interval), "p": difference.p,
        "significant": False, "informative": difference.informative,
    }  # fmt: skip


def _of_tracks(a: Fitted, b: Fitted) -> dict[str, Any]:
    """A number of fits; where a run kept no interval of it nothing is said of its significance."""
    (one, interval_a), (two, interval_b) = a, b
    if interval_a is None or interval_b is None:
        found = Difference(two - one, None, None, informative=False)
    else:
        found = of_estimates(one, interval_a, two, interval_b)
    return {
        "a": one, "b": two, "interval_a": _list(interval_a), "interval_b": _list(interval_b),
        "difference": found.value, "interval": _list(found.interval), "p": found.p, "significant": False,
        "informative": found.informative,
    }  # fmt: skip


def _list(interval: tuple[float, float] | None) -> list[float] | None:
    return None if interval is None else [float(end) for end in interval]


def _of_fits(summary: Mapping[str, Any]) -> Iterator[tuple[str, Fitted]]:
    """Resolutions and widths of pulls with their intervals."""
    intervals = summary.get("interval", {})
    for name in _OF_FITS:
        whole_name, _, parameter = name.partition(".")
        value = summary.get(whole_name)
        value = value.get(parameter) if isinstance(value, dict) else value
        if isinstance(value, float):
            interval = intervals.get(name)
            yield name, (value, None if interval is None else (interval[0], interval[1]))


def _options(a: RunResult, b: RunResult) -> dict[str, list[Any]]:
    """Options that differ: the value of each run, by full name."""
    one, two = (dict(flat(run.summary.get("options", {}))) for run in (a, b))
    return {name: [one.get(name), two.get(name)] for name in {**one, **two} if one.get(name) != two.get(name)}


def _warnings(a: RunResult, b: RunResult, rows: Any) -> Iterator[str]:
    for name in DEFINITIONS:
        values = [run.summary.get(name) for run in (a, b)]
        if values[0] != values[1]:
            yield f"{name} is {values[0]} in {a.name} and {values[1]} in {b.name}: the rates are of other particles"
    for run in (a, b):
        if run.events is None:
            yield f"{run.name}: without its {TRACKS} particles count as independent, and events are not paired"
    if rows is None and a.events and b.events:
        yield f"{a.name} and {b.name} are of different events, so that they are compared unpaired"
    elif rows is not None and {len(a.events or ()), len(b.events or ())} != {len(rows)}:
        yield (
            f"the numbers are of the {len(rows)} events that are the same, of {a.summary['n_events']} and "
            f"{b.summary['n_events']}; those without interval are left out"
        )
    yield from _unseen(a, b)


def _unseen(a: RunResult, b: RunResult) -> Iterator[str]:
    """What differs and is no option: the detector, truth, and weights under the same name."""
    detectors = [run.summary["detector"] for run in (a, b) if "detector" in run.summary]
    if len(detectors) == 2 and detectors[0] != detectors[1]:
        yield (
            f"the detectors differ, or where their modules are: {' and '.join(_detector(d) for d in detectors)}; rates "
            "are of the particles that are findable in each"
        )
    has_truth = ["findable" in run.counts for run in (a, b)]
    if has_truth[0] != has_truth[1]:
        yield f"{(a, b)[has_truth[0]].name}: has no truth, so that efficiencies and fakes are not compared"
    one, two = (run.summary.get("provenance", {}).get("weights") or {} for run in (a, b))
    for name in sorted(one.keys() & two.keys()):
        if one[name] != two[name] and name not in _options(a, b):
            yield f"{name}: the runs took other weights, though the option is the same"


def _detector(told: Mapping[str, Any]) -> str:
    return f"{told['modules']:,} modules on {told['layers']} layers ({told['sha256'][:8]})"
