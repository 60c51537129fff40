"""Folders to write in, ``.smartpix-XXXXXXXX`` beside the place of the result, and the removal of those of
dead programs.

A file in the folder, its mark, tells who made it: machine, boot and process. The maker keeps the mark locked;
the system gives the lock back when the process dies, however it dies. A lock may hold on one machine alone
(NFS, Lustre), so that only the machine of the maker may take a folder for dead.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import secrets
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from smartpix.schema import InputError

__all__ = ["MARK", "NEW", "OLD", "STAGING", "staging", "sweep"]

STAGING = ".smartpix-"
MARK = ".made-by-smartpix"
"""In a staging folder: who made it; its lock: that the maker lives."""
MAGIC = b"smartpix staging folder\n"
ATTEMPTS = 20
"""To make a folder that others remove or name alike."""
"""What a mark begins with; a file of that name with other content is not ours."""
OLD, NEW = "old", "new"


@dataclass(frozen=True)
class Maker:
    """The process that made a staging folder; what the system does not tell is empty."""

    host: str
    machine: str
    boot: str
    pid: int
    started: str


def _this_process() -> Maker:
    # The machine's id tells machines of one name apart, which a boot id alone cannot: it changes.
    machine, boot = _first_line("/etc/machine-id"), _first_line("/proc/sys/kernel/random/boot_id")
    return Maker(socket.gethostname(), machine, boot, os.getpid(), _started(os.getpid()))


def _first_line(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").partition("\n")[0]
    except (OSError, ValueError):
        return ""


def _started(pid: int) -> str:
    """When a process was started, in ticks since boot: its number may be given again; empty where it is
    dead.
    """
    # The name of the program, in brackets, may hold anything.
    words = _first_line(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return words[19] if len(words) > 19 and words[0] not in ("Z", "X") else ""


def _content(maker: Maker) -> bytes:
    return MAGIC + json.dumps(asdict(maker)).encode() + b"\n"


def _maker_of(mark: int) -> Maker | None:
    """Whom an open mark tells; None where it is not one of ours."""
    content = os.pread(mark, 2000, 0)
    if not content.startswith(MAGIC):
        return None
    try:
        maker = Maker(**json.loads(content[len(MAGIC) :]))
    except (ValueError, TypeError, RecursionError):
        return None
    return maker if content == _content(maker) else None


def _is_dead(maker: Maker) -> bool:
    """Whether this machine can tell that it is, but for the lock."""
    this_process = _this_process()
    if (maker.host, maker.machine) != (this_process.host, this_process.machine):
        return False
    if maker.boot != this_process.boot:
        # Without an id there may be two machines of this name.
        return this_process.machine != ""
    return maker.started == "" or _started(maker.pid) != maker.started


@contextmanager
def staging(parent: Path, *, swept: bool = False) -> Iterator[Path]:
    """An empty folder in ``parent`` to write in, gone at the end; those of dead programs there are removed
    first.

    Args:
        swept: whether they are removed already.

    Raises:
        OSError: it cannot be made.
        InputError: a folder was moved away to be replaced, and can neither be replaced nor moved back.
    """
    if not swept:
        sweep(parent)
    folder, lock = _staging_folder(parent)
    try:
        yield folder
    finally:
        try:
            # Before anything is removed; where it fails nothing is, and the mark stays.
            _end_swap(folder, finish=False)
            _remove(folder)
        finally:
            _close(lock, folder)


def _staging_folder(parent: Path) -> tuple[Path, int]:
    for attempts_left in reversed(range(ATTEMPTS)):
        folder = parent / f"{STAGING}{secrets.token_hex(4)}"
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            continue
        try:
            lock = os.open(
                folder / MARK, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
            )
        except OSError as error:
            # Another process may have removed it as an empty one, in the moment before it had its mark.
            if error.errno in (errno.ENOENT, errno.ESTALE) and attempts_left:
                continue
            with suppress(OSError):
                folder.rmdir()
            raise
        try:
            # Locked before it tells anything: without its content nobody takes it for dead.
            _hold(lock)
            content = _content(_this_process())
            if os.write(lock, content) < len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder / MARK))
        except BaseException:
            _remove(folder)
            _close(lock, folder)
            raise
        return folder, lock
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(parent / STAGING))


def _hold(file: int) -> bool:
    """Lock an open file; False where another one holds it or its file system has no locks."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _is_open_as(file: int, path: Path) -> bool:
    """Whether the open file still has that name."""
    try:
        return os.path.samestat(os.fstat(file), path.lstat())
    except OSError:
        return False


def sweep(parent: Path) -> None:
    """Remove the staging folders of dead programs; finish or undo what one had begun to replace.

    Only folders of this user with a mark of this machine inside, and empty ones of such a name, which nothing
    can be lost with.
    """
    with suppress(OSError), os.scandir(parent) as entries:
        names = [e.name for e in entries if e.name.startswith(STAGING) and e.is_dir(follow_symlinks=False)]
        for name in names:
            if re.fullmatch(re.escape(STAGING) + "[0-9a-f]{8}", name):
                _sweep_one(parent / name)


def _sweep_one(folder: Path) -> None:
    with suppress(OSError, InputError):
        if folder.lstat().st_uid != os.geteuid():
            return
        try:
            lock = os.open(folder / MARK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            folder.rmdir()
            return
        removed = False
        try:
            maker = _maker_of(lock)
            # Another sweep may have removed it since it was opened.
            if maker is not None and _is_dead(maker) and _hold(lock) and _is_open_as(lock, folder / MARK):
                _end_swap(folder, finish=True)
                _remove(folder)
                removed = True
        finally:
            _close(lock, folder if removed else None)


def _end_swap(folder: Path, *, finish: bool) -> None:
    """Where a folder was moved out of the way and the new one not yet into its place: put one of them there.

    Args:
        finish: the new one, if it is there; else the old one.

    Raises:
        InputError: another one has the place now.
        OSError: it cannot be moved.
    """
    for old in list((folder / OLD).iterdir()) if (folder / OLD).is_dir() else ():
        target, new = folder.parent / old.name, folder / NEW / old.name
        if not os.path.lexists(target):
            os.replace(new if finish and new.is_dir() else old, target)
        elif new.is_dir():
            raise InputError(
                f"{target}: was made by another program while it was replaced; what was there before is {old}"
            )


def _remove(folder: Path) -> None:
    """Remove what is in a staging folder, its mark last and only when all else is gone: what is left is known
    by it.
    """
    with suppress(OSError):
        for path in list(folder.iterdir()):
            if path.name == MARK:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                with suppress(OSError):
                    path.unlink()
        if [path.name for path in folder.iterdir()] == [MARK]:
            (folder / MARK).unlink()


def _close(lock: int, folder: Path | None) -> None:
    """Close a mark; remove its folder if it is empty then: on NFS a file that is removed while open stays
    until it is closed.
    """
    os.close(lock)
    if folder is not None:
        with suppress(OSError):
            folder.rmdir()
