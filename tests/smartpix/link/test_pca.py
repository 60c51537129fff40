"""The linear code beside NumPy's singular values, and the arithmetic code of numbers."""

from dataclasses import replace

import numpy as np
import pytest

from smartpix.link.arithmetic import N_CLASSES, box_class, codeword_bits
from smartpix.link.images import BOX_BITS
from smartpix.link.pca import PcaCode, count_number_tables, fit_pca, number_bits
from smartpix.schema import InputError
from tests.smartpix.link.clusters import ADC, random_coded


def test_components_are_those_of_the_singular_values():
    seen = random_coded(120, 11, 3)
    code = fit_pca(seen, 4, 12)
    flat = seen.codes[seen.barrel].reshape(60, -1).astype(float)
    expected = np.linalg.svd(flat - flat.mean(0), full_matrices=False)[2][:4]
    np.testing.assert_allclose(np.abs(np.sum(expected * code.components[0], axis=1)), 1, atol=1e-9)


def test_with_all_components_clusters_come_back():
    seen = random_coded(80, 12, 2)
    sent = fit_pca(seen, 12, 9)(seen)
    # Two by two pixels of two slices have eight numbers; rounding leaves codes that are nearly whole.
    inside = seen.boxes.inside
    np.testing.assert_allclose(ADC.codes(sent.charge)[inside], seen.codes[inside], atol=1)
    assert np.mean(ADC.codes(sent.charge)[inside] == seen.codes[inside]) > 0.99
    assert set((sent.bits - 12 * 9)[inside]) == {BOX_BITS}


def test_fewer_components_are_worse_and_nothing_leaves_the_box():
    seen = random_coded(200, 13)
    errors = []
    for latent in (1, 4, 16):
        charge = fit_pca(seen, latent, 6)(seen).charge
        assert not charge[~np.repeat(seen.boxes.mask()[:, None], 2, axis=1)].any()
        errors.append(np.square(charge - ADC.charge(seen.codes)).mean())
    assert errors[0] > errors[1] > errors[2]


def test_the_host_decodes_the_middle_of_a_step():
    seen = random_coded(120, 16)
    flat = seen.codes.reshape(120, -1)
    pixel = int(np.argmax((flat > 0).sum(axis=0)))
    one = np.eye(flat.shape[1])[pixel : pixel + 1]
    nothing, step = np.zeros(flat.shape[1]), np.array([4.0])
    code = replace(
        fit_pca(seen, 1, 2),
        mean=(nothing, nothing),
        components=(one, one),
        low=(0 * step, 0 * step),
        step=(step, step),
    )
    there = np.repeat(seen.boxes.mask()[:, None], 2, axis=1).reshape(120, -1)[:, pixel]
    middle = 4 * (np.clip(flat[there, pixel], 0, None) // 4) + 2
    assert len(np.unique(middle)) > 1
    charge = code(seen).charge.reshape(120, -1)[there, pixel]
    np.testing.assert_allclose(charge, ADC.charge(middle), rtol=1e-5)


def test_numbers_cost_their_information():
    seen = random_coded(300, 14)
    numbers = np.stack([np.arange(300) % 4, np.zeros(300, dtype=np.int64)], axis=1)
    tables = count_number_tables(seen.boxes, numbers, 4)
    for table in tables.numbers:
        np.testing.assert_allclose(np.exp2(-table.information).sum(axis=1), 1)
    context = box_class(seen.boxes)
    assert 0 <= context.min() < context.max() < N_CLASSES
    bits = number_bits(seen.boxes, numbers, tables)
    k = int(np.flatnonzero(seen.boxes.inside)[0])
    size = seen.boxes.size[k] - 1
    information = tables.box.information[0, size[0] * 22 + size[1]]
    information += sum(t.information[context[k], n] for t, n in zip(tables.numbers, numbers[k], strict=True))
    assert bits[k] == np.ceil(information) + 1


def test_codewords_are_long_enough_for_a_code():
    # Kraft: codewords of these lengths exist, and each is that of Shannon, Fano and Elias.
    chance = np.random.default_rng(15).dirichlet(np.ones(50))
    bits = codeword_bits(-np.log2(chance))
    assert np.sum(2.0**-bits) <= 1
    np.testing.assert_array_equal(codeword_bits(np.array([0.0, 1.0, 1.5, 3.0])), [1, 2, 3, 4])


def test_what_cannot_be_fitted_or_sent_is_told():
    seen = random_coded(10, 16)
    with pytest.raises(InputError, match="too few for 8 components"):
        fit_pca(seen, 8, 4)
    code = fit_pca(seen, 2, 4)
    with pytest.raises(InputError, match="not counted"):
        PcaCode(code.mean, code.components, code.low, code.step, code.bits)(seen)
