"""Runs in units: the same whoever does them, however often they are stopped, and without files that are
damaged.

The process that compiles the loops does not round like those that load them (docs/scaling.md): what this
process does is compared with what it did before, and what other processes do with another one that found the
loops compiled.
"""

import ast
import dataclasses
import errno
import fcntl
import hashlib
import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from importlib.metadata import version
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

import tracking
from smartpix.io.events import open_events
from smartpix.packed import pack, unpack
from smartpix.schema import InputError
from smartpix.staging import MARK, sweep
from tests.helpers import REPOSITORY, damaged, mark_of_the_dead
from tests.left_out import needs
from tracking import chain as chain_module
from tracking.chain import Chain
from tracking.cli.main import main
from tracking.inputs import expand
from tracking.options import RunOptions
from tracking.runs import driver, unfinished, units
from tracking.runs.driver import run
from tracking.runs.lock import LOCK_CONTENT, run_lock
from tracking.runs.outputs import EXTRA
from tracking.runs.part import KIND, packed, unpacked
from tracking.runs.results import SUMMARY, TIMES, check_in_the_way, old_results, signed, written_before
from tracking.runs.sources import Sources
from tracking.runs.unfinished import dependencies, open_parts, store_part
from tracking.runs.workers import DASK_TRIM, _chain_of, _run_on_worker, connect, packed_chain

distributed = pytest.importorskip("distributed")


@pytest.fixture(autouse=True)
def info(caplog):
    """What a run logs of its progress is there for tests to read."""
    caplog.set_level("INFO", "tracking")


@pytest.fixture(scope="module")
def options(weights):
    return RunOptions(gnn=str(weights))


@pytest.fixture(scope="module")
def copies(files, tmp_path_factory):
    """Six copies of the four toy events under names in order."""
    folder = tmp_path_factory.mktemp("copies")
    for k in range(6):
        shutil.copy(files["toy"], folder / f"toy-{k}.root")
    return folder


@pytest.fixture(scope="module")
def here(copies, options, tmp_path_factory):
    """Of this process, in units of one event."""
    return results(run_into(tmp_path_factory.mktemp("here"), copies, options))


@pytest.fixture(scope="module")
def whole_folder(here, copies, options, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    call(ALONE, copies, folder, options)
    return folder


@pytest.fixture(scope="module")
def whole(whole_folder):
    """Of one other process, in units of one event, never stopped."""
    return results(whole_folder)


@pytest.fixture(scope="module")
def client(whole):
    with connect("local", 2) as client:
        yield client


ALONE = """
import sys
from tracking import RunOptions, run
run(sys.argv[1], sys.argv[2], RunOptions(gnn=sys.argv[3]), figures=False, events_per_unit=1)
"""
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


def call(code, copies, folder, options):
    command = [sys.executable, "-c", code, str(copies / "toy-*.root"), str(folder), options.gnn]
    return subprocess.run(command, cwd=REPOSITORY, check=code is ALONE).returncode


def run_into(folder, copies, options, client=None, events_per_unit=1):
    run(copies / "toy-*.root", folder, options, client, figures=False, events_per_unit=events_per_unit)
    return folder


def results(folder):
    """All numbers but the times, to the last bit, and the bytes of all branches of the tracks."""
    summary = json.loads((folder / "summary.json").read_text())
    assert json.loads((folder / "times.json").read_text())["ms_per_event"]["total"] > 0
    assert len(summary.pop("sha256")["tracks.root"]) == 64
    with uproot.open(folder / "tracks.root") as file:
        arrays = file["tracks"].arrays()
    assert len(arrays) == summary["n_events"]
    buffers = ak.to_buffers(ak.to_packed(arrays))
    return json.dumps(summary), {name: np.asarray(b).tobytes() for name, b in buffers[2].items()}


def parts(folder):
    return sorted((folder / "unfinished").glob("*.part"))


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


def test_two_workers_give_the_bytes_of_one_process(copies, options, whole, whole_folder, client, tmp_path):
    assert results(run_into(tmp_path, copies, options, client)) == whole
    assert (tmp_path / "tracks.root").read_bytes() == (whole_folder / "tracks.root").read_bytes()
    assert not (tmp_path / "unfinished").exists()


def test_a_worker_killed_in_the_middle_loses_nothing(copies, options, whole, client, tmp_path):
    pids = client.run(os.getpid)
    assert len(set(pids.values())) == 2
    killed = []

    def kill():
        until = time.monotonic() + 60
        while len(parts(tmp_path)) < 2 and time.monotonic() < until:
            time.sleep(0.005)
        # The one that holds a unit now.
        busy = [worker for worker, tasks in client.processing().items() if tasks]
        killed.append(pids[(busy or list(pids))[0]])
        os.kill(killed[0], signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    run_into(tmp_path, copies, options, client)
    thread.join()
    assert results(tmp_path) == whole
    client.wait_for_workers(2, timeout=30)
    now = set(client.run(os.getpid).values())
    assert killed[0] not in now
    assert len(now) == 2


def test_a_run_that_was_killed_goes_on_where_it_was(copies, options, whole, client, tmp_path, caplog):
    assert call(KILLED, copies, tmp_path, options) == -signal.SIGKILL
    assert not (tmp_path / "tracks.root").exists()
    assert len(parts(tmp_path)) == 9
    run_into(tmp_path, copies, options, client)
    assert "9 of 24 units are done already" in caplog.text
    assert results(tmp_path) == whole
    assert not (tmp_path / "unfinished").exists()


@pytest.fixture
def stopped(copies, options, tmp_path, monkeypatch):
    """A folder with a run of the six files that was stopped after ten units of one event."""
    with monkeypatch.context() as patched:
        store = driver.store_part

        def stop(folder, unit, part):
            store(folder, unit, part)
            if len(parts(tmp_path)) == 10:
                raise KeyboardInterrupt

        patched.setattr(driver, "store_part", stop)
        with pytest.raises(KeyboardInterrupt):
            run_into(tmp_path, copies, options)
    return tmp_path


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


def test_a_part_of_other_options_is_never_taken(copies, options, stopped, caplog):
    narrow = dataclasses.replace(options, cone=dataclasses.replace(options.cone, quantile=0.5))
    beam_spot = open_events(copies / "toy-0.root").header.beam_spot
    (stopped / "unfinished" / "run.json").write_text(json.dumps(dependencies(narrow, 1, beam_spot)))
    run_into(stopped, copies, narrow)
    assert "are done already" not in caplog.text


def test_a_second_run_into_a_folder_is_refused_while_the_first_goes_on(
    copies, options, here, tmp_path, monkeypatch
):
    store, tried = driver.store_part, []

    def both(folder, unit, part):
        if not tried:
            tried.append(unit)
            with pytest.raises(InputError, match="another run is writing into this folder"):
                run(copies / "toy-0.root", tmp_path, RunOptions(gnn=options.gnn, threads=2), figures=False)
        store(folder, unit, part)

    monkeypatch.setattr(driver, "store_part", both)
    assert results(run_into(tmp_path, copies, options)) == here
    assert len(tried) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["summary.json", "times.json", "tracks.root"]


def test_results_of_the_run_before_do_not_stay_beside_the_new_ones(files, options, tmp_path):
    everything = dataclasses.replace(options, write=EXTRA)
    before = run(files["first"], tmp_path, everything, join=files["first"])["written"]
    assert before == sorted(p.name for p in tmp_path.iterdir())
    assert {
        "edges.parquet",
        "event000000000-tracks_smartpix.csv",
        "first-tracks.root",
        "efficiency.png",
    } <= set(before)
    # Of the old results one was changed since.
    (tmp_path / "efficiency.png").write_bytes(b"drawn anew by hand")
    (tmp_path / "mine.png").touch()
    (tmp_path / "event000000007-tracks_smartpix.csv").touch()
    after = run(
        files["second"], tmp_path, dataclasses.replace(options, write=("tracks.csv",)), figures=False
    )["written"]
    assert after == [f"event{e:09d}-tracks_smartpix.csv" for e in (2, 3)] + [
        "summary.json",
        "times.json",
        "tracks.root",
    ]
    others = ["mine.png", "efficiency.png", "event000000007-tracks_smartpix.csv"]
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([*after, *others])


EMPTY = hashlib.sha256(b"").hexdigest()
NOT_OURS = ("", ".", "..", "b", "../out.txt", "gone", "a\0", "link", "b/c")


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"\xff", b"3", b"[]", b"{}", b'{"written": 3}', b'{"written": "a"}', b'{"written": {"a": 1}}',
        b'{"written": ["a"]}', b'{"sha256": 3}', b'{"sha256": ["a"]}', b'{"sha256": {"a": null, "b": 3, "a/../a": "x"}}',
        json.dumps({"sha256": {"a": EMPTY[:-1]}}).encode(), json.dumps({"sha256": dict.fromkeys(NOT_OURS, EMPTY)}).encode(),
    ],
)  # fmt: skip
def test_a_summary_of_something_else_is_not_overwritten_and_nothing_is_removed(
    files, options, tmp_path, content
):
    (tmp_path / "out" / "b").mkdir(parents=True)
    for name in ("out.txt", "out/a", "out/b/c"):
        (tmp_path / name).touch()
    (tmp_path / "out" / "link").symlink_to(tmp_path / "out.txt")
    (tmp_path / "out" / "summary.json").write_bytes(content)
    with pytest.raises(
        InputError, match=r"summary\.json: was not written by a run, so that it is not overwritten; move it"
    ):
        run(files["single"], tmp_path / "out", options, figures=False)
    assert (tmp_path / "out" / "summary.json").read_bytes() == content
    there = ["out", "out.txt", "out/a", "out/b", "out/b/c", "out/link", "out/summary.json"]
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*")) == there
    # A list is believed of names in the folder alone, and of no folders and links.
    assert old_results(tmp_path / "out", written_before(tmp_path / "out" / "summary.json")) == set()


def test_a_summary_and_times_that_were_not_changed_are_known(tmp_path):
    for name in (SUMMARY, TIMES):
        path = tmp_path / name
        told = {"n": 0.1 + 0.2, "nothing": float("nan"), "names": {"ä": [1, None]}, "sha256": {"a": "b"}}
        path.write_text(signed(name, told))
        check_in_the_way(tmp_path, [name], {})
        path.write_text(path.read_text().replace("0.3", "0.4"))
        with pytest.raises(InputError, match="was changed since a run wrote it"):
            check_in_the_way(tmp_path, [name], written_before(path))
        path.write_text(signed("other", told))
        with pytest.raises(InputError, match="was not written by a run"):
            check_in_the_way(tmp_path, [name], written_before(path))
        path.unlink()


@pytest.fixture
def no_work(monkeypatch):
    """No event is run."""

    def work(*arguments):
        raise AssertionError("work was begun")

    monkeypatch.setattr(driver, "run_here", work)


NAMES = [
    "tracks.root", "summary.json", "times.json", "edges.parquet", "event000000000-tracks_smartpix.csv",
    "first-tracks.root",
    "efficiency.png", "event-display.png",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["file", "link", "folder"])
def test_what_has_the_name_of_a_result_and_is_none_stops_the_run_before_its_work(
    files, options, tmp_path, no_work, name, kind
):
    path, thesis = tmp_path / "out" / name, tmp_path / "thesis.txt"
    path.parent.mkdir()
    thesis.write_text("mine")
    if kind == "file":
        path.write_text("mine")
    elif kind == "link":
        path.symlink_to(thesis)
    else:
        path.mkdir()
    words = (
        "is a folder" if (kind, name) == ("folder", "summary.json") else "was not written by a run, so that"
    )
    with pytest.raises(InputError, match=rf"{re.escape(str(path))}: {words}"):
        run(files["first"], path.parent, dataclasses.replace(options, write=EXTRA), join=files["first"])
    assert [p.name for p in path.parent.iterdir()] == [name]
    assert thesis.read_text() == "mine"
    if kind != "folder":
        assert path.read_text() == "mine"


@pytest.mark.parametrize("name", ["tracks.root", "summary.json", "times.json"])
def test_a_result_that_was_changed_since_stops_the_run_before_its_work(
    files, options, tmp_path, monkeypatch, name
):
    run(files["single"], tmp_path, options, figures=False)
    run(files["single"], tmp_path, options, figures=False)
    before = (tmp_path / name).read_bytes()
    changed = before + b"\n"
    (tmp_path / name).write_bytes(changed)
    with monkeypatch.context() as patched:
        patched.setattr(driver, "run_here", None)
        with pytest.raises(
            InputError,
            match=rf"{name}: was changed since a run wrote it, so that it is not overwritten; move it",
        ):
            run(files["single"], tmp_path, options, figures=False)
    assert (tmp_path / name).read_bytes() == changed
    (tmp_path / name).rename(tmp_path / "mine")
    run(files["single"], tmp_path, options, figures=False)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine", "summary.json", "times.json", "tracks.root"]


def test_what_comes_into_the_way_during_a_run_stays_and_the_work_is_kept(
    files, options, tmp_path, monkeypatch, caplog
):
    store = driver.store_part

    def other(*arguments):
        store(*arguments)
        (tmp_path / "tracks.root").write_text("mine")

    monkeypatch.setattr(driver, "store_part", other)
    with pytest.raises(InputError, match=r"tracks\.root: was not written by a run"):
        run(files["single"], tmp_path, options, figures=False)
    assert (tmp_path / "tracks.root").read_text() == "mine"
    (tmp_path / "tracks.root").unlink()
    run(files["single"], tmp_path, options, figures=False)
    assert "1 of 1 units are done already" in caplog.text


@pytest.mark.parametrize("moved", [0, 1, 2, 3, 4])
def test_a_run_that_was_stopped_while_it_moved_its_results_goes_on(
    files, options, tmp_path, monkeypatch, moved
):
    """Of some the old summary tells no more and the new one not yet."""
    # Edges are moved before the times, which have the sums of the others too.
    options = dataclasses.replace(options, write=("edges.root",))
    run(files["first"], tmp_path, options, figures=False)
    replace, done = Path.replace, []

    def stop(path, target):
        if len(done) == moved:
            raise KeyboardInterrupt
        done.append(target)
        return replace(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", stop)
        if moved < 4:
            with pytest.raises(KeyboardInterrupt):
                run(files["second"], tmp_path, options, figures=False)
        else:
            patched.setattr(driver, "remove_parts", lambda folder: None)
            run(files["second"], tmp_path, options, figures=False)
    run(files["second"], tmp_path, options, figures=False)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "edges.root",
        "summary.json",
        "times.json",
        "tracks.root",
    ]
    assert json.loads((tmp_path / "summary.json").read_text())["files"] == [str(files["second"])]


def test_a_file_that_changed_is_done_anew(copies, options, stopped, here, caplog):
    os.utime(copies / "toy-0.root", ns=(1, 1))
    run_into(stopped, copies, options)
    assert "6 of 24 units are done already" in caplog.text
    assert results(stopped) == here


def test_a_part_that_is_damaged_or_of_another_layout_is_done_anew(
    copies, options, stopped, here, caplog, monkeypatch, tmp_path
):
    first, second, *_ = parts(stopped)
    content = first.read_bytes()
    middle = len(content) // 2
    flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    tree = unpack(content, KIND)
    for damage in (
        content[:100], b"", flipped, content[:-1], content + b"0", bytes(100), pickle.dumps(3), pack(tree,
        "part 0"),
        pack(3, KIND), pack({}, KIND), pack({"totals": tree["totals"]}, KIND), pack(tree | {"outputs": {}},
        KIND),
        pack(tree | {"totals": tree["totals"] | {"n_hits": "9"}}, KIND), pack(tree | {"totals": {}}, KIND),
    ):  # fmt: skip
        second.write_bytes(damage)
        with monkeypatch.context() as patched:
            patched.setattr(driver, "_publish", lambda *arguments: None)
            patched.setattr(driver, "remove_parts", lambda folder: None)
            run_into(stopped, copies, options)
        err = caplog.text
        caplog.clear()
        assert f"{second.name}: it" in err
        assert "; this part is done anew" in err
        unpacked(second.read_bytes())
    second.write_bytes(flipped)
    run_into(stopped, copies, options)
    assert results(stopped) == here


def test_no_code_in_a_part_runs(copies, options, stopped, here, tmp_path):
    """Whoever can write into the folder runs nothing."""

    class Attack:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "hacked"),)

    evil = pickle.dumps(Attack())
    for path in parts(stopped):
        path.write_bytes(hashlib.sha256(evil).digest() + evil)
    run_into(stopped, copies, options)
    assert results(stopped) == here
    assert not (tmp_path / "hacked").exists()


def test_no_module_of_the_packages_unpickles():
    for package in ("smartpix", "seeding", "tracking"):
        for path in (REPOSITORY / package).rglob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            names = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
            names |= {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module}
            assert not names & {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}, path
            calls = {
                n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)
            }
            assert not calls & {"eval", "exec"}, path
            for word in ("torch.load(", "allow_pickle", "yaml.load("):
                assert word not in path.read_text(encoding="utf-8"), (path, word)


def test_parts_of_another_version_are_done_anew(copies, options, stopped, here, caplog):
    told = json.loads((stopped / "unfinished" / "run.json").read_text())
    (stopped / "unfinished" / "run.json").write_text(json.dumps(told | {"version": "0.0"}))
    run_into(stopped, copies, options)
    err = caplog.text
    assert "what is done there is of smartpix 0.0, and is done anew" in err
    assert "done already" not in err
    assert results(stopped) == here
    assert not (stopped / "unfinished").exists()


@pytest.mark.parametrize("content", ["", "{", "3", "[]", "[" * 100_000])
def test_a_damaged_description_of_what_is_done_is_named(copies, options, stopped, content):
    (stopped / "unfinished" / "run.json").write_text(content)
    with pytest.raises(InputError, match=r"run\.json: cannot be read .*; remove the folder to start anew"):
        run_into(stopped, copies, options)


@pytest.mark.parametrize("extra", [(), EXTRA])
@pytest.mark.parametrize("name", ["toy", "none", "bare", "first"])
def test_parts_come_back_to_the_last_bit(files, options, name, extra):
    options = dataclasses.replace(options, write=extra)
    opened = open_events(files[name])
    chain = Chain.for_header(opened.header, options)
    for unit in units.plan_units([opened], 3):
        with Sources() as sources:
            part = units.run_unit(chain, unit, sources)
        again = unpacked(packed(part))
        assert packed(again) == packed(part)
        for field in dataclasses.fields(part.totals):
            one, two = getattr(part.totals, field.name), getattr(again.totals, field.name)
            assert type(one) is type(two), field.name
            assert pickle.dumps(one) == pickle.dumps(two) or one == two, field.name
        assert repr(again.totals.summary()) == repr(part.totals.summary())
        for file, columns in part.outputs.items():
            assert list(columns) == list(again.outputs[file])
            for column, values in columns.items():
                other = again.outputs[file][column]
                assert type(other) is type(values)
                if isinstance(values, ak.Array):
                    assert (values.type, values.to_list()) == (other.type, other.to_list())
                elif isinstance(values, list):
                    assert all(
                        a.dtype == b.dtype and np.array_equal(a, b)
                        for a, b in zip(values, other, strict=True)
                    )
                elif isinstance(values, str):
                    assert values == other
                else:
                    assert (values.dtype, values.tobytes()) == (other.dtype, other.tobytes())


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


def test_workers_without_the_file_or_of_another_version_are_named(files, options):
    unit = units.plan_units([open_events(files["toy"])], 4)[0]
    with pytest.raises(InputError, match=r"elsewhere\.root: is not there on .*under the same path"):
        _run_on_worker(None, dataclasses.replace(unit, path="/elsewhere.root"), version("smartpix"))
    with pytest.raises(InputError, match=r"has smartpix .* and 0\.0 started the run"):
        _run_on_worker(None, unit, "0.0")


def test_units_cover_every_entry_once_in_order(files):
    opened = [open_events(files[n]) for n in ("toy", "none", "first")]
    planned = units.plan_units(opened, 3)
    assert [(u.path, u.start, u.stop) for u in planned] == [
        (str(files["toy"]), 0, 3), (str(files["toy"]), 3, 4), (str(files["first"]), 0, 2),
    ]  # fmt: skip
    assert len({u.key for u in planned}) == 3
    with pytest.raises(InputError, match="events_per_unit must be whole and at least 1 and is 0"):
        units.plan_units(opened, 0)


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


def test_the_command_runs_on_a_scheduler(capsys, copies, options, client, whole, tmp_path):
    address = client.scheduler_info()["address"]
    arguments = [
        "run",
        str(copies / "toy-*.root"),
        "-o",
        str(tmp_path),
        "--no-figures",
        "--json",
        "--set",
        f"gnn={options.gnn}",
    ]
    assert main([*arguments, "--dask", address, "--events-per-unit", "2"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert json.loads(out)["n_events"] == 24
    assert results(tmp_path) == whole


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


def test_without_dask_the_flag_says_what_to_install(capsys, monkeypatch, files, tmp_path):
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert main(["run", str(files["toy"]), "-o", str(tmp_path / "out"), "--dask", "local"]) == 1
    assert "pip install 'smartpix[dask]'" in capsys.readouterr().err


def page_faults():
    """Of a hundred arrays of 1 MB: 256 pages each where freed memory is given back."""
    import resource

    np.ones(1 << 17)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(100):
        np.ones(1 << 17)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@needs("glibc")
def test_workers_keep_freed_memory(client, files, options):
    """Where dask has them give it back, by the value that is known of it."""
    unit = units.plan_units([open_events(files["single"])], 1)[0]
    content = packed_chain(Chain.for_header(open_events(files["single"]).header, options))
    set_by_dask = client.run(lambda: os.environ["MALLOC_TRIM_THRESHOLD_"])
    assert set(set_by_dask.values()) == {DASK_TRIM}
    for worker in set_by_dask:
        client.submit(
            _run_on_worker, content, unit, version("smartpix"), workers=[worker], pure=False
        ).result()
        assert client.submit(page_faults, workers=[worker], pure=False).result() < 1000


@needs("glibc")
def test_memory_is_given_back_where_the_user_chose_so():
    script = "from tests.tracking.runs.test_driver import page_faults; from tracking.runs.workers import _keep_memory\n"
    script += "before = page_faults(); _keep_memory(); print(before, page_faults())"

    def faults(threshold):
        environment = {**os.environ, "MALLOC_TRIM_THRESHOLD_": threshold, "PYTHONPATH": str(REPOSITORY)}
        done = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
        )
        return [int(word) for word in done.stdout.split()]

    before, after = faults(DASK_TRIM)
    assert before > 20_000
    assert after < 1000
    assert min(faults("65537")) > 20_000


def test_what_is_not_of_a_run_stays_in_the_way(files, options, tmp_path):
    """Nothing is removed that a run did not write."""
    folder = tmp_path / "unfinished"
    folder.mkdir()
    (folder / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match=r"unfinished: is not of a run, .*move it"):
        run(files["single"], tmp_path, options, figures=False)
    assert (folder / "thesis.txt").read_text() == "mine"
    shutil.rmtree(folder)
    folder.write_text("a file")
    with pytest.raises(InputError, match=r"unfinished: is not of a run, .*move it"):
        run(files["single"], tmp_path, options, figures=False)
    assert folder.read_text() == "a file"


def test_what_others_put_beside_the_parts_stays(copies, options, stopped):
    folder, (part, *_) = stopped / "unfinished", parts(stopped)
    (folder / "notes.txt").write_text("mine")
    (folder / ".git").mkdir()
    (folder / "mine.part").write_text("of something else")
    # Of no unit: another key.
    nothing = f"{part.name[:-7]}{'ff' if part.name[-7:-5] == '00' else '00'}.part"
    (folder / nothing).write_text("of nothing")
    (folder / ".smartpix-0badf00d").mkdir()
    (folder / ".smartpix-0badf00d" / MARK).write_bytes(mark_of_the_dead())
    (folder / ".smartpix-0badf00d" / "half").write_text("of what a killed run was writing")
    run_into(stopped, copies, options)
    assert sorted(p.name for p in folder.iterdir()) == sorted([".git", "notes.txt", "mine.part", nothing])


@pytest.mark.parametrize("how", ["link", "hard link", "file", "empty", "folder", "pipe", "gone"])
def test_a_lock_that_no_run_made_stays_as_it_is(files, options, tmp_path, how):
    """In particular a link, of which the file at its other end must not be emptied."""
    out, thesis, lock = tmp_path / "out", tmp_path / "thesis.txt", tmp_path / "out" / ".lock"
    out.mkdir()
    thesis.write_text("mine")
    if how in ("link", "gone"):
        lock.symlink_to(thesis if how == "link" else tmp_path / "nowhere")
    elif how == "hard link":
        lock.hardlink_to(thesis)
    elif how == "folder":
        lock.mkdir()
    elif how == "pipe":
        os.mkfifo(lock)
    else:
        lock.write_text("" if how == "empty" else "of another program")
    with pytest.raises(InputError, match=r"\.lock: is not the lock of a run, which needs this name; move it"):
        run(files["single"], out, options, figures=False)
    assert thesis.read_text() == "mine"
    assert [p.name for p in out.iterdir()] == [".lock"]
    assert not (tmp_path / "nowhere").exists()


def test_the_lock_of_a_killed_run_is_taken_and_removed(files, options, tmp_path):
    (tmp_path / ".lock").write_bytes(LOCK_CONTENT)
    run(files["single"], tmp_path, options, figures=False)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["summary.json", "times.json", "tracks.root"]


def test_a_lock_that_was_removed_since_it_was_opened_is_not_held(tmp_path, monkeypatch):
    """The run that held it has ended, and a third one may have made another."""
    (tmp_path / ".lock").write_bytes(LOCK_CONTENT)
    flock = fcntl.flock

    def ended(*arguments):
        (tmp_path / ".lock").rename(tmp_path / "gone")
        (tmp_path / ".lock").write_bytes(LOCK_CONTENT)
        return flock(*arguments)

    monkeypatch.setattr(fcntl, "flock", ended)
    with pytest.raises(InputError, match="another run is writing into this folder"), run_lock(tmp_path):
        pass
    assert (tmp_path / ".lock").exists()


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        (
            "open",
            errno.EACCES,
            r"\.lock: cannot be opened \(Permission denied\); the run may be another user's; give another folder",
        ),
        ("open", errno.EIO, r"\.lock: cannot be opened \(Input/output error\); give another folder"),
        (
            "link",
            errno.EPERM,
            r"\.lock: a hard link cannot be made \(Operation not permitted\), as on file systems that have none",
        ),
        ("link", errno.ENOSPC, r"\.lock: cannot be written: no space is left"),
    ],
)
def test_a_lock_that_cannot_be_had_tells_why(tmp_path, monkeypatch, name, code, words):
    called = getattr(os, name)

    def refuse(path, *more, **options):
        if name == "link" or Path(path) == tmp_path / ".lock":
            raise OSError(code, os.strerror(code), str(path))
        return called(path, *more, **options)

    monkeypatch.setattr(os, name, refuse)
    with pytest.raises(InputError, match=words), run_lock(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_what_dead_runs_left_is_swept_once_and_not_with_every_part(files, options, tmp_path, monkeypatch):
    swept = []
    for module in (unfinished, sys.modules[sweep.__module__]):
        monkeypatch.setattr(module, "sweep", lambda parent: swept.append(parent) or sweep(parent))
    planned = units.plan_units([open_events(files["toy"])], 1)
    folder = tmp_path / "unfinished"
    open_parts(folder, dependencies(options, 1))
    swept.clear()
    # Taken up again.
    store_part(open_parts(folder, dependencies(options, 1)), planned[0], b"smartpix part ")
    swept.clear()
    made = open_parts(folder, dependencies(options, 1))
    for unit in planned:
        store_part(made, unit, b"")
    assert swept == [folder]


def test_a_folder_of_parts_that_is_a_link_is_not_followed(copies, options, stopped, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "parts"
    (stopped / "unfinished").rename(elsewhere)
    (stopped / "unfinished").symlink_to(elsewhere)
    with pytest.raises(InputError, match="unfinished: is not of a run, which needs this name"):
        run_into(stopped, copies, options)
    assert len(list(elsewhere.glob("*.part"))) == 10


def test_a_run_that_was_killed_while_it_cleared_its_parts_is_taken_up(
    copies, options, stopped, here, monkeypatch
):
    """What the parts are of goes last."""
    removed, unlink = [], Path.unlink
    with monkeypatch.context() as patched:
        patched.setattr(
            Path, "unlink", lambda path, **more: removed.append(path.name) or unlink(path, **more)
        )
        run_into(stopped, copies, options)
    of_parts = [name for name in removed if name.endswith(".part") or name == "run.json"]
    assert of_parts[-1] == "run.json"
    assert len(of_parts) == 25
    assert results(stopped) == here


def test_a_unit_that_kills_its_workers_is_a_failure_of_its_file(options, files, client, tmp_path):
    def die(*arguments):
        os._exit(1)

    def poison():
        from tracking.runs import workers

        workers.finished_unit = die

    def heal():
        from tracking.runs import units, workers

        workers.finished_unit = units.finished_unit

    def allow(n, dask_scheduler=None):
        before, dask_scheduler.allowed_failures = dask_scheduler.allowed_failures, n
        return before

    before = client.run_on_scheduler(allow, 0)
    try:
        client.run(poison)
        with pytest.raises(
            InputError, match=r"toy\.root: events 0 to 3 could not be run: the workers .* died"
        ):
            run(files["toy"], tmp_path, options, client, figures=False)
    finally:
        client.run_on_scheduler(allow, before)
        client.run(heal)


def test_arguments_of_another_kind_are_named(files, tmp_path):
    for more, words in (
        ({"options": {"threads": 2}}, "options must be RunOptions"), ({"client": "tcp://a:1"},
        r"give Client\('tcp://a:1'\)"),
        ({"events_per_unit": "10"}, "events_per_unit must be whole and at least 1 and is '10'"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=words):
            run(files["toy"], tmp_path / "out", **more)
    assert not (tmp_path / "out").exists()


def listening(process):
    """Addresses at which a process and its children wait for connections, but for those of the machine
    itself.
    """
    import psutil

    found = []
    for one in (process, *process.children(recursive=True)):
        for connection in one.net_connections(kind="inet"):
            if connection.status == psutil.CONN_LISTEN:
                found.append(connection.laddr.ip)
    return found


def test_the_local_cluster_can_be_reached_from_this_machine_alone(client):
    import psutil

    found = listening(psutil.Process())
    assert len(found) >= 4
    assert set(found) <= {"127.0.0.1", "::1"}


def test_weights_that_differ_on_a_worker_are_named(files, options, weights, tmp_path):
    for ending in (".safetensors", ".json"):
        shutil.copy(weights.with_suffix(ending), tmp_path / f"w{ending}")
    header = open_events(files["single"]).header
    unit = units.plan_units([open_events(files["single"])], 1)[0]
    content = packed_chain(Chain.for_header(header, RunOptions(gnn=str(tmp_path / "w.safetensors"))))
    (tmp_path / "w.json").write_text((tmp_path / "w.json").read_text() + " ")
    with pytest.raises(InputError, match=r"w\.safetensors: is not there on .*, or is another one"):
        _run_on_worker(content, unit, version("smartpix"))


def test_a_chain_is_the_same_on_a_worker(files, options, monkeypatch):
    from tracking.runs.workers import _chain_of

    monkeypatch.chdir(Path(options.gnn).parent)
    narrow = dataclasses.replace(
        options, gnn=Path(options.gnn).name, write=EXTRA, cone=dataclasses.replace(options.cone, quantile=0.9)
    )
    chain = Chain.for_header(open_events(files["toy"]).header, narrow)
    again = _chain_of(packed_chain(chain))
    assert again.options == dataclasses.replace(narrow, gnn=options.gnn)
    unit = units.plan_units([open_events(files["toy"])], 4)[0]
    with Sources() as sources:
        one, two = units.run_unit(chain, unit, sources), units.run_unit(again, unit, sources)
    one.totals.ms = two.totals.ms = {}
    assert packed(one) == packed(two)


def test_a_worker_says_no_warnings_again_and_its_stderr_stays(files, options, capsys, monkeypatch):
    class Told(Chain):
        @classmethod
        def for_header(cls, header, options, report=print):
            report("warning: said before")
            print("of another thread", file=sys.stderr)
            return Chain.for_header(header, options, report)

    chain = Chain.for_header(open_events(files["toy"]).header, options)
    monkeypatch.setattr("tracking.runs.workers.Chain", Told)
    _chain_of.cache_clear()
    _chain_of(packed_chain(chain))
    out, err = capsys.readouterr()
    assert (out, err) == ("", "of another thread\n")


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
    def fit(*arguments):
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
