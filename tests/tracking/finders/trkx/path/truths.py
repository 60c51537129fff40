"""Paths of toys: exact helices, whose hits are Gaussian about them."""

import dataclasses

import numpy as np

from smartpix.io.events import iterate, open_events
from smartpix.io.write import write_events
from smartpix.shipped import data_path
from tests.seeding import toys
from tracking.finders.trkx.path.filter import PathFilter
from tracking.finders.trkx.path.options import FilterOptions
from tracking.finders.trkx.path.truth import TruePaths

CLEAN = FilterOptions(thickness=0.0, thickness_disk=0.0, outlier=50.0)
"""Toys do not scatter."""


def toy_paths(n=60, seed=5, longest=8, pt=(0.5, 5.0)):
    """Hits of a toy event, and the paths of its particles with three hits or more."""
    toy = toys.toy_event(n, seed, pt=pt)
    hits = toys.toy_hits(toy, seed)
    rows = [rows[:longest] for rows in toy.hit_rows() if len(rows) >= 3]
    table = np.full((len(rows), max(len(r) for r in rows)), -1)
    crossing = np.zeros((*table.shape, 2))
    axes = hits.axes.reshape(-1, 3, 3)
    for k, of in enumerate(rows):
        table[k, : len(of)] = of
        for j, h in enumerate(of):
            crossing[k, j] = axes[h, :2] @ (toy.point[h] - hits.position[h])
    who = np.array([toy.particle[r[0]] for r in rows])
    pt = toys.UNIT / np.abs(toy.curvature[who])
    eta = np.arcsinh(toy.cot_theta[who])
    return hits, TruePaths(table, np.array([len(r) for r in rows]), crossing, pt, eta)


def of_seed(path, seed):
    """Write the embedded sample as if it had another seed, or with None as if it named none; returns the path."""
    made_by = {key: value for key, value in _header().made_by.items() if key != "seed"}
    return _written(path, made_by | ({} if seed is None else {"seed": seed}))


def with_jets(path):
    """Write the embedded sample as if it had jets on top of the collisions; returns the path."""
    made_by = _header().made_by
    generate = {**made_by["options"]["generate"], "jets": 300}
    return _written(path, made_by | {"options": {**made_by["options"], "generate": generate}})


def _header():
    return open_events(data_path("sample.root")).header


def _written(path, made_by):
    header = dataclasses.replace(_header(), made_by=made_by)
    write_events(path, header, (part for _, part in iterate(data_path("sample.root"))))
    return path


def filter_of(options=CLEAN):
    return PathFilter(toys.FIELD, options)
