"""A disk that takes no more, at every command that writes: one line that names file and cause; what was there
stays.
"""

import errno
import resource
from contextlib import contextmanager

import pytest

from tests.tracking.cli.command_line import refused
from tracking.cli import main as cli
from tracking.cli.main import main

SMALL = 1500
"""Bytes; no result is smaller."""


@contextmanager
def limited():
    """No file may grow beyond ``SMALL``; Python ignores the signal, so that writing is refused."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def content(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def commands(files, bench_file, weights, tmp_path):
    """Arguments, and the file that is named."""
    network, parts = ["--set", f"gnn={weights}"], tmp_path / "out" / "unfinished"
    train = ["--region", "barrel", "--epochs", 1, "--batch-size", 256]
    clusters = ["simulate", "clusters", "--dataset", "2s", "-n", 20, "--seed", 1]
    return {
        "run": (["run", files["single"], "-o", tmp_path / "out", "--no-figures", *network],
        parts / "run.json"),
        "display": (["display", files["single"], "-o", tmp_path / "e.html", *network], tmp_path / "e.html"),
        "convert": (["convert", files["first"], "-o", tmp_path / "c.root"], tmp_path / "c.root"),
        "train": (["train", "mdn", bench_file, *train, "-o", tmp_path / "w.safetensors"],
        tmp_path / "w.checkpoint"),
        "simulate": ([*clusters, "-o", tmp_path / "c.parquet"], tmp_path / "c.parquet"),
        "export": (["export", weights, "-o", tmp_path / "g.pt"], tmp_path / "g.pt"),
        "onnx": (["export", weights, "-o", tmp_path / "g.onnx"], tmp_path / "g.onnx"),
    }  # fmt: skip


@pytest.mark.parametrize("name", ["run", "display", "convert", "train", "simulate", "export", "onnx"])
def test_a_full_disk_is_one_line_and_what_was_there_stays(commands, name, tmp_path, capsys):
    arguments, named = commands[name]
    arguments = [str(a) for a in arguments]
    # Also, so that nothing is compiled below.
    assert main(arguments) == 0
    capsys.readouterr()
    before = content(tmp_path)
    with limited():
        code = main(arguments)
    out, err = capsys.readouterr()
    # Some say first what they are about to do.
    refused(
        (code, out, "".join(err.splitlines(keepends=True)[-1:])),
        f"{named}: cannot be written: it grows beyond the largest size that a file may have here; raise the "
        f"limit",
    )
    after = content(tmp_path)
    assert {n: c for n, c in after.items() if not n.startswith("out/unfinished")} == before
    assert main(arguments) == 0
    assert set(content(tmp_path)) == set(before)


def test_caches_on_a_full_disk_are_one_line_too(monkeypatch, capsys, files, tmp_path):
    def full(*arguments, **more):
        raise OSError(errno.ENOSPC, "No space left on device", "/cache/kernel.nbi")

    monkeypatch.setattr("tracking.runs.driver.run", full)
    refused(
        (main(["run", str(files["single"]), "-o", str(tmp_path / "o")]), *capsys.readouterr()),
        "/cache/kernel.nbi: cannot be written: no space",
    )
    assert cli.refused(OSError(errno.ENOENT, "No such file")) is None
