"""Toys against straight loops, and their distributions against closed forms."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from scipy.stats import binom, chisquare, poisson

from smartpix.schema import InputError
from tests.tracking.finders.trkx.straight import one_event, one_image, plane_sides
from tracking.finders.trkx.options import KINDS, LINE_KINDS, ToyOptions, plane_ranges, toy_options
from tracking.finders.trkx.toys import make_toys

TRACK_KINDS = [kind for kind in KINDS if kind not in LINE_KINDS]
SURE = 1e-4
"""A p-value below this is a mistake: the seeds are fixed."""


def flat(images):
    return images.reshape(*images.shape[:2], -1)


def share_below(x, share, width):
    """Probability that (1 - share) U + share V is below ``x``, U and V uniform from 0 to ``width``."""
    a, b = sorted((1 - share, share))
    x = np.asarray(x) / width

    def ramp(v):
        return np.maximum(v, 0.0) ** 2

    return (ramp(x) - ramp(x - a) - ramp(x - b) + ramp(x - a - b)) / (2 * a * b) if a > 0 else x


def pixel_shares(options, plane):
    """Probability of each pixel of a plane, for one track across the full width."""
    steps = options.n_planes - 1 if options.kind == "3d" else options.n_planes
    return np.diff(share_below(np.arange(options.width + 1), plane / steps, options.width))


@pytest.mark.parametrize("kind", TRACK_KINDS)
def test_events_are_those_of_a_straight_loop(kind):
    options = toy_options(kind)
    made = make_toys(options, 3, 611_000, first=2046)
    for k in range(3):
        image, wanted, hits = one_event(options, 611_000, 2046 + k)
        np.testing.assert_array_equal(flat(made.images)[k], image)
        np.testing.assert_array_equal(made.wanted[k], wanted)
        np.testing.assert_array_equal(flat(made.all_hits)[k], hits)
    assert made.parameters.shape == (3, 0, 2)


@pytest.mark.parametrize("kind", LINE_KINDS)
def test_lines_are_those_of_a_straight_loop(kind):
    options = toy_options(kind)
    made = make_toys(options, 40, 612_000)
    for k in range(40):
        image, lines = one_image(options, 612_000, k)
        np.testing.assert_array_equal(made.images[k], image)
        assert made.n_tracks[k] == len(lines)
        np.testing.assert_allclose(made.parameters[k, : len(lines)], np.reshape(lines, (-1, 2)), rtol=1e-6)
        assert (made.parameters[k, len(lines) :] == -1).all()
    assert (made.wanted == -1).all()
    np.testing.assert_array_equal(made.images, made.all_hits)


@pytest.mark.parametrize(
    ("kind", "shape", "seed_planes", "noise", "background", "exact", "max_tracks"),
    [
        ("2d-noise", (50, 50), 5, 0.2, 0, True, 0), ("2d-tracks", (50, 50), 5, 0, 5, True, 0),
        ("2d-conv", (48, 48), 5, 0, 5, True, 0), ("3d", (10, 32, 32), 3, 0.01, 3, False, 0),
        ("variable", (48, 48), 5, 0, 5, True, 0), ("lines-1", (50, 50), 0, 0, 1, True, 1),
        ("lines-3", (50, 50), 0, 0, 3, True, 3), ("lines-poisson", (50, 50), 0, 0, 3, False, 6),
    ],
)  # fmt: skip
def test_kinds_are_the_published_ones(kind, shape, seed_planes, noise, background, exact, max_tracks):
    options = toy_options(kind)
    assert (options.n_planes, *options.plane_shape) == shape
    assert (options.seed_planes, options.noise, options.max_tracks) == (seed_planes, noise, max_tracks)
    assert (options.background, options.background_exact) == (background, exact)
    assert make_toys(options, 2, 1).images.shape == (2, *shape)


def test_the_wanted_track_is_straight():
    """A line goes through its pixels, on all planes, in each direction."""
    for kind in ("2d-noise", "3d", "variable"):
        options = toy_options(kind)
        wanted = make_toys(options, 20, 613_000).wanted
        sides = (wanted // 32, wanted % 32) if kind == "3d" else (wanted,)
        planes = np.arange(options.n_planes)
        rows = np.stack([np.ones_like(planes), planes], axis=1)
        for pixels in np.concatenate(sides):
            inside = linprog(
                [0, 0], np.vstack([rows, -rows]), np.r_[pixels + 1, -pixels], bounds=(None, None)
            )
            assert inside.status == 0


@pytest.mark.parametrize(
    ("kind", "plane"), [("2d-noise", 0), ("2d-noise", 25), ("2d-tracks", 49), ("3d", 4), ("3d", 9)]
)
def test_the_wanted_pixel_has_the_distribution_of_a_sum_of_uniform_ends(kind, plane):
    options = toy_options(kind)
    n = 20_000
    wanted = make_toys(replace(options, noise=0.0), n, 614_000).wanted[:, plane]
    shares = pixel_shares(options, plane)
    for pixels in (wanted // 32, wanted % 32) if kind == "3d" else (wanted,):
        found = np.bincount(pixels, minlength=options.width)
        many = shares * n > 5
        assert found[~many].sum() <= 5 * (~many).sum() + 20
        expected = shares[many] * found[many].sum() / shares[many].sum()
        assert chisquare(found[many], expected).pvalue > SURE


@pytest.mark.parametrize(("kind", "n"), [("2d-noise", 400), ("3d", 400)])
def test_noise_has_its_occupancy(kind, n):
    """On every plane behind the seeds in the image, and on all in the hits."""
    options = replace(toy_options(kind), background=0.0, background_exact=True)
    made = make_toys(options, n, 615_000)
    n_pixels = flat(made.images).shape[2]
    others = flat(made.all_hits).sum(axis=2, dtype=int) - 1
    for plane in range(options.n_planes):
        on = others[:, plane].sum()
        among = binom(n * (n_pixels - 1), options.noise)
        assert min(among.cdf(on), among.sf(on - 1)) > SURE, plane
    # Each event's number of its own.
    per_event = others.sum(axis=1)
    variance = options.n_planes * (n_pixels - 1) * options.noise * (1 - options.noise)
    assert per_event.var() == pytest.approx(variance, rel=5 * math.sqrt(2 / n))


@pytest.mark.parametrize("plane", [0, 24, 40])
def test_background_tracks_have_their_occupancy(plane):
    """A pixel is off if each of the 5 tracks misses it."""
    options = toy_options("2d-tracks")
    n = 20_000
    made = make_toys(options, n, 616_000)
    expected = 1 - (1 - pixel_shares(options, plane)) ** 6
    found = made.all_hits[:, plane].mean(axis=0)
    pull = (found - expected) / np.sqrt(expected * (1 - expected) / n)
    assert np.abs(pull).max() < 4.5
    assert made.n_tracks.tolist() == [6] * n


@pytest.mark.parametrize(("kind", "mean"), [("3d", 3.0), ("3d", 40.0), ("lines-poisson", 3.0)])
def test_numbers_of_tracks_are_poisson(kind, mean):
    options = replace(toy_options(kind), background=mean, n_planes=4, width=4, noise=0.0)
    n = 20_000
    others = make_toys(options, n, 617_000).n_tracks - (not options.has_lines)
    if options.has_lines:
        shares = [*poisson.pmf(range(6), mean), poisson.sf(5, mean)]
        assert chisquare(np.bincount(others, minlength=7), np.multiply(shares, n)).pvalue > SURE
        return
    assert others.mean() == pytest.approx(mean, abs=5 * math.sqrt(mean / n))
    assert others.var() == pytest.approx(mean, rel=5 * math.sqrt((2 + 1 / mean) / n))
    low, high = poisson.ppf([0.001, 0.999], mean).astype(int)
    shares = poisson.pmf(np.arange(low, high + 1), mean)
    shares[0], shares[-1] = poisson.cdf(low, mean), poisson.sf(high - 1, mean)
    found = np.bincount(np.clip(others, low, high) - low)
    assert chisquare(found, shares * n).pvalue > SURE


@pytest.mark.parametrize("kind", TRACK_KINDS)
def test_seed_planes_show_the_wanted_track_alone(kind):
    options = toy_options(kind)
    made = make_toys(options, 200, 618_000)
    images, hits = flat(made.images), flat(made.all_hits)
    seeds = images[:, : options.seed_planes]
    assert (seeds.sum(axis=2) == 1).all()
    np.testing.assert_array_equal(seeds.argmax(axis=2), made.wanted[:, : options.seed_planes])
    np.testing.assert_array_equal(images[:, options.seed_planes :], hits[:, options.seed_planes :])
    # The others are there, and only the image hides them.
    assert hits[:, : options.seed_planes].sum() > 1.2 * seeds.sum()


def test_planes_of_variable_widen_and_keep_all_of_the_wanted_track():
    options = toy_options("variable")
    sides = plane_ranges(options)
    assert sides == plane_sides(options)
    widths = [high - low for low, high in sides]
    assert widths[:6] == [2, 4, 4, 6, 6, 8]
    assert (widths[33], widths[-1]) == (42, 48)
    made = make_toys(options, 5000, 619_000)
    pixel = np.arange(48)
    for plane, (low, high) in enumerate(sides):
        inside = (pixel >= low) & (pixel < high)
        assert not made.all_hits[:, plane, ~inside].any()
        assert inside[made.wanted[:, plane]].all()
    # Background comes from everywhere, and a wedge of 2 pixels shows little of it.
    seen = made.all_hits[:, 0].sum(axis=1)
    assert seen.mean() == pytest.approx(1 + 1 - (47 / 48) ** 5, abs=0.02)


def test_an_event_does_not_depend_on_its_batch():
    for kind in ("3d", "lines-poisson"):
        options = toy_options(kind)
        whole = make_toys(options, 30, 5)
        parts = [make_toys(options, n, 5, first=first) for first, n in ((0, 1), (1, 17), (18, 12), (30, 0))]
        for name in ("images", "wanted", "all_hits", "parameters", "n_tracks"):
            joined = np.concatenate([getattr(part, name) for part in parts])
            np.testing.assert_array_equal(joined, getattr(whole, name))
        assert len(parts[-1]) == 0


def test_seeds_and_events_differ():
    options = toy_options("3d")
    events = {
        make_toys(options, 1, seed, first).images.tobytes() for seed in range(30) for first in range(30)
    }
    assert len(events) == 900
    far = make_toys(options, 2, 2**32 - 1, first=2**40 - 1)
    assert (far.images[0] != far.images[1]).any()


@st.composite
def toy_settings(draw):
    kind = draw(st.sampled_from(sorted(KINDS)))
    lines = kind in LINE_KINDS
    n_planes = draw(st.integers(2, 9))
    width = 4 if kind == "variable" else draw(st.integers(2, 9))
    exact = draw(st.booleans())
    most = draw(st.integers(1, 8)) if lines else 0
    largest = min(most, 8) if lines and exact else 8
    background = draw(st.integers(0, largest)) if exact else draw(st.floats(0, 8))
    return ToyOptions(
        kind, n_planes, width, 0 if lines else draw(st.integers(0, n_planes - 1)),
        0.0 if lines else draw(st.floats(0, 1)), float(background), exact, most,
    )  # fmt: skip


@settings(max_examples=60)
@given(toy_settings(), st.integers(0, 699_999), st.integers(0, 10**6))
def test_toys_of_any_options_hold_together(options, seed, first):
    made = make_toys(options, 4, seed, first)
    assert (made.images <= made.all_hits).all()
    assert made.all_hits.max(initial=0) <= 1
    if options.has_lines:
        assert (made.n_tracks <= options.max_tracks).all()
        intercepts = np.where(made.parameters[:, :, 0] < 0, np.inf, made.parameters[:, :, 0])
        assert (np.diff(np.nan_to_num(intercepts, posinf=1e9), axis=1) >= 0).all()
        return
    planes = np.arange(options.n_planes)
    for k in range(4):
        assert flat(made.images)[k][planes, made.wanted[k]].all()
    if options.background_exact:
        assert (made.n_tracks == options.background + 1).all()


@pytest.mark.parametrize(
    ("kind", "change", "words"),
    [
        ("3d", {"noise": 1.1}, ["noise", "from 0 to 1"]), ("3d", {"width": 1}, ["width", "from 2"]),
        ("3d", {"seed_planes": 10}, ["seed_planes", "9 or fewer of the 10 planes"]),
        ("2d-noise", {"background": 2.5}, ["background", "whole number", "background_exact"]),
        ("2d-noise", {"max_tracks": 2}, ["max_tracks", "0 for 2d-noise"]),
        ("lines-3", {"background": 4.0}, ["background", "at most max_tracks (3)"]),
        ("lines-3", {"max_tracks": 0}, ["max_tracks", "1 or more for lines-3"]),
        ("lines-1", {"noise": 0.1}, ["noise", "0 for lines-1"]),
        ("lines-1", {"seed_planes": 1}, ["seed_planes", "0 for lines-1"]),
        ("variable", {"n_planes": 20}, ["width 48", "n_planes 20", "leave plane 2", "4 pixels"]),
        ("3d", {"kind": "4d"}, ["kind", "one of", "'4d'", "Did you mean"]),
    ],
)  # fmt: skip
def test_options_that_cannot_be_are_refused(kind, change, words):
    with pytest.raises(InputError) as refused:
        replace(toy_options(kind), **change)
    for word in words:
        assert word in str(refused.value)


def test_numbers_that_cannot_be_are_refused():
    options = toy_options("3d")
    with pytest.raises(InputError, match=r"kind must be one of .* is '2d-nois'. Did you mean '2d-noise'"):
        toy_options("2d-nois")
    for arguments, name in [
        ((-1, 1), "events"),
        ((1, -1), "seed"),
        ((1, 2**32), "seed"),
        ((1, 1, -1), "first"),
    ]:
        with pytest.raises(InputError, match=f"toys: {name} must be from 0"):
            make_toys(options, *arguments)
    with pytest.raises(InputError, match=r"toys: 300000 events .* do not fit into memory, 209715 do"):
        make_toys(options, 300_000, 1)
