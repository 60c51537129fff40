import math
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from smartpix.chip.compress import CompressOptions, Constraint, bit_price, digits, lut_price, tree_luts
from smartpix.chip.options import QuantizedOptions
from smartpix.chip.quantize import QuantizedMdn, zero_shares
from smartpix.chip.transfer import to_fixed
from smartpix.export.wires import Matrices, input_wires, logic_of
from smartpix.schema import InputError

SMALL = QuantizedOptions("mlp", hidden=(12, 10), n_rows=6, n_columns=8)


def trained(compress, steps=800, rate=0.01, options=SMALL):
    """A network that imitates random outputs, under a constraint; the multipliers on the way."""
    torch.manual_seed(0)
    model = QuantizedMdn(options)
    constraint = Constraint(model, compress)
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    x = torch.randint(0, 3, (256, 2, 6, 8)).float() / 8
    y = torch.randn(256, 14)
    seen = []
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * 0.5 * (1 + math.cos(math.pi * step / steps))
        loss = (model(x) - y).square().mean() + constraint.loss(step / steps)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        constraint.ascend()
        seen.append(float(constraint.multipliers[0]))
    return model, seen


@pytest.mark.parametrize("surrogate", ["step", "smooth"])
@pytest.mark.parametrize("target", [0.5, 0.8])
def test_the_modified_method_reaches_its_target_in_exact_zeros(target, surrogate):
    model, seen = trained(CompressOptions("mdmm", target, surrogate=surrogate))
    shares = zero_shares(model)
    network = to_fixed(model)
    n_weights = sum(w.size for w in network.weights.values())
    assert 1 - network.nonzero_weights / n_weights == pytest.approx(shares["all"])
    assert shares["all"] == pytest.approx(target, abs=0.01 if surrogate == "step" else 0.08)
    # It comes back once the target is reached.
    assert max(seen) > seen[-1] or min(np.diff(seen)) < 0


def test_every_layer_reaches_the_target_of_its_own():
    model, _ = trained(CompressOptions("mdmm", 0.6, scope="layer"))
    shares = zero_shares(model)
    # A single weight is 0.7 to 1.2 % of a layer here.
    assert {name: share for name, share in shares.items() if abs(share - 0.6) > 0.03} == {}


def test_the_basic_method_has_no_damping():
    torch.manual_seed(0)
    model = QuantizedMdn(SMALL)
    basic, modified = (
        Constraint(model, CompressOptions(method, 0.9, damping=50.0)) for method in ("bdmm", "mdmm")
    )
    assert float(basic.loss(0.5).detach()) == 0.0
    missed = 0.9 - zero_shares(model)["all"]
    assert float(modified.loss(0.5).detach()) == pytest.approx(25.0 * missed**2, rel=1e-5)
    basic.ascend()
    assert float(basic.multipliers[0]) == pytest.approx(0.4 * missed, rel=1e-5)
    assert float(basic.loss(0.5).detach()) == pytest.approx(0.4 * missed**2, rel=1e-5)


def test_a_multiplier_takes_either_sign():
    torch.manual_seed(0)
    model = QuantizedMdn(SMALL)
    with torch.no_grad():
        for kernel in model.kernels().values():
            kernel.weight.zero_()
    constraint = Constraint(model, CompressOptions("mdmm", 0.5))
    for _ in range(3):
        constraint.loss(0.5)
        constraint.ascend()
    assert float(constraint.multipliers[0]) == pytest.approx(-3 * 0.4 * 0.5)
    # Too many zeros: the slope lets weights grow again.
    assert float(constraint.loss(0.5).detach()) > 0


def test_the_target_is_approached_from_what_is_counted_at_the_start():
    torch.manual_seed(0)
    model = QuantizedMdn(SMALL)
    for scope in ("global", "layer"):
        smooth = Constraint(model, CompressOptions("mdmm", 0.9, scope, "smooth"))
        smooth.loss(0.0)
        assert smooth.missed.tolist() == pytest.approx([0.0] * len(smooth.missed), abs=1e-6)
    share = zero_shares(model)["all"]
    constraint = Constraint(model, CompressOptions("mdmm", 0.9, approach=0.4))
    for done, near in ((0.0, 0.0), (0.1, 0.25), (0.4, 1.0), (0.9, 1.0)):
        constraint.loss(done)
        assert float(constraint.missed[0]) == pytest.approx(near * (0.9 - share), abs=1e-6)


@pytest.mark.parametrize("method", ["l1", "l2"])
def test_penalties_are_the_sums_they_are_named_for(method):
    torch.manual_seed(0)
    model = QuantizedMdn(SMALL)
    weights = np.concatenate([k.weight.detach().numpy().ravel() for k in model.kernels().values()])
    expected = np.abs(weights).sum() if method == "l1" else np.square(weights).sum()
    assert float(
        Constraint(model, CompressOptions(method, strength=0.5)).loss(0.0).detach()
    ) == pytest.approx(0.5 * expected, rel=1e-5)


@pytest.mark.parametrize("kind", ["conv", "mlp", "columns"])
def test_the_price_is_the_bit_operations_counted_one_by_one(kind):
    torch.manual_seed(0)
    model = QuantizedMdn(QuantizedOptions(kind))
    total = 0
    uses = {"depthwise": 162, "pointwise": 162, "mix": 162, "columns": 19}
    for name, kernel in model.kernels().items():
        incoming = (
            5 if name in ("depthwise", "pointwise", "columns") or (name == "dense1" and kind == "mlp") else 8
        )
        # In the unit of each output.
        whole = (kernel.rounded() * 2.0**kernel.fraction).detach().round().flatten().tolist()
        total += sum(abs(int(k)).bit_length() for k in whole) * incoming * uses.get(name, 1)
    assert float(bit_price(model).detach()) == pytest.approx(total / 1000, rel=1e-6)


@cache
def fewest_powers() -> dict[int, int]:
    """Of whole numbers up to 2^14 how many signed powers of two make them, by breadth-first search."""
    # Every number with at most n powers is one with at most n - 1 plus or minus a power.
    powers = [s << k for k in range(16) for s in (1, -1)]
    fewest, last, n = {0: 0}, [0], 0
    while last:
        n += 1
        sums = {old + power for old in last for power in powers}
        last = [k for k in sums if abs(k) <= 1 << 15 and k not in fewest]
        fewest |= dict.fromkeys(last, n)
    return fewest


@given(st.lists(st.integers(-(1 << 14), 1 << 14), min_size=1))
def test_digits_are_the_fewest_signed_powers_of_two(numbers):
    fewest = fewest_powers()
    assert digits(torch.tensor(numbers)).tolist() == [fewest[k] for k in numbers]


@pytest.mark.parametrize("kind", ["conv", "mlp", "columns"])
def test_the_price_in_tables_is_the_adders_counted_one_by_one(kind):
    torch.manual_seed(0)
    model = QuantizedMdn(QuantizedOptions(kind, n_rows=9, n_columns=12, activation_bits=6, learn_bits=True))
    network, plan = to_fixed(model), model.plan
    total = 0
    for name, weight in network.weights.items():
        # Sums of 9 and of 12 codes of 5 bits need 4 bits more.
        lines = {"mlp": 2 * (12 + 9), "columns": 2 * 9, "conv": 0}[kind]
        for index in np.ndindex(weight.shape):
            wide = 5 if plan.sees_codes(name) else 6
            if name == "dense1":
                wide = 9 if index[1] >= weight.shape[1] - lines else 6
            n_digits = int(digits(torch.tensor(int(weight[index]))))
            total += n_digits * (wide + 1) * plan.layer(name).positions
    # Trees of nine codes (4 x 5 + 2 x 6 + 7 + 8) and of twelve (6 x 5 + 3 x 6 + 7 + 8).
    total += {"mlp": 2 * (12 * 47 + 9 * 63), "columns": 2 * 9 * 63, "conv": 0}[kind]
    assert float(lut_price(model).detach()) == pytest.approx(total / 1000, rel=1e-5)


@pytest.mark.parametrize(("terms", "bits"), [(2, 4), (3, 1), (13, 4), (13, 3), (21, 2)])
def test_trees_of_adders_are_as_large_as_da4ml_counts(terms, bits):
    pytest.importorskip("da4ml")
    wires = input_wires([(0, 2**bits - 1)] * terms, -1)
    assert logic_of(wires, Matrices().linear(np.ones((1, terms), np.int64), wires)).cost == tree_luts(
        terms, bits
    )


def test_a_sum_that_nobody_listens_to_is_free():
    torch.manual_seed(0)
    model = QuantizedMdn(QuantizedOptions("mlp", n_rows=9, n_columns=12, learn_bits=True))
    before, dense1 = float(lut_price(model).detach()), model.kernels()["dense1"]
    freed = digits((dense1.rounded()[:, 0] * 2.0**dense1.format.fraction).detach())
    with torch.no_grad():
        dense1.weight[:, 0] = 0
    saved = before - float(lut_price(model).detach())
    # Of the first column: its weights' adders of 9 + 1 bits, and its tree.
    assert saved == pytest.approx((float(freed.sum()) * 10 + 47) / 1000, rel=1e-3)


@pytest.mark.parametrize(("method", "price"), [("bits", bit_price), ("luts", lut_price)])
def test_bits_fall_under_their_price(method, price):
    options = QuantizedOptions("mlp", hidden=(12, 10), n_rows=6, n_columns=8, dense_bits=8, learn_bits=True)
    free, dear = (
        trained(CompressOptions(method, strength=x), 300, rate=0.03, options=options)[0] for x in (1e-6, 1.0)
    )
    assert float(price(dear).detach()) < 0.6 * float(price(free).detach())


def test_a_state_is_taken_up_again():
    torch.manual_seed(0)
    model = QuantizedMdn(SMALL)
    one = Constraint(model, CompressOptions("mdmm"))
    one.loss(0.5)
    one.ascend()
    other = Constraint(model, CompressOptions("mdmm"))
    other.take_up(one.state())
    assert float(other.loss(0.3).detach()) == float(one.loss(0.3).detach())
    assert one.record()["multipliers"] == other.record()["multipliers"] != [0.0]


@pytest.mark.parametrize(
    "change",
    [
        {"method": "prune"},
        {"target": 1.0},
        {"scope": "all"},
        {"surrogate": "soft"},
        {"strength": 0.0},
        {"rate": -1.0},
        {"approach": 1.0},
    ],
    ids=lambda c: next(iter(c)),
)
def test_options_out_of_range_are_named(change):
    with pytest.raises(InputError, match=f"compress: {next(iter(change))} must be"):
        CompressOptions(**change)
