"""What the doctor says of a sound installation and of damaged ones."""

import json
import os
import shutil
from importlib.metadata import version

import numpy as np
import pytest

from smartpix.schema import InputError
from smartpix.shipped import data_path
from tests.helpers import REPOSITORY
from tracking.cli import examine
from tracking.cli.main import main

FOLDER = data_path("README.md").parent
QUICK = {"checks": {"finite results": True}, "n_findable": 2, "n_found": 2, "seconds_to_load": 0.1, "ms": 1.0}


@pytest.fixture
def data(tmp_path):
    """A copy of the shipped data that a test may damage."""
    return shutil.copytree(FOLDER, tmp_path / "data")


def test_everything_is_sound_here(capsys):
    assert main(["doctor", "--json"]) == 0
    out, err = capsys.readouterr()
    assert out.count("\n") == 1
    assert err == "testing the kernels\n"
    told = json.loads(out)
    assert told["problems"] == []
    for name in ("smartpix", "numpy", "numba", "torch", "uproot", "scikit-learn"):
        assert told["versions"][name] == version(name)
    assert told["threads"]["cores"] >= 1
    assert set(told["data"].values()) == {"ok"}
    assert len(told["data"]) == len(
        [p for p in FOLDER.rglob("*") if p.suffix in (".root", ".csv", ".safetensors")]
    )
    assert all(told["self_test"]["checks"].values())
    assert told["self_test"]["n_found"] > 50
    assert told["caches"]["seeding kernels"]["folder"].startswith(
        os.environ.get("NUMBA_CACHE_DIR", str(REPOSITORY / "seeding"))
    )


def test_lines_for_people_name_the_parts(monkeypatch, capsys):
    monkeypatch.setattr(examine, "self_test", lambda: QUICK)
    monkeypatch.setattr(examine, "EXTRAS", {"acts": ("no-such-package",)})
    monkeypatch.setattr(examine, "TOOLS", ("no-such-tool",))
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    for words in (
        "numba",
        "threads",
        "seeding kernels",
        "without no-such-package",
        "no-such-tool",
        "not found",
        "1 of 1 passed",
    ):
        assert words in out


@pytest.mark.parametrize("damage", ["changed", "missing", "other", "number", "json"])
def test_damaged_data_are_named(damage, data):
    name = "weights/gnn.safetensors"
    path = data / name
    if damage == "changed":
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
    elif damage == "missing":
        path.unlink()
    elif damage == "other":
        description = json.loads(path.with_suffix(".json").read_text())
        path.with_suffix(".json").write_text(json.dumps({**description, "sha256": "0" * 64}))
    elif damage == "number":
        text = path.with_suffix(".json").read_text()
        path.with_suffix(".json").write_text(text.replace('"hidden": 16', '"hidden": 17'))
    else:
        path.with_suffix(".json").write_text("[")
    states = examine.check_data(data)
    assert [n for n, state in states.items() if state != "ok"] == [name]


def test_a_list_without_sums_is_refused(tmp_path):
    (tmp_path / "README.md").write_text("# nothing")
    with pytest.raises(InputError, match="sha256"):
        examine.check_data(tmp_path)


def test_problems_are_one_line_and_code_1(data, monkeypatch, capsys):
    (data / "sample.root").unlink()
    monkeypatch.setattr(examine, "data_path", lambda name: data / name)
    monkeypatch.setattr(examine, "_version", lambda name: None if name == "scipy" else "1")
    assert main(["doctor", "--json"]) == 1
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert len(told["problems"]) == 2
    for words in ("scipy is not installed", "sample.root is missing", "install smartpix again"):
        assert words in err.splitlines()[-1]


def test_a_cache_that_cannot_be_written_is_a_problem(monkeypatch, tmp_path):
    monkeypatch.setattr(examine, "self_test", lambda: QUICK)
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("matplotlib.get_cachedir", lambda: str(tmp_path / "file" / "cache"))
    (problem,) = examine.examine()["problems"]
    assert "MPLCONFIGDIR" in problem
    assert str(tmp_path / "file") in problem


def test_kernels_that_miss_tracks_fail_the_self_test(monkeypatch):
    from tracking.finders.gnn import finder

    build = finder.build_tracks
    monkeypatch.setattr(
        finder, "build_tracks", lambda hits, edges, scores, *others: build(hits, edges, 0 * scores, *others)
    )
    told = examine.self_test()
    assert told["checks"] == {
        "edges on one and two threads": True,
        "finite results": True,
        "findable particles": False,
    }
    assert told["n_found"] == 0


def test_results_that_are_not_finite_fail_the_self_test(monkeypatch):
    from tracking import chain

    fit = chain.fit_tracks

    def spoilt(*arguments, **options):
        helices = fit(*arguments, **options)
        helices.d0[0] = np.nan
        return helices

    monkeypatch.setattr(chain, "fit_tracks", spoilt)
    checks = examine.self_test()["checks"]
    assert not checks["finite results"]
