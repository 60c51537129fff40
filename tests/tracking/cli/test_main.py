"""The command line: what a run prints and writes, its options, help and interrupts."""

import json
import shutil

import pytest
import uproot

from smartpix.shipped import data_path
from tests.tracking.cli.command_line import refused
from tracking.cli.main import main

KEYS = {
    "n_events", "n_hits", "n_edges", "reduction", "edge_efficiency", "edge_purity", "n_findable",
    "track_efficiency",
    "fake_rate", "duplicate_rate", "ms_per_event",
}  # fmt: skip
TRUTH_KEYS = {
    "edge_efficiency",
    "edge_purity",
    "n_findable",
    "track_efficiency",
    "fake_rate",
    "duplicate_rate",
}


def test_json_is_exactly_one_object_with_the_promised_keys(run, files, tmp_path):
    code, out, err = run(files["toy"], "--json", "--no-figures")
    assert (code, err) == (0, "")
    assert out.count("\n") == 1
    summary = json.loads(out)
    assert set(summary) >= KEYS
    assert summary["n_events"] == 4
    assert 0 < summary["track_efficiency"] <= 1
    assert 0 < summary["edge_purity"] <= 1
    assert summary["ms_per_event"]["total"] > 0
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"summary.json", "times.json", "tracks.root"}


def test_without_json_a_table_is_printed_and_figures_are_made(run, files, tmp_path):
    code, out, _ = run(files["first"])
    assert code == 0
    for words in ("track efficiency", "duplicates", "reduction", "ms / event: total", "results in"):
        assert words in out
    assert (tmp_path / "out" / "event-display.png").stat().st_size > 1000


def test_without_files_the_embedded_sample_is_run(run):
    code, out, _ = run("--json", "--no-figures")
    assert code == 0
    summary = json.loads(out)
    assert summary["files"] == [str(data_path("sample.root"))]
    assert summary["n_events"] > 0
    assert summary["n_hits"] > 1000
    assert summary["n_findable"] > 0


def test_several_files_are_added_up(run, files):
    totals = [json.loads(run(*(files[n] for n in names), "--json", "--no-figures")[1]) for names in
              (("first",), ("second",), ("first", "second"))]  # fmt: skip
    for key in ("n_events", "n_hits", "n_edges", "n_findable"):
        assert totals[2][key] == totals[0][key] + totals[1][key]


@pytest.mark.parametrize(("name", "n_events"), [("none", 0), ("hollow", 1)])
@pytest.mark.parametrize("as_json", [True, False])
def test_empty_files_and_events_are_no_error(run, files, tmp_path, name, n_events, as_json):
    code, out, err = run(files[name], *(["--json"] if as_json else []))
    told = [line for line in err.splitlines() if line]
    assert code == 0
    # Of no events one warning, of an event without hits none.
    assert len(told) == (n_events == 0)
    assert all(line.startswith("warning: there are no events") for line in told)
    if as_json:
        summary = json.loads(out)
        assert (summary["n_events"], summary["n_hits"], summary["n_edges"], summary["n_findable"]) == (
            n_events,
            0,
            0,
            0,
        )
        assert summary["track_efficiency"] is None
        assert set(summary) >= KEYS
    with uproot.open(tmp_path / "out" / "tracks.root") as file:
        assert file["tracks"].num_entries == n_events


@pytest.mark.parametrize("as_json", [True, False])
def test_a_file_without_truth_has_no_truth_keys(run, files, as_json):
    code, out, _ = run(files["bare"], "--no-figures", *(["--json"] if as_json else []))
    assert code == 0
    if as_json:
        summary = json.loads(out)
        assert set(summary) >= KEYS - TRUTH_KEYS
        assert TRUTH_KEYS.isdisjoint(summary)
    else:
        assert "efficiency" not in out


def test_patterns_are_expanded_in_the_order_of_names(run, files, tmp_path):
    for name, of in (("b-2.root", "second"), ("b-1.root", "first"), ("c.root", "field")):
        shutil.copy(files[of], tmp_path / name)
    code, out, err = run(tmp_path / "b-*.root", "--json", "--no-figures")
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert told["files"] == [str(tmp_path / "b-1.root"), str(tmp_path / "b-2.root")]
    assert told["n_events"] == 4


def test_options_come_from_the_file_and_set_wins(run, files, tmp_path):
    toml = tmp_path / "my.toml"
    toml.write_text(
        "\ufeff# with a byte order mark\n[cone]\nquantile = 0.5\nsigma_z0 = 40.0\n", encoding="utf-8"
    )
    code, *_ = run(files["first"], "--no-figures", "--json", "--options", toml, "--set", "cone.quantile=0.8")
    assert code == 0
    used = json.loads((tmp_path / "out" / "summary.json").read_text())["options"]
    assert used["cone"]["quantile"] == 0.8
    assert used["cone"]["sigma_z0"] == 40.0


@pytest.mark.parametrize("group", [[], ["simulate"], ["train"], ["bench"], ["study"]])
def test_without_a_command_there_is_help(capsys, group):
    assert main(group) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.startswith(f"usage: {' '.join(['smartpix', *group])} [-h]")


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["run", "--help"], ["train", "gnn", "--help"]]
)
def test_help_and_version_are_code_0(capsys, arguments):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 0
    assert "smartpix" in capsys.readouterr().out


def test_info_tells_what_a_file_holds(capsys, files, tmp_path):
    assert main(["info", str(files["toy"]), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["n_events"], told["truth"], told["container"]) == (4, True, "ttree")
    assert main(["info", str(files["toy"])]) == 0
    assert "events    4" in capsys.readouterr().out
    refused((main(["info", str(tmp_path / "missing.root")]), *capsys.readouterr()), "missing.root")


def test_an_interrupt_is_code_130(capsys, files, tmp_path, monkeypatch):
    def interrupted(*arguments, **more):
        raise KeyboardInterrupt

    monkeypatch.setattr("tracking.runs.driver.run", interrupted)
    assert main(["run", str(files["first"]), "-o", str(tmp_path)]) == 130
    assert capsys.readouterr().err == "smartpix: interrupted\n"


def test_a_simulation_without_clusters_says_so(capsys, tmp_path):
    arguments = [
        "crossings",
        "--events",
        "1",
        "--per-event",
        "3",
        "--threshold",
        "1000000",
        "--adc-bits",
        "0",
    ]
    assert (
        main(
            ["simulate", *arguments, "--noise", "0", "--seed", "1", "-o", str(tmp_path / "F.root"), "--json"]
        )
        == 0
    )
    out, err = capsys.readouterr()
    assert json.loads(out)["n_clusters"] == 0
    assert err.startswith("warning: none of the 1 events has a cluster")
