"""Small pictures: what is drawn where, and what is left out."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from smartpix.thumbnails import EDGE, HEIGHT, N_BINS, N_POINTS, WIDTH, detector_maps, histogram, map_of
from tests.helpers import embedded_detector


def paths(svg):
    """What is drawn, and the texts: the label and both ends."""
    root = ElementTree.fromstring(svg)
    name = "{http://www.w3.org/2000/svg}"
    return [p.get("d") for p in root.iter(f"{name}path")], [t.text for t in root.iter(f"{name}text")]


def test_bars_are_as_high_as_counts():
    values = np.concatenate([np.zeros(100), np.full(50, 1.0), [np.nan, np.inf]])
    (bars,), texts = paths(histogram(values, "a < b"))
    heights = [-float(h) for h in re.findall(r"v(-[\d.]+)", bars)]
    assert heights == [HEIGHT - 3 * EDGE, (HEIGHT - 3 * EDGE) / 2]
    assert texts == ["a < b", "0", "1"]


def test_what_lies_beyond_is_in_the_last_bar():
    values = np.concatenate([np.linspace(0, 1, 100_000), np.full(90, 1e9)])
    (bars,), texts = paths(histogram(values, "x"))
    assert len(re.findall("v", bars)) == N_BINS
    assert float(texts[2]) <= 1.0


def test_nothing_is_said_and_not_drawn():
    assert paths(histogram([np.nan], "x"))[1][0] == "x: none"
    assert paths(map_of(np.empty((0, 2)), "x"))[1][0] == "x: none"
    (bars,), _ = paths(histogram([2.0, 2.0], "x"))
    assert bars.count("M") == 1


def test_points_and_lines_lie_in_their_places():
    points = np.array([[0.0, 0.0], [10.0, 5.0], [np.nan, 1.0]])
    (dots, lines), texts = paths(map_of(points, "y over x", [points[:2], points[:1]]))
    low, high = f"{EDGE} {HEIGHT - EDGE}", f"{WIDTH - EDGE} {2 * EDGE}"
    assert dots == f"M{low}h0M{high}h0"
    assert lines == f"M{low}L{high}"
    assert texts == ["y over x", "0", "10"]
    (dots, _), _ = paths(map_of(points, "y over x", equal=True))
    (x0, y0), (x1, y1) = (map(float, place.split()) for place in re.findall(r"M([\d. ]+)h0", dots))
    assert x1 - x0 == pytest.approx(2 * (y0 - y1), abs=0.3)
    assert x0 - EDGE == pytest.approx(WIDTH - EDGE - x1, abs=0.3)
    many, _ = paths(map_of(np.random.default_rng(1).uniform(size=(9999, 2)), "x"))
    assert 0.9 * N_POINTS < many[0].count("M") <= N_POINTS


def test_modules_of_a_layer_are_drawn_once():
    detector = embedded_detector()
    svg = detector_maps(detector.outline, detector.barrel)
    along, across = svg.split("</svg>")[:2]
    assert 50 < along.count("L") < 400 < len(detector)
    assert across.count("L") < detector.barrel.sum()
    assert len(svg) < 30_000
