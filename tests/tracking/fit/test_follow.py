"""Tracks followed into strips: planes across x, helices in closed form, and TrackML's event where it is there."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seeding.hits import Hits
from smartpix.estimate.base import Estimate, sensor_of
from smartpix.io.events import iterate
from smartpix.physics import CURVATURE_PER_TESLA
from smartpix.schema import InputError
from tests.helpers import SHARED_DATA, convert_folder, detector_of, module_row
from tests.left_out import needs
from tracking.finders.tracks import Tracks
from tracking.fit.follow import follow_tracks
from tracking.fit.options import FitOptions
from tracking.fit.tracks import fit_tracks

FIELD = 2.0
PIXELS, STRIPS = (32.0, 72.0, 116.0, 172.0), (260.0, 360.0, 500.0, 660.0)
SIZES = {"pixel": (0.05, 0.05), "strip": (0.08, 1.2)}
"""Pitch along y and z, mm."""
OPTIONS = FitOptions(sensor=0, support=0, pipe=0)


def planes():
    """Upright planes across x, 600 mm wide and 900 mm long: four of pixels, then four of strips."""
    axes = np.eye(3)
    rows = []
    for k, x in enumerate((*PIXELS, *STRIPS)):
        kind = "pixel" if x in PIXELS else "strip"
        row = module_row((x, 0, 0), axes[1], axes[2], axes[0], 2 * k + 2, 1, 8 if kind == "pixel" else 13)
        rows.append(row | dict(zip(("pitch_u", "pitch_v"), SIZES[kind], strict=True))
                    | {"module_minhu": 300.0, "module_maxhu": 300.0, "module_hv": 450.0})  # fmt: skip
    return detector_of(rows)


def crossing(track, x):
    """Where the helix from the z axis (z0, phi, theta, qop) crosses a plane across x: on its circle."""
    z0, phi, theta, qop = track
    curvature = -qop * FIELD * CURVATURE_PER_TESLA / np.sin(theta)
    turned = np.arcsin(np.sin(phi) + curvature * x)
    y = (np.cos(phi) - np.cos(turned)) / curvature
    return y, z0 + (turned - phi) / curvature / np.tan(theta)


def event(seed, n_tracks=40, n_noise=300):
    """Hits of pixels and of strips, (T, 4) rows of each track's, and (T, 4) of the tracks."""
    rng = np.random.default_rng(seed)
    tracks = np.stack([
        rng.normal(0, 40, n_tracks), rng.uniform(-0.15, 0.15, n_tracks), rng.uniform(1.2, 1.9, n_tracks),
        rng.choice([-1, 1], n_tracks) / rng.uniform(0.7, 5, n_tracks),
    ], axis=1)  # fmt: skip
    detector, out = planes(), []
    for kind, radii, first in (("pixel", PIXELS, 0), ("strip", STRIPS, 4)):
        sigma = np.array(SIZES[kind]) / np.sqrt(12)
        places, modules = [], []
        for k, x in enumerate(radii):
            yz = np.stack([crossing(track, x) for track in tracks]) + rng.normal(0, sigma, (n_tracks, 2))
            noise = rng.uniform(-150, 150, (n_noise, 2)) if kind == "strip" else np.zeros((0, 2))
            yz = np.concatenate([yz, noise])
            places.append(np.column_stack([np.full(len(yz), x), yz]))
            modules.append(np.full(len(yz), first + k))
        place, module = np.concatenate(places), np.concatenate(modules).astype(np.int32)
        n = len(place)
        mean = np.column_stack([place[:, 2], place[:, 1], np.zeros((n, 2))])
        cholesky = np.tile(np.diag([sigma[1], sigma[0], 0.3, 0.3]), (n, 1, 1))
        axes = detector.axes[module].transpose(0, 2, 1).reshape(n, 9)
        layer = detector.layer_index[module]
        out.append(Hits(np.arange(n), module, layer, place, Estimate(mean, cholesky), axes))
    rows = np.arange(n_tracks)[:, None]
    return *out, rows + n_tracks * np.arange(4), rows + (n_tracks + n_noise) * np.arange(4), tracks


def followed(seed, options=OPTIONS, **more):
    pixels, strips, of_pixels, of_strips, true = event(seed, **more)
    tracks = Tracks.from_rows(list(of_pixels))
    before = fit_tracks(pixels, tracks, planes(), FIELD, options)
    return (
        pixels,
        of_strips,
        true,
        before,
        follow_tracks(pixels, tracks, before, strips, planes(), FIELD, options),
    )


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_tracks_get_their_own_hits_among_noise_and_know_their_momentum_better(seed):
    pixels, of_strips, true, before, found = followed(seed)
    n = len(pixels)
    own = [set((n + rows).tolist()) for rows in of_strips]
    got = [set(rows[rows >= n].tolist()) for rows in found.tracks.rows()]
    assert [len(g) for g in got] == found.n_added.tolist()
    right = sum(len(a & b) for a, b in zip(own, got, strict=True))
    assert right >= 0.97 * sum(map(len, own))
    assert right >= 0.97 * sum(map(len, got))
    # Pixels stay in front, in their order, and hits go outwards.
    for rows, of_pixels in zip(found.tracks.rows(), np.arange(40)[:, None] + 40 * np.arange(4), strict=True):
        assert rows[:4].tolist() == of_pixels.tolist()
        assert np.all(np.diff(found.hits.position[rows, 0]) > 0)
    off = [np.median(np.abs(h.qop - true[:, 3])) for h in (before, found.helices)]
    assert off[1] < 0.25 * off[0]
    pull = (found.helices.qop - true[:, 3]) / found.helices.sigma()[:, 4]
    assert 0.5 < np.quantile(np.abs(pull), 0.68) < 1.6


def test_a_hit_is_of_one_track_and_below_the_cut():
    _, _, _, _, none = followed(1, FitOptions(sensor=0, support=0, pipe=0, follow_chi2=1e-6))
    assert none.n_added.sum() < 3
    # Two tracks of the same particle: one of them gets the hits.
    pixels, strips, of_pixels, _, _ = event(2, n_noise=0)
    tracks = Tracks.from_rows([*of_pixels, of_pixels[0][:3]])
    helices = fit_tracks(pixels, tracks, planes(), FIELD, OPTIONS)
    found = follow_tracks(pixels, tracks, helices, strips, planes(), FIELD, OPTIONS)
    rows = found.tracks.hits[found.tracks.hits >= len(pixels)]
    assert len(np.unique(rows)) == len(rows)
    assert found.n_added[0] + found.n_added[-1] == 4


def test_without_strips_or_tracks_there_is_nothing_to_follow():
    pixels, strips, of_pixels, _, _ = event(3)
    tracks = Tracks.from_rows(list(of_pixels))
    helices = fit_tracks(pixels, tracks, planes(), FIELD, OPTIONS)
    empty = strips.take(np.zeros(0, dtype=np.int64))
    found = follow_tracks(pixels, tracks, helices, empty, planes(), FIELD, OPTIONS)
    assert found.n_added.tolist() == [0] * 40
    np.testing.assert_array_equal(found.helices.qop, helices.qop)
    no_tracks = Tracks.from_rows([])
    found = follow_tracks(
        pixels,
        no_tracks,
        fit_tracks(pixels, no_tracks, planes(), FIELD, OPTIONS),
        strips,
        planes(),
        FIELD,
        OPTIONS,
    )
    assert len(found.tracks) == 0


def test_strips_are_no_sensor_of_the_estimates():
    detector = planes()
    assert detector.strips.tolist() == [False] * 4 + [True] * 4
    assert sensor_of(detector, FIELD)["barrel"]["pitch_x"] == 0.05
    # A detector of strips alone is one of pixels, for all that anyone can tell.
    alone = detector_of([{n: v[k] for n, v in detector.columns.items()} for k in range(4, 8)])
    assert not alone.strips.any()
    with pytest.raises(InputError, match="follow must be"):
        FitOptions(follow="pixels")


@needs("../shared/data/trackml_event1")
def test_the_challenges_event_has_the_same_tracks_with_its_strips_and_these_are_right(tmp_path):
    from tracking.bench.following import following_of, following_summary
    from tracking.chain import WINDOW, Chain
    from tracking.metrics import event_truth, particles_of, score_tracks
    from tracking.runs.outputs import outputs_of

    options = replace(WINDOW, fit=replace(WINDOW.fit, follow="strips"))
    results = {}
    for volumes in ("pixels", "all"):
        path = tmp_path / f"{volumes}.root"
        convert_folder(SHARED_DATA / "trackml_event1/event000000001", path, volumes=volumes)
        opened, events = next(iterate(path))
        chain = Chain.for_header(opened.header, options, lambda line: None)
        results[volumes] = chain.event(1, events["clusters"][0]), events[0]
    (pixels, _), (both, record) = results["pixels"], results["all"]
    ids = [[r.hits.hit_id[rows].tolist() for rows in r.tracks.rows()] for r in (pixels, both)]
    assert ids[0] == ids[1]
    assert pixels.followed is None
    truth = event_truth(record["clusters"], record["particles"], both.hits.layer, cluster=both.hits.cluster)
    score = score_tracks(truth, both.tracks.rows())
    particles = particles_of(record["particles"], chain.header.detector.frame)
    done = following_summary([following_of(both, particles, score.particle, record["clusters"])])
    assert done["right"] > 0.99
    assert done["strip_hits_per_track"] > 2.5
    central = done["pt"][0]
    assert central["after"]["half_width"] < 0.5 * central["before"]["half_width"]
    written = outputs_of(both, truth, score)["tracks.root"]
    assert len(written["hit"][0]) == len(both.followed.tracks.hits) > len(both.tracks.hits)


def test_tracks_are_followed_as_the_particles_they_are_taken_for():
    """A proton of 0.4 GeV scatters by more than a pion, so that wrong hits further off are beside it too."""
    pixels, strips, of_pixels, _, true = event(4, n_noise=0)
    slow = np.flatnonzero(np.abs(true[:, 3]) > 1 / 1.2)
    tracks = Tracks.from_rows([of_pixels[k] for k in slow])
    beside = replace(strips, position=strips.position + [0.0, 3.0, 0.0])
    added = []
    for particle in ("pion", "proton"):
        options = FitOptions(sensor=0.1, support=0, pipe=0, particle=particle)
        helices = fit_tracks(pixels, tracks, planes(), FIELD, options)
        options = replace(options, follow_chi2=1.0)
        added.append(follow_tracks(pixels, tracks, helices, beside, planes(), FIELD, options).n_added.sum())
    assert added[1] > added[0]
