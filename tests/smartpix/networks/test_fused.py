"""The fused kernels against the torch modules, and the checks of weights."""

import functools
from dataclasses import asdict

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from smartpix.clusters import fill_windows
from smartpix.networks.fused import check_arrays, fuse
from smartpix.networks.lists import PixelLists
from smartpix.networks.modules import build, encode
from smartpix.networks.options import NetworkOptions
from smartpix.networks.plan import KINDS
from smartpix.outlines import outlines_of
from smartpix.schema import InputError

QUICK = settings(max_examples=25, deadline=None)
TOLERANCE = 1e-5

SHAPES = [{}, {"n_slices": 1}, {"n_slices": 3}, {"n_slices": 20}, {"n_rows": 16, "n_columns": 16},
{"n_rows": 5, "n_columns": 7},
          {"hidden": 9, "filters": 6}, {"hidden": 32, "filters": 1}, {"n_outputs": 3}, {"n_outputs": 29}, {"reference": 50.0,
          "compression": 7.0}, {"activation": "relu"}, {"activation": "relu", "hidden": 9, "n_slices": 3}]  # fmt: skip
OPTIONS = [
    NetworkOptions(kind, batch_norm=norm, **more)
    for kind in KINDS
    for norm in (False, True)
    for more in SHAPES
]


def name_of(options):
    default = asdict(NetworkOptions(options.kind))
    changed = "-".join(f"{k}{v}" for k, v in asdict(options).items() if v != default[k])
    return f"{options.kind}-{changed}"


def sparse_images(options, n, seed):
    """Charges as noise and threshold leave them, with the negative lobes of the neighbours."""
    rng = np.random.default_rng(seed)
    shape = (n, options.n_slices, options.n_rows, options.n_columns)
    charge = rng.exponential(2000, shape) * rng.choice([1, -0.3], shape, p=[0.8, 0.2])
    fired = (rng.random((n, 1, *shape[2:])) < rng.uniform(0, 0.4, (n, 1, 1, 1))) & (rng.random(shape) < 0.9)
    return np.where(fired, charge, 0).astype(np.float32)


def edge_cases(options):
    """Nothing, everything (the largest charges too), a row that adds up to nothing, and one pixel in each
    corner.
    """
    s, r, c = options.n_slices, options.n_rows, options.n_columns
    full = np.random.default_rng(5).normal(0, 5000, (s, r, c))
    cancels = np.zeros((s, r, c))
    cancels[:, 2, 1], cancels[:, 2, 3] = 700.0, -700.0
    cases = [
        np.zeros((s, r, c)),
        full,
        cancels,
        np.full((s, r, c), 16_000.0),
        np.full((s, r, c), -300.0),
        np.full((s, r, c), 1e6),
    ]
    for row in (0, r - 1):
        for column in (0, c - 1):
            for first in (0, s - 1):
                image = np.zeros((s, r, c))
                image[first:, row, column] = 3000.0
                cases.append(image)
    return np.array([*cases, np.zeros((s, r, c))], dtype=np.float32)


@functools.cache
def trained(options):
    """A module after some steps of training, so that the normalisation's statistics are its own, and the
    fused kernels.
    """
    torch.manual_seed(1)
    model = build(options)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    images = torch.from_numpy(sparse_images(options, 60, 1))
    target = torch.randn(60, options.n_outputs, generator=torch.Generator().manual_seed(2))
    for _ in range(12):
        loss = (model(encode(images, options)) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    arrays = {k: v.numpy() for k, v in model.state_dict().items()}
    check_arrays(arrays, asdict(options), "w")
    return model, fuse(arrays, asdict(options))


def with_torch(options, images):
    return trained(options)[0](encode(torch.from_numpy(images), options)).detach().numpy()


def pixel_lists(images, rng=None):
    """The fired pixels of images; in random order of each cluster with a generator."""
    first, row, column, charge = [0], [], [], []
    for image in images:
        places = np.argwhere(np.any(image != 0, axis=0))
        places = places if rng is None else rng.permutation(places)
        first.append(first[-1] + len(places))
        row += places[:, 0].tolist()
        column += places[:, 1].tolist()
        charge += [image[:, r, c] for r, c in places]
    charge = np.array(charge, dtype=np.float32).reshape(-1, images.shape[1])
    first = np.array(first)
    return first[:-1], np.diff(first), np.array(row, dtype=np.int64), np.array(column, dtype=np.int64), charge


@pytest.mark.parametrize("options", OPTIONS, ids=name_of)
def test_kernels_are_the_torch_module(options):
    images = np.concatenate([sparse_images(options, 131, 3), edge_cases(options)])
    wanted = with_torch(options, images)
    fused = trained(options)[1]
    before = images.copy()
    got = fused.images(images)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, wanted, atol=TOLERANCE)
    np.testing.assert_allclose(fused.pixels(*pixel_lists(images)), wanted, atol=TOLERANCE)
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize("kind", KINDS)
def test_batch_normalisation_of_the_comparison_is_not_trivial(kind):
    """Else the comparison would not see whether it is folded in."""
    state = trained(NetworkOptions(kind, batch_norm=True))[0].state_dict()
    for name in ["norm1", "norm2"] + ["norm0"] * (kind != "mlp"):
        assert (state[f"{name}.running_var"] - 1).abs().max() > 0.05
        assert state[f"{name}.running_mean"].abs().max() > 0.01
        assert (state[f"{name}.weight"] - 1).abs().max() > 0.01


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [0, 1, 63, 64, 65, 128, 130])
def test_a_cluster_does_not_depend_on_how_many_there_are(kind, n):
    options = NetworkOptions(kind)
    fused = trained(options)[1]
    images = np.concatenate([edge_cases(options), sparse_images(options, 130, 4)])[:130]
    whole = fused.images(images)
    for got in (fused.images(images[:n]), fused.pixels(*pixel_lists(images[:n]))):
        assert got.shape == (n, 14)
        np.testing.assert_allclose(got, whole[:n], atol=2e-6)
    # In another order and among others.
    order = np.random.default_rng(1).permutation(130)
    np.testing.assert_allclose(fused.images(images[order])[:n], whole[order][:n], atol=2e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_order_of_the_pixels_does_not_matter(kind):
    options = NetworkOptions(kind)
    images = sparse_images(options, 40, 6)
    fused = trained(options)[1]
    shuffled = fused.pixels(*pixel_lists(images, np.random.default_rng(2)))
    np.testing.assert_allclose(shuffled, fused.images(images), atol=TOLERANCE)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "place", [(-1, 5), (13, 5), (5, -1), (5, 21), (-1, -1), (13, 21), (-2000, 0), (0, 2000)]
)
def test_pixels_outside_the_window_are_left_out(kind, place):
    options = NetworkOptions(kind)
    images = sparse_images(options, 3, 7)
    fused = trained(options)[1]
    first, counts, row, column, charge = pixel_lists(images)
    # One more pixel at the end of each cluster, and at the front of the second.
    at = np.concatenate([first + counts, first[1:2]])
    more = (
        np.insert(row, at, place[0]),
        np.insert(column, at, place[1]),
        np.insert(charge, at, 4000.0, axis=0),
    )
    counts = counts + np.array([1, 2, 1])
    lists = (np.cumsum(counts) - counts, counts, *more)
    np.testing.assert_array_equal(fused.pixels(*lists), fused.images(images))
    np.testing.assert_array_equal(fill_windows(*lists, 13, 21), images)


@pytest.mark.parametrize("kind", KINDS)
def test_chosen_clusters_with_their_own_windows_are_the_same(kind):
    """Whoever is beside a cluster in its block: but for rounding, where a compiler sums a short block in another
    order.
    """
    options = NetworkOptions(kind)
    images = np.concatenate([edge_cases(options), sparse_images(options, 200, 9)])
    fused = trained(options)[1]
    first, counts, row, column, charge = pixel_lists(images)
    whole = fused.pixels(first, counts, row, column, charge)
    rng = np.random.default_rng(1)
    origin, owner = rng.integers(-50, 900, (len(images), 2)), np.repeat(np.arange(len(images)), counts)
    moved = ((row + origin[owner, 0]).astype(np.int16), (column + origin[owner, 1]).astype(np.int16))
    box = outlines_of(first, counts, *moved, charge).box
    lists = PixelLists(first, counts, *moved, charge, origin, box)
    for n in (1, 2, 64, 100):
        rows = rng.permutation(len(images))[:n]
        found = fused.outputs(lists, rows).swapaxes(1, 2).reshape(-1, 14)[:n]
        np.testing.assert_allclose(found, whole[rows], rtol=0, atol=5e-7)


def test_a_cluster_without_pixels_is_an_empty_image():
    for kind in KINDS:
        fused = trained(NetworkOptions(kind))[1]
        none = np.zeros(0, dtype=np.int64)
        lists = (
            np.zeros(2, dtype=np.int64),
            np.zeros(2, dtype=np.int64),
            none,
            none,
            np.zeros((0, 2), dtype=np.float32),
        )
        np.testing.assert_array_equal(
            fused.pixels(*lists), fused.images(np.zeros((2, 2, 13, 21), dtype=np.float32))
        )


@QUICK
@given(
    st.sampled_from(tuple(KINDS)),
    st.integers(0, 12),
    st.integers(0, 20),
    st.floats(-1e5, 1e5, width=32),
    st.integers(0, 1),
)
def test_one_pixel_anywhere_with_any_charge(kind, row, column, charge, last):
    options = NetworkOptions(kind, batch_norm=True)
    image = np.zeros((1, 2, 13, 21), dtype=np.float32)
    image[0, last:, row, column] = charge
    np.testing.assert_allclose(trained(options)[1].images(image), with_torch(options, image), atol=TOLERANCE)


@pytest.mark.parametrize("kind", KINDS)
def test_other_number_types_and_memory_layouts_are_taken(kind):
    options = NetworkOptions(kind)
    images = sparse_images(options, 20, 8)
    fused = trained(options)[1]
    wanted = fused.images(images)
    np.testing.assert_array_equal(fused.images(images.astype(np.float64)), wanted)
    np.testing.assert_array_equal(fused.images(np.asfortranarray(images)), wanted)
    np.testing.assert_array_equal(fused.images(np.repeat(images, 2, axis=0)[::2]), wanted)
    first, counts, row, column, charge = pixel_lists(images)
    np.testing.assert_array_equal(fused.pixels(first, counts, row, column, charge.astype(np.float64)), wanted)


@pytest.mark.parametrize(
    "shape",
    [(4, 1, 13, 21), (4, 3, 13, 21), (4, 2, 12, 21), (4, 2, 13, 20), (4, 2, 21, 13), (2, 13, 21), (4,)],
)
def test_images_of_another_shape_are_refused(shape):
    fused = trained(NetworkOptions())[1]
    with pytest.raises(
        InputError, match=r"network: takes images of \(slices, rows, columns\) = \(2, 13, 21\), these are"
    ):
        fused.images(np.zeros(shape, dtype=np.float32))


def test_pixels_of_another_number_of_slices_are_refused():
    fused = trained(NetworkOptions())[1]
    one = np.ones(1, dtype=np.int64)
    with pytest.raises(InputError, match="network: takes 2 slices and there are 3"):
        fused.pixels(0 * one, one, one, one, np.ones((1, 3), dtype=np.float32))


def arrays_of(kind, **more):
    options = NetworkOptions(kind, **more)
    return {k: v.numpy() for k, v in build(options).state_dict().items()}, asdict(options)


@pytest.mark.parametrize("options", OPTIONS, ids=name_of)
def test_weights_of_every_network_pass_the_check(options):
    check_arrays({k: v.numpy() for k, v in build(options).state_dict().items()}, asdict(options), "w")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch_norm", [False, True])
def test_every_missing_misshapen_or_damaged_array_is_named(kind, batch_norm):
    arrays, network = arrays_of(kind, batch_norm=batch_norm)
    for name, values in arrays.items():
        with pytest.raises(InputError, match=f"w: '{name}' is missing, expected "):
            check_arrays({k: v for k, v in arrays.items() if k != name}, network, "w")
        with pytest.raises(InputError, match=f"w: '{name}' is .*, expected .*; the weights do not fit"):
            check_arrays(arrays | {name: np.zeros((*values.shape, 2), dtype=np.float32)}, network, "w")
        for bad in (np.nan, np.inf):
            if values.dtype == np.float32:
                damaged = values.copy()
                damaged.flat[-1] = bad
                with pytest.raises(InputError, match=f"w: '{name}' has values that are not finite"):
                    check_arrays(arrays | {name: damaged}, network, "w")


@pytest.mark.parametrize("kind", KINDS)
def test_superfluous_arrays_are_named(kind):
    arrays, network = arrays_of(kind)
    with pytest.raises(InputError, match=r"w: 'dense4\.weight' is \(2,\), expected no such array"):
        check_arrays(arrays | {"dense4.weight": np.zeros(2)}, network, "w")
    normalised, _ = arrays_of(kind, batch_norm=True)
    with pytest.raises(InputError, match=r"w: 'norm.* expected no such array"):
        check_arrays(normalised, network, "w")


@pytest.mark.parametrize(
    "change", [{"n_slices": 3}, {"n_rows": 16}, {"n_columns": 16}, {"hidden": 15}, {"filters": 5}]
)
def test_weights_of_other_options_are_refused(change):
    for kind in KINDS:
        if kind == "columns" or "filters" not in change:
            with pytest.raises(InputError, match="the weights do not fit"):
                check_arrays(arrays_of(kind)[0], asdict(NetworkOptions(kind, **change)), "w")
