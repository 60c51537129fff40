"""True paths of the embedded sample, against a straight loop over its records."""

import awkward as ak
import numpy as np
import pytest

from smartpix.estimate.choose import choose_estimator
from smartpix.io.events import iterate, open_events
from smartpix.schema import TARGETS
from smartpix.shipped import data_path
from tests.seeding import toys
from tests.tracking.finders.trkx.path.truths import toy_paths
from tracking.bench.events import make_event
from tracking.finders.trkx.path.truth import true_paths

SAMPLE = data_path("sample.root")


@pytest.fixture(scope="module")
def event():
    header = open_events(SAMPLE).header.at_beam()
    _, records = next(iter(iterate(SAMPLE, step=1)))
    return header, records[0], make_event(records[0], header, choose_estimator(header))


def looped(record, hits, detector, min_hits, low, high):
    """Rows of the hits of each particle, by its id."""
    found = {}
    for particle in record["particles"].tolist():
        pt = np.hypot(particle["px"], particle["py"])
        if particle["charge"] == 0 or not low < pt < high or np.hypot(particle["vx"], particle["vy"]) >= 1:
            continue
        made = []
        for row, crossings in enumerate(record["clusters"]["truth"].tolist()):
            for crossing in crossings:
                if crossing["particle_id"] == particle["particle_id"] and crossing["share"] >= 0.1:
                    made.append((crossing["order"], row, (crossing["x"], crossing["y"])))
        made.sort()
        path, last, before = [], -1.0, -1
        for _, row, local in made:
            at = detector.to_global(hits.module[row : row + 1], np.array([local]))[0]
            if path and (np.linalg.norm(at) <= last or row == before):
                break
            path.append(row)
            last, before = np.linalg.norm(at), row
        if len(path) >= min_hits:
            found[particle["particle_id"]] = path
    return found


def test_paths_are_those_of_a_straight_loop(event):
    header, record, made = event
    chosen = record
    ids = np.unique(np.asarray(record["particles"]["particle_id"]))[::7]
    keep = np.isin(np.asarray(record["particles"]["particle_id"]), ids)
    few = {"clusters": chosen["clusters"], "particles": chosen["particles"][keep]}
    paths = true_paths(few, made.hits, header.detector, 4, (0.3, 5.0))
    expected = looped(few, made.hits, header.detector, 4, 0.3, 5.0)
    found = [rows[:n].tolist() for rows, n in zip(paths.rows, paths.count, strict=True)]
    assert len(found) > 5
    assert sorted(found) == sorted(path[:16] for path in expected.values())
    assert ((paths.pt > 0.3) & (paths.pt < 5.0)).all()


def test_crossings_are_within_the_estimates(event):
    """x and y of the truth less the hit's, in standard deviations of the estimate."""
    header, record, made = event
    paths = true_paths(record, made.hits, header.detector)
    on = paths.rows >= 0
    sigma = made.hits.estimate.sigma()[paths.rows[on], :2]
    pulls = paths.crossing[on] / sigma
    assert 0.5 < np.quantile(np.abs(pulls), 0.68) < 1.3
    assert (paths.crossing[~on] == 0).all()


def test_paths_of_toys_are_of_the_particles():
    hits, paths = toy_paths(30)
    assert (paths.count >= 3).all()
    np.testing.assert_allclose(
        np.abs(paths.crossing[paths.rows >= 0]).max(axis=0) / np.array(toys.SIGMA[:2]) < 8, True
    )
    assert len(hits) >= paths.count.sum()


def test_a_path_ends_where_the_particle_turns_back():
    """Of a record made by hand, whose last crossings are given in the order of a particle that comes back."""
    hits, paths = toy_paths(30)
    k = int(np.argmax(paths.count))
    rows = paths.rows[k, : paths.count[k]]
    there_and_back = [*range(len(rows)), 1, 0]
    crossings = [[] for _ in range(len(hits))]
    for order, j in enumerate(there_and_back):
        mean = hits.estimate.mean[rows[j]]
        crossing = {"particle_id": 7, "order": order, "share": 1.0}
        crossings[rows[j]].append(crossing | dict(zip(TARGETS, mean.tolist(), strict=True)))
    particle = dict.fromkeys(("vx", "vy", "vz", "py", "pz"), 0.0) | {
        "particle_id": 7,
        "px": 1.0,
        "charge": 1.0,
    }
    record = {"clusters": ak.Array([{"truth": c} for c in crossings]), "particles": ak.Array([particle])}
    found = true_paths(record, hits, toys.detector())
    assert found.rows[0, : found.count[0]].tolist() == rows.tolist()
    np.testing.assert_allclose(found.crossing, 0, atol=1e-9)
    longer = true_paths(record, hits, toys.detector(), longest=3)
    assert longer.rows.tolist() == [rows[:3].tolist()]
