"""Files and folders written whole or not at all: dead programs' leavings, folders of others, and disks that
take no more.
"""

import errno
import inspect
import json
import os
import textwrap
from pathlib import Path

import pytest

from smartpix import staging as of_staging
from smartpix.files import MANIFEST, check_writable, replace_folder_when_done, replace_when_done, writing
from smartpix.schema import InputError
from smartpix.staging import MARK, sweep
from tests.helpers import mark_of_the_dead
from tests.left_out import needs
from tests.smartpix.dead_programs import names, python


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
    # To whoever writes there it is one error that names the file.
    with (
        pytest.raises(InputError, match=r"a\.txt: cannot be written: No such file"),
        replace_when_done(tmp_path / "a.txt"),
    ):
        pass


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
