"""A run: files in, tables, figures and a summary out, in units that any process may work on."""

from typing import TYPE_CHECKING

from smartpix.lazy import public_names

if TYPE_CHECKING:
    from tracking.runs.compare import RunResult, compare_runs, read_run
    from tracking.runs.driver import run
    from tracking.runs.join import join_tracks
    from tracking.runs.totals import Totals
    from tracking.runs.units import ScoredEvent, Unit, plan_units, run_events

__all__ = [
    "RunResult",
    "ScoredEvent",
    "Totals",
    "Unit",
    "compare_runs",
    "join_tracks",
    "plan_units",
    "read_run",
    "run",
    "run_events",
]

__getattr__ = public_names(
    __name__,
    compare="RunResult compare_runs read_run",
    driver="run",
    join="join_tracks",
    totals="Totals",
    units="ScoredEvent Unit plan_units run_events",
)
