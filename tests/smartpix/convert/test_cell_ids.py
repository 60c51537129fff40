"""Cell numbers of DD4hep against a straight loop over bits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smartpix.convert.cell_ids import cell_field, parse_encoding, sensors_of
from smartpix.schema import InputError


def by_bits(number, first, width, signed):
    value = sum(((number >> (first + k)) & 1) << k for k in range(width))
    return value - (1 << width) if signed and value >> (width - 1) else value


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**64 - 1), st.lists(st.tuples(st.integers(1, 20), st.booleans()), min_size=1, max_size=6)
)
def test_fields_are_the_bits_that_the_text_names(number, sizes):
    total, parts, wanted = 0, [], {}
    for k, (width, signed) in enumerate(sizes):
        if total + width > 64:
            break
        parts.append(f"f{k}:{total}:{-width if signed else width}")
        wanted[f"f{k}"] = by_bits(number, total, width, signed)
        total += width
    cell = np.array([number], dtype=np.uint64)
    fields = parse_encoding(",".join(parts), "here")
    assert {name: int(cell_field(cell, field)[0]) for name, field in fields.items()} == wanted


def test_widths_alone_follow_one_another_and_pixels_are_taken_off():
    fields = parse_encoding("system:4,layer:4,sensor:2,x:32:-12,y:-12", "here")
    assert (fields["layer"].first, fields["x"].first, fields["y"].first) == (4, 32, 44)
    cell = np.array([0x2A1 | 5 << 32 | 0xFFF << 44, 0x2A1 | 6 << 32], dtype=np.uint64)
    assert cell_field(cell, fields["y"]).tolist() == [-1, 0]
    assert sensors_of(cell, fields).tolist() == [0x2A1, 0x2A1]


@pytest.mark.parametrize(
    "text", ["", "a", "a:b", "a:0:65", "a:-1:3", "a:0:4,b:2:4", "a:4,a:4", "a:0:4:2", "a:60:8"]
)
def test_texts_that_are_no_encodings_are_refused(text):
    with pytest.raises(InputError, match=r"here: the encoding of cell numbers .* cannot be read at"):
        parse_encoding(text, "here")
