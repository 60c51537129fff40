"""Which clusters may be merged: features and forms against straight loops."""

import numpy as np
import pytest

from smartpix.clusters import flatten
from smartpix.estimate.base import Estimate
from smartpix.io.events import iterate
from smartpix.merged import suspect_tables
from smartpix.merged.suspects import SuspectOptions, suspect_features, suspects
from smartpix.schema import InputError
from tests.smartpix.merged.toys import groups_file


@pytest.fixture(scope="module")
def event(tmp_path_factory):
    """Detector, clusters and estimates of them that are random."""
    opened, events = next(iterate([groups_file(tmp_path_factory.mktemp("s") / "g.root", crossings=500)]))
    flat = flatten(events[0]["clusters"], (2, 19))
    rng = np.random.default_rng(1)
    n = len(flat)
    factor = np.tril(rng.normal(0, 0.003, (n, 4, 4)))
    factor[:, range(4), range(4)] = rng.uniform(0.001, 0.01, (n, 4))
    mean = np.stack(
        [rng.normal(0, 5, n), rng.normal(0, 5, n), rng.normal(0, 3, n), rng.normal(0, 0.3, n)], axis=1
    )
    return opened.header.detector, flat, Estimate(mean, factor, rng.random(n) < 0.2)


def by_loop(detector, flat, lone, k):
    """Features of a cluster by their definitions."""
    pixels = slice(flat.first[k], flat.first[k] + flat.counts[k])
    row, column, charge = flat.row[pixels], flat.column[pixels], flat.charge[pixels, -1]
    m = flat.module[k]
    path = 1e3 * detector.thickness[m] * np.sqrt(1 + lone.mean[k, 2] ** 2 + lone.mean[k, 3] ** 2)
    sigma = lone.sigma()[k]
    return [
        np.log2(1 + charge[charge > 0].sum() / path / 10), abs(lone.mean[k, 2]), lone.mean[k, 3],
        np.ptp(row) + 1, np.ptp(column) + 1, np.log2(1 + sigma[0] / detector.pitch_x[m] / 0.05),
        np.log2(1 + sigma[1] / detector.pitch_y[m] / 0.05),
    ]  # fmt: skip


def score(features, table):
    """A quadratic form by its definition, term by term."""
    terms = iter(table)
    total = next(terms)
    for i, x in enumerate(features):
        total += next(terms) * x
        for y in features[i:]:
            total += next(terms) * x * y
    assert next(terms, None) is None
    return total


def test_features_and_suspects_are_those_of_a_loop(event):
    detector, flat, lone = event
    features = suspect_features(flat, lone, detector)
    assert features.shape == (len(flat), len(suspect_tables.FEATURES))
    found = set(suspects(flat, lone, detector).tolist())
    scores = np.empty(len(flat))
    for k in range(len(flat)):
        wanted = by_loop(detector, flat, lone, k)
        np.testing.assert_allclose(features[k], wanted, rtol=1e-5, atol=1e-5)
        barrel = detector.barrel[flat.module[k]]
        scores[k] = score(wanted, suspect_tables.BARREL if barrel else suspect_tables.ENDCAP)
    close = np.abs(scores) < 1e-2
    enough = 2 ** features[:, 0] > 1 + 80 / 10
    wanted = set(np.flatnonzero((scores > 0) & enough & ~lone.flagged).tolist())
    assert found - set(np.flatnonzero(close)) == wanted - set(np.flatnonzero(close))
    assert 10 < len(found) < len(flat)
    rich = [k for k in sorted(found) if 2 ** features[k, 0] > 1 + 300 / 10]
    few = suspects(flat, lone, detector, SuspectOptions(charge=300.0))
    assert few.tolist() == rich
    assert 0 < len(rich) < len(found)


def test_cuts_move_the_forms_of_their_region(event):
    detector, flat, lone = event
    barrel = detector.barrel[flat.module]
    default = suspects(flat, lone, detector)
    np.testing.assert_array_equal(default, suspects(flat, lone, detector, SuspectOptions(0.0, 0.0)))
    none_in_barrel = suspects(flat, lone, detector, SuspectOptions(barrel=1e4))
    np.testing.assert_array_equal(none_in_barrel, default[~barrel[default]])
    all_of_endcap = suspects(flat, lone, detector, SuspectOptions(1e4, -1e4, charge=0.0))
    np.testing.assert_array_equal(all_of_endcap, np.flatnonzero(~barrel & ~lone.flagged))


def test_no_clusters_and_bad_options(event):
    detector, flat, lone = event
    none = np.zeros(0, dtype=np.int64)
    assert len(suspects(flat.take(none), lone.take(none), detector)) == 0
    with pytest.raises(InputError, match="suspects: barrel"):
        SuspectOptions(barrel=1e5)
    with pytest.raises(InputError, match="endcap must be of type float"):
        SuspectOptions(endcap="much")


def test_of_some_clusters_the_suspects_are_those_of_all(event):
    detector, flat, lone = event
    among = np.arange(0, len(flat), 3)
    found = suspects(flat, lone, detector, among=among)
    assert 5 < len(found) < len(among)
    assert found.tolist() == np.intersect1d(among, suspects(flat, lone, detector)).tolist()
