"""TFRecords against published checksums, and records written here by the definition."""

import struct

import numpy as np
import pytest

from smartpix.convert.tfrecord_files import crc32c, examples, is_tfrecord, masked, records
from smartpix.schema import InputError


def varint(value):
    out = b""
    while True:
        value, low = value >> 7, value & 0x7F
        out += bytes([low | (0x80 if value else 0)])
        if not value:
            return out


def field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def tensor(array):
    sizes = b"".join(field(2, varint(1 << 3) + varint(n)) for n in array.shape)
    return varint(1 << 3) + varint(1) + field(2, sizes) + field(4, array.astype("<f4").tobytes())


def feature(value):
    """A serialised tensor, a list of floats, or of whole numbers."""
    if isinstance(value, np.ndarray):
        return field(1, field(1, tensor(value)))
    if isinstance(value[0], float):
        return field(2, field(1, np.array(value, dtype="<f4").tobytes()))
    return field(3, field(1, b"".join(varint(v) for v in value)))


def example(**features):
    entries = [
        field(1, field(1, name.encode()) + field(2, feature(value))) for name, value in features.items()
    ]
    return field(1, b"".join(entries))


def record(data):
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", masked(crc32c(length))) + data + struct.pack("<I", masked(crc32c(data)))


def test_checksums_are_those_of_rfc_3720():
    """Appendix B.4: 32 bytes of zeros, of ones, rising, falling; and the check value of the polynomial."""
    known = {
        bytes(32): 0x8A9136AA, b"\xff" * 32: 0x62A8AB43, bytes(range(32)): 0x46DD794E,
        bytes(range(31, -1, -1)): 0x113FDB5C, b"123456789": 0xE3069283,
    }  # fmt: skip
    assert {data: crc32c(data) for data in known} == known


def test_features_come_back_as_they_were_written(tmp_path):
    path = tmp_path / "in.tfrecord"
    image = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    path.write_bytes(record(example(cluster=image, y=[1.0, 2.5], n=[3, 300])) + record(example(y=[7.0])))
    assert is_tfrecord(path)
    first, second = examples(path)
    np.testing.assert_array_equal(first["cluster"], image)
    assert first["y"].tolist() == [1.0, 2.5]
    assert first["n"].tolist() == [3, 300]
    assert second["y"].tolist() == [7.0]


def test_damaged_files_say_what_is_wrong(tmp_path):
    path = tmp_path / "in.tfrecord"
    good = record(example(y=[1.0]))
    for data, message in (
        (good + good[:5], "record 1 is cut off within its length"),
        (good + good[:-1], r"record 1 is cut off: \d+ of \d+ bytes are there"),
        (good[:20], r"record 0 is cut off: 8 of \d+ bytes"),
        (good[:14] + bytes([good[14] ^ 1]) + good[15:], "record 0: the checksum of its data does not fit"),
        (bytes([good[0] ^ 1]) + good[1:], "record 0: the checksum of its length does not fit"),
    ):
        path.write_bytes(data)
        with pytest.raises(InputError, match=message):
            list(records(path))
    for wrong in (b"\x0a\xff", b"\x10\x05", field(1, field(1, field(1, b"a") + field(2, field(9, b""))))):
        path.write_bytes(record(wrong))
        with pytest.raises(InputError, match=r"record 0: no tf\.train\.Example"):
            list(examples(path))
    path.write_bytes(b"no record")
    assert not is_tfrecord(path)
