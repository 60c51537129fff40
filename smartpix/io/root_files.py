"""Any ROOT file: how it is opened, branches of trees that others wrote, and errors where it is damaged."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import awkward as ak
import cramjam
import uproot

from smartpix import schema
from smartpix.schema import InputError

__all__ = ["is_root_file", "read_branches", "read_entries", "reading", "root_file", "trees_of"]

DAMAGED = (
    OSError,
    ValueError,
    NameError,
    TypeError,
    KeyError,
    IndexError,
    AssertionError,
    NotImplementedError,
    AttributeError,
    RuntimeError,
    OverflowError,
    MemoryError,
    EOFError,
    StopIteration,
    struct.error,
    zlib.error,
    cramjam.DecompressionError,
    uproot.DeserializationError,
    uproot.interpretation.identify.UnknownInterpretation,
)
"""What reading a damaged file raises inside uproot and the decompressors."""


@contextmanager
def root_file(path: Path) -> Iterator[Any]:
    """An open ROOT file, whole by its own account.

    Raises:
        InputError: it is missing, cut off, or of another kind.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file")
    if path.is_dir():
        raise InputError(
            f"{path}: is a folder; give a ROOT file (folders of TrackML or ACTS: `smartpix convert {path} -o "
            "F.root`)"
        )
    if path.suffix == ".safetensors":
        raise InputError(
            f"{path}: holds weights, and an event file (ROOT) is needed; `smartpix info {path.name}` shows "
            "weights"
        )
    try:
        with path.open("rb") as stream:
            table = stream.read(4) == b"PAR1"
        # Entries are read once: a cache of arrays would hold up to 100 MB of those that are done.
        file = None if table else uproot.open(path, array_cache=None)
    except DAMAGED as error:
        raise InputError(
            f"{path}: not a readable ROOT file ({type(error).__name__}); it may be cut off or of another "
            "kind. Copy or make it again"
        ) from error
    if file is None:
        raise InputError(
            f"{path}: is a parquet table (clusters of a data set), and events in a ROOT file are needed; "
            "data sets are for `smartpix train mdn` and `smartpix bench mdn --file`"
        )
    with file:
        expected, found = file.file.fEND, path.stat().st_size
        if expected > found:
            raise InputError(f"{path}: cut off, {found} of {expected} bytes are there; copy or make it again")
        yield file


@contextmanager
def reading(path: Path, what: str = "") -> Iterator[None]:
    """Turn whatever reading a damaged file raises into one error.

    Raises:
        InputError: something was raised; ``what`` was read.
    """
    try:
        yield
    except InputError:
        raise
    except DAMAGED as error:
        what = f"{what} cannot be read, " if what else ""
        cause = f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"
        raise InputError(f"{path}: {what}damaged or cut off ({cause}); make or copy it again") from error


def is_root_file(path: Path) -> bool:
    """Whether a path is a file that begins as ROOT files do."""
    try:
        # A pipe would wait for a writer.
        if not path.is_file():
            return False
        with path.open("rb") as stream:
            return stream.read(4) == b"root"
    except OSError:
        return False


def trees_of(path: str | Path) -> dict[str, int]:
    """Names of the trees (TTree and RNTuple) of a ROOT file and their numbers of entries.

    Raises:
        InputError: the file is missing or damaged.
    """
    path = Path(path)
    with root_file(path) as file, reading(path):
        kinds = file.classnames(recursive=False, cycle=False)
        names = [name for name, kind in kinds.items() if kind in ("TTree", "ROOT::RNTuple")]
        return {name: int(file[name].num_entries) for name in names}


def read_branches(
    path: str | Path,
    tree: str,
    needs: Iterable[str],
    expected: str,
    optional: Iterable[str] = (),
    start: int = 0,
    stop: int | None = None,
) -> dict[str, ak.Array]:
    """Branches of a tree that others wrote, entries ``start`` to ``stop``.

    Args:
        expected: what to name in errors; optional: more branches, taken where they are there.

    Raises:
        InputError: the file is missing or damaged, or the tree or a branch is missing.
    """
    path = Path(path)
    trees = trees_of(path)
    if tree not in trees:
        raise InputError(f"{path}: has the trees {sorted(trees)} and not '{tree}'; expected {expected}")
    with root_file(path) as file, reading(path, f"'{tree}'"):
        names = list(file[tree].keys(recursive=False))
        schema.require(names, needs, str(path), f"Expected {expected}.")
        chosen = [*needs, *(n for n in optional if n in names)]
        return read_entries(path, file[tree], chosen, start, trees[tree] if stop is None else stop)


def read_entries(path: Path, tree: Any, names: Iterable[str], start: int, stop: int) -> dict[str, ak.Array]:
    """Branches of an open tree (TTree or RNTuple), entries ``start`` to ``stop`` of those there are.

    Raises:
        InputError: fewer came than the tree counts: damage to an index gives an empty array, no error.
    """
    names = list(names)
    n_entries = max(min(stop, int(tree.num_entries)) - start, 0)
    found = tree.arrays(names, entry_start=start, entry_stop=stop)
    if len(found) != n_entries:
        raise InputError(
            f"{path}: of the {n_entries} entries from {start} on, {len(found)} can be read; damaged, make "
            "or copy it again"
        )
    # Packed here, as that fails where lists go beyond what they are of.
    return {name: ak.to_packed(found[name]) for name in names}
