"""ROOT's toy: entries, widths and noise against what the tutorial fills."""

import numpy as np
import pytest

from smartpix.merged.toy import ToyOptions, toy_images
from smartpix.schema import InputError


def test_defaults_are_those_of_the_tutorial():
    options = ToyOptions()
    assert (options.n_images, options.n_rows, options.n_columns) == (5000, 16, 16)
    assert (options.n_entries, options.sigma, options.difference, options.noise) == (10_000, 3.0, 0.1, 5.0)
    assert options.mean == (3.0, 7.0)


def test_images_hold_the_entries_and_alternate():
    images, label = toy_images(ToyOptions(n_images=20, noise=0.0, seed=4))
    assert images.shape == (40, 1, 16, 16)
    assert images.dtype == np.float32
    assert label.tolist() == [0, 1] * 20
    assert (images.sum(axis=(1, 2, 3)) == 10_000).all()
    np.testing.assert_array_equal(images, np.round(images))
    assert (toy_images(ToyOptions(n_images=20, noise=0.0, seed=4))[0] == images).all()
    assert (toy_images(ToyOptions(n_images=20, noise=0.0, seed=5))[0] != images).any()


def test_signal_is_wider_along_x_and_narrower_along_y():
    """With a fixed mean and many entries: the projections are those of the density at the bins' centres."""
    options = ToyOptions(n_images=40, n_entries=1_000_000, noise=0.0, mean=(5.0, 5.0), difference=1.0)
    images, label = toy_images(options)
    centre = (np.arange(16) + 0.5) / 1.6
    for of, widths in ((0, (3.0, 3.0)), (1, (4.0, 2.0))):
        mean = images[label == of, 0].mean(axis=0)
        for axis, width in zip((0, 1), widths, strict=True):
            density = np.exp(-0.5 * ((centre - 5) / width) ** 2)
            line = mean.sum(axis=axis)
            assert np.abs(line / line.sum() / (density / density.sum()) - 1).max() < 0.01


def test_means_are_drawn_evenly_and_alike():
    options = ToyOptions(n_images=3000, sigma=0.4, difference=0.0, noise=0.0, n_entries=400, seed=2)
    images, label = toy_images(options)
    centre = (np.arange(16) + 0.5) / 1.6
    for of in (0, 1):
        for axis in (1, 2):
            mean = (images[label == of, 0].sum(axis=axis) @ centre) / 400
            assert mean.mean() == pytest.approx(5.0, abs=0.08)
            # The width of an even distribution over four units, up to the 0.4 / sqrt(400) of the entries.
            assert mean.std() == pytest.approx(4 / 12**0.5, rel=0.03)
            assert mean.min() > 2.8
            assert mean.max() < 7.2


def test_noise_is_that_of_each_bin():
    quiet, loud = (toy_images(ToyOptions(n_images=1, n_entries=1, noise=noise))[0] for noise in (0.0, 5.0))
    assert quiet.sum() == 2
    assert loud.std() == pytest.approx(5.0, rel=0.15)


def test_bad_options_are_refused():
    for bad, name in (
        ({"difference": 3.0}, "difference"), ({"mean": (7.0, 3.0)}, "mean"), ({"mean": (-1.0, 3.0)}, "mean"),
        ({"n_images": 0}, "n_images"), ({"noise": -1.0}, "noise"), ({"sigma": "wide"}, "sigma"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=f"toy: {name}"):
            ToyOptions(**bad)
