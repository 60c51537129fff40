"""The command line: data sets of simulated clusters, and what `info` tells of them."""

import json

import numpy as np
import pytest

from smartpix.io.parquet import describe_clusters, read_clusters
from smartpix.simulate import datasets
from tests.tracking.cli.command_line import refused
from tracking.cli.main import main


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
        (("--dataset", "2x"), ("dataset must be one of 2s, 3s, 4s, merged and is '2x'", "Did you mean '2s'?")),
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
