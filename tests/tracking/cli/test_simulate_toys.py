"""The command line: files of toys."""

import json

import numpy as np
import pytest

from tests.tracking.cli.command_line import refused
from tracking.cli.main import main
from tracking.finders.trkx.options import KINDS, toy_options
from tracking.finders.trkx.toy_files import read_toys
from tracking.finders.trkx.toys import make_toys


@pytest.fixture
def simulate_toys(capsys, tmp_path):
    """Runs ``smartpix simulate toys``: exit code, stdout, stderr."""

    def call(*arguments, output="F.npz"):
        code = main(["simulate", "toys", *map(str, arguments), "-o", str(tmp_path / output)])
        return (code, *capsys.readouterr())

    return call


@pytest.mark.parametrize("output", ["F.npz", "F.parquet"])
def test_simulate_toys_writes_the_events_of_the_seed(simulate_toys, tmp_path, output):
    code, out, err = simulate_toys(
        "--kind", "3d", "--events", 20, "--seed", 5, "--first", 7, "--json", output=output
    )
    assert (code, err, out.count("\n")) == (0, "", 1)
    expected = make_toys(toy_options("3d"), 20, 5, first=7)
    path = tmp_path / output
    assert json.loads(out) == {
        "file": str(path), "kind": "3d", "events": 20, "seed": 5, "first": 7,
        "mean_hits": expected.images.sum() / 20, "bytes": path.stat().st_size,
    }  # fmt: skip
    found = read_toys(path)
    assert (found.options, found.seed, found.first) == (toy_options("3d"), 5, 7)
    np.testing.assert_array_equal(found.events.images, expected.images)


def test_simulate_toys_takes_options(simulate_toys, tmp_path):
    changes = ("--set", "background=8", "--set", "background_exact=true")
    assert simulate_toys("--kind", "3d", "--events", 3, "--seed", 1, *changes)[0] == 0
    found = read_toys(tmp_path / "F.npz")
    assert (found.options.background, found.options.background_exact) == (8.0, True)
    assert found.events.n_tracks.tolist() == [9, 9, 9]


def test_simulate_toys_lists_its_kinds(capsys):
    with pytest.raises(SystemExit):
        main(["simulate", "toys", "--help"])
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    for kind, holds in KINDS.items():
        assert f"{kind:13s}  {holds}" in lines


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--kind", "2d-nois", "--events", 1], ["kind", "Did you mean '2d-noise'"]),
        (["--kind", "3d", "--events", 0], ["--events", "1 or more"]),
        (["--kind", "3d", "--events", 1, "--set", "kind=variable"], ["--kind", "kind=variable"]),
        (["--kind", "3d", "--events", 1, "--set", "nois=1"], ["nois", "noise"]),
        (["--kind", "3d", "--events", 1, "--first", -1], ["first"]),
    ],
)
def test_what_cannot_be_is_refused(simulate_toys, tmp_path, arguments, words):
    refused(simulate_toys(*arguments, "--seed", 1), *words)
    assert list(tmp_path.iterdir()) == []


def test_endings_and_folders_are_refused_before_the_work(simulate_toys):
    wanted = ("--kind", "3d", "--events", 10**9, "--seed", 1)
    refused(simulate_toys(*wanted, output="F.csv"), "F.csv", ".npz or .parquet")
    refused(simulate_toys(*wanted, output="none/F.npz"), "none")
