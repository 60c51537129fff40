"""One run at a time writes into a folder."""

import errno
import fcntl
import os
from pathlib import Path

import pytest

from smartpix.schema import InputError
from tests.tracking.runs.toy_runs import results, run_into
from tracking.options import RunOptions
from tracking.runs import driver
from tracking.runs.driver import run
from tracking.runs.lock import LOCK_CONTENT, run_lock

pytest.importorskip("distributed")

pytestmark = pytest.mark.usefixtures("info")


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
