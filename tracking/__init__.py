"""Edges to tracks: finders, the chain, the fit, runs over files, benchmarks, displays and the command line.

Start at :func:`tracking.run` (files to tracks), :mod:`tracking.chain` (one event) and :mod:`tracking.metrics`
(what the numbers mean).
"""

from typing import TYPE_CHECKING

from smartpix.lazy import public_names

if TYPE_CHECKING:
    from tracking.finder_table import finder_names, make_finder
    from tracking.options import RunOptions
    from tracking.runs.driver import run

__all__ = ["RunOptions", "finder_names", "make_finder", "run"]

__getattr__ = public_names(
    __name__,
    elsewhere={"tracking.runs.driver": "run"},
    finder_table="finder_names make_finder",
    options="RunOptions",
)
