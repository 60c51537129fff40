import sys

import numpy as np
import pytest

from seeding.acts_reference import acts_seeds
from smartpix.schema import InputError
from tests.seeding import toys


def test_seeds_of_acts_are_rows_of_the_same_hits():
    pytest.importorskip("acts")
    events = [toys.toy_event(n, seed=71 + n, pt=(0.8, 5.0)) for n in (60, 0, 40) if n]
    hits = [toys.toy_hits(toy, 71) for toy in events]
    found = acts_seeds(hits, toys.FIELD)
    assert found.ms.shape == (len(events),)
    assert np.all(found.ms > 0)
    for toy, seeds in zip(events, found.seeds, strict=True):
        assert seeds.dtype == np.int32
        of = toy.particle[seeds]
        pure = (of[:, 0] == of[:, 1]) & (of[:, 1] == of[:, 2])
        # Rows that meant other hits would be of three particles.
        assert pure.mean() > 0.9
        radius = np.hypot(toy.point[seeds, 0], toy.point[seeds, 1])
        assert np.all(np.diff(radius, axis=1) > 0)
        long_enough = {p for p, rows in enumerate(toy.hit_rows()) if len(set(toy.layer[rows].tolist())) >= 4}
        assert len(long_enough - set(of[pure, 0].tolist())) <= 0.05 * len(long_enough)


def test_cuts_reach_acts():
    pytest.importorskip("acts")
    hits = [toys.toy_hits(toys.toy_event(60, seed=74, pt=(0.5, 1.0)), 74)]
    assert len(acts_seeds(hits, toys.FIELD, minPt=5.0).seeds[0]) < 0.2 * len(
        acts_seeds(hits, toys.FIELD).seeds[0]
    )


def test_unknown_algorithms_and_a_missing_acts_are_said_so(monkeypatch):
    with pytest.raises(InputError, match="'orthogonal' is unknown; there are acts-grid, acts-orthogonal"):
        acts_seeds([], toys.FIELD, "orthogonal")
    monkeypatch.setitem(sys.modules, "acts", None)
    with pytest.raises(InputError, match=r"pip install 'smartpix\[acts\]'"):
        acts_seeds([], toys.FIELD)
