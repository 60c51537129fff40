"""Files of podio (a ROOT file with ``events`` and ``podio_metadata``): their collections, read alike
from a TTree and an RNTuple.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from smartpix.convert.cell_ids import CellFields, parse_encoding
from smartpix.convert.root_columns import flat_branch
from smartpix.io.rntuple_candidate import CANDIDATE, candidate_of
from smartpix.io.root_files import is_root_file, reading, root_file
from smartpix.schema import InputError, require

__all__ = ["Collection", "PodioFile", "events_of", "is_podio", "open_podio", "read_collection"]

EVENTS, METADATA = "events", "podio_metadata"
ENCODING = "__CellIDEncoding"
"""How the parameter of a collection's encoding ends."""
EXPECTED = "the fields of EDM4hep"


@dataclass(frozen=True)
class Collection:
    """A collection of events: its name, and its fields by name (``position.x``) with the names in the
    file.
    """

    name: str
    fields: Mapping[str, str]


@dataclass(frozen=True)
class PodioFile:
    """A file of podio.

    Attributes:
        n_events: in it.
        collections: with those of links, whose names begin with an underscore.
        encodings: of the cell numbers of collections, as far as the file says them.
    """

    path: Path
    n_events: int
    collections: tuple[Collection, ...]
    encodings: Mapping[str, CellFields]

    def having(self, fields: Sequence[str]) -> tuple[Collection, ...]:
        """The collections that have some fields, by name."""
        return tuple(c for c in self.collections if all(name in c.fields for name in fields))


def is_podio(path: Path) -> bool:
    """Whether a path is a ROOT file of podio."""
    if not is_root_file(path):
        return False
    with root_file(path) as file, reading(path):
        names = {name.split(";")[0] for name in file.classnames(recursive=False)}
    return {EVENTS, METADATA} <= names


def open_podio(path: Path) -> PodioFile:
    """See what a file holds.

    Raises:
        InputError: it cannot be read, or is an RNTuple of a version that is not read.
    """
    with root_file(path) as file, reading(path):
        kinds = file.classnames(recursive=False, cycle=False)
        tree = _tree(file, kinds, EVENTS, path)
        fields: dict[str, dict[str, str]] = {}
        for key in tree.keys():  # noqa: SIM118 - trees are no mappings
            # Of a TTree Name/Name.position.x, of an RNTuple Name.position.x.
            name, _, field = key.rpartition("/")[2].partition(".")
            if field:
                fields.setdefault(name, {})[field] = key
        collections = tuple(Collection(name, columns) for name, columns in fields.items())
        parameters = _parameters(file, kinds, path)
        n_events = int(tree.num_entries)
    encodings = {
        name.removesuffix(ENCODING): parse_encoding(text, f"{path}: {name}")
        for name, text in parameters.items() if name.endswith(ENCODING)
    }  # fmt: skip
    return PodioFile(path, n_events, collections, encodings)


def _tree(file: Any, kinds: Mapping[str, str], name: str, path: Path) -> Any:
    return candidate_of(file, name, str(path)) if kinds[name] == CANDIDATE else file[name]


def _parameters(file: Any, kinds: Mapping[str, str], path: Path) -> dict[str, str]:
    """The texts of the file's parameters by name, the first of each."""
    if "metadata" not in kinds:
        return {}
    tree = _tree(file, kinds, "metadata", path)
    if not {"GPStringKeys", "GPStringValues"} <= set(tree.keys()):
        return {}
    keys, values = (ak.to_list(tree[name].array()) for name in ("GPStringKeys", "GPStringValues"))
    return {
        str(key): str(texts[0])
        for entry, of_entry in zip(keys, values, strict=True)
        for key, texts in zip(entry, of_entry, strict=True) if len(texts)
    }  # fmt: skip


@contextmanager
def events_of(file: PodioFile) -> Iterator[Any]:
    """The tree of events, opened once for what is read of it."""
    with root_file(file.path) as opened, reading(file.path):
        yield _tree(opened, opened.classnames(recursive=False, cycle=False), EVENTS, file.path)


def _branch(tree: Any, key: str) -> Any:
    """A branch by its whole key: a dot within its name is none between a field and what holds it."""
    named = next((branch for branch in getattr(tree, "branches", ()) if branch.name == key), None)
    return tree[key] if named is None else named


def read_collection(
    file: PodioFile, tree: Any, collection: Collection, fields: Sequence[str], event: int
) -> dict[str, npt.NDArray[Any]]:
    """Fields of one event's collection, (N,) each.

    Args:
        tree: of :func:`events_of`.

    Raises:
        InputError: a field is missing, or holds something else than a number.
    """
    where = f"{file.path}: {collection.name}"
    require(list(collection.fields), fields, where, f"Expected {EXPECTED}.")
    with reading(file.path, collection.name):
        arrays = {
            name: _branch(tree, collection.fields[name]).array(entry_start=event, entry_stop=event + 1)
            for name in fields
        }
    columns = {}
    for name, values in arrays.items():
        if len(values) != 1 or values.ndim != 2:
            raise InputError(
                f"{where}: '{name}' must hold a list of numbers an event and is of type {values.type}"
            )
        numbers = np.asarray(ak.to_numpy(values[0]))
        # Numbers of cells and particles take all of their bits.
        columns[name] = numbers if numbers.dtype.kind in "iu" else flat_branch(values[0], "f8", where, name)
    if len({len(c) for c in columns.values()}) > 1:
        raise InputError(
            f"{where}: fields of event {event} differ in length; the file was written inconsistently"
        )
    return columns
