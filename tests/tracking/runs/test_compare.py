"""``smartpix compare``: what differs between runs, planted differences, and runs that cannot be compared."""

import json
from dataclasses import replace

import numpy as np
import pytest

from smartpix.schema import InputError
from tracking.cli.main import main
from tracking.options import RunOptions
from tracking.runs.compare import SIGNIFICANT, RunResult, compare_runs, read_run
from tracking.runs.compare_figure import draw_comparison
from tracking.runs.counts import COUNTS, RATES
from tracking.runs.driver import run

N_EVENTS = 30


def pretended(rng, name, found=0.98, file="f", fakes=0.01, n=N_EVENTS, particles=None):
    """A run whose counts are drawn: of the same particles, found and fake with these shares."""
    particles = rng.poisson(200, n) if particles is None else particles
    counts = {key: rng.poisson(100, n) for key in COUNTS} | {"events": np.ones(n), "findable": particles}
    for part, of in RATES.values():
        counts[part] = rng.binomial(counts[of], 0.9)
    counts |= {"found": rng.binomial(particles, found), "tracks": particles}
    counts["fakes"] = rng.binomial(particles, fakes)
    counts["window_edges"] = 10 * counts["edges"] + rng.poisson(5, n)
    counts = {key: np.asarray(values, dtype=float) for key, values in counts.items()}
    return RunResult(name, {"n_events": n}, counts, tuple((file, k) for k in range(n)))


def test_where_nothing_differs_nothing_is_significant_in_95_of_100_comparisons():
    rng = np.random.default_rng(11)
    n, false = 40, 0
    for _ in range(n):
        particles = rng.poisson(200, N_EVENTS)
        result = compare_runs([pretended(rng, name, particles=particles) for name in "abc"])
        assert len(result["comparisons"]) == 2
        false += any(one["significant"] for one in result["comparisons"])
    # Less than one in twenty, and three standard deviations.
    assert false <= 0.05 * n + 3 * np.sqrt(0.05 * 0.95 * n)


def test_planted_differences_are_named_and_no_others():
    rng, right = np.random.default_rng(12), 0
    for _ in range(20):
        particles = rng.poisson(200, N_EVENTS)
        a = pretended(rng, "a", particles=particles)
        b = pretended(rng, "b", found=0.96, fakes=0.03, particles=particles)
        # The rest is the same.
        b = replace(b, counts={**a.counts, "found": b.counts["found"], "fakes": b.counts["fakes"]})
        result = compare_runs([a, b])
        right += set(result["significant"]) == {"track_efficiency", "fake_rate"}
        number = result["numbers"]["track_efficiency"]
        assert number["interval"][0] <= number["difference"] <= number["interval"][1]
        assert number["difference"] == pytest.approx(number["b"] - number["a"])
        assert set(result["same"]) >= {"seed_efficiency", "tracks_per_event", "reduction"}
        assert result["n_tests"] == 2
    assert right >= 19


def fitted(name, d0, interval):
    summary = {"n_events": 2, "resolution_d0_um": d0, "pull_sigma": {"z0": 1.0, "qop": None}}
    counts = {key: np.ones(1) for key in COUNTS}
    return RunResult(name, summary | {"interval": {"resolution_d0_um": interval}}, counts, None)


def test_a_planted_resolution_is_named_and_one_of_old_runs_only_shown():
    a = fitted("a", 30.0, [29.5, 30.4])
    result = compare_runs([a, fitted("b", 33.0, [32.5, 33.5]), fitted("c", 30.3, [29.8, 30.9])])
    worse, equal = (one["numbers"]["resolution_d0_um"] for one in result["comparisons"])
    assert (worse["significant"], equal["significant"]) == (True, False)
    assert worse["interval"][0] < worse["difference"] == 3.0 < worse["interval"][1]
    assert equal["p"] > 0.3
    assert [one["significant"] for one in result["comparisons"]] == [["resolution_d0_um"], []]
    assert result["numbers"]["pull_sigma.z0"]["p"] is None
    assert "pull_sigma.qop" not in result["numbers"]
    old = compare_runs([a, fitted("b", 33.0, None)])["numbers"]["resolution_d0_um"]
    assert (old["difference"], old["interval"], old["p"], old["significant"]) == (3.0, None, None, False)


def test_other_detectors_and_moved_modules_are_told():
    one, *others = (
        {"modules": n, "layers": 4, "sha256": digit * 64} for n, digit in ((1448, "a"), (1448, "b"), (8, "c"))
    )
    a = fitted("a", 30.0, None)
    a, *runs = (replace(a, name=name, summary=a.summary | {"detector": found}) for name, found in
                (("a", one), ("same", one), ("moved", others[0]), ("small", others[1])))  # fmt: skip
    told = [
        [line for line in c["warnings"] if "detectors differ" in line]
        for c in compare_runs([a, *runs])["comparisons"]
    ]
    assert [len(lines) for lines in told] == [0, 1, 1]
    assert "1,448 modules on 4 layers (aaaaaaaa) and 8 modules on 4 layers (cccccccc)" in told[2][0]


def test_only_the_events_that_both_have_are_compared():
    rng = np.random.default_rng(13)
    a = pretended(rng, "a")
    rows = np.arange(20, 5, -1)
    part = replace(
        a, name="b", counts={key: values[rows] for key, values in a.counts.items()},
        events=tuple(a.events[k] for k in rows), summary={"n_events": len(rows)},
    )  # fmt: skip
    result = compare_runs([a, part])
    assert (result["paired"], result["n_events"]) == (True, [15, 15])
    assert result["n_tests"] == 0
    assert "15 events that are the same, of 30 and 15" in result["warnings"][0]
    other = compare_runs([a, replace(pretended(rng, "b"), events=tuple(("g", k) for k in range(N_EVENTS)))])
    assert other["paired"] is False
    assert "different events" in other["warnings"][0]


@pytest.fixture(scope="module")
def runs(files, weights, tmp_path_factory):
    """Two runs of the toy events, the second with edges of half of the cones' pairs."""
    folder = tmp_path_factory.mktemp("compared")
    options = RunOptions(gnn=str(weights))
    run([files["toy"]], folder / "a", options, figures=False)
    narrow = replace(options, cone=replace(options.cone, quantile=0.5))
    run([files["toy"]], folder / "b", narrow, figures=False, events_per_unit=3)
    return folder


def test_runs_of_the_same_events_are_paired_and_their_options_told(runs, capsys):
    assert main(["compare", str(runs / "a"), str(runs / "b" / "summary.json"), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["paired"] is True
    assert result["options"] == {"cone.quantile": [RunOptions().cone.quantile, 0.5]}
    summaries = [json.loads((runs / name / "summary.json").read_text()) for name in "ab"]
    for name in (*RATES, "reduction"):
        number = result["numbers"].get(name)
        values = [summary[name] for summary in summaries]
        assert values == [None, None] if number is None else [number["a"], number["b"]] == values
    edges = result["numbers"]["edges_per_event"]
    assert edges["significant"] is (edges["p"] < SIGNIFICANT) is True
    assert edges["difference"] < 0
    assert main(["compare", str(runs / "a"), str(runs / "b"), "-o", str(runs / "both.pdf")]) == 0
    text = capsys.readouterr().out
    assert "4 same events, compared one by one" in text
    assert "option cone.quantile: 0.9999 in A, 0.5 in B" in text
    assert (runs / "both.pdf").read_bytes().startswith(b"%PDF")


def test_a_summary_alone_is_compared_unpaired(runs, tmp_path, capsys):
    (tmp_path / "told.json").write_text((runs / "b" / "summary.json").read_text())
    result = compare_runs([read_run(runs / "a"), read_run(tmp_path / "told.json")])
    assert result["paired"] is False
    assert "without its tracks.root" in result["warnings"][0]
    number = result["numbers"]["edge_efficiency"]
    assert number["p"] is not None
    assert result["numbers"]["edges_per_event"]["interval"] is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"resolution_d0_um": "small"}, "'resolution_d0_um' must be a finite number"),
        ({"interval": {"resolution_d0_um": [1.0]}}, "'interval.resolution_d0_um' must be a list of 2 items"),
        (
            {"interval": {"pull_sigma.d0": [1.0, None]}},
            r"'interval.pull_sigma.d0\[1\]' must be a finite number",
        ),
        ({"detector": {"modules": 3, "layers": 1}}, "'detector.sha256' must be"),
    ],
)
def test_damaged_numbers_of_tracks_are_told(runs, tmp_path, change, words):
    summary = json.loads((runs / "a" / "summary.json").read_text())
    (tmp_path / "told.json").write_text(json.dumps(summary | change))
    with pytest.raises(InputError, match=words):
        read_run(tmp_path / "told.json")


def test_what_is_no_run_is_told(runs, tmp_path, files):
    one = read_run(runs / "a")
    (tmp_path / "old.json").write_text('{"n_events": 3}')
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "text.json").write_text("no")
    for path, words in (
        (tmp_path / "none", "no such file"), (tmp_path / "old.json", "has no 'counts'"),
        (tmp_path / "list.json", "is no summary"), (tmp_path / "text.json", "cannot be read"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=words):
            read_run(path)
    with pytest.raises(InputError, match="two runs or more"):
        compare_runs([one])
    with pytest.raises(InputError, match="was given twice"):
        compare_runs([one, one])
    with pytest.raises(InputError, match=r"x\.txt: is no name of a figure"):
        draw_comparison(tmp_path / "x.txt", [one])
    with pytest.raises(InputError, match="no truth"):
        draw_comparison(tmp_path / "x.png", [replace(one, summary={})])


def test_tracks_of_another_run_beside_a_summary_are_told(runs, tmp_path):
    summary = json.loads((runs / "b" / "summary.json").read_text())
    summary["counts"]["tracks"] += 1
    (tmp_path / "tracks.root").write_bytes((runs / "b" / "tracks.root").read_bytes())
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    with pytest.raises(InputError, match=r"tracks\.root: its events have other counts .*\(tracks\)"):
        read_run(tmp_path)


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (("counts", "edges"), "many", "'counts.edges' must be a whole number"),
        (("counts",), {}, "'counts.events' must be .* is missing"),
        (("counts", "found"), 10**9, "counts.found is more than counts.findable"),
        (("options",), [1], "'options' must be an object"),
        (("provenance",), None, "'provenance' must be an object"),
        (("files",), [], "files that summary.json beside it does not name"),
    ],
)
def test_a_damaged_summary_is_told_by_its_field(runs, tmp_path, place, value, words):
    summary = json.loads((runs / "a" / "summary.json").read_text())
    inner = summary
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = value
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    (tmp_path / "tracks.root").write_bytes((runs / "a" / "tracks.root").read_bytes())
    with pytest.raises(InputError, match=words):
        read_run(tmp_path)


def test_missing_truth_and_other_weights_of_the_same_name_are_told():
    a = pretended(np.random.default_rng(14), "a")
    a = replace(a, summary={**a.summary, "provenance": {"weights": {"gnn": ["1"]}}})
    no_truth = {name: values for name, values in a.counts.items() if not COUNTS[name].optional}
    summary = {**a.summary, "provenance": {"weights": {"gnn": ["2"]}}}
    warnings = compare_runs([a, replace(a, name="b", counts=no_truth, summary=summary)])["warnings"]
    assert warnings[0] == "b: has no truth, so that efficiencies and fakes are not compared"
    assert warnings[1].startswith("gnn: the runs took other weights")
