import dataclasses
from contextlib import contextmanager

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.collections import EventCollection
from matplotlib.container import ErrorbarContainer

from tracking.options import RunOptions
from tracking.runs import event_figures, figures, rate_figures, residual_figures
from tracking.runs.driver import run
from tracking.show import style

OF_TRACKS = {"track-pulls.png", "track-resolutions.png"}
FIGURES = OF_TRACKS | {
    "residuals.png", "pulls.png", "efficiency.png", "fakes.png", "vertices.png", "cone-study.png",
    "event-display.png"
}  # fmt: skip


def figures_of(folder):
    found = {p.name for p in folder.glob("*.png")}
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

        for module in (event_figures, rate_figures, residual_figures):
            patch.setattr(module, "figure", figure)
        patch.setattr(figures, "write_figures", write_figures)
        summary = run([three_vertices["true"], files["toy"]], folder, RunOptions(gnn=str(weights)))
    assert figures_of(folder) == FIGURES
    return axes, summary, made_of


@pytest.fixture(scope="module")
def drawn(made):
    """Of the run: axes by figure, the summary, the sums and the event that is shown."""
    axes, summary, (_, _, totals, shown, _) = made
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
            assert axis.lines or axis.patches or axis.containers or "the file does not say" in texts, name


def test_residuals_and_pulls_are_those_of_the_estimates(drawn):
    axes, _, totals, _ = drawn
    barrel = np.concatenate([r["barrel"] for r in totals.residuals])
    for figure, scale in (("residuals.png", {"x": 1e3, "y": 1e3}), ("pulls.png", None)):
        for axis, name in zip(axes[figure], ("x", "y", "cot_alpha", "cot_beta"), strict=True):
            values = np.concatenate([r[name] for r in totals.residuals]).astype(float)
            sigma = np.concatenate([r[f"sigma_{name}"] for r in totals.residuals])
            values = values / sigma if scale is None else values * scale.get(name, 1.0)
            legend = [text.get_text() for text in axis.get_legend().get_texts()]
            for chosen, where in ((barrel, "barrel"), (~barrel, "end-caps")):
                # 68.27 % of them are nearer to 0.
                size = np.sort(np.abs(values[chosen]))
                (told,) = [
                    float(text.split("within ")[1].split()[0]) for text in legend if text.startswith(where)
                ]
                assert told == pytest.approx(size[round(0.6827 * (len(size) - 1))], rel=0.02)


def test_efficiencies_are_the_shares_of_found_particles(drawn):
    axes, summary, totals, _ = drawn
    labels = {"technical": "technical: findable particles, with\nclusters on at least 4 layers"}
    labels["physics"] = "physics: all charged particles with\n$p_T$ > 0.9 GeV, $|\\eta|$ < 2.5"
    rates = {"technical": summary["track_efficiency"], "physics": summary["physics_efficiency"]}
    for axis, name in zip(axes["efficiency.png"], ("pt", "eta"), strict=False):
        for of, label in labels.items():
            counts = totals.efficiency[name][:, of, :].values()
            center, rate = points(axis, label)
            filled = counts.sum(axis=1) > 0
            np.testing.assert_allclose(rate, counts[filled, 1] / counts[filled].sum(axis=1))
            edges = np.array(totals.efficiency[name].axes[0].edges)
            inside = [np.sum((edges[:-1] < c) & (c < edges[1:])) for c in center]
            assert inside == [1] * len(center)
            if name == "eta":
                assert np.sum(rate * counts[filled].sum(axis=1)) / counts.sum() == pytest.approx(rates[of])


def test_resolutions_are_the_half_widths_of_the_bins(drawn):
    axes, _, totals, _ = drawn
    residual = np.concatenate([r.residual for r in totals.track_residuals])
    pt = np.concatenate([r.pt for r in totals.track_residuals])
    for k, axis in enumerate(axes["track-resolutions.png"][:5]):
        center, width = points(axis)
        for c, w in zip(center, width, strict=True):
            edges = np.geomspace(0.9, 20, 9)
            i = np.searchsorted(edges, c) - 1
            size = np.sort(np.abs(residual[(pt >= edges[i]) & (pt < edges[i + 1]), k]))
            assert len(size) >= 10
            assert w == pytest.approx(
                np.interp(0.6827 * (len(size) - 1), np.arange(len(size)), size), rel=1e-5
            )


def test_cone_study_has_the_runs_own_point_and_falls_with_the_reduction(drawn):
    axes, summary, _, _ = drawn
    (axis,) = axes["cone-study.png"]
    by_label = {line.get_label(): line.get_data() for line in axis.lines}
    x, y = by_label["this run, all events"]
    assert (x[0], y[0]) == (summary["reduction"], summary["edge_efficiency"])
    assert by_label["reference window"][1][0] == summary["window_edge_efficiency"]
    reduction, rate = by_label["cones, first events"]
    assert np.all(np.diff(reduction) < 0)
    assert np.all(np.diff(rate) >= 0)


def test_without_a_window_there_is_no_cone_study(made, tmp_path):
    """At 0 T there is none; the figure of nothing had a logarithmic axis and a warning."""
    _, _, (_, chain, totals, _, study) = made
    event_figures.cone_study(tmp_path / "of.png", chain, study, totals)
    none = [dataclasses.replace(event, n_window=0) for event in study]
    event_figures.cone_study(tmp_path / "none.png", chain, none, totals)
    assert [path.name for path in tmp_path.iterdir()] == ["of.png"]


def test_event_display_has_all_hits_tracks_and_vertices(drawn):
    axes, _, _, (result, _) = drawn
    _, rz = axes["event-display.png"]
    z, r = next(line.get_data() for line in rz.lines if line.get_label() == "clusters")
    np.testing.assert_allclose(
        np.stack([z, r]), [result.hits.position[:, 2], np.hypot(*result.hits.position[:, :2].T)]
    )
    lines = [line.get_data() for line in rz.lines if line.get_label().startswith("_")]
    assert len(lines) == len(result.tracks) > 5
    for (z, _), rows in zip(lines, result.tracks.rows(), strict=True):
        np.testing.assert_array_equal(z, result.hits.position[rows, 2])
    (vertices,) = [c.get_positions() for c in rz.collections if isinstance(c, EventCollection)]
    np.testing.assert_array_equal(vertices, result.vertices.z)
    assert len(result.vertices) == 3


def test_vertices_are_drawn_where_they_are(drawn):
    axes, summary, _, (result, truth) = drawn
    rate, width, shown = axes["vertices.png"]
    findable, found = points(rate)
    assert np.all(found == 1)
    assert summary["vertex_efficiency"] == 1
    assert 10 <= findable.min() <= findable.max() <= 12
    assert float(width.texts[0].get_text().split("within ")[1].split()[0]) < 30
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
        np.testing.assert_allclose(rate, counts[:, kind].values()[n >= 30] / n[n >= 30])
    for axis, name in zip(axes["track-pulls.png"], ("d0", "z0", "phi", "theta", "qop"), strict=False):
        (text,) = [t.get_text() for t in axis.texts]
        mean, width = summary["pull_mean"][name], summary["pull_sigma"][name]
        assert text.startswith(f"mean {round(mean, 2) + 0.0:.2f}, width {width:.2f}\n")
        assert text.endswith(f"68 % within {summary['pull_half_width'][name]:.2f}")


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
