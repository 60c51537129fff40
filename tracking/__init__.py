"""Edges to tracks: graph, network, building, fit, metrics, figures, the chain and its command line.

Start at :func:`tracking.runs.run` (files to tracks; also ``from tracking import run``), :mod:`tracking.pipeline` (the chain) and
:mod:`tracking.metrics` (what the numbers mean).
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tracking.options import RunOptions
    from tracking.runs import run

__all__ = ["RunOptions", "run"]


def __getattr__(name: str) -> Any:
    """``run`` and ``RunOptions`` on first use, so that ``import tracking`` stays light."""
    if name == "run":
        from tracking.runs import run

        return run
    if name == "RunOptions":
        from tracking.options import RunOptions

        return RunOptions
    raise AttributeError(f"module 'tracking' has no attribute '{name}'")
