"""Dead modules of a file: from its header, its events and the options."""

import numpy as np
import pytest

from smartpix.io.events import Header
from smartpix.schema import InputError
from smartpix.shipped import data_path
from tests.helpers import embedded_detector
from tracking import dead_modules
from tracking.dead_modules import with_dead_of_file, with_known_dead
from tracking.finders.options import DeadOptions

HEADER = Header(embedded_detector().with_dead([7]), 3.8, (2, 19))


def test_options_add_to_the_header_or_take_its_word_away():
    assert with_known_dead(HEADER, DeadOptions()).detector.dead == (7,)
    assert with_known_dead(HEADER, DeadOptions(modules=(3, 9))).detector.dead == (3, 7, 9)
    assert with_known_dead(HEADER, DeadOptions("none")).detector.dead == ()
    with pytest.raises(InputError, match="called dead"):
        with_known_dead(HEADER, DeadOptions(modules=(100_000,)))
    with pytest.raises(InputError, match=r"dead.*source"):
        DeadOptions("none", modules=(3,))


def test_data_tell_of_modules_that_their_ring_shows_to_be_dead(monkeypatch):
    asked = {}

    def find(counts, detector, chance):
        asked.update(counts=counts, chance=chance)
        return (11,)

    monkeypatch.setattr(dead_modules, "find_dead_modules", find)
    path = data_path("sample.root")
    found = with_dead_of_file(path, HEADER, DeadOptions("data", events=2, chance=0.2))
    assert found.detector.dead == (7, 11)
    assert asked["chance"] == 0.2
    from smartpix.io.events import iterate

    clusters = [events[0]["clusters"] for _, events in iterate(path, step=1, stop=2)]
    expected = sum(np.bincount(c["module_index"], minlength=len(HEADER.detector)) for c in clusters)
    np.testing.assert_array_equal(asked["counts"], expected)
    assert with_dead_of_file(path, HEADER, DeadOptions()).detector.dead == (7,)
