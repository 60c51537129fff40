"""Clusters as codes in their windows, and back."""

import numpy as np
import pytest

from smartpix.link.images import BOX_BITS, ESCAPE_BITS, adc_of, boxes_of, code_images, with_charge
from smartpix.schema import N_COLUMNS, N_ROWS, InputError
from tests.smartpix.link.clusters import ADC, random_clusters


def pixels_of(clusters, k):
    """Charges of a cluster's pixels by their place, without those that have none."""
    of = slice(clusters.first[k], clusters.first[k] + clusters.counts[k])
    places = zip(clusters.row[of].tolist(), clusters.column[of].tolist(), strict=True)
    return {
        place: tuple(charge)
        for place, charge in zip(places, clusters.charge[of].tolist(), strict=True)
        if any(charge)
    }


def test_codes_of_the_adc_are_its_levels():
    codes = np.arange(ADC.n_codes) + ADC.lowest
    assert ADC.n_codes == 16
    assert ADC.lowest == -4
    assert ADC.charge(codes)[4] == 0
    np.testing.assert_array_equal(ADC.codes(ADC.charge(codes)), codes)


def test_clusters_come_back_at_their_place():
    clusters = random_clusters(40, 1)
    back = with_charge(clusters, ADC.charge(code_images(clusters, ADC)))
    np.testing.assert_array_equal(back.outlines.box, clusters.outlines.box)
    np.testing.assert_array_equal(back.outlines.origin, clusters.outlines.origin)
    for k in range(1, 40):
        assert pixels_of(back, k) == pixels_of(clusters, k)
    # The first does not fit: what is in its window comes back, and how long it is.
    kept = pixels_of(back, 0)
    assert kept == {place: charge for place, charge in pixels_of(clusters, 0).items() if place in kept}
    assert 0 < len(kept) < len(pixels_of(clusters, 0))


def test_clusters_that_lost_all_charge_keep_their_box():
    clusters = random_clusters(10, 2)
    back = with_charge(clusters, np.zeros((10, 2, N_ROWS, N_COLUMNS), dtype=np.float32))
    np.testing.assert_array_equal(back.outlines.box, clusters.outlines.box)
    assert not back.charge.any()
    assert set(back.counts.tolist()) <= {1, 2}


def test_boxes_hold_all_pixels():
    clusters = random_clusters(40, 3)
    boxes, codes = boxes_of(clusters), code_images(clusters, ADC)
    mask = boxes.mask()
    assert not np.any(codes.any(axis=1) & ~mask)
    np.testing.assert_array_equal(mask.sum(axis=(1, 2)), boxes.area)
    assert boxes.inside.tolist() == [False, *[True] * 39]
    assert boxes.bits[0] == BOX_BITS + ESCAPE_BITS
    assert boxes.bits[1] == BOX_BITS
    # Each side of a box has a pixel.
    rows, columns = codes[1:].any(axis=(1, 3)), codes[1:].any(axis=(1, 2))
    for fired, axis in ((rows, 0), (columns, 1)):
        index = np.arange(39)
        assert fired[index, boxes.first[1:, axis]].all()
        assert fired[index, boxes.last[1:, axis]].all()


class Made:
    """A header that says how its file was made."""

    def __init__(self, made_by):
        self.made_by = made_by


def test_the_adc_is_the_files():
    header = Made({"options": {"readout": {"threshold": 400.0, "adc_bits": 4, "adc_max": 16000.0}}})
    np.testing.assert_array_equal(adc_of(header).edges, ADC.edges)
    for made_by in ({}, {"readout": {"adc_bits": 0}}):
        with pytest.raises(InputError, match="which ADC"):
            adc_of(Made(made_by))
