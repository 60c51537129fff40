"""Errors of measured positions by the shape of their clusters, for programs that look them up in a table.

A position that a program measures itself, the centre of charge of the cluster's cells, is off by a bias and
scatters by a sigma, which depend on how many cells the cluster spans, on its charge, and on the part of the
detector. They are measured against the truth of simulated files, or against the network's estimates of any
file: a particle is where the estimate says, give or take its sigma.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from smartpix.clusters import FlatClusters, flatten
from smartpix.estimate.base import estimate, truth_targets
from smartpix.estimate.choose import Chosen
from smartpix.estimate.quality import clipped
from smartpix.export.table_options import SOURCES, ErrorTableOptions
from smartpix.files import replace_when_done
from smartpix.geometry import Detector
from smartpix.io.events import Header, iterate
from smartpix.provenance import by_path, origin
from smartpix.schema import REGIONS, InputError
from smartpix.tables import write_csv

__all__ = ["COLUMNS", "centre_of_charge", "error_table", "write_error_table"]

Floats = npt.NDArray[np.float64]

COLUMNS: Mapping[str, str] = {
    "region": "barrel or endcap",
    "columns": "cells along x (ACTS: loc1) that the cluster spans; the last entry holds all longer ones",
    "rows": "the same along y (ACTS: loc0)",
    "charge_low": "e per mm of the cluster's diagonal in the sensor, from",
    "charge_high": "and below; -1: no end",
    "clusters": "number of them",
    "bias_x": "mm, mean of the measured x less the true one",
    "sigma_x": "mm, standard deviation of that",
    "bias_y": "mm, the same of y",
    "sigma_y": "mm",
}
"""Columns of the table and what they mean."""


def centre_of_charge(flat: FlatClusters, detector: Detector) -> Floats:
    """(C, 2) x and y in mm of clusters' centres of charge in their last slice, as ACTS measures positions.

    Negative charges do not count. A cluster without charge is at the middle of its box.
    """
    owner = np.repeat(np.arange(len(flat)), flat.counts)
    charge = np.maximum(flat.charge[:, -1].astype(np.float64), 0.0)
    total = np.bincount(owner, charge, len(flat))
    weight = np.where(total[owner] > 0, charge, 1.0)
    total = np.bincount(owner, weight, len(flat))
    centre = np.stack(
        [np.bincount(owner, weight * (index + 0.5), len(flat)) / total for index in (flat.column, flat.row)],
        axis=1,
    )
    pitch = np.stack([detector.pitch_x, detector.pitch_y], axis=1)[flat.module]
    half = np.stack([detector.half_x, detector.half_y], axis=1)[flat.module]
    return np.asarray(centre * pitch - half)


def error_table(
    files: Sequence[str | Path], header: Header, estimator: Chosen, options: ErrorTableOptions
) -> list[dict[str, Any]]:
    """Rows of :data:`COLUMNS`, from the clusters of event files that fit the window.

    The sigma is the standard deviation with what lies beyond six half widths brought there, as that of pulls.

    Raises:
        InputError: no clusters with what they are compared with.
    """
    parts: list[tuple[Floats, Floats, npt.NDArray[np.int64], Floats, npt.NDArray[np.bool_]]] = []
    for opened, events in iterate(list(files)):
        if options.source == SOURCES[0] and not opened.has_truth:
            raise InputError(f"{files[0]}: has no truth; give simulated files, or --source estimates")
        clusters = ak.flatten(events["clusters"], axis=1)
        if len(clusters):
            event = np.repeat(np.arange(len(events)), ak.to_numpy(ak.num(events["clusters"], axis=1)))
            parts.append(_differences(clusters, event, header, estimator, options))
    joined = [np.concatenate(column) for column in zip(*parts, strict=True)]
    if not joined or len(joined[0]) == 0:
        raise InputError(
            f"{files[0]}: has no clusters for a table of errors; give files with clusters of particles"
        )
    difference, variance, size, charge, barrel = joined
    rows: list[dict[str, Any]] = []
    for region, chosen in zip(REGIONS, (barrel, ~barrel), strict=True):
        if not np.any(chosen):
            continue
        inner = np.quantile(charge[chosen], np.arange(1, options.charges) / options.charges)
        edges = [0.0, *np.unique(inner).tolist(), np.inf]
        spans = [(0.0, np.inf)] + (list(zip(edges, edges[1:], strict=False)) if len(edges) > 2 else [])
        for columns, n_rows in np.unique(size[chosen], axis=0).tolist():
            alike = chosen & (size == [columns, n_rows]).all(axis=1)
            for low, high in spans:
                own = np.flatnonzero(alike & (charge >= low) & (charge < high))
                if len(own) < options.least:
                    continue
                errors = _errors(difference[own], variance[own])
                rows.append(
                    {
                        "region": region, "columns": columns, "rows": n_rows, "charge_low": low,
                        "charge_high": high if np.isfinite(high) else -1.0, "clusters": len(own), **errors,
                    }
                )  # fmt: skip
    return rows


def _differences(
    clusters: ak.Array,
    event: npt.NDArray[np.int64],
    header: Header,
    estimator: Chosen,
    options: ErrorTableOptions,
) -> tuple[Floats, Floats, npt.NDArray[np.int64], Floats, npt.NDArray[np.bool_]]:
    """Measured less true positions (N, 2), what these do not tell of the variance, sizes, charges,
    regions.
    """
    detector = header.detector
    flat = flatten(clusters, tuple(estimator.slices))
    measured, shape = centre_of_charge(flat, detector), flat.outlines.shape
    if options.source == SOURCES[0]:
        target, good = truth_targets(clusters, 0.95, event)
        variance = np.zeros((len(flat), 2))
    else:
        made = estimate(clusters, header, estimator)
        target, variance, good = made.mean, made.sigma()[:, :2] ** 2, ~made.flagged
    good = good & ~flat.truncated & flat.outlines.readable
    diagonal = np.sqrt(
        (shape[:, 1] * detector.pitch_x[flat.module]) ** 2 + (shape[:, 2] * detector.pitch_y[flat.module]) ** 2
        + detector.thickness[flat.module] ** 2
    )  # fmt: skip
    size = np.minimum(shape[:, 1:].astype(np.int64), [options.columns, options.rows])
    return (
        (measured - target[:, :2])[good], variance[good], size[good], (shape[:, 0] / diagonal)[good],
        detector.barrel[flat.module][good],
    )  # fmt: skip


def _errors(difference: Floats, variance: Floats) -> dict[str, float]:
    out = {}
    for k, name in enumerate("xy"):
        inner = clipped(difference[:, k])
        out[f"bias_{name}"] = float(inner.mean())
        out[f"sigma_{name}"] = float(np.sqrt(inner.var() + variance[:, k].mean()))
    return out


def write_error_table(
    path: str | Path, files: Sequence[str | Path], header: Header, estimator: Chosen,
    options: ErrorTableOptions | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Write :func:`error_table` as JSON or CSV, by the path's ending, whole or not at all.

    Returns:
        ``file``, ``entries``, ``clusters`` and ``source``.

    Raises:
        InputError: another ending, or as :func:`error_table`.
    """
    path, options = Path(path), options or ErrorTableOptions()
    if path.suffix not in (".json", ".csv"):
        raise InputError(
            f"{path}: a table of errors is written as JSON or CSV; end its name in .json or .csv"
        )
    rows = error_table(files, header, estimator, options)
    with replace_when_done(path) as beside:
        if path.suffix == ".csv":
            write_csv(beside, {name: [row[name] for row in rows] for name in COLUMNS})
        else:
            content = {
                "kind": "smartpix error table", "source": options.source, "columns": dict(COLUMNS),
                "provenance": origin(by_path(files)), "entries": rows,
            }  # fmt: skip
            beside.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    counted = sum(row["clusters"] for row in rows if row["charge_low"] == 0 and row["charge_high"] < 0)
    return {"file": str(path), "source": options.source, "entries": len(rows), "clusters": counted}
