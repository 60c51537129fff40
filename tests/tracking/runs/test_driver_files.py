"""Files that are damaged, that change, or that break the chain: each by itself."""

import dataclasses
import json
import os
import shutil
from pathlib import Path

import pytest

from smartpix.io.events import open_events
from smartpix.schema import InputError
from tests.helpers import damaged
from tests.tracking.runs.toy_runs import results, run_into
from tracking import chain as chain_module
from tracking.chain import Chain
from tracking.inputs import expand
from tracking.options import RunOptions
from tracking.runs import units
from tracking.runs.driver import run
from tracking.runs.sources import Sources

pytest.importorskip("distributed")

pytestmark = pytest.mark.usefixtures("info")


def test_a_file_that_changed_is_done_anew(copies, options, stopped, here, caplog):
    os.utime(copies / "toy-0.root", ns=(1, 1))
    run_into(stopped, copies, options)
    assert "6 of 24 units are done already" in caplog.text
    assert results(stopped) == here


@pytest.mark.parametrize("where", ["here", "dask"])
def test_a_file_damaged_in_the_middle_is_left_out_whole(
    copies, options, files, here, client, tmp_path, caplog, where
):
    folder = tmp_path / "files"
    shutil.copytree(copies, folder)
    damaged(files["toy"], folder / "toy-2.root")
    on = client if where == "dask" else None
    summary = run(folder / "*.root", tmp_path / "out", options, on, figures=False, events_per_unit=1)
    bad = str(folder / "toy-2.root")
    assert list(summary["failed"]) == [bad]
    assert summary["failed"][bad].startswith(f"{bad}: events 2 to 2 cannot be read")
    assert summary["files"] == [str(folder / f"toy-{k}.root") for k in (0, 1, 3, 4, 5)]
    assert f"left out: {bad}" in caplog.text
    n_tracks = json.loads(here[0])["n_tracks"]
    assert summary["n_tracks"] * 6 == n_tracks * 5
    assert summary["n_events"] == 20
    # Repaired, only that one is run.
    shutil.copy(files["toy"], bad)
    assert (
        run(folder / "*.root", tmp_path / "out", options, on, figures=False, events_per_unit=1)["n_tracks"]
        == n_tracks
    )
    assert "20 of 24 units are done already" in caplog.text
    assert not (tmp_path / "out" / "unfinished").exists()


def test_all_files_damaged_is_an_error(files, options, tmp_path):
    for name in "ab":
        damaged(files["toy"], tmp_path / f"{name}.root")
    with pytest.raises(
        InputError, match=r"none of the 2 files can be used; the first: .*a\.root: events 0 to 3"
    ):
        run(tmp_path / "?.root", tmp_path / "out", options, figures=False)
    assert not (tmp_path / "out" / "summary.json").exists()


def test_a_file_that_changes_during_the_run_is_left_out(copies, options, files):
    unit = units.plan_units([open_events(files["toy"])], 4)[0]
    chain = Chain.for_header(open_events(files["toy"]).header, options)
    for changed in ({"size": unit.size + 1}, {"changed": unit.changed - 1}):
        with (
            Sources() as sources,
            pytest.raises(InputError, match=r"toy\.root: has changed since the run began"),
        ):
            units.run_unit(chain, dataclasses.replace(unit, **changed), sources)


def test_patterns_stand_for_the_files_they_match(tmp_path):
    for name in ("b.root", "a.root", "[c].root"):
        (tmp_path / name).touch()
    assert expand(tmp_path / "?.root") == [tmp_path / "a.root", tmp_path / "b.root"]
    assert expand([tmp_path / "b.root", str(tmp_path / "a*")]) == [tmp_path / "b.root", tmp_path / "a.root"]
    # A name that only looks like a pattern.
    assert expand(tmp_path / "[c].root") == [tmp_path / "[c].root"]
    with pytest.raises(InputError, match=r"x\*\.root: no file matches"):
        expand([tmp_path / "a.root", tmp_path / "x*.root"])
    with pytest.raises(InputError, match="given twice"):
        expand([tmp_path / "a.root", tmp_path / "*.root"])
    with pytest.raises(InputError, match="no file was given"):
        expand([])


def test_a_file_that_breaks_the_chain_does_not_end_the_run_of_the_others(
    copies, options, tmp_path, monkeypatch
):
    """Whatever the error is: no reader knows all kinds of damage."""
    run_unit = units.run_unit

    def broken(chain, unit, *more):
        if unit.path.endswith("toy-2.root"):
            raise KeyError("cluster_x")
        return run_unit(chain, unit, *more)

    monkeypatch.setattr(units, "run_unit", broken)
    summary = run(copies / "*.root", tmp_path / "out", options, figures=False)
    assert len(summary["files"]) == 5
    path = str(copies / "toy-2.root")
    (told,) = summary["failed"].values()
    assert list(summary["failed"]) == [path]
    assert told.startswith(
        f"{path}: events 0 to 3 cannot be run, though the file can be read (KeyError: 'cluster_x'; at "
        f"tracking."
    )
    assert "damaged" not in told


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "do not fit into memory; take fewer events a unit (--events-per-unit)"),
        (AttributeError("a\nb" * 1000), "(AttributeError: a ba ba"),
        (InputError("F: damaged"), "F: damaged"),
    ],
)
def test_a_fault_of_ours_is_not_called_damage_and_says_where_it_is(files, error, words, monkeypatch):
    def fit(*arguments, **options):
        raise error

    chain = Chain.for_header(open_events(files["toy"]).header, RunOptions(graph="window", gnn="gnn-window"))
    unit = units.plan_units([open_events(files["toy"])], 4)[0]
    monkeypatch.setattr("tracking.chain.fit_tracks", fit)
    with Sources() as sources, pytest.raises(InputError) as told:
        units.finished_unit(chain, unit, sources)
    line = str(told.value)
    assert words in line
    assert "\n" not in line
    assert len(line) < 500
    assert isinstance(error, InputError) == ("damaged" in line)
    if isinstance(error, AttributeError):
        # Not where this test raises it: the innermost line of ours.
        lines = Path(chain_module.__file__).read_text(encoding="utf-8").splitlines()
        (number,) = (k for k, text in enumerate(lines, 1) if "fit_tracks(" in text)
        assert f"; at tracking.chain:{number})" in line
