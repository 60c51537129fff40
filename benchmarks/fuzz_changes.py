"""Random damage for benchmarks/fuzz.py: to bytes, to tables of text, to JSON and TOML, to named arrays, to
options.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import typing
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

__all__ = [
    "arrays_changed",
    "bytes_changed",
    "cells_changed",
    "json_changed",
    "options_changed",
    "text_changed",
]

Random = np.random.Generator

CELLS = (
    "", " ", "abc", "nan", "-inf", "1e300", "1e19", "1e-320", "-1", "0", "1.5", "true", "2020-01-01",
    "9" * 25, str(2**53 + 1),
    str(2**63), str(2**64 - 1), "-0.0", '"', "\x00", "é", "0x10", "1,5", "1e4", "450000000000000000.0",
)  # fmt: skip
"""What may stand in a table by mistake: no numbers, numbers beyond a type's range, other notations."""
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 0.5, -0.0, 1e-320, 1e300, float("nan"), float("inf"), 10**9, 2**31,
    2**53 + 1, 2**63, 10**30,
    "", "abc", "\x00", "µ", [], [0], [[0.0]], {}, {"a": 1}, [None] * 3, [1e9] * 14,
)  # fmt: skip
NUMBERS = (0, 1, -1, 2, 3, 7, 100, 2**15, 2**31 - 1, 2**31, 2**63 - 1, 2**63, -(2**63))
REALS = (
    0.0, -0.0, 1e-320, 1e-30, 1e-9, 1e-3, 0.1, 0.5, 0.999999, 1.0 - 2.0**-53, 1.0, 1.5, 3.0, 50.0, 1e3, 1e6,
    1e9, 1e30, 1e300,
    float("inf"), float("nan"), -1.0, -1e-9,
)  # fmt: skip
WORDS = (
    "",
    "abc",
    "cone",
    "window",
    "gnn",
    "gnn-window",
    "mdn-barrel",
    "mdn-endcap",
    "auto",
    "../x.safetensors",
    "\x00",
    "µ",
)


def pick(rng: Random, choices: Sequence[Any]) -> Any:
    """One of several things; NumPy's own choice would turn them into an array."""
    return choices[int(rng.integers(len(choices)))]


def bytes_changed(content: bytes, rng: Random) -> bytes:
    """Damage as disks, transfers and editors do it: flipped bits, other bytes, blocks cut, put in, moved, set
    to zero.
    """
    n = len(content)
    if n == 0:
        return rng.bytes(int(rng.integers(1, 50)))
    place, size = int(rng.integers(n)), int(rng.integers(1, 1 + min(n, 200)))
    kind = int(rng.integers(10))
    if kind <= 1:
        return content[:place] + bytes([content[place] ^ (1 << int(rng.integers(8)))]) + content[place + 1 :]
    if kind == 2:
        return content[:place] + rng.bytes(size) + content[place + size :]
    if kind == 3:
        return content[:place]
    if kind == 4:
        return content[:place] + rng.bytes(size) + content[place:]
    if kind == 5:
        return content[:place] + bytes(size) + content[place + size :]
    if kind == 6:
        return content[:place] + content[place + size :]
    if kind == 7:
        other = int(rng.integers(n))
        return content[:place] + content[other : other + size] + content[place + size :]
    if kind == 8:
        # A length, a count or an address that is out of range.
        number = int(pick(rng, NUMBERS)) % 2**64
        return content[:place] + number.to_bytes(8, pick(rng, ("big", "little"))) + content[place + 8 :]
    return rng.bytes(size) if rng.random() < 0.2 else content + rng.bytes(size)


def cells_changed(content: bytes, rng: Random) -> bytes:
    """A CSV table with a cell, a column, its head or its rows changed."""
    rows = [line.split(",") for line in content.decode().splitlines()]
    head = rows[0]
    kind, column = int(rng.integers(9)), int(rng.integers(len(head)))
    if kind <= 2:
        row = rows[int(rng.integers(len(rows)))]
        row[int(rng.integers(len(row)))] = pick(rng, CELLS)
    elif kind == 3:
        value = pick(rng, CELLS)
        for row in rows[1:]:
            row[column] = value
    elif kind == 4:
        other = int(rng.integers(len(head)))
        for row in rows[1:]:
            row[column], row[other] = row[other], row[column]
    elif kind == 5:
        for row in rows:
            del row[column]
    elif kind == 6:
        for row in rows:
            row.append(row[column])
    elif kind == 7:
        rows = rows[: int(rng.integers(3))]
    else:
        rows.append(rows[int(rng.integers(len(rows)))])
    text = pick(rng, ("\n", "\n", "\n", "\r\n")).join(",".join(row) for row in rows) + "\n"
    return (b"\xef\xbb\xbf" if rng.random() < 0.05 else b"") + text.encode()


def _places(value: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths to everything inside a JSON value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [above, *(place for key, item in inside for place in _places(item, (*above, key)))]


def json_changed(value: Any, rng: Random) -> Any:
    """A JSON value with something in it dropped, replaced, scaled or nested."""
    value = copy.deepcopy(value)
    # Those far inside a long list are many and alike; the depth is chosen first.
    places = _places(value)
    depth = int(rng.integers(1 + max(len(p) for p in places)))
    place = pick(rng, [p for p in places if len(p) == depth])
    if not place:
        return pick(rng, VALUES)
    holder = value
    for key in place[:-1]:
        holder = holder[key]
    key, kind = place[-1], int(rng.integers(5))
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder[key], (int, float)):
        holder[key] = holder[key] * float(pick(rng, REALS))
    elif kind == 2:
        holder[key] = [holder[key]]
    else:
        holder[key] = pick(rng, VALUES)
    return value


def text_changed(content: bytes, rng: Random) -> bytes:
    """JSON or TOML as a slip of an editor leaves it, or built to use up a reader's stack."""
    kind = int(rng.integers(5))
    if kind == 0:
        deep = int(rng.integers(100, 100_000))
        return pick(
            rng,
            (b"[" * deep, b'{"a":' * deep, b"a = " + b"[" * deep, b"[" + b"a." * deep + b"b]\n", b"(" * deep),
        )
    if kind == 1:
        return content.decode().encode(pick(rng, ("utf-16", "utf-8-sig", "utf-32", "latin-1")), "replace")
    return bytes_changed(content, rng)


def arrays_changed(arrays: dict[str, Any], rng: Random) -> dict[str, Any]:
    """Named arrays with one dropped, renamed, of another shape or type, or with other numbers."""
    arrays = dict(arrays)
    name = pick(rng, sorted(arrays))
    array = np.array(arrays.pop(name))
    kind = int(rng.integers(9))
    if kind == 0:
        return arrays
    if kind == 1:
        return arrays | {pick(rng, (name + "x", "", "µ")): array}
    if kind == 2:
        other = pick(
            rng,
            (
                array[None],
                array.reshape(-1),
                array[:0],
                array[..., :1],
                array.T,
                np.concatenate([array, array]),
            ),
        )
        return arrays | {name: np.ascontiguousarray(other)}
    if kind == 3:
        types = ("float64", "float32", "float16", "int64", "int32", "int8", "uint8", "bool")
        with np.errstate(invalid="ignore", over="ignore"):
            return arrays | {name: array.astype(pick(rng, types))}
    if kind == 4:
        return arrays | {name: array, "one more": array}
    flat = array.reshape(-1)
    if flat.size and kind <= 7:
        value = pick(rng, REALS if flat.dtype.kind == "f" else (0, 1, -1, 127, -128))
        with np.errstate(over="ignore"):
            flat[int(rng.integers(flat.size)) if kind < 7 else slice(None)] = np.float64(value).astype(
                flat.dtype
            )
    elif flat.size:
        rng.shuffle(flat)
    return arrays | {name: array}


def options_changed(kind: type, rng: Random, most: int = 3) -> dict[str, Any]:
    """Values for one to ``most`` options of a dataclass, nested ones too: mostly of the right type, at the
    ends of ranges.
    """
    types = typing.get_type_hints(kind)
    chosen: dict[str, Any] = {}
    for _ in range(int(rng.integers(1, most + 1))):
        name = pick(rng, [f.name for f in dataclasses.fields(kind)])
        hint = types[name]
        if dataclasses.is_dataclass(hint):
            chosen[name] = {**chosen.get(name, {}), **options_changed(typing.cast(type, hint), rng, 2)}
        else:
            chosen[name] = _value(hint, rng)
    return chosen


def _value(hint: Any, rng: Random) -> Any:
    makers: dict[Any, Callable[[], Any]] = {
        bool: lambda: bool(rng.random() < 0.5),
        int: lambda: int(pick(rng, NUMBERS)),
        float: lambda: float(pick(rng, REALS) if rng.random() < 0.7 else 10 ** rng.uniform(-6, 6)),
        str: lambda: pick(rng, WORDS),
    }
    if rng.random() < 0.05 or hint not in makers:
        return pick(rng, VALUES)
    return makers[hint]()


def as_json(value: Any) -> bytes:
    """As a file holds it; NaN and infinities as Python writes them."""
    return json.dumps(value).encode()
