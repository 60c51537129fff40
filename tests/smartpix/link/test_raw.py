"""Raw pixels on the link: bits counted again with loops, and an arithmetic code that is one."""

import numpy as np
import pytest

from smartpix.link.images import BOX_BITS, ESCAPE_BITS
from smartpix.link.raw import count_pixel_tables, join_levels, raw_code
from smartpix.schema import InputError
from tests.smartpix.link.clusters import ADC, random_coded


def test_bits_are_those_of_the_formats():
    seen = random_coded(30, 4)
    tables = count_pixel_tables(seen)
    address, bitmap = (raw_code(seen, tables, form) for form in ("address", "bitmap"))
    for k in range(30):
        fired = sum(bool(seen.codes[k, :, r, c].any()) for r in range(13) for c in range(21))
        escape = 0 if k else ESCAPE_BITS
        assert address.bits[k] == 9 + fired * (9 + 2 * 4) + escape
        rows, columns = np.minimum(seen.boxes.size[k], (13, 21))
        assert bitmap.bits[k] == BOX_BITS + rows * columns + fired * 2 * 4 + escape
    np.testing.assert_array_equal(address.charge, ADC.charge(seen.codes))


def test_the_arithmetic_code_can_be_decoded_and_gains():
    # Codewords of these lengths exist, since the tables are probabilities: each context's sum to one.
    seen = random_coded(400, 5, 4)
    tables = count_pixel_tables(seen)
    for table in (tables.box, tables.last, tables.first):
        np.testing.assert_allclose(np.exp2(-table.information).sum(axis=1), 1)
    # Pixels of one code in both slices take next to nothing once the tables know.
    alike = np.where(seen.codes != 0, 3, 0).astype(np.int8)
    uniform = type(seen)(seen.clusters, alike, seen.boxes, seen.barrel, seen.adc)
    learned = count_pixel_tables(uniform)
    assert (
        raw_code(uniform, learned).arithmetic_bits.mean()
        < 0.6 * raw_code(seen, tables).arithmetic_bits.mean()
    )
    # Tables of something else cost bits.
    assert (
        raw_code(seen, learned).arithmetic_bits.mean() > 1.2 * raw_code(seen, tables).arithmetic_bits.mean()
    )


def test_a_cluster_has_the_information_of_its_symbols():
    seen = random_coded(3, 6, 1)
    tables = count_pixel_tables(seen)
    sent = raw_code(seen, tables)
    for k in (1, 2):
        # One pixel: class 0, beyond the box on the left and above.
        last, first = (int(seen.codes[k, s, 6, 10]) - ADC.lowest for s in (1, 0))
        information = tables.box.information[0, 0] + tables.last.information[0, last]
        information += tables.first.information[last * 36, first]
        assert sent.arithmetic_bits[k] == np.ceil(information - 1e-9) + 1


def test_levels_are_joined_to_neighbours():
    codes = np.arange(16) - 4
    np.testing.assert_array_equal(join_levels(ADC, 4), codes)
    for bits, n_joint in ((3, 8), (2, 4)):
        joint = join_levels(ADC, bits)
        assert len(np.unique(joint)) == n_joint
        assert np.all(np.diff(joint) >= 0)
        assert np.all(np.sign(joint[codes >= 0]) == np.sign(codes[codes >= 0]))
        assert set(joint) <= set(codes)
    with pytest.raises(InputError, match="cannot be joined to 1 bits"):
        join_levels(ADC, 1)
