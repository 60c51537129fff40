"""Damage to files, and what a reader may answer."""

import tempfile
from pathlib import Path

import awkward as ak
import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from smartpix.io.events import iterate
from smartpix.schema import InputError
from tests.helpers import convert_folder

FEW = settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
TOKENS = (
    "", "abc", "nan", "-inf", "1e300", "1e19", "1e-320", "-1", "0", "1.5", "true", "2020-01-01", "9" * 25,
    str(2**64 - 1), '"',
    "\x00", "é", "1e3", "9007199254740992.0", "4.5e17", "1_0", "0x10", "\ufeff", "\r", "1,", str(2**63 - 1),
    str(-(2**63)), "1e7",
)  # fmt: skip
bytes_changed = st.one_of(
    st.tuples(st.just("cut"), st.floats(0, 1)),
    st.tuples(st.just("overwrite"), st.floats(0, 1), st.binary(min_size=1, max_size=200)),
    st.tuples(st.just("random"), st.binary(max_size=300)),
    st.tuples(st.just("insert"), st.floats(0, 1), st.binary(min_size=1, max_size=20)),
)
cells_changed = st.one_of(
    st.tuples(st.just("cell"), st.floats(0, 1), st.floats(0, 1), st.sampled_from(TOKENS)),
    st.tuples(st.just("column"), st.floats(0, 1), st.sampled_from(TOKENS)),
    st.tuples(st.just("swap"), st.floats(0, 1), st.floats(0, 1)),
    st.tuples(st.just("drop"), st.floats(0, 1)),
    st.tuples(st.just("again"), st.floats(0, 1)),
    st.tuples(st.just("rows"), st.integers(0, 2)),
)


def damaged(content: bytes, change) -> bytes:
    kind, *how = change
    if kind == "random":
        return how[0]
    place = int(how[0] * len(content))
    if kind == "cut":
        return content[:place]
    return content[:place] + how[1] + content[place + (len(how[1]) if kind == "overwrite" else 0) :]


def edited(content: bytes, change) -> bytes:
    """A CSV table with a cell, a column or rows changed."""
    kind, *how = change
    rows = [line.split(",") for line in content.decode().splitlines()]

    def at(share, n):
        return min(int(share * n), n - 1)

    if kind == "rows":
        rows = rows[: how[0]]
    elif kind == "cell":
        row = rows[at(how[0], len(rows))]
        row[at(how[1], len(row))] = how[2]
    else:
        column = at(how[0], len(rows[0]))
        other = at(how[1], len(rows[0])) if kind == "swap" else 0
        for k, row in enumerate(rows):
            if kind == "column" and k:
                row[column] = how[1]
            elif kind == "swap" and k:
                row[column], row[other] = row[other], row[column]
            elif kind == "drop":
                del row[column]
            elif kind == "again":
                row.append(row[column])
    return ("\n".join(",".join(row) for row in rows) + "\n").encode()


def survives(read, *arguments, **more):
    """Run a reader; True if it took the file. Whatever else than InputError it raises fails the test."""
    try:
        read(*arguments, **more)
    except InputError:
        return False
    return True


def converted(folder, **options):
    """Convert and read back what was written."""
    with tempfile.TemporaryDirectory() as made:
        path = Path(made) / "e.root"
        try:
            convert_folder(folder, path, **options)
        except InputError:
            assert not path.exists()
            raise
        list(iterate(path))


def change_file(path, change):
    path.write_bytes(
        (damaged if change[0] in ("cut", "overwrite", "random", "insert") else edited)(
            path.read_bytes(), change
        )
    )


TRACKML = ["detectors.csv", *(f"event000000001-{t}.csv" for t in ("hits", "cells", "truth", "particles"))]
ACTS = ["detectors.csv", "digi.json"] + [
    f"event000000000-{t}.csv"
    for t in ("measurements", "cells", "hits", "measurement-simhit-map", "particles_simulated")
]
KINDS = ("float32", "float64", "int8", "int64", "uint64", "bool", "list", "flat", "missing", "largest")


def retyped(values, kind):
    if kind == "list":
        return ak.unflatten(values, np.ones(len(values), dtype=int)) if values.ndim == 1 else values
    if kind == "flat":
        return ak.fill_none(ak.firsts(values), 0) if values.ndim > 1 else values
    if kind == "largest":
        return ak.values_astype(values, np.float64) * 0 + 1e300
    return ak.values_astype(values, kind)
