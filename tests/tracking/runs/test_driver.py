"""Runs in units: the same whoever does them, however often they are stopped, and without files that are
damaged.

The process that compiles the loops does not round like those that load them (docs/scaling.md): what this
process does is compared with what it did before, and what other processes do with another one that found the
loops compiled.
"""

import dataclasses
import signal
import subprocess
import sys

import pytest

import tracking
from smartpix.io.events import open_events
from smartpix.schema import InputError
from tests.helpers import REPOSITORY
from tests.tracking.runs.toy_runs import ALONE, call, parts, results, run_into
from tracking.cli.main import main
from tracking.options import RunOptions
from tracking.runs import units
from tracking.runs.driver import run

pytest.importorskip("distributed")

pytestmark = pytest.mark.usefixtures("info")


KILLED = (
    """
import os, signal
from tracking.runs import driver
store, stored = driver.store_part, []
def stop(folder, unit, part):
    store(folder, unit, part)
    stored.append(unit)
    if len(stored) == 9:
        os.kill(os.getpid(), signal.SIGKILL)
driver.store_part = stop
"""
    + ALONE
)


def test_the_package_gives_run_lazily():
    code = "import sys, tracking; print('numpy' in sys.modules, 'run' in tracking.__all__)"
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert out.stdout == "False True\n"
    assert tracking.run is run
    assert tracking.RunOptions is RunOptions
    with pytest.raises(AttributeError, match="no attribute 'walk'"):
        tracking.walk  # noqa: B018


@pytest.mark.parametrize("events_per_unit", [3, 100])
def test_the_numbers_do_not_depend_on_the_units(copies, options, here, tmp_path, events_per_unit):
    assert results(run_into(tmp_path, copies, options, events_per_unit=events_per_unit)) == here
    assert sorted(p.name for p in tmp_path.iterdir()) == ["summary.json", "times.json", "tracks.root"]


def test_a_run_that_was_killed_goes_on_where_it_was(copies, options, whole, client, tmp_path, caplog):
    assert call(KILLED, copies, tmp_path, options) == -signal.SIGKILL
    assert not (tmp_path / "tracks.root").exists()
    assert len(parts(tmp_path)) == 9
    run_into(tmp_path, copies, options, client)
    assert "9 of 24 units are done already" in caplog.text
    assert results(tmp_path) == whole
    assert not (tmp_path / "unfinished").exists()


def test_a_run_that_was_interrupted_does_the_rest_alone(copies, options, stopped, here, monkeypatch):
    run_unit, done = units.run_unit, []
    monkeypatch.setattr(
        units, "run_unit", lambda chain, unit, *more: done.append(unit) or run_unit(chain, unit, *more)
    )
    run_into(stopped, copies, options)
    assert len(done) == 14
    assert results(stopped) == here
    assert sorted(p.name for p in stopped.iterdir()) == ["summary.json", "times.json", "tracks.root"]


def test_a_run_with_other_options_does_not_go_on(copies, options, stopped, weights, tmp_path):
    narrow = dataclasses.replace(options, cone=dataclasses.replace(options.cone, quantile=0.5))
    with pytest.raises(
        InputError, match=r"options\.cone\.quantile was 0\.9999, is 0\.5\). Finish that one, write to another"
    ):
        run_into(stopped, copies, narrow)
    with pytest.raises(InputError, match="events_per_unit was 1, is 2"):
        run_into(stopped, copies, options, events_per_unit=2)
    described = weights.with_suffix(".json")
    content = described.read_text()
    try:
        described.write_text(content + " ")
        with pytest.raises(InputError, match=r"weights\.gnn was"):
            run_into(stopped, copies, options)
    finally:
        described.write_text(content)
    assert len(parts(stopped)) == 10


def test_units_cover_every_entry_once_in_order(files):
    opened = [open_events(files[n]) for n in ("toy", "none", "first")]
    planned = units.plan_units(opened, 3)
    assert [(u.path, u.start, u.stop) for u in planned] == [
        (str(files["toy"]), 0, 3), (str(files["toy"]), 3, 4), (str(files["first"]), 0, 2),
    ]  # fmt: skip
    assert len({u.key for u in planned}) == 3
    with pytest.raises(InputError, match="events_per_unit must be whole and at least 1 and is 0"):
        units.plan_units(opened, 0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--dask", "tcp://127.0.0.1:9"), ("no dask scheduler answers there", "dask scheduler")),
        (("--dask", "nonsense://x"), ("no dask scheduler answers there",)),
        (("--dask", "local", "--workers", "0"), ("workers", "at least 1")),
        (("--workers", "2"), ("--workers", "--dask local")),
        (("--dask", "tcp://127.0.0.1:9", "--workers", "2"), ("--workers", "--dask local")),
        (("--events-per-unit", "0"), ("events_per_unit", "at least 1")),
    ],
)
def test_bad_flags_are_one_line_and_code_1(capsys, monkeypatch, files, options, tmp_path, arguments, words):
    monkeypatch.setattr("tracking.runs.workers.PATIENCE", 1)
    command = [
        "run",
        str(files["toy"]),
        "-o",
        str(tmp_path / "out"),
        "--set",
        f"gnn={options.gnn}",
        *arguments,
    ]
    assert main(command) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("smartpix: ")
    assert err.count("\n") == 1
    for word in words:
        assert word in err
    assert not (tmp_path / "out").exists()


def test_arguments_of_another_kind_are_named(files, tmp_path):
    for more, words in (
        ({"options": {"threads": 2}}, "options must be RunOptions"), ({"client": "tcp://a:1"},
        r"give Client\('tcp://a:1'\)"),
        ({"events_per_unit": "10"}, "events_per_unit must be whole and at least 1 and is '10'"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=words):
            run(files["toy"], tmp_path / "out", **more)
    assert not (tmp_path / "out").exists()
