"""The command line: what is wrong is one line and an exit code."""

import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import uproot

from smartpix.shipped import data_path
from tests.helpers import REPOSITORY
from tests.tracking.cli.command_line import refused
from tracking.cli.main import main


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
    refused(run(files["first"], "--set", "cone.quantil=0.9"), "quantil", "Did you mean 'cone.quantile'?")
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
    refused(run(files["first"], "--options", toml), "my.toml", "Did you mean 'build.min_hits'?")


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
    assert main(["train", "gnn", "F.root", "-o", "W.safetensors", "--epoch=3", "--xyzzy"]) == 2
    assert "unknown argument '--xyzzy'. `smartpix train gnn --help` lists them" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fly"], "choose from"), (["simulate", "events"], "required: --seed, -o/--output"), (["rum"], "Did you mean 'run'?"),
        (["train", "gn"], "Did you mean 'gnn'?"),
        (["train", "gnn", "F.root", "--ouput", "D"], "'--ouput' is unknown. Did you mean '--output'?"),
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
