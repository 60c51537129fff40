"""Folders and zip archives of tables, read alike; and what compressed files hold. Nothing is unpacked to
disk.

A file in an archive has a path that goes on behind the archive's:
``sample.zip/events/event000000001-hits.csv``.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa

from smartpix.schema import InputError

__all__ = ["PACKED", "exists", "files_in", "find_file", "is_archive", "is_folder", "read_bytes"]

PACKED = (".gz", ".zst", ".zip")
"""Endings of compressed files."""
UNPACKED = 200_000_000
LARGEST_RATIO = 300
"""A file may unpack to UNPACKED bytes, or to this many times its size: tables of numbers pack 3 to 50
times.
"""
CHUNK = 1 << 22

_DAMAGED = (
    OSError,
    EOFError,
    ValueError,
    RuntimeError,
    NotImplementedError,
    zlib.error,
    zipfile.BadZipFile,
    pa.ArrowException,
)


def is_archive(path: Path) -> bool:
    """Whether it is a zip archive that is there, by its name."""
    # By name and not by content: a .csv.zip is one table, and looking inside each file would take long.
    return path.suffix.lower() == ".zip" and path.is_file()


def is_folder(path: Path) -> bool:
    """Whether it is a folder, or an archive, which is read as one."""
    return path.is_dir() or is_archive(path)


def files_in(folder: Path) -> list[Path]:
    """Paths of the files of a folder, or of an archive wherever in it they lie, sorted.

    Raises:
        InputError: an archive that cannot be read, or with names that point out of it.
    """
    if is_archive(folder):
        return sorted(folder / member for member in _members(folder).values())
    return sorted(path for path in folder.iterdir() if path.is_file())


def find_file(folder: Path, name: str) -> Path | None:
    """The file of this name in a folder or an archive, if it is there.

    Raises:
        InputError: as :func:`files_in`.
    """
    if is_archive(folder):
        member = _members(folder).get(name)
        return None if member is None else folder / member
    path = folder / name
    return path if path.is_file() else None


def exists(path: Path) -> bool:
    """Whether it is a file that is there, in an archive or not."""
    if path.is_file():
        return True
    archive = next((p for p in path.parents if is_archive(p)), None)
    return archive is not None and path.relative_to(archive).as_posix() in _members(archive).values()


def read_bytes(path: Path) -> bytes:
    """What a file holds, or one in an archive; unpacked where its name ends in one of :data:`PACKED`.

    Raises:
        InputError: there is no such file, or it is damaged, cut off, encrypted, or unpacks to more than a
            table can be.
    """
    try:
        content = _plain(path)
        ending = path.suffix.lower()
        if ending == ".zip":
            # A zip file within an archive: its bytes are here already, so nothing is unpacked to disk.
            with zipfile.ZipFile(pa.BufferReader(content)) as archive:
                names = list(_checked(archive, path).values())
                if len(names) != 1:
                    raise InputError(
                        f"{path}: holds {len(names)} files, and one table is expected; give the folder, or "
                        "the file"
                    )
                return _member(archive, names[0], path)
        if ending in PACKED:
            packed = pa.CompressedInputStream(
                pa.BufferReader(content), {".gz": "gzip", ".zst": "zstd"}[ending]
            )
            return _bounded(packed, len(content), path)
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except _DAMAGED as error:
        raise _unreadable(path, error) from error
    return content


def _unreadable(path: Path, error: BaseException) -> InputError:
    return InputError(
        f"{path}: cannot be read ({type(error).__name__}: {' '.join(str(error).split())[:120]}); it may be "
        "cut off, damaged or encrypted. Copy or make it again"
    )


def _plain(path: Path) -> bytes:
    """Bytes of a file as it lies in its folder or archive."""
    archive = next((p for p in path.parents if is_archive(p)), None)
    if archive is None:
        return path.read_bytes()
    with _opened(archive) as opened:
        return _member(opened, path.relative_to(archive).as_posix(), path)


def _member(archive: zipfile.ZipFile, name: str, path: Path) -> bytes:
    try:
        packed = archive.getinfo(name).compress_size
    except KeyError as error:
        raise InputError(f"{path}: no such file in the archive") from error
    with archive.open(name) as stream:
        return _bounded(stream, packed, path)


def _bounded(stream: Any, packed: int, path: Path) -> bytes:
    """Everything that a stream unpacks to, as long as that is no bomb: sizes in headers are not believed."""
    most = max(UNPACKED, LARGEST_RATIO * packed)
    parts, size = [], 0
    while part := bytes(stream.read(CHUNK)):
        parts.append(part)
        size += len(part)
        if size > most:
            raise InputError(
                f"{path}: {packed} bytes unpack to more than {most // 1_000_000} MB, which no table does; do "
                "not use it"
            )
    return b"".join(parts)


@contextmanager
def _opened(archive: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(archive) as opened:
            yield opened
    except InputError:
        raise
    except _DAMAGED as error:
        raise _unreadable(archive, error) from error


def _members(archive: Path) -> Mapping[str, str]:
    """Names of the files in an archive, by the last part of each."""
    try:
        state = archive.stat()
    except OSError as error:
        raise _unreadable(archive, error) from error
    return _members_once(archive, state.st_mtime_ns, state.st_size)


# Time and size are part of the key: an archive that was made again is read again.
@lru_cache(maxsize=4)
def _members_once(archive: Path, _changed: int, _size: int) -> Mapping[str, str]:
    with _opened(archive) as opened:
        return _checked(opened, archive)


def _checked(opened: zipfile.ZipFile, archive: Path) -> dict[str, str]:
    members: dict[str, str] = {}
    for info in opened.infolist():
        place = PurePosixPath(info.filename)
        if (
            place.is_absolute()
            or ".." in place.parts
            or "\\" in info.filename
            or ":" in "".join(place.parts[:1])
        ):
            raise InputError(
                f"{archive}: holds the name '{info.filename}', which points out of the archive; make it again"
            )
        # macOS adds a second, small file for each.
        if info.is_dir() or place.parts[:1] == ("__MACOSX",) or place.name.startswith("._"):
            continue
        if place.name in members:
            raise InputError(
                f"{archive}: holds '{members[place.name]}' and '{info.filename}'; keep one, or unpack it and "
                "give the folder"
            )
        members[place.name] = info.filename
    return members
