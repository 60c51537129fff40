"""Events of TrackML, made by hand."""

import numpy as np

from smartpix.io.events import iterate
from tests.helpers import convert_folder, module_row


def modules():
    """Barrel and end-cap modules whose u and v run along or against the sensor frame, and one strip
    module.
    """
    sizes = {"module_t": 0.3, "pitch_u": 0.05, "pitch_v": 0.05625}
    x, y, z = np.eye(3)
    rows = [
        module_row((32.0, 0, 0), y, z, x, 2, 1),
        module_row((32.0, 0, 100), -y, -z, x, 2, 2),
        module_row((0, 72.0, 0), x, -z, y, 4, 1),
        module_row((60.0, 0, 600), y, x, -z, 2, 1, volume=9),
        module_row((-60.0, 0, -600), y, x, -z, 2, 1, volume=7),
        module_row((260.0, 0, 0), y, z, x, 2, 1, volume=13),
    ]
    return [{**row, **sizes} for row in rows]


def csv(path, rows, names=None):
    names = names or list(rows[0])
    lines = [",".join(names), *(",".join(str(row[name]) for name in names) for row in rows)]
    path.write_text("\n".join(lines) + "\n")


# hit_id, row of the module, cells (ch0, ch1, value)
HITS = [
    (5, 0, [(10, 20, 0.1), (11, 20, 0.3)]),
    (2, 1, [(0, 0, 0.2)]),
    (9, 2, [(335, 1279, 0.1), (335, 1278, 0.1)]),
    (7, 3, [(100, 7, 0.25)]),
    (30, 4, [(3, 900, 0.25), (3, 900, 0.05), (4, 901, 0.1)]),
    (31, 5, [(1, 1, 0.4)]),
]


PARTICLE = 4_505_867_370_102_784


def at(row, u, v):
    axes = np.array([[row[f"rot_{g}{a}"] for a in "uv"] for g in "xyz"])
    return np.array([row["cx"], row["cy"], row["cz"]]) + axes @ [u, v]


def cell_center(row, ch0, ch1):
    """Global place of a channel by the challenge's convention: channels count from the lower corner along u
    and v.
    """
    return at(
        row,
        (ch0 + 0.5) * row["pitch_u"] - row["module_maxhu"],
        (ch1 + 0.5) * row["pitch_v"] - row["module_hv"],
    )


def write_event(folder, number=1, truth=True, hits=HITS):
    folder.mkdir(exist_ok=True)
    table = modules()
    csv(folder / "detectors.csv", table)
    name = f"event{number:09d}"
    hit_rows, cell_rows, truth_rows = [], [], []
    for hit_id, m, cells in hits:
        weights = np.array([c[2] for c in cells])
        place = (
            sum(w * cell_center(table[m], *c[:2]) for w, c in zip(weights, cells, strict=True))
            / weights.sum()
        )
        ids = {n: table[m][n] for n in ("volume_id", "layer_id", "module_id")}
        hit_rows.append({"hit_id": hit_id, **dict(zip("xyz", place, strict=True)), **ids})
        cell_rows += [{"hit_id": hit_id, "ch0": a, "ch1": b, "value": v} for a, b, v in cells]
        momentum = 2 * place / np.linalg.norm(place)
        particle = 0 if hit_id == 2 else PARTICLE + (hit_id == 7)
        there = dict(zip(("tx", "ty", "tz", "tpx", "tpy", "tpz"), [*place, *momentum], strict=True))
        truth_rows.append({"hit_id": hit_id, "particle_id": particle, **there, "weight": 0.1})
    names = {
        "hits": ["hit_id", "x", "y", "z", "volume_id", "layer_id", "module_id"],
        "cells": ["hit_id", "ch0", "ch1", "value"],
    }
    csv(folder / f"{name}-hits.csv", hit_rows, names["hits"])
    csv(folder / f"{name}-cells.csv", cell_rows, names["cells"])
    if truth:
        csv(folder / f"{name}-truth.csv", truth_rows)
        start = {"vx": 0.1, "vy": 0.2, "vz": 0.3, "py": 0.5, "pz": 2.0, "nhits": 4}
        particles = [
            {"particle_id": PARTICLE + i, "particle_type": pdg, "px": 1.0 + i, "q": q, **start}
            for i, pdg, q in ((1, 211, 1), (0, -13, -1))
        ]
        csv(folder / f"{name}-particles.csv", particles)
    return folder


def converted(folder, output):
    convert_folder(folder, output)
    return next(iterate(output))


def with_cell(folder, file, line, column, value):
    path = folder / f"event000000001-{file}.csv"
    lines = path.read_text().splitlines()
    place = lines[0].split(",").index(column)
    cells = lines[line].split(",")
    cells[place] = value
    lines[line] = ",".join(cells)
    path.write_text("\n".join(lines) + "\n")
