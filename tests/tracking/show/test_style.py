"""Figures as they are written: their numbers beside them, their axes, and two pictures compared with references."""

import csv
import io
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.testing.compare import compare_images

from smartpix.schema import InputError
from tracking.show.figure_data import MOST_ROWS, figure_data
from tracking.show.formats import FORMATS, sample_words
from tracking.show.points import histogram, rate_points, unit_gaussian
from tracking.show.style import BLUE, ORANGE, about, empty_panel, figure, guide

REFERENCES = Path(__file__).parent / "references"
TOLERANCE = 4.0
"""Root mean square of the differences of colours, of 255: a letter more is already worth 6."""


def rows_of(text):
    return list(
        csv.DictReader(io.StringIO("".join(line for line in text.splitlines(True) if line[0] != "#")))
    )


def draw_rates(path):
    title, note = about("toy.root", 20, "1,234 particles"), "Error bars: 68 % Clopper-Pearson intervals."
    with figure(path, title, (5, 4), note=note) as (_, axis):
        edges = np.array([0.5, 1.0, 2.0, 5.0, 20.0])
        for name, passed, colour, shift in (
            ("first", [1, 80, 95, 19], BLUE, -0.1),
            ("second", [0, 70, 99, 20], ORANGE, 0.1),
        ):
            rate_points(
                axis,
                edges,
                passed,
                [4, 90, 100, 20],
                shift=shift,
                log=True,
                fmt="o",
                color=colour,
                label=name,
            )
        axis.set_xscale("log")
        axis.set(xlabel="$p_T$ [GeV]", ylabel="efficiency", xlim=(0.5, 20))
        axis.legend(loc="lower right")


def draw_pulls(path):
    with figure(path, about("toy.root", 1), (7, 3.5), ncols=2) as (_, (left, right)):
        histogram(left, np.linspace(-6, 6, 400) ** 3 / 40, 4.0, 20, density=True, color=BLUE, label="pulls")
        unit_gaussian(left, 4.0)
        left.set(xlabel=r"(estimate $-$ truth) / $\sigma$", ylabel="share / unit", ylim=(0, 1))
        left.legend(fontsize=8)
        empty_panel(right, "the file does not say")
        right.set(xlabel="collisions", ylabel="efficiency")


@pytest.mark.parametrize("draw", [draw_rates, draw_pulls])
def test_pictures_are_as_they_were(draw, tmp_path):
    name = f"{draw.__name__.removeprefix('draw_')}.png"
    draw(tmp_path / name)
    assert compare_images(str(REFERENCES / name), str(tmp_path / name), TOLERANCE) is None


def test_a_picture_that_is_another_is_told(tmp_path):
    with figure(tmp_path / "rates.png", about("other.root", 20), (5, 4)) as (_, axis):
        axis.plot([1, 2], [1, 2])
    assert compare_images(str(REFERENCES / "rates.png"), str(tmp_path / "rates.png"), TOLERANCE) is not None


def test_the_data_of_a_figure_lie_beside_it(tmp_path):
    draw_rates(tmp_path / "rates.png")
    text = (tmp_path / "rates-data.csv").read_text()
    assert text.splitlines()[:3] == [
        "# simulation: toy.root, 20 events, 1,234 particles", "# Error bars: 68 % Clopper-Pearson intervals.",
        "# panel 1: x: $p_T$ [GeV]; y: efficiency",
    ]  # fmt: skip
    rows = rows_of(text)
    assert [row["series"] for row in rows] == ["first"] * 4 + ["second"] * 4
    np.testing.assert_allclose([float(row["y"]) for row in rows[:4]], [0.25, 80 / 90, 0.95, 0.95])
    np.testing.assert_allclose([float(row["x_low"]) for row in rows[:4]], [0.5, 1, 2, 5])
    np.testing.assert_allclose([float(row["x_high"]) for row in rows[4:]], [1, 2, 5, 20])
    for row in rows:
        assert float(row["y_low"]) <= float(row["y"]) <= float(row["y_high"])


def test_all_that_is_drawn_is_in_the_table_and_guides_are_not():
    whole = Figure()
    left, right, hidden = whole.subplots(ncols=3)
    left.plot([1, 2], [3, 4], label="line")
    guide(left.plot([0, 9], [0, 9], label="guide"))
    left.axhline(1)
    left.axvspan(0, 1)
    left.bar([1], [5], width=0.5, label="bars")
    left.barh([2], [6], height=0.5, label="lying bars")
    left.stairs([7, 8], [0, 1, 2], label="steps")
    left.fill([0, 1, 1], [0, 0, 1], label="area")
    left.fill_between([0, 1], [1, 2], [3, 3], label="band")
    left.hlines([2], 0, 5, label="levels")
    right.pcolormesh([0, 1, 2], [0, 1], [[1.0, np.nan]])
    right.imshow([[9.0]])
    right.plot(np.arange(MOST_ROWS + 1), np.arange(MOST_ROWS + 1), label="many")
    hidden.plot([1, 2], [3, 4], label="unseen")
    hidden.axis("off")
    text = figure_data(whole)
    found = {}
    for row in rows_of(text):
        values = {k: float(v) for k, v in row.items() if k not in ("panel", "series") and v}
        found.setdefault((row["panel"], row["series"]), []).append(values)
    band = found.pop(("1", "band"))
    assert {(row["part"], row["x"], row["y"]) for row in band} >= {(0, 0, 1), (0, 1, 2), (0, 1, 3), (0, 0, 3)}
    assert found == {
        ("1", "line"): [{"x": 1, "y": 3}, {"x": 2, "y": 4}],
        ("1", "bars"): [{"x": 1, "x_low": 0.75, "x_high": 1.25, "y": 5}],
        ("1", "lying bars"): [{"x": 6, "y": 2, "y_low": 1.75, "y_high": 2.25}],
        ("1", "steps"): [{"x": 0.5, "x_low": 0, "x_high": 1, "y": 7}, {"x": 1.5, "x_low": 1, "x_high": 2, "y": 8}],
        ("1", "area"): [{"x": 0, "y": 0}, {"x": 1, "y": 0}, {"x": 1, "y": 1}, {"x": 0, "y": 0}],
        ("1", "levels"): [{"part": 0, "x": 0, "y": 2}, {"part": 0, "x": 5, "y": 2}],
        ("2", ""): [{"x_low": 0, "x_high": 1, "y_low": 0, "y_high": 1, "value": 1}, {"x": 0, "y": 0, "value": 9}],
    }  # fmt: skip
    assert f"# panel 2: many: {MOST_ROWS + 1:,} points, which are left out here\n" in text


@pytest.mark.parametrize("kind", FORMATS)
def test_a_figure_is_written_as_its_name_says_and_the_same_each_time(kind, tmp_path):
    for name in ("a", "b"):
        with figure(tmp_path / f"{name}.{kind}", "simulation") as (_, axis):
            axis.plot([1, 2], [1, 2])
    first, second = ((tmp_path / f"{name}.{kind}").read_bytes() for name in "ab")
    assert first == second
    assert first.startswith({"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}[kind])


def test_another_suffix_is_refused_with_those_that_there_are(tmp_path):
    with (
        pytest.raises(
            InputError, match=r"f\.jpg: is no name of a figure; give one that ends in \.png, \.pdf, \.svg"
        ),
        figure(tmp_path / "f.jpg", "") as _,
    ):
        raise AssertionError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("low", "high", "shown"),
    [(0.3, 30, ["0.5", "1", "2", "5", "10", "20"]), (0.001, 10, ["0.001", "0.01", "0.1", "1", "10"]),
     (300, 2e6, ["1,000", "10,000", "100,000", "$10^{6}$"])],
)  # fmt: skip
def test_logarithmic_axes_have_numbers_at_1_2_5_and_10(low, high, shown, tmp_path):
    with figure(tmp_path / "f.png", "") as (_, axis):
        axis.set(xscale="log", xlim=(low, high), yscale="log", ylim=(low, high))
    for along in (axis.xaxis, axis.yaxis):
        assert [label.get_text() for label in along.get_majorticklabels()] == shown
        assert not any(label.get_text() for label in along.get_minorticklabels())


def test_figures_leave_the_settings_of_others_alone_and_have_real_minus_signs(tmp_path):
    before = dict(mpl.rcParams)
    with figure(tmp_path / "f.png", "") as (_, axis):
        axis.plot([-2, 2], [-1, 1])
    assert dict(mpl.rcParams) == before
    negative = [label.get_text() for label in axis.get_xticklabels() if label.get_position()[0] < 0]
    assert negative
    assert all("\N{MINUS SIGN}" in text and "-" not in text for text in negative)


def test_samples_are_told_in_words():
    assert about("a.root", 1) == "simulation: a.root, 1 event"
    assert about("a.root", 1200, "pions", simulated=False) == "data: a.root, 1,200 events, pions"
    assert sample_words(["x/a.root"]) == "a.root"
    assert sample_words(["x/a.root", "b.root"]) == "a.root and 1 more file"
    assert sample_words(["a.root", "b.root", "c.root"]) == "a.root and 2 more files"
