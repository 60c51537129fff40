"""TFRecord files without TensorFlow: records, ``tf.train.Example`` and serialised tensors.

A record is its length (8 bytes, little endian), the masked CRC-32C of these, the data, and the masked CRC-32C
of the data (https://www.tensorflow.org/tutorials/load_data/tfrecord). The data are protocol buffers, of which the few
fields that are needed are decoded here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from smartpix.compiled import njit
from smartpix.schema import InputError

__all__ = ["crc32c", "examples", "is_tfrecord", "masked", "records"]

POLYNOMIAL = 0x82F63B78
"""Of CRC-32C (Castagnoli), bits reversed."""
MASK = 0xA282EAD8
HEAD, TAIL = 12, 4
"""Bytes before and after the data of a record."""
LARGEST = 1 << 32
"""Bytes of a record; a longer one is a damaged length."""
FLOAT, DOUBLE, INT32, INT64 = 1, 2, 3, 9
"""Types of tensors, by TensorFlow's numbers."""
DTYPES = {FLOAT: "<f4", DOUBLE: "<f8", INT32: "<i4", INT64: "<i8"}
WIRE_VARINT, WIRE_64, WIRE_BYTES, WIRE_32 = 0, 1, 2, 5


def _table() -> npt.NDArray[np.uint32]:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(POLYNOMIAL), table >> 1).astype(np.uint32)
    return table


TABLE = _table()


@njit(cache=True, nogil=True)
def _crc(data: npt.NDArray[np.uint8], table: npt.NDArray[np.uint32]) -> int:
    crc = np.uint32(0xFFFFFFFF)
    for byte in data:
        crc = table[(crc ^ byte) & np.uint32(0xFF)] ^ (crc >> np.uint32(8))
    return int(crc ^ np.uint32(0xFFFFFFFF))


def crc32c(data: bytes) -> int:
    """CRC-32C of bytes (RFC 3720, appendix B.4)."""
    return int(_crc(np.frombuffer(data, dtype=np.uint8), TABLE))


def masked(crc: int) -> int:
    """The form in which TFRecords keep a CRC: turned by 15 bits, with a number added."""
    return (((crc >> 15) | (crc << 17)) + MASK) & 0xFFFFFFFF


def is_tfrecord(path: Path) -> bool:
    """Whether a file begins with a length and its checksum."""
    with path.open("rb") as stream:
        head = stream.read(HEAD)
    return len(head) == HEAD and masked(crc32c(head[:8])) == struct.unpack("<I", head[8:])[0]


def records(path: Path) -> Iterator[bytes]:
    """Data of each record.

    Raises:
        InputError: the file is cut off, or a checksum does not fit.
    """
    with path.open("rb") as stream:
        number = 0
        while head := stream.read(HEAD):
            where = f"{path}: record {number}"
            if len(head) < HEAD:
                raise InputError(f"{where} is cut off within its length; copy or make the file again")
            (length,), (crc,) = struct.unpack("<Q", head[:8]), struct.unpack("<I", head[8:])
            if masked(crc32c(head[:8])) != crc or length > LARGEST:
                raise InputError(
                    f"{where}: the checksum of its length does not fit; damaged, copy the file again"
                )
            data, tail = stream.read(length), stream.read(TAIL)
            if len(data) < length or len(tail) < TAIL:
                raise InputError(
                    f"{where} is cut off: {len(data)} of {length} bytes are there; copy or make the file again"
                )
            if masked(crc32c(data)) != struct.unpack("<I", tail)[0]:
                raise InputError(
                    f"{where}: the checksum of its data does not fit; damaged, copy the file again"
                )
            yield data
            number += 1


def examples(path: Path) -> Iterator[dict[str, npt.NDArray[np.generic]]]:
    """The features of each record's ``tf.train.Example``: serialised tensors, or lists of numbers.

    Raises:
        InputError: as :func:`records`, or the data are something else.
    """
    for number, data in enumerate(records(path)):
        where = f"{path}: record {number}"
        try:
            yield {name: _feature(value) for name, value in _features(data)}
        except (ValueError, IndexError, KeyError, UnicodeDecodeError, struct.error) as error:
            raise InputError(
                f"{where}: no tf.train.Example of numbers or serialised tensors ({error}); give a TFRecord of images"
            ) from error


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value, shift = 0, 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return value, at
        if shift > 63:
            raise ValueError("a number has more than 64 bits")


def _message(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Numbers and values of a message's fields."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == WIRE_VARINT:
            value, at = _varint(data, at)
            yield number, value
            continue
        length, at = _varint(data, at) if wire == WIRE_BYTES else ({WIRE_64: 8, WIRE_32: 4}[wire], at)
        if at + length > len(data):
            raise ValueError("a field is longer than what holds it")
        yield number, data[at : at + length]
        at += length


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("a number stands where bytes are expected")
    return value


def _features(example: bytes) -> Iterator[tuple[str, bytes]]:
    """Names and values of an Example's map of features."""
    for number, features in _message(example):
        if number != 1:
            raise ValueError(f"field {number} is unknown")
        for _, entry in _message(_bytes(features)):
            parts = dict(_message(_bytes(entry)))
            yield _bytes(parts[1]).decode(), _bytes(parts[2])


def _feature(value: bytes) -> npt.NDArray[np.generic]:
    """A feature: one serialised tensor (bytes), or a list of floats or whole numbers."""
    ((kind, content),) = _message(value)
    items = list(_message(_bytes(content)))
    if kind == 1:
        ((_, tensor),) = items
        return _tensor(_bytes(tensor))
    if kind not in (2, 3):
        raise ValueError(f"a feature is of kind {kind}")
    packed = b"".join(_bytes(item) if isinstance(item, bytes) else b"" for _, item in items)
    if kind == 2:
        return np.frombuffer(packed, dtype="<f4")
    numbers, at = [item for _, item in items if isinstance(item, int)], 0
    while at < len(packed):
        number, at = _varint(packed, at)
        numbers.append(number)
    return np.array(numbers, dtype=np.uint64).astype(np.int64)


def _tensor(data: bytes) -> npt.NDArray[np.generic]:
    """A TensorProto with its content in one piece, or one value for all."""
    kind, shape, content, value = 0, [], b"", b""
    for number, part in _message(data):
        if number == 1 and isinstance(part, int):
            kind = part
        elif number == 2:
            for _, size in _message(_bytes(part)):
                shape.append(next((s for n, s in _message(_bytes(size)) if n == 1 and isinstance(s, int)), 0))
        elif number == 4:
            content = _bytes(part)
        elif number == 5:
            value = _bytes(part)
    array = np.frombuffer(content or value, dtype=DTYPES[kind])
    if not content and len(array) == 1:
        return np.full(shape, array[0])
    return array.reshape(shape)
