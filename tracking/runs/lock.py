"""A lock, so that two runs never write into one folder."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from smartpix.files import REFUSED, writing
from smartpix.schema import InputError
from smartpix.staging import staging

__all__ = ["LOCK_CONTENT", "run_lock"]

LOCK = ".lock"
LOCK_CONTENT = b"smartpix run\n"
"""Content of the lock, by which it is known."""


@contextmanager
def run_lock(output: Path) -> Iterator[None]:
    """Hold a folder of results for one run, until its end or the death of its process.

    Raises:
        InputError: another run holds it, its file system has no locks, or something else has the lock's name.
    """
    path = output / LOCK
    lock = _open_lock(path)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The file is gone, or a new one, where the run that held it has ended since it was opened.
            alone = os.path.samestat(os.fstat(lock), path.lstat())
        except (BlockingIOError, FileNotFoundError):
            alone = False
        except OSError as error:
            raise InputError(
                f"{path}: cannot be locked ({error.strerror}); give a folder on another file system"
            ) from error
        if not alone:
            raise InputError(
                f"{output}: another run is writing into this folder; wait for its end, or give another with "
                f"-o"
            )
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
    finally:
        os.close(lock)


def _open_lock(path: Path) -> int:
    """The lock's file, made where it is not there, with its content from the first moment; no link is
    followed.
    """
    while True:
        try:
            lock = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            with writing(path), staging(path.parent) as folder:
                (folder / LOCK).write_bytes(LOCK_CONTENT)
                # It is there already where another run was quicker.
                with suppress(FileExistsError):
                    _link(folder / LOCK, path)
            continue
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
                raise _not_a_lock(path) from error
            whose = "; the run may be another user's" if error.errno in (errno.EACCES, errno.EPERM) else ""
            raise InputError(
                f"{path}: cannot be opened ({error.strerror}){whose}; give another folder with -o"
            ) from error
        if stat.S_ISREG(os.fstat(lock).st_mode) and os.read(lock, 100) == LOCK_CONTENT:
            return lock
        os.close(lock)
        raise _not_a_lock(path)


def _link(source: Path, path: Path) -> None:
    try:
        os.link(source, path)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno in REFUSED:
            raise
        raise InputError(
            f"{path}: a hard link cannot be made ({error.strerror}), as on file systems that have none, and "
            f"the lock of a run "
            "is made with one; give a folder on another file system with -o"
        ) from error


def _not_a_lock(path: Path) -> InputError:
    return InputError(
        f"{path}: is not the lock of a run, which needs this name; move it, or give another folder with -o"
    )
