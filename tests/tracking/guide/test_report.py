"""Numbers of a guide are judged by their bars, and each that is not good names what to do."""

import copy

import pytest

from smartpix.schema import TARGETS
from tracking.guide import GuideOptions, findings, report_text
from tracking.guide.report import BARS
from tracking.sequence import Step

JUDGED = {"pull_width": dict.fromkeys(TARGETS, 1.0), "coverage68": 0.683}
GOOD = {
    "layout": {
        "n_colliding": 0, "n_modules": 6, "n_layers": 6,
        "sensors": [{"modules": 6, "pitch_u": 0.0125, "pitch_v": 0.05, "thickness": 0.05}],
    },
    "events-test": {"field": 2.0},
    "check": {"barrel": {"mdn": JUDGED}},
    "tracks": {
        "edge_efficiency": 0.999, "track_efficiency": 0.99, "fake_rate": 0.001, "reduction": 3.0,
        "pull_half_width": {"d0": 1.0, "qop": 1.02}, "n_hits": 300, "n_events": 3, "n_findable": 50,
        "findable_layers": 4, "findable_pt": 0.9,
    },
}  # fmt: skip
OPTIONS = GuideOptions()


def with_value(path, value):
    results = copy.deepcopy(GOOD)
    *places, last = path
    inner = results
    for place in places:
        inner = inner[place]
    inner[last] = value
    return results


def test_all_is_good_and_the_report_says_so():
    found = findings(GOOD, OPTIONS)
    assert all(f.good and not f.next for f in found)
    assert len(found) == 1 + 5 + 3 + 2
    text = report_text("own", [Step("layout", "Why.", ("detector", "own"), ())], GOOD, OPTIONS)
    assert "Nothing: all is as it should be" in text
    assert "6 modules of 50 x 12.5 x 50 µm" in text
    assert "# Why.\nsmartpix detector own\n" in text


@pytest.mark.parametrize(
    ("path", "value", "what"),
    [
        (("layout", "n_colliding"), 1, "modules that share space"),
        (("check", "barrel", "mdn", "pull_width", "y"), 1.2, "pull width of y, barrel"),
        (("check", "barrel", "mdn", "coverage68"), 0.5, "coverage of the 68 % ellipsoid, barrel"),
        (("tracks", "edge_efficiency"), 0.95, "edge efficiency"),
        (("tracks", "track_efficiency"), None, "track efficiency"),
        (("tracks", "fake_rate"), 0.1, "fakes"),
        (("tracks", "pull_half_width", "d0"), 0.7, "track pull width of d0"),
    ],
)
def test_a_number_beyond_its_bar_says_what_to_do(path, value, what):
    results = with_value(path, value)
    bad = [f for f in findings(results, OPTIONS) if not f.good]
    assert [f.what for f in bad] == [what]
    assert bad[0].next in report_text("own", [], results, OPTIONS)


def test_without_a_field_tracks_tell_no_momentum():
    results = with_value(("tracks", "pull_half_width", "qop"), None)
    results["events-test"]["field"] = 0.0
    assert all(f.good for f in findings(results, OPTIONS))


def test_bars_hold_what_a_perfect_detector_has():
    for low, high in BARS.values():
        assert low < high
    assert BARS["coverage"][0] < 0.683 < BARS["coverage"][1]
