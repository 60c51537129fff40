import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import uproot

from smartpix.io.parquet import describe_clusters, read_clusters
from smartpix.shipped import data_path
from smartpix.simulate import datasets
from tests.helpers import REPOSITORY
from tests.smartpix.convert.trackml_files import write_event
from tracking.bench import events as bench_events
from tracking.cli.main import main
from tracking.finders.gnn import train
from tracking.finders.gnn.options import TrainGnnOptions

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


@pytest.fixture
def run(capsys, tmp_path, weights):
    """Runs ``smartpix run`` with the hand-written network: exit code, stdout, stderr."""

    def call(*arguments, gnn=True):
        network = ["--set", f"gnn={weights}"] if gnn else []
        code = main(["run", *map(str, arguments), "-o", str(tmp_path / "out"), *network])
        return (code, *capsys.readouterr())

    return call


def refused(result, *words):
    """Exit code 1, nothing on stdout and one line on stderr that says the words."""
    code, out, err = result
    assert code == 1
    assert out == ""
    assert err.startswith("smartpix: ")
    assert err.count("\n") == 1
    for word in words:
        assert str(word) in err


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


def test_bad_files_are_one_line_and_code_1(run, files, tmp_path):
    refused(run(tmp_path / "missing.root"), "missing.root", "no such file")
    refused(run(tmp_path), tmp_path, "is a folder", "smartpix convert")
    with uproot.recreate(tmp_path / "other.root") as file:
        file.mktree("trees", {"x": np.float64}).extend({"x": np.arange(3.0)})
    refused(run(tmp_path / "other.root"), "other.root", "'events'", "trees")
    (tmp_path / "text.root").write_text("nothing of ROOT's")
    refused(run(tmp_path / "text.root"), "text.root", "not a readable ROOT file")
    (tmp_path / "void.root").write_bytes(b"")
    refused(run(tmp_path / "void.root"), "void.root")
    refused(run(tmp_path / "*.parquet"), "*.parquet", "no file matches")
    refused(run(files["first"], files["first"]), "first.root", "given twice")
    refused(run(files["first"], files["field"]), "another detector or field")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("as_json", [True, False])
def test_bad_files_among_others_are_told_at_the_end(run, files, tmp_path, as_json):
    (tmp_path / "bad.root").write_text("nothing of ROOT's")
    flags = ["--no-figures", *(["--json"] if as_json else [])]
    code, out, err = run(tmp_path / "bad.root", files["first"], tmp_path / "missing.root", *flags)
    assert code == 1
    bad, missing, last = err.splitlines()
    assert bad.startswith(f"left out: {tmp_path / 'bad.root'}: not a readable ROOT file")
    assert missing.startswith(f"left out: {tmp_path / 'missing.root'}: no such file")
    assert last.startswith(
        f"smartpix: 2 of 3 files are left out: {tmp_path / 'bad.root'}, {tmp_path / 'missing.root'};"
    )
    saved = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert saved["files"] == [str(files["first"])]
    assert list(saved["failed"]) == [str(tmp_path / "bad.root"), str(tmp_path / "missing.root")]
    if as_json:
        told = json.loads(out)
        assert told.pop("ms_per_event")["total"] > 0
        assert told.items() <= saved.items()


def test_patterns_are_expanded_in_the_order_of_names(run, files, tmp_path):
    for name, of in (("b-2.root", "second"), ("b-1.root", "first"), ("c.root", "field")):
        shutil.copy(files[of], tmp_path / name)
    code, out, err = run(tmp_path / "b-*.root", "--json", "--no-figures")
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert told["files"] == [str(tmp_path / "b-1.root"), str(tmp_path / "b-2.root")]
    assert told["n_events"] == 4


@pytest.mark.parametrize("share", [0.1, 0.4, 0.7, 0.95])
def test_a_file_cut_off_is_one_line_and_code_1(run, files, tmp_path, share):
    content = files["toy"].read_bytes()
    (tmp_path / "cut.root").write_bytes(content[: int(share * len(content))])
    refused(run(tmp_path / "cut.root"), "cut.root")


def test_a_file_overwritten_in_its_middle_is_one_line_and_code_1(run, files, tmp_path):
    content = bytearray(files["toy"].read_bytes())
    middle = len(content) // 2
    content[middle - 2000 : middle + 2000] = bytes(4000)
    (tmp_path / "holed.root").write_bytes(bytes(content))
    refused(run(tmp_path / "holed.root"), "holed.root")


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", ""],
        ["run", "x.root", "-o", ""],
        ["run", "--options", " "],
        ["convert", "x", "-o", ""],
        ["info", ""],
    ],
)
def test_empty_names_are_not_the_current_folder(arguments, capsys):
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    assert re.search(
        r"error: argument .*: the name is empty .*; give a name$", capsys.readouterr().err.splitlines()[-1]
    )


def test_bad_options_are_one_line_and_code_1(run, files, tmp_path):
    toml = tmp_path / "my.toml"
    refused(run(files["first"], "--set", "cone.quantil=0.9"), "quantil", "Did you mean 'quantile'?")
    refused(run(files["first"], "--set", "cone.quantile=2"), "quantile", "between 0 and 1")
    refused(run(files["first"], "--set", "cone"), "section.key=value")
    refused(
        run(files["first"], "--estimates", "mnd"), "estimates must be one of auto, mdn", "Did you mean 'mdn'?"
    )
    refused(run(files["first"], "--set", "cone.max_edges=10"), "max_edges = 10")
    refused(run(files["first"], "--set", "window.max_edges=10"), "max_edges = 10")
    refused(run(files["first"], "--options", toml), "my.toml", "no such options file")
    refused(run(files["first"], "--options", tmp_path), str(tmp_path), "is a folder, and a file of options")
    refused(
        run(files["first"], "--options", os.devnull),
        os.devnull,
        "is a device or a pipe, and a file of options",
    )
    toml.write_text("[cone")
    refused(run(files["first"], "--options", toml), "my.toml", "not a TOML file")
    toml.write_text("a = " + "[" * 9999, encoding="utf-8")
    refused(run(files["first"], "--options", toml), "my.toml", "nested")
    toml.write_bytes("# µ".encode("latin-1"))
    refused(run(files["first"], "--options", toml), "my.toml", "utf-8")
    toml.write_text("[build]\nmin_hit = 4\n")
    refused(run(files["first"], "--options", toml), "my.toml", "Did you mean 'min_hits'?")


@pytest.mark.parametrize(
    "assignment",
    ["build.min_hits=1", "build.min_hits=0", "build.min_score=0", "build.min_score=1", "seed.quantile=1.5", "seed.per_middle=-1",
     "window.min_pt=0", "threads=0", "cone.sigma_d0=-1", "cone.radiation_length=-1"],
)  # fmt: skip
def test_options_out_of_range_are_one_line_and_code_1(run, files, assignment):
    refused(
        run(files["first"], "--no-figures", "--set", assignment),
        assignment.partition("=")[0].rpartition(".")[2],
    )


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


def test_weights_of_another_architecture_are_one_line_and_code_1(run, files, tmp_path):
    refused(
        run(files["first"], "--set", "gnn=mdn-barrel", gnn=False), "mdn-columns", "interaction-network-v2"
    )
    for ending in ("safetensors", "json"):
        shutil.copy(data_path("weights") / f"mdn-barrel.{ending}", tmp_path / f"mine.{ending}")
    refused(
        run(files["first"], "--set", f"gnn={tmp_path / 'mine.safetensors'}", gnn=False), "mine.safetensors"
    )
    refused(run(files["first"], "--set", "gnn=nothing", gnn=False), "'nothing'", "no such shipped weights")


def test_damaged_weights_are_one_line_and_code_1(run, files, tmp_path, weights):
    for ending in ("safetensors", "json"):
        shutil.copy(weights.with_suffix(f".{ending}"), tmp_path / f"mine.{ending}")
    with (tmp_path / "mine.safetensors").open("r+b") as file:
        file.truncate(100)
    refused(
        run(files["first"], "--set", f"gnn={tmp_path / 'mine.safetensors'}", gnn=False), "mine.safetensors"
    )


def test_an_output_that_is_a_file_is_one_line_and_code_1(run, files, tmp_path):
    (tmp_path / "out").write_text("")
    refused(run(files["first"]), "out", "is a file")


def test_an_unknown_flag_is_one_line_and_names_the_nearest_of_the_command(capsys):
    assert main(["run", "--estimatse", "mdn"]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "unknown argument '--estimatse'. Did you mean '--estimates'?" in err
    assert main(["run", "--nosuch"]) == 2
    assert "unknown argument '--nosuch'. `smartpix run --help` lists them" in capsys.readouterr().err
    assert main(["train", "gnn", "F.root", "-o", "W.safetensors", "--epoch=3", "--nosuch"]) == 2
    assert "unknown argument '--nosuch'. `smartpix train gnn --help` lists them" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fly"], "choose from"), (["simulate", "events"], "required: --seed, -o/--output"), (["rum"], "Did you mean 'run'?"),
        (["train", "gn"], "Did you mean 'gnn'?"),
        (["detector", "--ouput", "D.csv"], "'--ouput' is unknown. Did you mean '--output'?"),
        (["simulate", "clusters", "--dataset=2s", "-n", "3", "--sead=3", "-o", "F"], "Did you mean '--seed'?"),
    ],
)  # fmt: skip
def test_usage_errors_are_code_2_and_name_what_was_meant(capsys, arguments, words):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("usage: smartpix")
    assert words in err


@pytest.mark.parametrize("group", [[], ["simulate"], ["train"], ["bench"], ["study"]])
def test_without_a_command_there_is_help(capsys, group):
    assert main(group) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.startswith(f"usage: {' '.join(['smartpix', *group])} [-h]")


def test_mistakes_of_a_run_are_told_before_the_imports_that_take_seconds(tmp_path):
    (tmp_path / "file").write_text("")
    code = (
        "import sys; from tracking.cli.main import main\n"
        "assert main(sys.argv[1:]) in (1, 2)\n"
        "assert not {'torch', 'numba', 'scipy'} & set(sys.modules), 'heavy'"
    )
    for arguments in (
        ["missing.root"], ["*.nothing"], ["-o", str(tmp_path / "file")], ["--workers", "2"], ["--options",
        "missing.toml"],
        ["--set", "cone"], ["--events-per-unit", "0"], ["--nosuch"], [str(tmp_path)],
    ):  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-c", code, "run", *arguments], cwd=tmp_path, capture_output=True,
            encoding="utf-8", check=False,
            env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        )  # fmt: skip
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (0, "", 1), done.stderr


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
    assert "n_events" in capsys.readouterr().out
    refused((main(["info", str(tmp_path / "missing.root")]), *capsys.readouterr()), "missing.root")


def test_train_gnn_on_events_of_its_own(capsys, tmp_path):
    pytest.importorskip("acts")
    output = tmp_path / "w.safetensors"
    arguments = [
        "train",
        "gnn",
        "--pileup",
        "1",
        "--events",
        "3",
        "--epochs",
        "1",
        "--screen-epochs",
        "1",
        "--hidden",
        "4",
    ]
    code = main([*arguments, "--set", "degrade.noise=0.1", "--set", "screen=4", "-o", str(output), "--json"])
    captured = capsys.readouterr()
    assert code == 0, captured.err
    described = json.loads(output.with_suffix(".json").read_text())
    assert described["options"]["degrade"]["noise"] == 0.1
    assert (described["options"]["screen"], described["options"]["hidden"]) == (4, 4)
    assert [d["options"]["generate"]["pileup"] for d in described["data"]] == [1]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["w.json", "w.safetensors"]
    for wrong, words in (
        (["--pileup", "1", "F.root"], "give event files, or --pileup"),
        ([], "give event files, or --pileup"),
    ):
        assert main(["train", "gnn", *wrong[2:], *wrong[:2], "-o", str(output)]) == 1
        assert words in capsys.readouterr().err
    assert main(["train", "gnn", "F.root", "--set", "degrade.nois=1", "-o", str(output)]) == 1
    assert "noise" in capsys.readouterr().err


def test_train_gnn_takes_and_deletes_no_events_but_its_own(capsys, monkeypatch, files, tmp_path):
    pytest.importorskip("acts")
    output, folder = tmp_path / "w.safetensors", tmp_path / "w.events" / "3-5"
    path, trained = folder / "pileup-1-0.root", []
    folder.mkdir(parents=True)
    arguments = ["train", "gnn", "--pileup", "1", "--events", "3", "--seed", "5", "-o", str(output), "--json"]
    monkeypatch.setattr(
        train, "train_gnn", lambda paths, *_: trained.append([p.read_bytes() for p in paths]) or {"loss": 0.0}
    )

    def of_others():
        shutil.copy(files["toy"], path)
        yield
        bench_events.simulated(1, 3, 7, folder)  # of another seed
        yield
        bench_events.simulated(1, 2, 6, folder)  # too few
        yield

    for _ in of_others():
        before = path.read_bytes()
        refused(
            (main(arguments), *capsys.readouterr()),
            str(path),
            "3 events of pile-up 1",
            "seed 6",
            "move it away",
        )
        assert path.read_bytes() == before
    assert trained == []
    bench_events.simulated(1, 3, 6, folder)
    before = path.read_bytes()
    monkeypatch.setattr(bench_events, "simulated", None)
    assert main(arguments) == 0, capsys.readouterr().err
    assert trained == [[before]]
    assert list(tmp_path.iterdir()) == []


def test_every_flag_reaches_the_training_of_the_graph_network(capsys, monkeypatch, files, tmp_path):
    asked = []
    monkeypatch.setattr(train, "train_gnn", lambda *arguments: asked.append(arguments) or {"loss": 0.0})
    flags = (
        "--epochs", 4, "--screen-epochs", 5, "--hidden", 6, "--passes", 7, "--graph", "window", "--keep",
        0.9, "--patience", 8,
        "--learning-rate", 0.01, "--train-seed", 9, "--estimates", "mdn", "--mdn-barrel", "b",
        "--mdn-endcap", "e",
        "--shape", "s",
    )  # fmt: skip
    output = tmp_path / "w.safetensors"
    for given, options in (
        ((), TrainGnnOptions()),
        (flags, TrainGnnOptions(
            4, 5, 0.01, 6, 7, keep=0.9, patience=8, seed=9, estimates="mdn", mdn_barrel="b", mdn_endcap="e",
            shape="s",
            graph="window",
        )),
    ):  # fmt: skip
        assert main(["train", "gnn", str(files["toy"]), *map(str, given), "-o", str(output)]) == 0
        assert asked.pop()[:3] == ([files["toy"]], output, options)


def test_train_gnn_writes_weights_that_run(capsys, files, tmp_path):
    output = tmp_path / "w.safetensors"
    arguments = [
        "train",
        "gnn",
        str(files["toy"]),
        "--epochs",
        "2",
        "--hidden",
        "8",
        "--passes",
        "1",
        "-o",
        str(output),
        "--json",
    ]
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    assert out.count("\n") == 1
    assert set(json.loads(out)) >= {"loss", "auc", "parameters", "n_train", "n_validation", "n_test"}
    assert "epoch 2/2" in err
    code = main(
        [
            "run",
            str(files["first"]),
            "--set",
            f"gnn={output}",
            "-o",
            str(tmp_path / "out"),
            "--no-figures",
            "--json",
        ]
    )
    assert code == 0
    assert json.loads(capsys.readouterr().out)["n_events"] == 2
    refused((main(["train", "gnn", str(files["bare"]), "-o", str(output)]), *capsys.readouterr()), "no truth")


def test_an_interrupt_is_code_130(capsys, files, tmp_path, monkeypatch):
    def interrupted(*arguments, **more):
        raise KeyboardInterrupt

    monkeypatch.setattr("tracking.runs.driver.run", interrupted)
    assert main(["run", str(files["first"]), "-o", str(tmp_path)]) == 130
    assert capsys.readouterr().err == "smartpix: interrupted\n"


def test_convert_of_a_missing_folder_is_one_line_and_code_1(capsys, tmp_path):
    code = main(["convert", "trackml", str(tmp_path / "missing"), "-o", str(tmp_path / "e.root")])
    refused((code, *capsys.readouterr()), "missing")


@pytest.mark.parametrize("kind", [[], ["trackml"]])
def test_convert_says_what_it_found(capsys, tmp_path, kind):
    folder = write_event(tmp_path / "events")
    assert (
        main(["convert", *kind, str(folder), "-o", str(tmp_path / "e.root"), "--format", "rntuple", "--json"])
        == 0
    )
    out, err = capsys.readouterr()
    assert err == f"found {folder}: TrackML events (CSV), 1 of them\n"
    assert out.count("\n") == 1
    told = json.loads(out)
    assert told == {
        "file": str(tmp_path / "e.root"), "kind": "trackml", "source": str(folder), "n_events": 1,
        "n_hits": 5, "n_left_out": 1,
        "n_cells_unused": 0, "n_truth_unused": 0, "n_hits_without_truth": 0, "truth": True,
        "n_modules": 5, "field_T": 2.0, "container": "rntuple",
    }  # fmt: skip
    refused(
        (main(["convert", "acts-csv", str(folder), "-o", str(tmp_path / "x.root")]), *capsys.readouterr()),
        "event*-measurements.csv",
        "asked for",
    )
    refused(
        (main(["convert", "a", "b", "c", "-o", str(tmp_path / "x.root")]), *capsys.readouterr()), "one input"
    )


@pytest.mark.parametrize(
    "inputs", [("s1.root", "s2.root"), ("trackml", "a", "b"), ("ev/a", "ev/b"), ("there", "x")]
)
def test_convert_of_two_inputs_says_that_it_takes_one(capsys, tmp_path, monkeypatch, inputs):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    code = main(["convert", *inputs, "-o", "e.root"])
    refused((code, *capsys.readouterr()), "takes one input", "these are 2", inputs[1], "an output of its own")
    # What is no path is a format that is mistyped.
    refused(
        (main(["convert", "track-ml", "x", "-o", "e.root"]), *capsys.readouterr()), "Did you mean 'trackml'"
    )


def test_convert_warns_of_rows_without_a_partner_and_of_no_hits(capsys, tmp_path):
    folder, output = write_event(tmp_path / "events"), str(tmp_path / "e.root")
    hits = folder / "event000000001-hits.csv"
    head, _, *rest = hits.read_text().splitlines()
    hits.write_text("\n".join([head, *rest]) + "\n")
    assert main(["convert", str(folder), "-o", output, "--json"]) == 0
    _, warning = capsys.readouterr().err.splitlines()
    assert warning.startswith(
        "warning: 2 cells of no hit, 1 truth rows of no hit; this is right where rows were filtered"
    )
    hits.write_text(head + "\n")
    assert main(["convert", str(folder), "-o", output, "--json"]) == 0
    _, unmatched, nothing = capsys.readouterr().err.splitlines()
    assert "10 cells of no hit" in unmatched
    assert nothing == "warning: none of the 1 events has a hit in the volumes of the detector table"


@pytest.fixture
def simulate_clusters(capsys, tmp_path, monkeypatch):
    """Runs ``smartpix simulate clusters`` in batches of 20 clusters: exit code, stdout, stderr."""
    monkeypatch.setattr(datasets, "BATCH", 20)

    def call(*arguments, output="F.parquet"):
        code = main(["simulate", "clusters", *map(str, arguments), "-o", str(tmp_path / output)])
        return (code, *capsys.readouterr())

    return call


CLUSTERS = ("--dataset", "2s", "-n", 50, "--seed", 3, "--slices", 0, 19)


def test_simulate_clusters_writes_the_set_of_the_seed(simulate_clusters, tmp_path):
    code, out, err = simulate_clusters(*CLUSTERS, "--json")
    assert (code, err) == (0, "")
    assert out.count("\n") == 1
    told = json.loads(out)
    assert told.pop("clusters_per_second") > 0
    sensor = {"pitch_x": 0.05, "pitch_y": 0.0125, "thickness": 0.1, "field": 3.8}
    assert told == {
        "file": str(tmp_path / "F.parquet"), "n_clusters": 50, "n_slices": 2, "n_rows": 13, "n_columns": 21,
        "bytes": (tmp_path / "F.parquet").stat().st_size, "sensor": sensor,
    }  # fmt: skip
    found = read_clusters(tmp_path / "F.parquet")
    expected = datasets.simulate_dataset(datasets.DatasetOptions(slices=(0, 19)), 50, 3)
    np.testing.assert_array_equal(found.charge, expected.charge)
    np.testing.assert_array_equal(found.targets(), expected.targets())
    assert simulate_clusters(*CLUSTERS, output="G.parquet")[0] == 0
    assert (tmp_path / "G.parquet").read_bytes() == (tmp_path / "F.parquet").read_bytes()
    assert describe_clusters(tmp_path / "G.parquet")["made_by"]["seed"] == 3


def test_simulate_clusters_takes_its_options(simulate_clusters, tmp_path):
    flags = (
        "--shape",
        9,
        7,
        "--field",
        2,
        "--radius",
        40,
        "--pt",
        1,
        2,
        "--induction",
        "full",
        "--from-far-side",
    )
    assert (
        simulate_clusters("--dataset", "4s", "--type", 7, "-n", 3, "--seed", 1, "--slices", 19, *flags)[0]
        == 0
    )
    told = describe_clusters(tmp_path / "F.parquet")
    assert (told["slices"], told["n_rows"], told["n_columns"]) == ([19], 9, 7)
    assert told["sensor"] == {"pitch_x": 0.1, "pitch_y": 0.025, "thickness": 0.15, "field": 2.0}
    made = told["made_by"]
    assert (made["command"], made["type"], made["n"], made["seed"]) == ("smartpix simulate clusters", 7, 3, 1)
    wanted = {
        "dataset": "4s", "field": 2.0, "radius": 40.0, "pt": [1.0, 2.0], "n_rows": 9, "n_columns": 7,
        "slices": [19],
        "from_far_side": True, "induction": "full",
    }  # fmt: skip
    assert {key: made["options"][key] for key in wanted} == wanted


def test_simulate_clusters_has_the_defaults_of_the_options(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(
        datasets, "iterate_dataset", lambda options, n, seed: asked.append(options) or iter(())
    )
    assert (
        main(
            [
                "simulate",
                "clusters",
                "--dataset",
                "3s",
                "-n",
                "1",
                "--seed",
                "1",
                "-o",
                str(tmp_path / "F.parquet"),
            ]
        )
        == 1
    )
    assert asked == [datasets.DatasetOptions("3s")]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--dataset", "2x"), ("dataset must be one of 2s, 3s, 4s and is '2x'", "Did you mean '2s'?")),
        (("--type", 8), ("type 8 is unknown", "1: 50 x 10 x 100 um")), (("--type", 0), ("type 0 is unknown",)),
        (("-n", 0), ("n must be at least 1",)), (("--seed", -1), ("seed must be 0 or more",)),
        (("--slices", 0, 20), ("slices must be", "0 to 19")), (("--shape", 13, 2), ("n_columns must be at least 3",)),
        (("--pt", 2, 1), ("pt must be",)), (("--induction", "none"), ("induction must be",)),
        (("--radius", -30), ("radius must be positive",)),
    ],
)  # fmt: skip
def test_simulate_clusters_with_bad_options_is_one_line_and_code_1(
    simulate_clusters, tmp_path, arguments, words
):
    refused(simulate_clusters(*CLUSTERS, *arguments), *words)
    assert list(tmp_path.iterdir()) == []


def test_simulate_clusters_to_a_folder_that_is_not_there_is_one_line_and_code_1(simulate_clusters, tmp_path):
    refused(simulate_clusters(*CLUSTERS, output="no/F.parquet"), tmp_path / "no", "does not exist")


def test_info_tells_what_clusters_files_and_folders_hold(capsys, simulate_clusters, tmp_path):
    for number in (0, 1):
        simulate_clusters(*CLUSTERS, output=f"part.{number}.parquet")
    assert main(["info", str(tmp_path / "part.0.parquet"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["container"], told["n_clusters"], told["slices"], told["sensor"]["thickness"]) == (
        "parquet",
        50,
        [0, 19],
        0.1,
    )
    assert main(["info", str(tmp_path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["file"], told["n_files"], told["n_clusters"]) == (str(tmp_path), 2, 100)
    assert main(["info", str(tmp_path)]) == 0
    assert "pitch_y" in capsys.readouterr().out
    refused(
        (main(["info", str(tmp_path / "missing.parquet")]), *capsys.readouterr()),
        "missing.parquet",
        "no such file",
    )
    (tmp_path / "empty").mkdir()
    refused((main(["info", str(tmp_path / "empty")]), *capsys.readouterr()), "empty", "is a folder")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["events", "--events", "0"], "events must be 1 to"), (["crossings", "--events", "0"], "events must be 1 to"),
        (["crossings", "--per-event", "0"], "per_event must be 1 to"), (["crossings", "--field", "38"], "from -20 to 20"),
        (["events", "--gun", "1", "--gun-pt", "500", "10000"], "1 GeV = 1000 MeV"),
        (["events", "--pileup", "-1"], "pileup must be"), (["events", "--gun", "-1"], "gun must be"),
        (["events", "--gun", "20", "--pileup", "10"], "pileup must be 0 with a gun"),
        (["events", "--gun", "20", "--set", "generate.pileup=10"], "pileup must be 0 with a gun"),
        (["events", "--set", "generate.gun=20", "--set", "generate.pileup=10"], "pileup must be 0 with a gun"),
        (["events", "--set", "generate={gun = 20, pileup = 10}"], "pileup must be 0 with a gun"),
        (["events", "--gun", "0"], "--gun 0 makes no pions; give at least 1, or leave --gun out for collisions"),
        (["events", "--threshold", "-3"], "threshold must be"), (["events", "--bias", "0"], "bias must be"),
        (["crossings", "--detector", "F.root"], "F.root: is an input"),
    ],
)  # fmt: skip
def test_simulations_of_nothing_or_of_what_is_no_physics_are_refused(
    capsys, tmp_path, monkeypatch, arguments, words
):
    pytest.importorskip("acts")
    monkeypatch.chdir(tmp_path)
    content = data_path("detector.csv").read_bytes()
    (tmp_path / "F.root").write_bytes(content)
    refused(
        (main(["simulate", *arguments, "--seed", "1", "-o", "F.root", "--json"]), *capsys.readouterr()), words
    )
    assert (tmp_path / "F.root").read_bytes() == content
    assert list(tmp_path.iterdir()) == [tmp_path / "F.root"]


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


def test_no_command_replaces_what_it_reads(capsys, tmp_path, files):
    event = shutil.copy(files["single"], tmp_path / "events.root")
    (tmp_path / "link.root").symlink_to(event)
    (tmp_path / "my.toml").write_text("threads = 1\n")
    for ending in ("safetensors", "json"):
        shutil.copy(data_path("weights") / f"mdn-barrel.{ending}", tmp_path / f"w.{ending}")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    train = ["--region", "barrel", "--epochs", "1", "-o", tmp_path / "w.safetensors"]
    for arguments in (
        ["display", event, "-o", event], ["display", event, "-o", tmp_path / "link.root"],
        ["display", event, "--options", tmp_path / "my.toml", "-o", tmp_path / "my.toml"],
        ["convert", event, "-o", event], ["run", event, "-o", event],
        ["train", "mdn", event, "--from", tmp_path / "w.safetensors", *train],
        ["compress", event, "--from", tmp_path / "w.safetensors", *train],
        ["compress", event, "--teacher", tmp_path / "w.safetensors", *train],
    ):  # fmt: skip
        assert main([*map(str, arguments)]) == 1
        assert ("is a file" if arguments[0] == "run" else "is an input") in capsys.readouterr().err
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
