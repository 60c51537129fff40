"""Results are written as the units come, and are the same where they are put together from kept parts."""

import json
import shutil

import pytest

from tests.helpers import damaged
from tracking import chain
from tracking.chain import Chain
from tracking.options import RunOptions
from tracking.runs import driver, merge, unfinished, units
from tracking.runs.driver import run
from tracking.runs.outputs import EXTRA

pytestmark = pytest.mark.usefixtures("few_figures")


@pytest.fixture(scope="module")
def options(weights):
    return RunOptions(gnn=str(weights), write=tuple(name for name in EXTRA if name != "tracks.csv"))


@pytest.fixture(scope="module")
def copies(files, tmp_path_factory):
    folder = tmp_path_factory.mktemp("copies")
    for k in range(3):
        shutil.copy(files["toy"], folder / f"toy-{k}.root")
    return folder


@pytest.fixture(scope="module")
def whole(copies, options, few_figures, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    run(copies / "*.root", folder, options, events_per_unit=1)
    return contents(folder)


def contents(folder):
    """Bytes of all results but those that hold times."""
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.name not in ("times.json", "unfinished")}


def counted(monkeypatch, module, name):
    calls, real = [], getattr(module, name)
    monkeypatch.setattr(module, name, lambda *arguments: calls.append(arguments) or real(*arguments))
    return calls


def test_one_process_runs_every_event_once_and_reads_nothing_back(copies, options, tmp_path, monkeypatch):
    warmed = counted(monkeypatch, Chain, "warm_up")
    events = counted(monkeypatch, Chain, "event")
    searched = counted(monkeypatch, chain, "window")
    packed = counted(monkeypatch, units, "packed")
    unpacked = [counted(monkeypatch, module, "unpacked") for module in (merge, unfinished)]
    summary = run(copies / "*.root", tmp_path, options, events_per_unit=1)
    assert {"cone-study.png", "event-display.png"} <= set(summary["written"])
    assert len(events) - len(warmed) == len(searched) == len(packed) == summary["n_events"] == 12
    assert unpacked == [[], []]


def test_the_window_is_not_searched_again_where_it_is_the_graph(copies, tmp_path, monkeypatch):
    searched = counted(monkeypatch, chain, "window")
    options = RunOptions(graph="window", gnn="gnn-window")
    summary = run(copies / "*.root", tmp_path, options, figures=False)
    assert summary["n_window_edges"] == summary["n_edges"] > 0
    assert searched == []


def test_a_run_that_was_stopped_gives_the_same_bytes(copies, options, whole, tmp_path, monkeypatch):
    """All files, also the figures of events that ran before the stop."""
    store, stored = driver.store_part, []

    def stop(*arguments):
        store(*arguments)
        stored.append(arguments)
        if len(stored) == 4:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(driver, "store_part", stop)
        with pytest.raises(KeyboardInterrupt):
            run(copies / "*.root", tmp_path, options, events_per_unit=1)
    assert [p.name for p in tmp_path.iterdir()] == ["unfinished"]
    run(copies / "*.root", tmp_path, options, events_per_unit=1)
    assert contents(tmp_path) == whole


# Figures take most of the time, and once they are enough.
@pytest.mark.parametrize(("bad", "figures"), [(0, False), (1, True)])
def test_of_a_file_that_fails_in_the_middle_nothing_stays(
    copies, options, files, whole, tmp_path, bad, figures
):
    """Neither in the files of results nor in the figures; repaired, the results are those of all files."""

    def run_of(paths, output):
        return run(paths, tmp_path / output, options, figures=figures, events_per_unit=1)

    folder = tmp_path / "files"
    shutil.copytree(copies, folder)
    names = [folder / f"toy-{k}.root" for k in range(3)]
    damaged(files["toy"], names[bad])
    failed = run_of(names, "out")["failed"]
    assert list(failed) == [str(names[bad])]
    others = [name for k, name in enumerate(names) if k != bad]
    run_of(others, "others")
    found, wanted = contents(tmp_path / "out"), contents(tmp_path / "others")
    assert found.keys() == wanted.keys()
    assert [name for name in found if found[name] != wanted[name]] == ["summary.json"]
    shutil.copy(copies / names[bad].name, names[bad])
    run_of(names, "out")
    run(names, tmp_path / "anew", options, figures=False, events_per_unit=1)
    repaired, anew = contents(tmp_path / "out"), contents(tmp_path / "anew")
    drawn = {name: whole[name] for name in whole if name not in anew} if figures else {}
    assert repaired.keys() == {*anew, *drawn}
    assert {name: repaired[name] for name in drawn} == drawn
    summaries = [json.loads(found.pop("summary.json")) for found in (repaired, anew)]
    for summary in summaries:
        # These name the figures that there are.
        del summary["written"], summary["sha256"]
    assert summaries[0] == summaries[1]
    assert anew.items() <= repaired.items()
