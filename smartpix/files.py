"""Files and folders that are written whole or not at all: in a folder beside their place, moved there at the
end.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from smartpix.schema import InputError
from smartpix.staging import NEW, OLD, STAGING, staging, sweep

__all__ = [
    "as_paths",
    "check_writable",
    "is_marked",
    "refused",
    "replace_folder_when_done",
    "replace_when_done",
    "sha256_of",
    "store_text",
    "writing",
]  # fmt: skip

MANIFEST = ".smartpix.json"
"""In a folder that this program wrote: the sha256 of every file in it, by its path."""

REFUSED = {
    errno.ENOSPC: "no space is left on its file system; make room there, or write elsewhere",
    errno.EDQUOT: "the quota there is used up; make room, or write elsewhere",
    errno.EFBIG: "it grows beyond the largest size that a file may have here; raise the limit (`ulimit -f`)",
    errno.EIO: "the disk does not take it (input/output error); look after the disk, or write elsewhere",
    errno.EROFS: "its file system can only be read; write elsewhere",
}
"""Why a file system takes no more, and what to do."""


def as_paths(files: str | Path | Sequence[str | Path]) -> list[Path]:
    """One path, or several, as a list."""
    return [Path(f) for f in ([files] if isinstance(files, (str, Path)) else files)]


def check_writable(path: str | Path, inputs: Iterable[str | Path] = ()) -> None:
    """Check that a file can be written there, before the work that fills it.

    Args:
        inputs: what it is made from; none of them may be replaced by it, under whatever name.

    Raises:
        InputError: it is a folder or a device, its folder does not exist or cannot be written, or it is one
            of the inputs.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path}: is a folder; give the name of a file")
    if path.exists() and not path.is_file():
        raise InputError(
            f"{path}: is a device or a pipe, which cannot be replaced by a file; give the name of a file"
        )
    _check_folder(path)
    for source in inputs if path.exists() else ():
        if Path(source).exists() and path.samefile(source):
            same = "" if Path(source) == path else f", by another name: {source}"
            raise InputError(
                f"{path}: is an input{same}, and would be replaced by what is made from it; give another "
                "output"
            )


def _check_folder(path: Path) -> None:
    """Check that something can be put beside ``path``."""
    if not path.parent.is_dir():
        raise InputError(f"{path}: the folder {path.parent} does not exist; make it first")
    if not os.access(path.parent, os.W_OK):
        raise InputError(
            f"{path}: the folder {path.parent} cannot be written; change its permissions or choose another"
        )


@contextmanager
def replace_when_done(path: str | Path, *, swept: bool = False) -> Iterator[Path]:
    """Give a path to write to, in a folder beside ``path``; move it there on success, drop it on failure.

    The name of the file stays the same, since ROOT writes it into the file.

    Args:
        swept: whether what dead programs left there is removed already.

    Raises:
        InputError: the folder does not exist or cannot be written, or the file system takes no more.
    """
    path = Path(path)
    check_writable(path)
    with writing(path), staging(path.parent, swept=swept) as folder:
        yield folder / path.name
        os.replace(folder / path.name, path)


@contextmanager
def replace_folder_when_done(path: str | Path) -> Iterator[Path]:
    """Give an empty folder beside ``path`` to fill; it becomes ``path`` on success and is dropped on failure.

    A folder that is there is replaced if it is empty, or holds what this program wrote into it and nothing
    else.

    Raises:
        InputError: a file or another folder is there, the folder around it does not exist or cannot be
            written, or the file system takes no more.
    """
    path = Path(path)
    # Of a/b/.. or . there is no name to write beside; of a link to a folder that folder is meant.
    path = path.resolve() if path.name in ("", "..") or path.is_symlink() else path
    if path.parent.is_dir():
        sweep(path.parent)
    if path.exists() and not path.is_dir():
        raise InputError(f"{path}: is a file; give the name of a folder")
    if path.is_dir() and (found := _not_ours(path)):
        raise InputError(f"{path}: {found}, so that it is not overwritten; give another name or remove it")
    _check_folder(path)
    with writing(path), staging(path.parent) as folder:
        # Its name is told by where it lies, for whoever finds the swap half done.
        old, new = folder / OLD / path.name, folder / NEW / path.name
        old.parent.mkdir()
        new.mkdir(parents=True)
        yield new
        sums = {p.relative_to(new).as_posix(): sha256_of(p) for p in sorted(new.rglob("*")) if p.is_file()}
        store_text(new / MANIFEST, json.dumps({"made_by": "smartpix", "sha256": sums}, indent=1) + "\n")
        # Where the second move fails or is interrupted, the end of the staging folder puts the old one back.
        if path.exists():
            os.replace(path, old)
        os.replace(new, path)


def _not_ours(folder: Path) -> str | None:
    """What is in a folder that this program did not write there, or was changed since; None where there is
    nothing.
    """
    found = {
        p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_symlink() or not p.is_dir()
    }
    if not found:
        return None
    try:
        sums = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["sha256"]
        checksums = {str(name): str(value) for name, value in sums.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return "holds something else"
    for name, file in sorted(found.items()):
        if name == MANIFEST:
            continue
        if name not in checksums or file.is_symlink() or not file.is_file():
            return f"holds {name}, which smartpix did not write"
        if sha256_of(file) != checksums[name]:
            return f"holds {name}, which was changed since smartpix wrote it"
    return None


@contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Make one clear error of it where a file system takes no more: full disk, quota, limit on a file's size.

    Args:
        path: what is being written, for the message.

    Raises:
        InputError: that happened, in whatever library.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        if (reason := _reason(error, Path(path))) is None:
            raise
        raise InputError(f"{_final(Path(path))}: cannot be written: {reason}") from error


def refused(error: BaseException) -> str | None:
    """Why a file system takes no more and what to do, if it is that; libraries in other languages tell it in
    words only.
    """
    for one in _with_causes(error):
        for code, reason in REFUSED.items():
            if (isinstance(one, OSError) and one.errno == code) or os.strerror(code) in str(one):
                return reason
    return None


def _reason(error: BaseException, path: Path) -> str | None:
    """The same for what is written to ``path``, or what else goes wrong with a file in a staging folder."""
    chain = list(_with_causes(error))
    first = next((one for one in chain if isinstance(one, OSError) and one.errno in REFUSED), None)
    if (
        first is not None
        and (named := _named(first)) is not None
        and named != path
        and not _in_staging(named)
    ):
        # An input that cannot be read, for one.
        return None
    found = next((one for one in chain if isinstance(one, OSError) and _of_staging(one)), None)
    return refused(error) or (
        None if found is None else f"{found.strerror}; look after {path.parent}, or write elsewhere"
    )


def _with_causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or one.__context__


def _named(error: OSError) -> Path | None:
    """The file that it is about, if it says so."""
    return (
        Path(os.fsdecode(error.filename)) if isinstance(error.filename, (str, bytes, os.PathLike)) else None
    )


def _in_staging(path: Path) -> bool:
    return any(part.startswith(STAGING) for part in path.parts)


def _of_staging(error: OSError) -> bool:
    """Whether it is about a staging folder or a file in one, and not of a file that nobody wrote there."""
    path = _named(error)
    return (
        path is not None
        and _in_staging(path)
        and not (isinstance(error, FileNotFoundError) and path.parent.is_dir() and _in_staging(path.parent))
    )


def _final(path: Path) -> Path:
    """The place to which a file in a staging folder goes."""
    parts = list(path.parts)
    for k, part in enumerate(parts):
        if part.startswith(STAGING):
            # In the new folder of a swap: NEW is between.
            swapped = k + 1 < len(parts) and parts[k + 1] == NEW
            return _final(Path(*parts[:k], *parts[k + 1 + swapped :]))
    return path


def store_text(path: Path, text: str) -> None:
    """Write a text as UTF-8; for files in a folder that is itself replaced when it is done.

    Raises:
        InputError: the file system takes no more.
    """
    with writing(path):
        path.write_text(text, encoding="utf-8")


def is_marked(path: Path, mark: bytes) -> bool:
    """Whether this is a file, no link, that begins with the mark of this program."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        return stat.S_ISREG(os.fstat(file).st_mode) and os.read(file, len(mark)) == mark
    finally:
        os.close(file)


def sha256_of(path: Path) -> str:
    """Of a file's content, read a part at a time."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
