"""What is packed comes back to the last bit, whatever it is; nothing else does, and no code runs."""

import json
import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as stn

from smartpix.packed import pack, unpack

KIND = "test 1"
ARRAYS = stn.arrays(
    st.sampled_from(["f4", "f8", "i4", "i8", "i2", "u8", "?"]),
    stn.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)
TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | ARRAYS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def same(a, b):
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and (a.dtype, a.shape, a.tobytes()) == (
            b.dtype,
            b.shape,
            b.tobytes(),
        )
    if isinstance(a, dict):
        return a.keys() == b.keys() and list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and (a == b or (isinstance(a, float) and math.isnan(a) and math.isnan(b)))


@settings(deadline=None, max_examples=200)
@given(TREES)
def test_what_is_packed_comes_back(tree):
    content = pack(tree, KIND)
    assert same(tree, unpack(content, KIND))
    assert pack(tree, KIND) == content


def test_arrays_of_any_order_come_back():
    table = np.arange(12.0).reshape(3, 4)
    for array in (
        table.T,
        table[::2],
        table[:, 1],
        np.asfortranarray(table),
        np.broadcast_to(np.float32(3), (2, 2)),
    ):
        assert same(np.ascontiguousarray(array), unpack(pack(array, KIND), KIND))


@pytest.mark.parametrize(
    "tree", [{1: 2}, {"a": {1, 2}}, object(), np.array(["a"]), np.array([None]), [b"bytes"], 1j]
)
def test_what_cannot_be_packed_is_refused(tree):
    with pytest.raises(TypeError):
        pack(tree, KIND)


TREE = {"a": np.arange(5), "b": [1, "two", {"array": 3}, None]}


def test_damage_is_an_error():
    content = pack(TREE, KIND)
    for k in range(len(content)):
        with pytest.raises(ValueError, match="it is"):
            unpack(content[:k] + bytes([content[k] ^ 1]) + content[k + 1 :], KIND)
        with pytest.raises(ValueError, match="it is"):
            unpack(content[:k], KIND)
    with pytest.raises(ValueError, match="it is not what was written"):
        unpack(content + b"0", KIND)
    with pytest.raises(ValueError, match="it is no test 2"):
        unpack(content, "test 2")
    with pytest.raises(ValueError, match="it is no test 1"):
        unpack(pickle.dumps(3), KIND)


@pytest.mark.parametrize(
    "told",
    [
        "",
        "[",
        '{"array": "9"}',
        '{"array": ["0"]}',
        '{"dict": 3}',
        "{}",
        '{"a": 1, "b": 2}',
        "[" * 100_000,
        '{"x": {"a": 1}}x',
    ],
)
def test_a_tree_of_another_layout_is_an_error(told):
    """Also with a right checksum."""
    import hashlib

    from safetensors.numpy import save

    content = save({"0": np.arange(3)}, {"tree": told})
    with pytest.raises(ValueError, match="its layout is another"):
        unpack(b"smartpix test 1\n" + hashlib.sha256(content).digest() + content, KIND)


def test_content_that_is_no_safetensors_is_an_error():
    import hashlib

    header = json.dumps({"a": {"dtype": "F32", "shape": [10**9, 10**9], "data_offsets": [0, 4]}}).encode()
    for body in (b"", b"1234", len(header).to_bytes(8, "little") + header, (2**62).to_bytes(8, "little")):
        with pytest.raises(ValueError, match="its layout is another"):
            unpack(b"smartpix test 1\n" + hashlib.sha256(body).digest() + body, KIND)
