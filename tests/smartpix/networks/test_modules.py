"""The networks' size and output order against straight loops, and their loss against SciPy's multivariate
normal.
"""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal, norm

from smartpix.networks.modules import build, encode, expected_negative_log_likelihood, negative_log_likelihood
from smartpix.networks.options import WIDEST, NetworkOptions
from smartpix.networks.plan import KINDS
from smartpix.schema import SMALLEST_SIGMA, TARGET_SCALE, InputError

QUICK = settings(max_examples=30, deadline=None)


def n_parameters(model):
    return sum(p.numel() for p in model.parameters())


def network(kind, seed=1, **more):
    """A network with random weights, batch normalisation included, that does not train."""
    torch.manual_seed(seed)
    model = build(NetworkOptions(kind, **more)).double()
    for name, values in [*model.named_parameters(), *model.named_buffers()]:
        if name.startswith("norm") and values.dtype == torch.float64:
            values.data = torch.rand_like(values) + 0.5
    return model.eval()


@pytest.mark.parametrize(
    ("kind", "slices", "wanted"),
    [("conv", 2, 2029), ("conv", 20, 2281), ("mlp", 2, 2219), ("columns", 2, 2178)],
)
def test_number_of_parameters_is_the_published_one(kind, slices, wanted):
    assert n_parameters(build(NetworkOptions(kind, n_slices=slices))) == wanted


def test_networks_of_two_slices_fit_the_chip_and_the_default_is_one_of_them():
    assert all(n_parameters(build(NetworkOptions(kind))) <= 2300 for kind in KINDS)
    assert NetworkOptions().kind in KINDS
    assert (NetworkOptions().n_slices, NetworkOptions().n_rows, NetworkOptions().n_columns) == (2, 13, 21)


def test_layers_of_the_convolution_are_those_of_the_talk():
    count = {name: n_parameters(module) for name, module in build(NetworkOptions("conv")).named_children()}
    assert count["depthwise"] + count["pointwise"] == 33
    assert [count[n] for n in ("mix", "dense1", "dense2", "dense3")] == [30, 1456, 272, 238]


SHAPES = [(2, 13, 21), (1, 16, 16), (20, 13, 21), (3, 5, 5)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_output_has_14_columns_and_each_cluster_is_independent(kind, shape):
    model = network(kind, n_slices=shape[0], n_rows=shape[1], n_columns=shape[2], batch_norm=True)
    images = torch.randn(5, *shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    out = model(images)
    assert out.shape == (5, 14)
    torch.testing.assert_close(model(images[2:3]), out[2:3])


def normalised(h, weights, name):
    """Batch normalisation in use, by its definition; channels are the first axis."""
    if f"{name}.weight" not in weights:
        return h
    mean, variance, scale, shift = (
        weights[f"{name}.{p}"].reshape(-1, *[1] * (h.ndim - 1))
        for p in ("running_mean", "running_var", "weight", "bias")
    )
    return (h - mean) / np.sqrt(variance + 1e-5) * scale + shift


ACTIVATIONS = {"tanh": np.tanh, "relu": lambda h: np.where(h > 0, h, 0.0)}


def first_layers(kind, w, image, activate):
    """Input of the dense layers from one image (S, R, C), with one sum after the other."""
    n_slices, n_rows, n_columns = image.shape
    if kind == "mlp":
        columns = [image[s, :, c].sum() for s in range(n_slices) for c in range(n_columns)]
        return np.array(columns + [image[s, r].sum() for s in range(n_slices) for r in range(n_rows)])
    if kind == "columns":
        n_filters, places = len(w["columns.bias"]), n_columns - 2
        h = np.zeros((n_filters, places))
        for f in range(n_filters):
            for p in range(places):
                h[f, p] = np.sum(w["columns.weight"][f] * image[:, :, p : p + 3]) + w["columns.bias"][f]
        rows = [image[s, r].sum() for s in range(n_slices) for r in range(n_rows)]
        return np.concatenate([activate(normalised(h, w, "norm0")).ravel(), rows])
    map1 = np.zeros((5, n_rows - 2, n_columns - 2))
    for r in range(n_rows - 2):
        for c in range(n_columns - 2):
            alone = [
                np.sum(w["depthwise.weight"][s, 0] * image[s, r : r + 3, c : c + 3]) for s in range(n_slices)
            ]
            map1[:, r, c] = w["pointwise.weight"][:, :, 0, 0] @ alone + w["pointwise.bias"]
    map1 = activate(normalised(map1, w, "norm0"))
    mixed = np.einsum("gf,frc->grc", w["mix.weight"][:, :, 0, 0], map1)
    map2 = activate(mixed + w["mix.bias"][:, None, None])
    rows, columns = (n_rows - 2) // 3, (n_columns - 2) // 3
    pooled = [
        map2[f, 3 * r : 3 * r + 3, 3 * c : 3 * c + 3].mean()
        for f in range(5)
        for r in range(rows)
        for c in range(columns)
    ]
    return np.array(pooled)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_network_is_that_of_a_straight_loop(kind, shape, batch_norm, activation):
    model = network(
        kind,
        n_slices=shape[0],
        n_rows=shape[1],
        n_columns=shape[2],
        batch_norm=batch_norm,
        activation=activation,
        hidden=7,
        filters=3,
    )
    image = np.random.default_rng(2).normal(0, 1, shape)
    w = {k: v.numpy() for k, v in model.state_dict().items()}
    h = first_layers(kind, w, image, ACTIVATIONS[activation])
    for k in (1, 2):
        h = ACTIVATIONS[activation](
            normalised(w[f"dense{k}.weight"] @ h + w[f"dense{k}.bias"], w, f"norm{k}")
        )
    wanted = w["dense3.weight"] @ h + w["dense3.bias"]
    np.testing.assert_allclose(model(torch.from_numpy(image)[None]).detach().numpy()[0], wanted, atol=1e-12)


@pytest.mark.parametrize(
    ("kind", "rows", "columns"), [("conv", 11, 20), ("mlp", 13, 21), ("columns", 13, 21)]
)
def test_pixels_that_the_network_sees(kind, rows, columns):
    """All, but for the convolution's: valid 3 x 3 to 11 x 19, pooled by 3 to 3 x 6, leave rows 0 to 10 and
    columns 0 to 19.
    """
    image = torch.zeros(1, 2, 13, 21, dtype=torch.float64, requires_grad=True)
    network(kind)(image).sum().backward()
    seen = np.zeros((2, 13, 21), dtype=bool)
    seen[:, :rows, :columns] = True
    np.testing.assert_array_equal(image.grad[0].numpy() != 0, seen)


def test_weights_differ_from_seed_to_seed_only():
    one, two, other = (network("columns", seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[k], two[k]) for k in one)
    assert not any(torch.equal(one[k], other[k]) for k in one)


def test_encoding_is_odd_and_the_logarithm_of_the_charge():
    charge = torch.tensor([-2100.0, -300.0, 0.0, 300.0, 900.0, 16_000.0])
    wanted = [-1.0, -1 / 3, 0.0, 1 / 3, 2 / 3, np.log2(1 + 16_000 / 300) / 3]
    np.testing.assert_allclose(encode(charge, NetworkOptions()).numpy(), wanted, rtol=1e-6)
    np.testing.assert_allclose(
        encode(charge, NetworkOptions(reference=100.0, compression=0.5))[3], 4.0, rtol=1e-6
    )


@QUICK
@given(st.lists(st.integers(-(10**6), 10**6), min_size=2, max_size=20, unique=True))
def test_encoding_keeps_the_order_and_the_sign(tenths):
    charge = torch.tensor(sorted(tenths), dtype=torch.float64) / 10
    encoded = encode(charge, NetworkOptions())
    assert torch.all(torch.diff(encoded) > 0)
    assert torch.equal(torch.sign(encoded), torch.sign(charge))


def test_target_scale_is_that_of_the_public_data():
    np.testing.assert_allclose(np.array(TARGET_SCALE) * [1e3, 1e3, 1, 1], [75, 18.75, 8, 0.5])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "colums"}, "network 'colums' is unknown. Did you mean 'columns'?"),
        ({"n_slices": 0}, "n_slices must be at least 1"), ({"n_rows": 4}, "n_rows must be at least 5"),
        ({"n_columns": 4}, "n_columns must be at least 5"), ({"hidden": -1}, "hidden must be at least 0"),
        ({"filters": 0}, "filters must be at least 1"), ({"reference": 0.0}, "reference must be positive"),
        ({"compression": -1.0}, "compression must be positive"),
        ({"hidden": 10**9}, "hidden must be at least 0 and at most 1000"),
        ({"filters": 10**8}, "filters must be at least 1 and at most 1000"), ({"n_slices": 1001}, "at most 1000"),
        ({"n_rows": 1001}, "at most 1000"), ({"n_columns": 1001}, "at most 1000"),
    ],
)  # fmt: skip
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(InputError) as error:
        NetworkOptions(**options)
    assert message in str(error.value)


@pytest.mark.parametrize("kind", ["columns", "conv", "mlp"])
def test_the_largest_network_that_is_accepted_fits_into_memory(kind):
    with torch.device("meta"):
        network = build(NetworkOptions(kind, hidden=WIDEST, filters=WIDEST))
    assert sum(p.numel() for p in network.parameters()) < 5e7


ORDER = ("x", "M11", "y", "M22", "cotA", "M33", "cotB", "M44", "M21", "M31", "M32", "M41", "M42", "M43")


def matrix(raw):
    """Cholesky factor of one output in the published order."""
    named = dict(zip(ORDER, raw, strict=True))
    m = np.diag([np.logaddexp(0, named[f"M{i}{i}"]) + SMALLEST_SIGMA for i in (1, 2, 3, 4)])
    for i in range(4):
        for j in range(i):
            m[i, j] = named[f"M{i + 1}{j + 1}"]
    return m


@QUICK
@given(st.integers(0, 10**6), st.floats(0.1, 1))
def test_likelihood_is_scipys_multivariate_normal(seed, width):
    rng = np.random.default_rng(seed)
    raw, target = rng.normal(0, width, (10, 14)), rng.normal(0, 1, (10, 4))
    factors = [matrix(r) for r in raw]
    wanted = [
        -multivariate_normal.logpdf(t, r[0:8:2], m @ m.T)
        for t, r, m in zip(target, raw, factors, strict=True)
    ]
    got = negative_log_likelihood(torch.from_numpy(raw), torch.from_numpy(target)).numpy()
    np.testing.assert_allclose(got, wanted, rtol=1e-6, atol=1e-9)


def test_a_focus_weighs_each_target_under_those_before_it():
    rng = np.random.default_rng(5)
    raw, target = rng.normal(0, 0.7, (8, 14)), rng.normal(0, 1, (8, 4))
    focus = (1.4, 0.8, 2.0, 0.5)
    wanted = np.zeros(8)
    for i, (r, t) in enumerate(zip(raw, target, strict=True)):
        mean, covariance = r[0:8:2], matrix(r) @ matrix(r).T
        for k in range(4):
            # A normal of target k, with what the targets before it say of it.
            says = np.linalg.solve(covariance[:k, :k], covariance[:k, k])
            middle = mean[k] + says @ (t - mean)[:k]
            sigma = np.sqrt(covariance[k, k] - says @ covariance[:k, k])
            wanted[i] -= focus[k] * norm.logpdf(t[k], middle, sigma)
    got = negative_log_likelihood(torch.from_numpy(raw), torch.from_numpy(target), focus)
    np.testing.assert_allclose(got.numpy(), wanted, rtol=1e-6)


@pytest.mark.parametrize("diagonal", [-100.0, -20.0, 0.0, 100.0])
@pytest.mark.parametrize("offset", [0.0, 0.5, 100.0])
def test_loss_and_gradient_are_finite_for_extreme_outputs_and_far_off_targets(diagonal, offset):
    raw = torch.zeros(3, 14)
    raw[:, [1, 3, 5, 7]] = diagonal
    raw.requires_grad_()
    loss = negative_log_likelihood(raw, torch.full((3, 4), offset))
    loss.sum().backward()
    assert torch.isfinite(loss).all()
    assert torch.isfinite(raw.grad).all()


@QUICK
@given(st.integers(0, 10**6), st.floats(-20, 20), st.sampled_from([0.1, 10.0, 1e3, 1e5]))
def test_every_output_of_every_cluster_has_a_gradient_however_bad_the_cluster(seed, diagonal, offset):
    """The published loss was clipped, and bad clusters did not learn."""
    rng = np.random.default_rng(seed)
    raw = rng.normal(0, 0.3, (6, 14))
    raw[:, [1, 3, 5, 7]] += diagonal
    raw = torch.tensor(raw, dtype=torch.float64, requires_grad=True)
    target = torch.from_numpy(offset * (0.5 + rng.random((6, 4))) * rng.choice([-1, 1], (6, 4)))
    negative_log_likelihood(raw, target).sum().backward()
    assert torch.isfinite(raw.grad).all()
    assert (raw.grad != 0).all()


def test_gradient_is_that_of_finite_differences():
    raw = torch.randn(
        2, 14, generator=torch.Generator().manual_seed(3), dtype=torch.float64, requires_grad=True
    )
    target = torch.randn(2, 4, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda r: negative_log_likelihood(r, target), (raw,))


@QUICK
@given(st.lists(st.floats(-1e4, 1e4), min_size=4, max_size=4))
def test_diagonal_is_the_softplus_above_its_floor(values):
    """At the mean the likelihood is the logarithm of the diagonal's product."""
    raw = torch.zeros(1, 14, dtype=torch.float64)
    raw[0, [1, 3, 5, 7]] = torch.tensor(values, dtype=torch.float64)
    found = negative_log_likelihood(raw, torch.zeros(1, 4, dtype=torch.float64)).item()
    wanted = np.log(np.logaddexp(0, values) + SMALLEST_SIGMA).sum() + 2 * np.log(2 * np.pi)
    assert found == pytest.approx(wanted, rel=1e-9, abs=1e-6)


def test_expected_likelihood_is_the_mean_over_what_the_teacher_knows():
    generator = torch.Generator().manual_seed(3)
    raw = torch.randn(3, 14, generator=generator)
    mean = torch.randn(3, 4, generator=generator)
    factor = 0.5 * torch.randn(3, 4, 4, generator=generator)
    draws = mean + torch.einsum("nij,knj->kni", factor, torch.randn(200_000, 3, 4, generator=generator))
    each = negative_log_likelihood(raw.repeat(200_000, 1), draws.reshape(-1, 4)).reshape(200_000, 3)
    error = each.std(0) / 200_000**0.5
    difference = expected_negative_log_likelihood(raw, mean, factor) - each.mean(0)
    assert (difference.abs() < 5 * error).all()
