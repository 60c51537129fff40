"""Codes of the link at the ends of their options: what is sent fits its bits, and comes back where it was."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from smartpix.link.autoencoders import LinkAutoencoder, fixed_encoder
from smartpix.link.codes import CodedClusters
from smartpix.link.encoder import encode_clusters, encoder_from_arrays
from smartpix.link.images import BOX_BITS, ESCAPE_BITS, with_charge
from smartpix.link.learned import LearnedCode, load_link, with_tables
from smartpix.link.options import LinkOptions
from smartpix.link.pca import fit_pca
from smartpix.link.raw import count_pixel_tables, raw_code
from smartpix.networks.weights import save_weights
from smartpix.schema import InputError
from tests.smartpix.link.clusters import ADC, random_coded

SEEN = random_coded(60, 31, 8)
DESCRIPTION = {
    "adc": {"edges": ADC.edges.tolist(), "values": ADC.values.tolist()},
    "input": {"reference": 300.0, "compression": 3.0}, "smallest": 0.1,
}  # fmt: skip


def learned(options: LinkOptions, seed: int) -> LearnedCode:
    """A code that was not trained."""
    torch.manual_seed(seed)
    network = LinkAutoencoder(options)
    with torch.no_grad():
        network.dense.weight *= 8
        network.dense.fit_format()
    return LearnedCode(fixed_encoder(network)[1], network.eval(), DESCRIPTION, "made")


@settings(max_examples=20, deadline=None)
@given(
    st.sampled_from([1, 2, 17, 64]), st.sampled_from([2, 3, 8, 9]), st.sampled_from([2, 6, 16]),
    st.sampled_from([2, 8, 16]), st.integers(0, 99),
)  # fmt: skip
def test_numbers_fit_their_bits_and_charge_stays_in_the_box(latent, bits, weight_bits, result_bits, seed):
    options = LinkOptions(latent, bits, 1, weight_bits, result_bits, 3)
    code = with_tables(learned(options, seed), SEEN)
    sent = code.numbers(SEEN)
    assert sent.shape == (len(SEEN), latent)
    assert -(2 ** (bits - 1)) <= sent.min() <= sent.max() < 2 ** (bits - 1)
    # Written in so many bits each, and read again.
    fields = [[format(int(n) + 2 ** (bits - 1), f"0{bits}b") for n in row] for row in sent]
    assert {len(field) for row in fields for field in row} == {bits}
    read = np.array([[int(field, 2) - 2 ** (bits - 1) for field in row] for row in fields])
    there = code(SEEN)
    np.testing.assert_array_equal(code.decode(SEEN, read), there.charge)
    for k in range(len(SEEN)):
        escape = 0 if SEEN.boxes.inside[k] else ESCAPE_BITS
        assert there.bits[k] == BOX_BITS + escape + sum(map(len, fields[k]))
        (top, left), (bottom, right) = SEEN.boxes.first[k], SEEN.boxes.last[k]
        rest = there.charge[k].copy()
        rest[:, top : bottom + 1, left : right + 1] = 0
        assert not rest.any()
    assert np.isfinite(there.charge).all()
    # Below the smallest charge that the ADC knows nothing comes back.
    least = 300 * (2 ** (0.1 * 3) - 1)
    assert np.abs(there.charge[there.charge != 0]).min(initial=np.inf) >= least * (1 - 1e-4)


@settings(max_examples=15, deadline=None)
@given(st.sampled_from([2, 3, 4]), st.sampled_from(["address", "bitmap"]), st.integers(0, 10**6))
def test_raw_pixels_keep_the_charge_and_bits_are_counted(bits, form, seed):
    seen = random_coded(12, seed, 5)
    sent = raw_code(seen, count_pixel_tables(seen, bits), form, bits)
    back = with_charge(seen.clusters, sent.charge)
    for k in range(1, 12):
        fired = {(r, c) for s in range(2) for r, c in zip(*np.nonzero(sent.charge[k, s]), strict=True)}
        area = int(np.prod(seen.boxes.last[k] - seen.boxes.first[k] + 1))
        fixed = 9 + 9 * len(fired) if form == "address" else BOX_BITS + area
        assert sent.bits[k] == fixed + 2 * bits * len(fired)
        of = slice(back.first[k], back.first[k] + back.counts[k])
        np.testing.assert_allclose(
            back.charge[of].sum(axis=0), sent.charge[k].sum(axis=(1, 2)), rtol=1e-5, atol=0.1
        )
        if bits == 4:
            np.testing.assert_allclose(
                sent.charge[k].sum(axis=(1, 2)),
                ADC.charge(seen.codes[k]).sum(axis=(1, 2)),
                rtol=1e-5,
                atol=0.1,
            )


@settings(max_examples=6, deadline=None)
@given(st.sampled_from([1, 3, 25]), st.sampled_from([1, 4, 12]))
def test_components_count_their_bits(latent, bits):
    sent = fit_pca(SEEN, latent, bits)(SEEN)
    escape = np.where(SEEN.boxes.inside, 0, ESCAPE_BITS)
    np.testing.assert_array_equal(sent.bits, BOX_BITS + escape + latent * bits)


@settings(max_examples=6, deadline=None)
@given(st.sampled_from([2, 6, 16]), st.integers(0, 99))
def test_encoders_come_back_from_their_arrays(weight_bits, seed):
    options = LinkOptions(3, 4, 2, weight_bits)
    torch.manual_seed(seed)
    arrays, encoder = fixed_encoder(LinkAutoencoder(options))
    again = encoder_from_arrays(arrays, options)
    np.testing.assert_array_equal(encode_clusters(again, SEEN.codes), encode_clusters(encoder, SEEN.codes))


def saved(path, change):
    """Weights whose arrays and description something was done to."""
    network = learned(LinkOptions(2, 4, 1, hidden=3), 1).decoder
    arrays = dict(fixed_encoder(network)[0])
    arrays |= {f"decoder.{key}": values.numpy() for key, values in network.decoder.state_dict().items()}
    options = {"network": {"latent": 2, "bits": 4, "filters": 1, "hidden": 3}}
    description = {"architecture": "link", "options": options, **DESCRIPTION}
    change(arrays, description)
    save_weights(path, arrays, description)
    return load_link(str(path))


def test_damaged_weights_are_told(tmp_path):
    path = tmp_path / "link.safetensors"
    assert saved(path, lambda arrays, description: None).options.latent == 2
    changes = {
        "is missing from the encoder": lambda a, d: a.pop("encoder.dense.bias"),
        "beyond its": lambda a, d: a.update({"encoder.conv.weight": a["encoder.conv.weight"] + 10**4}),
        "do not fit": lambda a, d: d["options"]["network"].update(latent=3),
        "lacks": lambda a, d: d.pop("adc"),
        "0.bias": lambda a, d: a.pop("decoder.0.bias"),
    }
    for words, change in changes.items():
        with pytest.raises(InputError, match=words):
            saved(path, change)


def test_other_readouts_are_told():
    code = learned(LinkOptions(2, 4, 1, hidden=3), 2)
    other = type(ADC)(ADC.edges * 1.5, ADC.values * 1.5)
    seen = CodedClusters(SEEN.clusters, SEEN.codes, SEEN.boxes, SEEN.barrel, other)
    for send in (code.numbers, code.decoded, lambda s: with_tables(code, s)):
        with pytest.raises(InputError, match="made: was trained with the ADC"):
            send(seen)
