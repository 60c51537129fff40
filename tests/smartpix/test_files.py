"""Files and folders written whole or not at all: dead programs' leavings, folders of others, and disks that take no more."""

import fcntl
import inspect
import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from smartpix import files
from smartpix.files import MANIFEST, MARK, check_writable, replace_folder_when_done, replace_when_done, staging, writing
from smartpix.schema import InputError
from tests.helpers import REPOSITORY
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
        (folder / MARK).touch()
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
        code = "import sys; from pathlib import Path; from smartpix.files import sweep; sweep(Path(sys.argv[1]))"
        assert python(code, tmp_path).returncode == 0
        assert (folder / "half").exists()
    assert names(tmp_path) == ["other.txt"]


def test_nothing_is_removed_that_is_not_provably_ours(tmp_path):
    without = dead(tmp_path, mark=False)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / MARK).touch()
    (tmp_path / ".smartpix-0badf00d").symlink_to(elsewhere)
    by_link = tmp_path / ".smartpix-11111111"
    by_link.mkdir()
    (by_link / MARK).symlink_to(elsewhere / MARK)
    (tmp_path / ".smartpix-22222222").touch()
    other_name = dead(tmp_path, "notes-of-mine")
    (tmp_path / ".smartpix-33333333").mkdir()
    files.sweep(tmp_path)
    assert (without / "half").exists()
    assert (elsewhere / MARK).exists()
    assert (other_name / "half").exists()
    # Of an empty one nothing is lost.
    assert names(tmp_path) == [
        ".smartpix-00c0ffee", ".smartpix-0badf00d", ".smartpix-11111111", ".smartpix-22222222", ".smartpix-notes-of-mine",
        "elsewhere",
    ]  # fmt: skip


def test_links_inside_a_dead_folder_are_removed_and_not_followed(tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("mine")
    folder = dead(tmp_path)
    (folder / "link").symlink_to(mine)
    files.sweep(tmp_path)
    assert names(tmp_path) == ["mine"]
    assert (mine / "thesis.txt").read_text() == "mine"


def test_a_removal_that_was_killed_itself_is_finished_by_the_next(tmp_path, monkeypatch):
    """The mark goes last."""
    folder = dead(tmp_path)
    (folder / "more").mkdir()
    order, unlink = [], Path.unlink
    monkeypatch.setattr(Path, "unlink", lambda path, **more: order.append(path.name) or unlink(path, **more))
    files.sweep(tmp_path)
    assert order[-1] == MARK
    assert names(tmp_path) == []


@pytest.mark.parametrize("new_is_there", [True, False])
def test_a_swap_of_folders_that_was_killed_half_way_is_finished(tmp_path, new_is_there):
    folder = dead(tmp_path)
    for name in ("old", "new") if new_is_there else ("old",):
        (folder / name / "project").mkdir(parents=True)
        (folder / name / "project" / "which").write_text(name)
    files.sweep(tmp_path)
    assert names(tmp_path) == ["project"]
    assert (tmp_path / "project" / "which").read_text() == ("new" if new_is_there else "old")


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
    with pytest.raises(InputError, match=r"project: holds sub/notes\.txt, which smartpix did not write, so that it is not over"):
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
    "manifest", ["", "{", "3", "[]", "{}", '{"sha256": 3}', '{"sha256": ["a"]}', '{"sha256": {"thesis.txt": ""}}']
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


# --- where nothing can be written


def test_places_that_cannot_be_written_are_named(tmp_path):
    for path, words in (
        (tmp_path, "is a folder"), (Path("/dev/null"), "is a device or a pipe"), (tmp_path / "no" / "f", "does not exist"),
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
        pytest.raises(InputError, match=r"^out/f: cannot be written: no space is left on its file system; make room"),
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
    done = python(f"{inspect.getsource(write)}\nwrite = {write.__name__}\n{textwrap.dedent(LIMITED)}", path, into)
    assert done.stderr == ""
    assert done.returncode == 0
    assert done.stdout.startswith(f"{path}: cannot be written: it grows beyond the largest size that a file may have here")
    assert done.stdout.count("\n") == 1
    if into == "file":
        assert path.read_text() == "what was there"
        assert names(path.parent) == ["result"]
    assert names(tmp_path) == (["out"] if into == "file" else [])


def test_the_list_of_a_folder_is_complete(tmp_path):
    fill(tmp_path / "p")
    told = json.loads((tmp_path / "p" / MANIFEST).read_text())
    assert list(told["sha256"]) == ["sub/a.txt"]
