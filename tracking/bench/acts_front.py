"""ACTS's front, as ``benchmarks/tune_acts.py`` writes it, as finders."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smartpix.schema import InputError
from smartpix.text import read_json
from tracking.acts.reference import ActsFinder, ActsOptions, WorkingPoint
from tracking.finders.finder import FinderMaker

if TYPE_CHECKING:
    from smartpix.io.events import Header

__all__ = ["front_finders", "front_points"]


def front_points(path: str | Path) -> dict[str, WorkingPoint]:
    """Settings of all fronts of a file, by ``front-NAME-NUMBER``, fastest first.

    Raises:
        InputError: something else.
    """
    points: dict[str, WorkingPoint] = {}
    try:
        for name, entries in read_json(path)["fronts"].items():
            for k, entry in enumerate(entries):
                options = _options(entry["setting"]["chain"])
                points[f"front-{name}-{k}"] = WorkingPoint(
                    entry["cuts"], options, entry.get("algorithm", "acts-grid")
                )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: not the results of benchmarks/tune_acts.py ({error}); give its acts-front.json"
        ) from error
    return points


def front_finders(path: str | Path) -> dict[str, FinderMaker]:
    """A maker of ACTS as a finder for each of :func:`front_points`."""
    return {name: partial(_finder, point) for name, point in front_points(path).items()}


def _options(values: Mapping[str, Any]) -> ActsOptions:
    # JSON has no infinity: no limit is null there.
    limits: dict[str, Any] = {name: math.inf if value is None else value for name, value in values.items()}
    return ActsOptions(**limits)


def _finder(point: WorkingPoint, header: Header) -> ActsFinder:
    return ActsFinder.for_detector(
        header.detector, header.field, point.options, point.seeding, point.algorithm
    )
