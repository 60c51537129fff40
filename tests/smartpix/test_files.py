"""Files and folders written whole or not at all: dead programs' leavings, folders of others, and disks that
take no more.
"""

import dataclasses
import errno
import fcntl
import inspect
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from smartpix import staging as of_staging
from smartpix.files import MANIFEST, check_writable, replace_folder_when_done, replace_when_done, writing
from smartpix.schema import InputError
from smartpix.staging import MARK, staging, sweep
from tests.helpers import REPOSITORY, mark_of_the_dead
from tests.left_out import needs


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def python(code, *arguments):
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def dead(parent, name="00c0ffee", mark=True):
    """A staging folder as a killed program leaves it."""
    folder = parent / f".smartpix-{name}"
    folder.mkdir()
    if mark:
        (folder / MARK).write_bytes(mark_of_the_dead())
    (folder / "half").write_text("of something")
    return folder


# --- what a killed program leaves

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


# --- folders


def fill(path, text="one"):
    with replace_folder_when_done(path) as new:
        (new / "sub").mkdir()
        (new / "sub" / "a.txt").write_text(text)


def test_a_folder_of_ours_is_replaced_and_one_with_more_in_it_not(tmp_path):
    path = tmp_path / "project"
    fill(path)
    fill(path, "two")
    assert (path / "sub" / "a.txt").read_text() == "two"
    assert names(tmp_path) == ["project"]
    (path / "sub" / "notes.txt").write_text("mine")
    with pytest.raises(
        InputError,
        match=r"project: holds sub/notes\.txt, which smartpix did not write, so that it is not over",
    ):
        fill(path)
    (path / "sub" / "notes.txt").unlink()
    (path / "sub" / "a.txt").write_text("edited by hand")
    with pytest.raises(InputError, match=r"holds sub/a\.txt, which was changed since smartpix wrote it"):
        fill(path)
    assert (path / "sub" / "a.txt").read_text() == "edited by hand"
    (path / "sub" / "a.txt").unlink()
    fill(path, "three")
    assert (path / "sub" / "a.txt").read_text() == "three"


@pytest.mark.parametrize(
    "manifest",
    ["", "{", "3", "[]", "{}", '{"sha256": 3}', '{"sha256": ["a"]}', '{"sha256": {"thesis.txt": ""}}'],
)
def test_a_folder_with_a_wrong_list_of_files_is_not_ours(tmp_path, manifest):
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "thesis.txt").write_text("mine")
    (tmp_path / "p" / MANIFEST).write_text(manifest)
    with pytest.raises(InputError, match="so that it is not overwritten; give another name or remove it"):
        fill(tmp_path / "p")
    assert (tmp_path / "p" / "thesis.txt").read_text() == "mine"


def test_a_failure_leaves_the_old_folder(tmp_path):
    fill(tmp_path / "p")

    def fail():
        with replace_folder_when_done(tmp_path / "p") as new:
            (new / "x").touch()
            raise KeyError("x")

    with pytest.raises(KeyError):
        fail()
    assert (tmp_path / "p" / "sub" / "a.txt").read_text() == "one"
    assert names(tmp_path) == ["p"]


@pytest.mark.parametrize(
    "error", [OSError(errno.EIO, "Input/output error"), KeyboardInterrupt()], ids=["error", "interrupt"]
)
@pytest.mark.parametrize("call", [1, 2])
def test_a_swap_that_fails_or_is_interrupted_leaves_the_old_folder(tmp_path, monkeypatch, error, call):
    fill(tmp_path / "p")
    replace, calls = os.replace, []

    def fail(source, target):
        calls.append(target)
        if len(calls) == call:
            raise error
        replace(source, target)

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(InputError if isinstance(error, OSError) else KeyboardInterrupt):
        fill(tmp_path / "p", "two")
    assert names(tmp_path) == ["p"]
    assert (tmp_path / "p" / "sub" / "a.txt").read_text() == "one"


def test_a_swap_that_cannot_be_undone_removes_nothing(tmp_path, monkeypatch):
    fill(tmp_path / "p")
    replace, calls = os.replace, []

    def fail(source, target):
        calls.append(target)
        if len(calls) > 1:
            raise OSError(errno.EIO, "Input/output error")
        replace(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", fail)
        with pytest.raises(InputError, match="p: cannot be written: the disk does not take it"):
            fill(tmp_path / "p", "two")
    (left,) = tmp_path.iterdir()
    assert (left / "old" / "p" / "sub" / "a.txt").read_text() == "one"
    # What it leaves is what a killed program does, and is finished as soon as this process has ended.
    (left / MARK).write_bytes(mark_of_the_dead())
    sweep(tmp_path)
    assert names(tmp_path) == ["p"]
    assert (tmp_path / "p" / "sub" / "a.txt").read_text() == "two"


def test_a_folder_made_by_another_program_during_the_swap_is_told(tmp_path, monkeypatch):
    fill(tmp_path / "p")
    replace = os.replace

    def other(source, target):
        replace(source, target)
        (tmp_path / "p").mkdir()
        (tmp_path / "p" / "thesis.txt").write_text("mine")

    monkeypatch.setattr(os, "replace", other)
    words = r"p: was made by another program while it was replaced; what was there before is (\S+)/old/p$"
    with pytest.raises(InputError, match=words):
        fill(tmp_path / "p", "two")
    (left,) = tmp_path.glob(".smartpix-*")
    assert (left / "old" / "p" / "sub" / "a.txt").read_text() == "one"
    assert (tmp_path / "p" / "thesis.txt").read_text() == "mine"


# --- where nothing can be written


def test_places_that_cannot_be_written_are_named(tmp_path):
    for path, words in (
        (tmp_path, "is a folder"), (Path("/dev/null"), "is a device or a pipe"), (tmp_path / "no" / "f",
        "does not exist"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=words):
            check_writable(path)
    assert not Path("/dev/null").is_file()


def test_an_error_of_something_else_stays_what_it_is(tmp_path):
    with pytest.raises(FileNotFoundError), replace_when_done(tmp_path / "a.txt"):
        (tmp_path / "input").read_text()
    with pytest.raises(ZeroDivisionError), replace_when_done(tmp_path / "a.txt"):
        1 / 0  # noqa: B018
    assert names(tmp_path) == []


def broken(filename):
    raise OSError(errno.EIO, os.strerror(errno.EIO), filename)


def in_words(filename):
    try:
        broken(filename)
    except OSError as error:
        raise RuntimeError(f"{filename}: Input/output error") from error


@pytest.mark.parametrize(("fail", "kind"), [(broken, OSError), (in_words, RuntimeError)])
def test_a_disk_that_does_not_give_an_input_is_not_told_of_the_output(tmp_path, fail, kind):
    with pytest.raises(kind, match="input"), replace_when_done(tmp_path / "a.txt"):
        fail(str(tmp_path / "input"))
    for filename in (None, tmp_path / "a.txt"):
        with (
            pytest.raises(InputError, match=r"a\.txt: cannot be written: the disk"),
            writing(tmp_path / "a.txt"),
        ):
            fail(filename)
    with (
        pytest.raises(InputError, match=r"a\.txt: cannot be written: the disk"),
        replace_when_done(tmp_path / "a.txt") as beside,
    ):
        fail(beside)


def to_text(path):
    path.write_text("x" * 100_000)


def to_parquet(path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"a": list(range(100_000))}), path)


def to_csv(path):
    import pyarrow as pa
    import pyarrow.csv

    with pa.output_stream(str(path)) as stream:
        pyarrow.csv.write_csv(pa.table({"a": list(range(100_000))}), stream)


def to_safetensors(path):
    import numpy as np
    from safetensors.numpy import save_file

    save_file({"a": np.zeros(100_000)}, path)


def to_png(path):
    import matplotlib.figure
    import numpy as np

    figure = matplotlib.figure.Figure()
    figure.subplots().imshow(np.random.default_rng(1).random((300, 300)))
    figure.savefig(path, dpi=200, format="png")


def to_root(path):
    import numpy as np
    import uproot

    with uproot.recreate(path) as file:
        file.mktree("t", {"a": np.dtype("f8")}).extend({"a": np.random.default_rng(1).random(100_000)})


LIBRARIES = [to_text, to_parquet, to_csv, to_safetensors, to_png, to_root]


@needs("/dev/full")
@pytest.mark.parametrize("write", [to_text, to_csv], ids=lambda f: f.__name__)
def test_a_full_disk_is_one_error_that_names_the_file(write):
    with (
        pytest.raises(
            InputError, match=r"^out/f: cannot be written: no space is left on its file system; make room"
        ),
        writing("out/f"),
    ):
        write(Path("/dev/full"))


LIMITED = """
    import resource, sys
    from pathlib import Path
    from smartpix.files import replace_when_done, replace_folder_when_done
    from smartpix.schema import InputError
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    path = Path(sys.argv[1])
    try:
        if sys.argv[2] == "file":
            with replace_when_done(path) as beside:
                write(beside)
        else:
            with replace_folder_when_done(path.parent) as new:
                with replace_when_done(new / path.name) as beside:
                    write(beside)
    except InputError as error:
        print(error)
"""


@pytest.mark.parametrize("write", LIBRARIES, ids=lambda f: f.__name__)
@pytest.mark.parametrize("into", ["file", "folder"])
def test_a_limit_on_the_size_of_files_is_one_error_that_names_the_file(tmp_path, write, into):
    path = tmp_path / "out" / "result"
    if into == "file":
        path.parent.mkdir()
        path.write_text("what was there")
    done = python(
        f"{inspect.getsource(write)}\nwrite = {write.__name__}\n{textwrap.dedent(LIMITED)}", path, into
    )
    assert done.stderr == ""
    assert done.returncode == 0
    assert done.stdout.startswith(
        f"{path}: cannot be written: it grows beyond the largest size that a file may have here"
    )
    assert done.stdout.count("\n") == 1
    if into == "file":
        assert path.read_text() == "what was there"
        assert names(path.parent) == ["result"]
    assert names(tmp_path) == (["out"] if into == "file" else [])


def test_the_list_of_a_folder_is_complete(tmp_path):
    fill(tmp_path / "p")
    told = json.loads((tmp_path / "p" / MANIFEST).read_text())
    assert list(told["sha256"]) == ["sub/a.txt"]


def test_a_folder_that_is_gone_ends_the_attempts(tmp_path, monkeypatch):
    """As where the working directory was removed: it is there for stat and takes no new folder."""
    attempts = []

    def gone(path, *_, **__):
        attempts.append(path)
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", str(path))

    monkeypatch.setattr(of_staging.Path, "mkdir", gone)
    with pytest.raises(FileNotFoundError), of_staging.staging(tmp_path):
        pass
    assert len(attempts) == 1


@pytest.mark.parametrize("code", [errno.ENOENT, errno.ESTALE])
def test_a_staging_folder_that_is_always_removed_at_once_ends_the_attempts(tmp_path, monkeypatch, code):
    opened = os.open

    def removed(path, *rest, **kept):
        if str(path).endswith(of_staging.MARK):
            raise OSError(code, os.strerror(code), str(path))
        return opened(path, *rest, **kept)

    monkeypatch.setattr(of_staging.os, "open", removed)
    with pytest.raises(OSError, match=os.strerror(code)), of_staging.staging(tmp_path, swept=True):
        pass
