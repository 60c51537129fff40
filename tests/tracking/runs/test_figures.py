import csv
import dataclasses
from contextlib import contextmanager

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.container import ErrorbarContainer

from tracking.metrics import BINS, TRACK_BINS
from tracking.options import RunOptions
from tracking.runs import event_display, event_figures, figures, rate_figures, residual_figures
from tracking.runs.driver import run
from tracking.show import style
from tracking.show.points import enough, in_bins
from tracking.show.style import data_path_of

OF_TRACKS = {"track-pulls.png", "track-resolutions.png"}
FIGURES = OF_TRACKS | {
    "residuals.png", "pulls.png", "efficiency.png", "fakes.png", "vertices.png", "cone-study.png",
    "event-display.png"
}  # fmt: skip


def table(path):
    """The rows below a figure's comments, by panel and series."""
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    found = {}
    for row in csv.DictReader(lines):
        values = {k: float(v) for k, v in row.items() if k not in ("panel", "series") and v}
        found.setdefault((int(row["panel"]), row["series"]), []).append(values)
    return found


def figures_of(folder):
    found = {p.name for p in folder.glob("*.png")}
    assert {p.name for p in folder.glob("*.csv")} == {name.replace(".png", "-data.csv") for name in found}
    for name in found:
        pixels = plt.imread(folder / name)
        assert min(pixels.shape[:2]) > 300
    return found


@pytest.fixture(scope="module")
def made(files, three_vertices, weights, tmp_path_factory):
    """Of a run on six events: axes by figure, the summary, and what the figures were made of."""
    folder, axes, made_of = tmp_path_factory.mktemp("figures"), {}, []
    with pytest.MonkeyPatch.context() as patch:
        real, real_figures = style.figure, figures.write_figures

        @contextmanager
        def figure(path, *arguments, **options):
            with real(path, *arguments, **options) as (whole, own):
                axes[path.name] = list(np.ravel(own))
                yield whole, own

        def write_figures(*arguments):
            made_of.extend(arguments)
            real_figures(*arguments)

        for module in (event_display, event_figures, rate_figures, residual_figures):
            patch.setattr(module, "figure", figure)
        patch.setattr(figures, "write_figures", write_figures)
        summary = run([three_vertices["true"], files["toy"]], folder, RunOptions(gnn=str(weights)))
    assert figures_of(folder) == FIGURES
    return axes, summary, made_of, folder


@pytest.fixture(scope="module")
def drawn(made):
    """Of the run: axes by figure, the summary, the sums and the event that is shown."""
    axes, summary, (_, _, totals, shown, *_), _ = made
    return axes, summary, totals, (shown.result, shown.truth)


def points(axis, label=None):
    """Centres and rates of an errorbar plot."""
    found = [
        c for c in axis.containers if isinstance(c, ErrorbarContainer) and label in (None, c.get_label())
    ]
    assert len(found) == 1
    return found[0].lines[0].get_data()


def test_all_panels_say_what_they_show_and_show_something(drawn):
    axes, _, _, _ = drawn
    for name, panels in axes.items():
        for axis in panels:
            if not axis.axison:
                continue
            assert axis.get_xlabel(), name
            assert axis.get_ylabel(), name
            texts = [text.get_text() for text in axis.texts]
            assert axis.lines or axis.patches or axis.containers or texts, name


def test_figures_say_what_they_are_of(made, drawn):
    folder = made[3]
    for name in FIGURES - {"event-display.png"}:
        first = data_path_of(folder / name).read_text().splitlines()[0]
        assert first == "# simulation: true.root and 1 more file, 6 events"
    first = (folder / "event-display-data.csv").read_text().splitlines()[0]
    assert first == f"# simulation: true.root and 1 more file, event {drawn[3][0].event}"


def test_residuals_and_pulls_are_those_of_the_estimates(made, drawn):
    axes, _, totals, _ = drawn
    barrel = np.concatenate([r["barrel"] for r in totals.residuals])
    for figure, scale in (("residuals.png", {"x": 1e3, "y": 1e3}), ("pulls.png", None)):
        rows = table(made[3] / figure.replace(".png", "-data.csv"))
        for panel, (axis, name) in enumerate(
            zip(axes[figure], ("x", "y", "cot_alpha", "cot_beta"), strict=True), 1
        ):
            values = np.concatenate([r[name] for r in totals.residuals]).astype(float)
            sigma = np.concatenate([r[f"sigma_{name}"] for r in totals.residuals])
            values = values / sigma if scale is None else values * scale.get(name, 1.0)
            legend = [text.get_text() for text in axis.get_legend().get_texts()]
            for chosen, where in ((barrel, "barrel"), (~barrel, "end-caps")):
                # 68.27 % of them are nearer to 0.
                size = np.sort(np.abs(values[chosen]))
                (told,) = [
                    float(text.split("= ")[1].split()[0].rstrip(","))
                    for text in legend
                    if text.startswith(where)
                ]
                assert told == pytest.approx(size[round(0.6827 * (len(size) - 1))], rel=0.02)
                # The bins hold all values that are not beyond the axis, and the legend says how many those are.
                ((label, bins),) = [
                    (s, r) for (p, s), r in rows.items() if p == panel and s.startswith(where)
                ]
                inside = sum(r["y"] * (r["x_high"] - r["x_low"]) for r in bins)
                assert inside == pytest.approx(
                    np.mean(np.abs(values[chosen]) <= bins[-1]["x_high"]), abs=2e-3
                )
                assert float(label.split("axis ")[1].split()[0]) == pytest.approx(
                    100 * (1 - inside), abs=0.06
                )
                middle = np.sum([r["y"] * (r["x_high"] - r["x_low"]) for r in bins if r["x"] > 0])
                assert middle == pytest.approx(
                    np.mean((values[chosen] > 0) & (values[chosen] <= bins[-1]["x_high"])), abs=3e-3
                )


def test_efficiencies_are_the_shares_of_found_particles(drawn):
    axes, summary, totals, _ = drawn
    labels = {"technical": "technical: findable particles, with\nclusters on at least 4 layers"}
    labels["physics"] = "physics: all charged particles with\n$p_T$ > 0.9 GeV, $|\\eta|$ < 2.5"
    rates = {"technical": summary["track_efficiency"], "physics": summary["physics_efficiency"]}
    for axis, name in zip(axes["efficiency.png"], ("pt", "eta"), strict=False):
        for of, label in labels.items():
            counts = totals.efficiency[name][:, of, :].values()
            edges = enough(BINS[name], counts.sum(axis=1), 20)
            merged = in_bins(BINS[name], edges, counts)
            assert np.all(merged.sum(axis=1)[:-1] >= 20)
            center, rate = points(axis, label)
            np.testing.assert_allclose(rate, merged[:, 1] / merged.sum(axis=1))
            inside = [np.sum((edges[:-1] < c) & (c < edges[1:])) for c in center]
            assert inside == [1] * len(center)
            assert counts.sum() == merged.sum()
            if name == "eta":
                assert np.sum(rate * merged.sum(axis=1)) / counts.sum() == pytest.approx(rates[of])


def test_resolutions_are_the_half_widths_of_the_bins(drawn):
    axes, _, totals, _ = drawn
    residual = np.concatenate([r.residual for r in totals.track_residuals])
    pt = np.concatenate([r.pt for r in totals.track_residuals])
    edges = enough(np.geomspace(0.9, 20, 9), np.histogram(pt, np.geomspace(0.9, 20, 9))[0], 30)
    for k, axis in enumerate(axes["track-resolutions.png"][:5]):
        center, width = points(axis)
        for i, (c, w) in enumerate(zip(center, width, strict=True)):
            assert edges[i] < c < edges[i + 1]
            size = np.sort(np.abs(residual[(pt >= edges[i]) & (pt < edges[i + 1]), k]))
            assert len(size) >= 30
            assert w == pytest.approx(
                np.interp(0.6827 * (len(size) - 1), np.arange(len(size)), size), rel=1e-5
            )


def test_cone_study_has_the_runs_own_point_and_loses_more_where_it_searches_less(made, drawn):
    summary = drawn[1]
    rows = {series: found for (_, series), found in table(made[3] / "cone-study-data.csv").items()}
    (own,) = rows["this run, all events"]
    lost = 1 - summary["edge_efficiency"]
    assert own["x"] == pytest.approx(summary["reduction"])
    assert own["y_low"] <= own["y"] <= own["y_high"]
    # A logarithm shows no zero: then the upper end of the interval is drawn.
    assert own["y"] == pytest.approx(lost, rel=1e-6) or (lost == 0 and own["y"] == own["y_high"])
    curve = next(found for series, found in rows.items() if series.startswith("cones, first"))
    reduction, shares = (np.array([r[k] for r in curve]) for k in "xy")
    assert np.all(np.diff(reduction) < 0)
    assert np.all(np.diff(shares) <= 0)


def test_without_a_window_there_is_no_cone_study(made, tmp_path):
    """At 0 T there is none; the figure of nothing had a logarithmic axis and a warning."""
    _, _, (_, chain, totals, _, study, *_), _ = made
    event_figures.cone_study(tmp_path / "of.png", "", chain, study, totals)
    none = [dataclasses.replace(event, n_window=0) for event in study]
    event_figures.cone_study(tmp_path / "none.png", "", chain, none, totals)
    assert {path.name for path in tmp_path.iterdir()} == {"of.png", "of-data.csv"}


def test_event_display_has_all_hits_tracks_and_vertices(drawn):
    axes, _, _, (result, _) = drawn
    _, rz = axes["event-display.png"]
    z, r = next(line.get_data() for line in rz.lines if line.get_label() == "clusters")
    np.testing.assert_allclose(
        np.stack([z, r]), [result.hits.position[:, 2], np.hypot(*result.hits.position[:, :2].T)]
    )
    segments = [line for c in rz.collections if isinstance(c, LineCollection) for line in c.get_segments()]
    assert len(segments) == len(result.tracks) > 5
    # Helices, of many points: each ends at its outermost hit, and begins where it is nearest to the beam.
    furthest = {round(max(np.hypot(*result.hits.position[rows, :2].T)), 1) for rows in result.tracks.rows()}
    for line in segments:
        assert len(line) > 20
        assert any(abs(line[-1, 1] - r) < 1.0 for r in furthest)
        assert line[0, 1] < 5
    (vertices,) = [line.get_xdata() for line in rz.lines if line.get_label() == "vertices"]
    np.testing.assert_array_equal(vertices, result.vertices.z)
    assert len(result.vertices) == 3


def test_vertices_are_drawn_where_they_are(drawn):
    axes, summary, _, (result, truth) = drawn
    rate, width, shown = axes["vertices.png"]
    findable, found = points(rate)
    assert np.all(found == 1)
    assert summary["vertex_efficiency"] == 1
    assert 9 <= findable.min() <= findable.max() <= 12
    (legend,) = [text.get_text() for text in width.get_legend().get_texts()]
    assert float(legend.split("= ")[1].split()[0]) < 30
    lines = {line.get_label(): line.get_xdata() for line in shown.lines}
    np.testing.assert_allclose(lines["found"], result.vertices.z)
    np.testing.assert_allclose(lines["true, at least 3 findable"], [-40, 3, 35], atol=1e-5)
    assert truth is not None


def test_shares_of_fakes_and_pulls_are_those_of_the_tracks(drawn):
    axes, summary, totals, _ = drawn
    counts = totals.tracks["eta"]
    n = counts.project("eta").values()
    for label, kind in (("fakes", "fake"), ("duplicates", "duplicate")):
        _, rate = points(axes["fakes.png"][1], label)
        edges = enough(TRACK_BINS["eta"], n, 30)
        passed, of = (in_bins(TRACK_BINS["eta"], edges, v) for v in (counts[:, kind].values(), n))
        np.testing.assert_allclose(rate, passed / of)
        assert np.all(of >= 30)
    for axis, name in zip(axes["track-pulls.png"], ("d0", "z0", "phi", "theta", "qop"), strict=False):
        (text,) = [t.get_text() for t in axis.texts]
        mean, width = summary["pull_mean"][name], summary["pull_sigma"][name]
        mean = f"{round(mean, 2) + 0.0:.2f}".replace("-", "\N{MINUS SIGN}")
        assert text.startswith(f"mean {mean}, width {width:.2f}\n")
        assert f"= {summary['pull_half_width'][name]:.2f}, beyond the axis" in text


@pytest.mark.parametrize(("name", "expected"), [("mixed", FIGURES), ("bare", {"event-display.png"})])
def test_every_figure_is_a_picture(files, weights, tmp_path, name, expected):
    run([files[name]], tmp_path, RunOptions(gnn=str(weights)))
    assert figures_of(tmp_path) == expected
    assert plt.get_fignums() == []


@pytest.mark.parametrize("name", ["none", "hollow"])
def test_there_are_no_figures_of_nothing(files, weights, tmp_path, name):
    run([files[name]], tmp_path, RunOptions(gnn=str(weights)))
    assert figures_of(tmp_path) == set()
    assert (tmp_path / "summary.json").exists()


def test_figures_are_drawn_when_nothing_is_found(files, weights, tmp_path):
    options = RunOptions(gnn=str(weights))
    strict = type(options.build)(min_hits=50)
    run([files["first"]], tmp_path, RunOptions(gnn=str(weights), build=strict))
    assert figures_of(tmp_path) == FIGURES - OF_TRACKS


def test_figures_are_left_out_when_not_wanted(files, weights, tmp_path):
    run([files["first"]], tmp_path, RunOptions(gnn=str(weights)), figures=False)
    assert figures_of(tmp_path) == set()
