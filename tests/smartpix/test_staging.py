"""Folders that killed programs left: which are removed, and which are not."""

import dataclasses
import fcntl
import os
import shutil
import signal
from pathlib import Path

import pytest

from smartpix import staging as of_staging
from smartpix.files import replace_when_done
from smartpix.schema import InputError
from smartpix.staging import MARK, staging, sweep
from tests.helpers import mark_of_the_dead
from tests.smartpix.dead_programs import names, python


def dead(parent, name="00c0ffee", mark=True):
    """A staging folder as a killed program leaves it."""
    folder = parent / f".smartpix-{name}"
    folder.mkdir()
    if mark:
        (folder / MARK).write_bytes(mark_of_the_dead())
    (folder / "half").write_text("of something")
    return folder


KILLED = """
    import os, signal, sys
    from pathlib import Path
    from smartpix.files import replace_folder_when_done, replace_when_done
    path = Path(sys.argv[2])
    with {"file": replace_when_done, "folder": replace_folder_when_done}[sys.argv[1]](path) as beside:
        (beside if sys.argv[1] == "file" else beside / "part").write_text("half")
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_the_next_writing_removes_what_a_killed_program_left(tmp_path, kind):
    path = tmp_path / "result"
    assert python(KILLED, kind, path).returncode == -signal.SIGKILL
    (left,) = names(tmp_path)
    assert left.startswith(".smartpix-")
    # Whatever is written there next.
    with replace_when_done(tmp_path / "other.txt") as beside:
        beside.write_text("whole")
        assert not (tmp_path / left).exists()
    assert names(tmp_path) == ["other.txt"]


def test_what_a_living_program_is_writing_stays(tmp_path):
    with staging(tmp_path) as folder:
        (folder / "half").touch()
        with replace_when_done(tmp_path / "other.txt") as beside:
            beside.touch()
        assert (folder / "half").exists()
        # Another process is no different.
        code = "import sys; from pathlib import Path; from smartpix.staging import sweep; sweep(Path(sys.argv[1]))"
        assert python(code, tmp_path).returncode == 0
        assert (folder / "half").exists()
    assert names(tmp_path) == ["other.txt"]


def test_nothing_is_removed_that_is_not_provably_ours(tmp_path):
    without = dead(tmp_path, mark=False)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / MARK).write_bytes(mark_of_the_dead())
    (tmp_path / ".smartpix-0badf00d").symlink_to(elsewhere)
    by_link = tmp_path / ".smartpix-11111111"
    by_link.mkdir()
    (by_link / MARK).symlink_to(elsewhere / MARK)
    (tmp_path / ".smartpix-22222222").touch()
    other_name = dead(tmp_path, "notes-of-mine")
    (tmp_path / ".smartpix-33333333").mkdir()
    sweep(tmp_path)
    assert (without / "half").exists()
    assert (elsewhere / MARK).exists()
    assert (other_name / "half").exists()
    # Of an empty one nothing is lost.
    assert names(tmp_path) == [
        ".smartpix-00c0ffee", ".smartpix-0badf00d", ".smartpix-11111111", ".smartpix-22222222",
        ".smartpix-notes-of-mine",
        "elsewhere",
    ]  # fmt: skip


def test_links_inside_a_dead_folder_are_removed_and_not_followed(tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("mine")
    folder = dead(tmp_path)
    (folder / "link").symlink_to(mine)
    sweep(tmp_path)
    assert names(tmp_path) == ["mine"]
    assert (mine / "thesis.txt").read_text() == "mine"


def test_a_removal_that_was_killed_itself_is_finished_by_the_next(tmp_path, monkeypatch):
    """The mark goes last."""
    folder = dead(tmp_path)
    (folder / "more").mkdir()
    order, unlink = [], Path.unlink
    monkeypatch.setattr(Path, "unlink", lambda path, **more: order.append(path.name) or unlink(path, **more))
    sweep(tmp_path)
    assert order[-1] == MARK
    assert names(tmp_path) == []


@pytest.mark.parametrize("new_is_there", [True, False])
def test_a_swap_of_folders_that_was_killed_half_way_is_finished(tmp_path, new_is_there):
    folder = dead(tmp_path)
    for name in ("old", "new") if new_is_there else ("old",):
        (folder / name / "project").mkdir(parents=True)
        (folder / name / "project" / "which").write_text(name)
    sweep(tmp_path)
    assert names(tmp_path) == ["project"]
    assert (tmp_path / "project" / "which").read_text() == ("new" if new_is_there else "old")


@pytest.mark.parametrize(
    ("change", "stays"),
    [
        ({}, False), ({"boot": "before"}, False), ({"boot": "before", "started": "1"}, False), ({"host": "node2"}, True),
        ({"machine": "another"}, True), ({"host": "node2", "boot": "before"}, True),
        ({"machine": "another", "boot": "before"}, True), ({"started": "of this process"}, True), ({"started": ""}, False),
    ],
)  # fmt: skip
def test_only_the_machine_of_the_maker_takes_a_folder_for_dead(tmp_path, monkeypatch, change, stays):
    """Nobody holds the lock: on NFS and Lustre that says nothing of the other machines."""
    here = dataclasses.replace(of_staging._this_process(), machine="abc")
    monkeypatch.setattr(of_staging, "_this_process", lambda: here)
    folder = dead(tmp_path)
    if change.get("started") == "of this process":
        change = {"started": here.started}
    (folder / MARK).write_bytes(of_staging._content(dataclasses.replace(here, **{"started": "0", **change})))
    sweep(tmp_path)
    assert folder.exists() == stays


def test_without_a_machine_id_another_boot_may_be_of_another_machine(tmp_path, monkeypatch):
    here = dataclasses.replace(of_staging._this_process(), machine="")
    monkeypatch.setattr(of_staging, "_this_process", lambda: here)
    folder = dead(tmp_path)
    for boot, stays in (("before", True), (here.boot, False)):
        (folder / MARK).write_bytes(of_staging._content(dataclasses.replace(here, started="0", boot=boot)))
        sweep(tmp_path)
        assert folder.exists() == stays


def test_a_living_writer_tells_this_machine_and_holds_the_lock(tmp_path):
    with staging(tmp_path) as folder:
        with (folder / MARK).open("rb") as mark:
            maker = of_staging._maker_of(mark.fileno())
            with pytest.raises(BlockingIOError):
                fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert maker == of_staging._this_process()
        assert maker.pid == os.getpid()
        assert maker.host
        assert int(maker.started) > 0
        # The lock alone is enough: the process may be one that cannot be seen from here.
        (folder / MARK).write_bytes(mark_of_the_dead())
        sweep(tmp_path)
        assert (folder / MARK).exists()


@pytest.mark.parametrize(
    "content", [b"", b"notes", of_staging.MAGIC, of_staging.MAGIC + b"{}\n", of_staging.MAGIC + b"3\n", b" " + mark_of_the_dead(),
                mark_of_the_dead() + b"more", mark_of_the_dead()[:-1]],
)  # fmt: skip
def test_a_mark_with_other_content_is_not_ours(tmp_path, content):
    folder = dead(tmp_path, "deadbeef")
    (folder / MARK).write_bytes(content)
    sweep(tmp_path)
    assert (folder / "half").exists()
    assert (folder / MARK).read_bytes() == content


def test_folders_of_other_users_stay(tmp_path, monkeypatch):
    folder, empty = dead(tmp_path), tmp_path / ".smartpix-33333333"
    empty.mkdir()
    uid = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: uid + 1)
    sweep(tmp_path)
    assert (folder / "half").exists()
    assert empty.exists()


def test_a_folder_that_another_sweep_removed_meanwhile_is_left_to_who_has_its_name_now(tmp_path, monkeypatch):
    folder, flock = dead(tmp_path), fcntl.flock

    def other_sweep(*arguments):
        # Between the opening of the mark and its lock.
        monkeypatch.setattr(fcntl, "flock", flock)
        shutil.rmtree(folder)
        dead(tmp_path)
        return flock(*arguments)

    monkeypatch.setattr(fcntl, "flock", other_sweep)
    sweep(tmp_path)
    assert (folder / "half").exists()


def test_a_folder_that_is_swept_before_it_has_its_mark_is_made_anew(tmp_path, monkeypatch):
    opened, swept = os.open, []

    def sweep_first(path, flags, *more):
        if Path(path).name == MARK and flags & os.O_CREAT and not swept:
            swept.append(Path(path).parent)
            sweep(tmp_path)
        return opened(path, flags, *more)

    monkeypatch.setattr(os, "open", sweep_first)
    with staging(tmp_path) as folder:
        assert folder != swept[0]
        assert names(tmp_path) == [folder.name]
        assert (folder / MARK).exists()
    assert names(tmp_path) == []


def test_a_folder_without_a_whole_mark_is_not_swept(tmp_path, monkeypatch):
    """Another machine may see it before the mark is written, and does not see the lock."""
    write, tried = os.write, []

    def sweep_first(file, content):
        tried.append(names(tmp_path))
        with monkeypatch.context() as patched:
            patched.setattr(fcntl, "flock", lambda *arguments: None)
            sweep(tmp_path)
        return write(file, content)

    monkeypatch.setattr(os, "write", sweep_first)
    with staging(tmp_path) as folder:
        assert tried == [[folder.name]]
        assert (folder / MARK).read_bytes().startswith(of_staging.MAGIC)


def test_a_mark_that_cannot_be_written_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "write", lambda file, content: 3)
    with (
        pytest.raises(InputError, match=r"a\.txt: cannot be written: no space is left"),
        replace_when_done(tmp_path / "a.txt"),
    ):
        pass
    assert names(tmp_path) == []


def test_on_nfs_nothing_stays_though_an_open_file_that_is_removed_does(tmp_path, monkeypatch):
    """It is there under another name until it is closed."""
    unlink, close, renamed = Path.unlink, os.close, []

    def keep(path, **more):
        if path.name == MARK:
            renamed.append(path.rename(path.with_name(".nfs0001")))
        else:
            unlink(path, **more)

    def closed(file):
        close(file)
        for path in renamed:
            unlink(path, missing_ok=True)

    dead(tmp_path)
    monkeypatch.setattr(Path, "unlink", keep)
    monkeypatch.setattr(os, "close", closed)
    with replace_when_done(tmp_path / "a.txt") as beside:
        beside.touch()
    assert len(renamed) == 2
    assert names(tmp_path) == ["a.txt"]


def test_what_cannot_be_removed_keeps_the_mark(tmp_path, monkeypatch):
    folder = dead(tmp_path)
    (folder / "more").mkdir()
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", lambda path, **more: None)
        sweep(tmp_path)
    assert names(folder) == [MARK, "more"]
    sweep(tmp_path)
    assert names(tmp_path) == []


def test_a_swap_that_was_done_is_not_done_again(tmp_path):
    folder = dead(tmp_path)
    for path, text in ((folder / "old" / "project", "old"), (tmp_path / "project", "new")):
        path.mkdir(parents=True)
        (path / "which").write_text(text)
    sweep(tmp_path)
    assert names(tmp_path) == ["project"]
    assert (tmp_path / "project" / "which").read_text() == "new"


@pytest.mark.parametrize("kind", ["folder", "link"])
def test_a_swap_whose_place_another_one_took_loses_nothing(tmp_path, kind):
    folder = dead(tmp_path)
    for name in ("old", "new"):
        (folder / name / "project").mkdir(parents=True)
        (folder / name / "project" / "which").write_text(name)
    place = tmp_path / "project"
    place.mkdir() if kind == "folder" else place.symlink_to("nowhere")
    sweep(tmp_path)
    assert [(folder / name / "project" / "which").read_text() for name in ("old", "new")] == ["old", "new"]
    place.rmdir() if kind == "folder" else place.unlink()
    sweep(tmp_path)
    assert names(tmp_path) == ["project"]
    assert (place / "which").read_text() == "new"


def test_without_locks_files_are_written_and_nothing_is_swept(tmp_path, monkeypatch):
    def refuse(*arguments):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    folder = dead(tmp_path)
    with replace_when_done(tmp_path / "a.txt") as beside:
        beside.write_text("whole")
    assert names(tmp_path) == [folder.name, "a.txt"]
