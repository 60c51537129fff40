"""The traced encoder of the link gives what whole numbers give, number for number."""

import numpy as np
import pytest
import torch

from smartpix.export.link import encoder_luts, trace_encoder
from smartpix.link.autoencoders import LinkAutoencoder, fixed_encoder
from smartpix.link.encoder import encode_clusters
from smartpix.link.options import LinkOptions
from tests.smartpix.link.clusters import ADC, random_coded

pytest.importorskip("da4ml")


def test_trace_is_the_encoder_and_more_weights_take_more():
    luts = []
    for filters in (1, 2):
        torch.manual_seed(filters)
        options = LinkOptions(latent=2, bits=4, filters=filters, weight_bits=3, result_bits=5)
        network = LinkAutoencoder(options)
        with torch.no_grad():
            network.dense.weight *= 4
            network.dense.fit_format()
        _, encoder = fixed_encoder(network)
        ends = ADC.lowest, ADC.n_codes + ADC.lowest - 1
        codes = random_coded(300, filters, 12).codes
        # Every pixel at either end of its range, too.
        codes[0], codes[1] = ends
        expected = encode_clusters(encoder, codes)
        assert len(np.unique(expected)) > 4
        got = trace_encoder(encoder, ends).predict(codes.reshape(len(codes), -1).astype(float))
        np.testing.assert_array_equal(got, expected)
        luts.append(encoder_luts(encoder, ends))
    assert 0 < luts[0] < luts[1]
