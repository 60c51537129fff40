"""Results of a run and what stands where they belong: an older run's, changed ones, files of others."""

import dataclasses
import hashlib
import json
import re
import shutil
from pathlib import Path

import pytest

from smartpix.schema import InputError
from tracking.runs import driver
from tracking.runs.driver import run
from tracking.runs.outputs import EXTRA
from tracking.runs.results import SUMMARY, TIMES, check_in_the_way, old_results, signed, written_before

pytest.importorskip("distributed")

pytestmark = pytest.mark.usefixtures("info", "few_figures")


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
