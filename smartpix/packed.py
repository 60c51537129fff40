"""Numbers, texts and arrays as bytes: what is kept on the way to a result, or sent to another process.

Reading runs no code, whoever wrote the bytes. They are one line that says what it is and in which layout, the
sha256 of the rest,
and safetensors: the arrays under running numbers, and in its metadata, as JSON, the tree of everything else,
in which ``{"array": 3}`` stands for array 3 and ``{"dict": {...}}`` for a dictionary.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["pack", "unpack"]

TREE = "tree"
SHA256 = 32


def pack(tree: Any, kind: str) -> bytes:
    """Bytes of dictionaries (keys are texts), lists, arrays of numbers, texts, numbers and None.

    Args:
        kind: what it is, with the number of its layout; without a line break.

    Raises:
        TypeError: something else is in it.
    """
    from safetensors.numpy import save

    arrays: dict[str, npt.NDArray[Any]] = {}
    tree_text = json.dumps(_taken_apart(tree, arrays), separators=(",", ":"))
    content = save(arrays, {TREE: tree_text})
    return _head(kind) + hashlib.sha256(content).digest() + content


def unpack(content: bytes, kind: str) -> Any:
    """The tree; tuples are lists then.

    Raises:
        ValueError: it is of another kind or layout, or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    head = _head(kind)
    if not content.startswith(head):
        raise ValueError(f"it is no {kind}")
    body = memoryview(content)[len(head) :]
    if hashlib.sha256(body[SHA256:]).digest() != body[:SHA256]:
        raise ValueError("it is not what was written")
    rest = bytes(body[SHA256:])
    try:
        # Of safetensors: the length of the JSON in front of the arrays, and that.
        length = int.from_bytes(rest[:8], "little")
        tree = json.loads(json.loads(rest[8 : 8 + length])["__metadata__"][TREE])
        return _put_together(tree, load(rest))
    except (
        SafetensorError,
        ValueError,
        KeyError,
        IndexError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as error:
        raise ValueError(f"its layout is another ({type(error).__name__}: {error})") from error


def _head(kind: str) -> bytes:
    return f"smartpix {kind}\n".encode()


def _taken_apart(value: Any, arrays: dict[str, npt.NDArray[Any]]) -> Any:
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "biuf":
            raise TypeError(f"an array of {value.dtype} is none of numbers")
        name = str(len(arrays))
        arrays[name] = value if value.flags.c_contiguous else value.copy(order="C")
        return {"array": name}
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise TypeError("keys of dictionaries must be texts")
        return {"dict": {key: _taken_apart(inner, arrays) for key, inner in value.items()}}
    if isinstance(value, (list, tuple)):
        return [_taken_apart(inner, arrays) for inner in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"{type(value).__name__} is none of what can be packed")


def _put_together(tree: Any, arrays: Mapping[str, npt.NDArray[Any]]) -> Any:
    if isinstance(tree, dict):
        ((kind, inner),) = tree.items()
        if kind == "array":
            # Of its own memory, not a view of the bytes, which cannot be written.
            return np.array(arrays[inner])
        return {key: _put_together(value, arrays) for key, value in inner.items()}
    if isinstance(tree, list):
        return [_put_together(value, arrays) for value in tree]
    return tree
