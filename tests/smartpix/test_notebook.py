"""One line and a small table of the main objects."""

import importlib
import re
from dataclasses import dataclass
from html.parser import HTMLParser

import awkward as ak
import numpy as np
import pytest

from seeding.edges import Edges
from seeding.hits import Hits
from seeding.seeds import Seeds
from smartpix.estimate.base import Estimate
from smartpix.io.events import open_events
from smartpix.notebook import span, words_and_table
from smartpix.shipped import data_path
from tests.helpers import one_module_detector
from tracking.finders.tracks import Parameters, Tracks
from tracking.fit.vertices import Vertices

OBJECTS = {
    "tracking.chain": ("Chain", "EventResult"), "seeding.hits": ("Hits",), "seeding.edges": ("Edges",),
    "seeding.seeds": ("Seeds",), "tracking.finders.tracks": ("Parameters", "Tracks"),
    "tracking.fit.tracks": ("Helices",), "tracking.fit.vertices": ("Vertices",),
    "tracking.metrics.truth": ("EventTruth",), "tracking.metrics.tracks": ("TrackScore",),
    "smartpix.geometry": ("Detector",), "smartpix.estimate.base": ("Estimate",),
    "smartpix.clusters": ("FlatClusters",), "smartpix.io.event_header": ("EventFile", "Header"),
    "smartpix.samples": ("Samples",), "smartpix.estimate.mdn": ("MdnEstimator", "MdnNetwork"),
    "tracking.finders.gnn.fused": ("FusedInteractionNetwork",),
}  # fmt: skip


@words_and_table
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
    lines = repr(opened).splitlines()
    assert re.fullmatch(r"EventFile: \S+sample\.root, 10 events \(ttree\) with truth", lines[0])
    assert "  field     3.8 T along z" in lines
    layers = opened.header.detector.layers
    assert repr(opened.header.detector) == (
        f"Detector: 4,004 modules, 2,492 of them in the barrel, on {len(layers)} layers\n"
        f"  r       {layers.r_min.min():.4g} to {layers.r_max.max():.4g} mm\n"
        f"  z       {layers.z_min.min():.4g} to {layers.z_max.max():.4g} mm\n"
        "  pixels  50 x 12.5 µm, 100 µm thick"
    )


def test_spans_leave_out_what_is_not_finite():
    assert span([np.nan, 1.23456, -np.inf, 2e4], "mm") == "1.235 to 2e+04 mm"
    assert span([3, 3]) == "3"
    assert span([np.nan], "mm") == "none"


def every_object():
    """The main objects of an event without pixels of a beam-like toy, and empty ones of them."""
    detector = one_module_detector()
    rng = np.random.default_rng(3)
    for n in (5, 0):
        mean, cholesky = rng.normal(size=(n, 4)), np.tile(np.eye(4), (n, 1, 1))
        estimate = Estimate(mean, cholesky)
        ids, zeros = np.arange(n), np.zeros(n, dtype=np.int32)
        hits = Hits(ids, zeros, zeros, rng.normal(size=(n, 3)), estimate, np.zeros((n, 9)))
        single = np.linspace(0, 1, n, dtype=np.float32)
        yield from (detector, estimate, hits)
        yield Edges(zeros, zeros, zeros, single, single, single, single, np.zeros((n, 4)), n, n, n + 1)
        yield Seeds(np.zeros((n, 3), dtype=np.int32), single, single, single, single, np.zeros((0, 6)))
        yield Vertices(single, single, ids, ids)
        yield Tracks.from_rows([[0, 1]] * n)
        yield Parameters(single, single, single, single + 0.5, single - 0.5, np.zeros((n, 5, 5)), single, ids)


@pytest.mark.parametrize(
    "thing", list(every_object()), ids=lambda thing: f"{type(thing).__name__}-{len(thing)}"
)
def test_facts_are_few_and_pictures_small(thing):
    lines = repr(thing).splitlines()
    assert 2 <= len(lines) <= 5
    assert max(map(len, lines)) <= 110
    page = thing._repr_html_()
    assert Cells(page).open == []
    assert "<svg" in page
    assert "nan" not in page
    assert len(page) < 30_000
