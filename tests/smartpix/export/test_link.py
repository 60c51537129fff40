"""The traced encoder of the link gives what whole numbers give, number for number, and so does its Verilog."""

import json

import numpy as np
import pytest
import torch

from smartpix.export.link import encoder_luts, trace_encoder, write_encoder
from smartpix.export.rtl import RtlOptions, simulate
from smartpix.link.autoencoders import LinkAutoencoder, fixed_encoder
from smartpix.link.encoder import encode_clusters
from smartpix.link.options import LinkOptions
from smartpix.schema import InputError
from tests.left_out import needs
from tests.smartpix.link.clusters import ADC, random_coded

pytest.importorskip("da4ml")


ENDS = ADC.lowest, ADC.highest
WRITE_ONLY = RtlOptions(simulate=False, fpga=False, cells=False)


def small_encoder(seed, **options):
    """An encoder whose weights differ from zero in few bits."""
    torch.manual_seed(seed)
    network = LinkAutoencoder(LinkOptions(latent=2, bits=4, **options))
    with torch.no_grad():
        network.dense.weight *= 4
        network.dense.fit_format()
    return fixed_encoder(network)[1]


def test_trace_is_the_encoder_and_more_weights_take_more():
    luts = []
    for filters in (1, 2):
        encoder = small_encoder(filters, filters=filters, weight_bits=3, result_bits=5)
        codes = random_coded(300, filters, 12).codes
        # Every pixel at either end of its range, too.
        codes[0], codes[1] = ENDS
        expected = encode_clusters(encoder, codes)
        assert len(np.unique(expected)) > 4
        got = trace_encoder(encoder, ENDS).predict(codes.reshape(len(codes), -1).astype(float))
        np.testing.assert_array_equal(got, expected)
        luts.append(encoder_luts(encoder, ENDS))
    assert 0 < luts[0] < luts[1]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Verilog of a small encoder with a test bench, what was found, its codes and results."""
    encoder = small_encoder(8, filters=1, weight_bits=3, result_bits=4)
    # Places of the convolution that nothing needs are not made: the simulator's compiler takes its time for each.
    encoder.dense[:, ~np.isin(np.arange(60), [24, 25, 34, 35])] = 0
    codes = random_coded(200, 5, 12).codes
    codes[0], codes[1] = ENDS
    folder = tmp_path_factory.mktemp("link") / "rtl"
    facts = write_encoder(encoder, folder, codes, ENDS, WRITE_ONLY)
    return folder, facts, codes, encode_clusters(encoder, codes)


def test_the_bench_holds_codes_and_results(written):
    folder, facts, codes, expected = written
    assert json.loads((folder / "report.json").read_text()) == facts
    assert (facts["kind"], facts["n_clusters"], facts["ii_cycles"]) == ("encoder", 200, 1)
    assert facts["latency_cycles"] == len(list(folder.glob("network_stage*.v"))) > 1
    for name, bits, numbers in (("codes", 5, codes.reshape(200, -1)), ("expected", 4, expected)):
        lines = (folder / f"{name}.hex").read_text().split()
        for k in (0, 1, 150):
            word = sum((int(v) & (1 << bits) - 1) << bits * i for i, v in enumerate(numbers[k]))
            assert int(lines[k], 16) == word


@needs("verilator", "g++")
def test_verilog_is_the_encoder_and_a_wrong_result_is_found(written):
    folder, _, _, expected = written
    assert len(np.unique(expected)) > 4
    path = folder / "expected.hex"
    lines = path.read_text().split()
    path.write_text("\n".join([f"{int(lines[0], 16) ^ 1:02x}", *lines[1:]]) + "\n")
    # All but the one that was changed.
    assert simulate(folder) == 1


def test_what_no_verilog_can_be_made_of_is_told(written, tmp_path):
    encoder = small_encoder(6, filters=1)
    codes = written[2]
    refused = [
        (codes[:0], WRITE_ONLY, "there are none"),
        (codes + 1, WRITE_ONLY, "must lie from -4 to 11"),
        (codes, RtlOptions(reloadable=True), "leave out --reloadable"),
    ]
    for given, options, words in refused:
        with pytest.raises(InputError, match=words):
            write_encoder(encoder, tmp_path / "rtl", given, ENDS, options)
    encoder.dense[:] = 0
    with pytest.raises(InputError, match="depends on the cluster"):
        write_encoder(encoder, tmp_path / "rtl", codes, ENDS, WRITE_ONLY)
    assert not list(tmp_path.iterdir())
