"""The code of the link from the command line: its export, its benchmark, and estimates for what it brings."""

import json
from pathlib import Path

from smartpix.export import link as export
from smartpix.export.rtl import RtlOptions
from smartpix.shipped import data_path
from smartpix.train import loop
from tests.tracking.cli.command_line import refused
from tracking.bench import link as bench
from tracking.cli.main import main

SAMPLE = str(data_path("sample.root"))


def test_the_encoder_is_exported_with_clusters_of_events(capsys, monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(export, "export_encoder", lambda *a: asked.append(a) or {"parameters": 2076})
    flags = ["--rtl", "--no-synthesis", "--clusters", "50", "--clock", "4", "--file", SAMPLE, "--json"]
    assert main(["export", "link-4x6", "-o", str(tmp_path / "out"), *flags]) == 0
    assert json.loads(capsys.readouterr().out) == {"parameters": 2076}
    options = RtlOptions(clock_ns=4.0, fpga=False, cells=False)
    assert asked[0][:5] == ("link-4x6", tmp_path / "out", Path(SAMPLE), 50, options)


def test_what_the_encoder_is_not_exported_as_is_told(capsys, tmp_path):
    output = tmp_path / "out"
    for flags, words in (
        ([], "is written as Verilog alone; give --rtl"),
        (["--rtl", "--reloadable", "--file", SAMPLE], "leave out --reloadable"),
        (["--rtl", "--interval", "2", "--file", SAMPLE], "interval"),
    ):
        code = main(["export", "link-4x6", "-o", str(output), *flags])
        refused((code, *capsys.readouterr()), words)
    assert not output.exists()


def test_a_code_stands_before_the_training_of_estimates(capsys, monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(loop, "train_mdn", lambda *a, **more: asked.append(more) or {"nll": 0.5})
    flags = ["--region", "barrel", "-o", str(tmp_path / "w.safetensors"), "--json"]
    for code in ("", "link-4x6"):
        assert main(["train", "mdn", SAMPLE, *flags, *(["--code", code] if code else [])]) == 0
        assert json.loads(capsys.readouterr().out) == {"nll": 0.5}
        assert asked[-1]["code"] == code


def test_retrained_estimates_reach_the_benchmark(capsys, monkeypatch):
    asked = []
    monkeypatch.setattr(bench, "bench_link", lambda *a: asked.append(a) or {"codes": {}})
    monkeypatch.setattr(bench, "link_table", lambda result: "none")
    rows = ["--retrained", "link-4x6", "b", "e", "--retrained", "float", "c", "d"]
    for more, expected in ([], None), (rows, {"link-4x6": ("b", "e"), "float": ("c", "d")}):
        assert main(["bench", "link", SAMPLE, "--weights", "link-4x6", *more]) == 0
        assert capsys.readouterr().out == "none\n"
        assert asked[-1][-1] == expected
