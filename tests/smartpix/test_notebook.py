"""One line and a small table of the main objects."""

import importlib
import re
from dataclasses import dataclass
from html.parser import HTMLParser

import awkward as ak
import numpy as np
import pytest

from smartpix.io.events import open_events
from smartpix.notebook import one_line_and_table
from smartpix.shipped import data_path

OBJECTS = {
    "tracking.chain": ("Chain", "EventResult"), "seeding.hits": ("Hits",), "seeding.edges": ("Edges",),
    "tracking.finders.paths": ("Tracks",), "tracking.fit.tracks": ("Helices",),
    "smartpix.geometry": ("Detector",), "smartpix.estimate.base": ("Estimate",),
    "smartpix.io.events": ("EventFile",), "smartpix.samples": ("Samples",),
}  # fmt: skip


@one_line_and_table
@dataclass(frozen=True)
class Thing:
    name: str
    values: object
    inner: object = None
    few: tuple[float, ...] = (0.1, 2.0)

    def __len__(self):
        return 3


class Cells(HTMLParser):
    """Texts of a page, and the tags that are open at its end."""

    def __init__(self, page):
        super().__init__()
        self.texts, self.open = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def test_a_line_and_a_table_say_shapes_and_lengths():
    thing = Thing("a", np.zeros((100_000, 3), np.float32), {"k": 1}, (0.1, 2.0))
    assert repr(thing) == "Thing(length=3, name=a, values=100000 x 3 float32, inner=dict of 1, few=(0.1, 2))"
    cells = Cells(thing._repr_html_())
    assert cells.open == []
    assert cells.texts == [
        "Thing", "length", "3", "name", "a", "values", "100000 x 3 float32", "inner", "dict of 1", "few", "(0.1, 2)",
    ]  # fmt: skip


def test_text_of_users_is_escaped_and_cut():
    thing = Thing(
        "<script>alert('&')</script>", list(range(99)), ak.Array([[1], []]), tuple(map(float, range(99)))
    )
    page = thing._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "list of 99" in page
    assert "Array of 2" in page
    assert "tuple of 99" in page
    assert len(repr(Thing("x" * 10_000, None))) < 150


@pytest.mark.parametrize(("module", "names"), OBJECTS.items())
def test_the_main_objects_have_both(module, names):
    for name in names:
        cls = getattr(importlib.import_module(module), name)
        assert cls.__repr__.__module__ == "smartpix.notebook"
        assert cls._repr_html_.__module__ == "smartpix.notebook"


def test_a_file_and_its_detector():
    opened = open_events(data_path("sample.root"))
    assert re.fullmatch(
        r"EventFile\(path=\S+, header=Header, n_events=10, container=ttree, .*\)", repr(opened)
    )
    detector = opened.header.detector
    assert repr(detector) == f"Detector(length={len(detector)}, columns=dict of {len(detector.columns)})"
