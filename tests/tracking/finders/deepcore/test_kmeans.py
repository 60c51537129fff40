"""Splitting by K-means, on clusters made by hand and on the embedded sample."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartpix.clusters import FlatClusters
from smartpix.io.events import open_events
from smartpix.schema import InputError
from smartpix.shipped import data_path
from tests.helpers import embedded_detector
from tests.tracking.finders.deepcore.hand_made import jets_of
from tracking.bench.events import load_sample
from tracking.finder_table import make_finder
from tracking.finders.deepcore.kmeans import KMeansFinder, KMeansOptions, split_in_jets
from tracking.finders.finder import FinderInput, checked_tracks
from tracking.finders.tracks import Tracks
from tracking.fit.tracks import fit_tracks

OPTIONS = KMeansOptions(fraction=2.0, most_parts=4)
JET = jets_of((0.0, 0.0, 500.0, 0.0))


@pytest.fixture(scope="module")
def detector():
    return embedded_detector()


def one_cluster(detector, pixels, module=None):
    """A cluster of pixels (row, column, charge) on the second layer, at phi near 0, and its position."""
    if module is None:
        on_layer = np.flatnonzero(detector.layer_index == 8)
        module = on_layer[np.argmin(np.linalg.norm(detector.center[on_layer] - [72, 0, 0], axis=1))]
    row, column, charge = np.array(pixels, dtype=float).T
    pitch = np.array([detector.pitch_x[module], detector.pitch_y[module]])
    half = np.array([detector.half_x[module], detector.half_y[module]])
    place = (np.stack([column, row], axis=1) + 0.5) * pitch - half
    local = np.average(place, axis=0, weights=charge)
    n = len(row)
    flat = FlatClusters(
        np.array([module], dtype=np.int32), np.zeros(1, bool), local[None], np.zeros(1, dtype=np.int64),
        np.array([n]), row.astype(np.int16), column.astype(np.int16), charge.astype(np.float32)[:, None],
    )  # fmt: skip
    return flat, place


def jet_through(detector, flat):
    point = detector.to_global(flat.module, flat.local)
    return jets_of(
        (np.arcsinh(point[0, 2] / np.hypot(*point[0, :2])), np.arctan2(point[0, 1], point[0, 0]), 500, 0)
    ), point


def test_two_groups_of_pixels_are_two_parts(detector):
    pixels = [(600, 700, 6000), (601, 700, 4000), (600, 706, 7000), (599, 706, 3000)]
    flat, place = one_cluster(detector, pixels)
    jets, point = jet_through(detector, flat)
    parts = split_in_jets(flat, point, jets, detector, OPTIONS)
    expected = [np.average(place[k : k + 2], axis=0, weights=flat.charge[k : k + 2, 0]) for k in (0, 2)]
    np.testing.assert_allclose([part.mean[:2] for part in parts], expected, atol=1e-6)
    assert [part.cluster for part in parts] == [0, 0]
    assert np.all(parts[0].sigma > 0)


def test_the_files_correction_for_the_drift_stays(detector):
    flat, _ = one_cluster(detector, [(600, 700, 9000), (600, 706, 9000)])
    jets, point = jet_through(detector, flat)
    before = split_in_jets(flat, point, jets, detector, OPTIONS)
    flat.local[:] += [0.003, -0.007]
    after = split_in_jets(flat, point, jets, detector, OPTIONS)
    for one, two in zip(before, after, strict=True):
        np.testing.assert_allclose(two.mean[:2] - one.mean[:2], [0.003, -0.007], atol=1e-9)


@pytest.mark.parametrize(("charge", "n"), [(7000, 0), (15_500, 0), (20_000, 2), (24_000, 3), (90_000, 4)])
def test_as_many_parts_as_the_charge_is_of(detector, charge, n):
    """100 um at 81 e: 8,100 of a particle at normal incidence; at most four parts."""
    pixels = [(600 + k, 700 + 3 * k, charge / 6) for k in range(6)]
    flat, _ = one_cluster(detector, pixels)
    jets, point = jet_through(detector, flat)
    assert len(split_in_jets(flat, point, jets, detector, OPTIONS)) == n


def test_no_more_parts_than_pixels_and_none_far_from_jets(detector):
    flat, _ = one_cluster(detector, [(600, 700, 30_000), (601, 700, 10_000)])
    jets, point = jet_through(detector, flat)
    assert len(split_in_jets(flat, point, jets, detector, OPTIONS)) == 2
    one, _ = one_cluster(detector, [(600, 700, 50_000)])
    assert split_in_jets(one, point, jets, detector, OPTIONS) == []
    far = jets_of((jets.eta[0] + 0.06, jets.phi[0], 500.0, 0.0))
    assert split_in_jets(flat, point, far, detector, OPTIONS) == []
    assert split_in_jets(flat, point, jets_of(), detector, OPTIONS) == []


PIXEL = st.tuples(st.integers(590, 610), st.integers(695, 710), st.floats(500, 16_000))


@given(st.lists(PIXEL, min_size=2, max_size=12, unique_by=lambda pixel: pixel[:2]))
def test_parts_are_within_the_cluster_and_each_pixel_is_of_the_nearest(pixels):
    detector = embedded_detector()
    flat, place = one_cluster(detector, pixels)
    jets, point = jet_through(detector, flat)
    parts = split_in_jets(flat, point, jets, detector, OPTIONS)
    if not parts:
        return
    at = np.array([part.mean[:2] for part in parts])
    size = parts[0].sigma[:2] / OPTIONS.sigma
    owner = np.argmin(np.linalg.norm((place[:, None] - at) / size, axis=2), axis=1)
    # Lloyd's fixed point: each part is the mean of the pixels that are nearest to it.
    for k in range(len(parts)):
        np.testing.assert_allclose(
            np.average(place[owner == k], axis=0, weights=flat.charge[owner == k, 0]), at[k], atol=1e-4
        )


def test_the_search_gets_the_parts_and_tracks_have_the_clusters_rows():
    sample = load_sample(data_path("sample.root"), 1)
    event = sample.events[0]
    detector = sample.header.detector
    given = FinderInput(event.clusters, event.hits, detector, sample.header.field)
    stiff = np.flatnonzero(event.truth.findable & (event.truth.pt > 1.5))
    rows = [event.truth.hit[event.truth.particle == k] for k in stiff]
    seen = []

    def search(given):
        seen.append(given)
        if len(seen) == 1:
            return Tracks.from_rows(rows)
        # All parts of some clusters on one track, and the last hits on another.
        return Tracks.from_rows(searched(given.hits))

    def searched(hits):
        parts = np.flatnonzero(np.bincount(hits.cluster)[hits.cluster] > 1)
        return [parts[:8], np.arange(len(hits) - 4, len(hits))]

    from tracking.finders.deepcore.options import JetOptions

    options = KMeansOptions(cone=0.4, fraction=1.5, jets=JetOptions(min_pt=1.0, min_members=1, max_eta=2.5))
    tracks = checked_tracks(
        KMeansFinder(search, fit_tracks, detector, given.field, 19, options)(given), given, "kmeans"
    )
    hits = seen[1].hits
    assert len(hits) > len(given.hits) + 10
    assert np.array_equal(np.unique(hits.cluster), np.arange(len(given.hits)))
    split = np.bincount(hits.cluster)[hits.cluster] > 1
    whole = np.flatnonzero(~split)
    np.testing.assert_array_equal(hits.position[whole], given.hits.position[hits.cluster[whole]])
    assert np.linalg.norm(hits.position[split] - given.hits.position[hits.cluster[split]], axis=1).max() < 2
    # Parts have the slopes of the whole, and their uncertainties.
    np.testing.assert_array_equal(hits.cot, given.hits.cot[hits.cluster])
    np.testing.assert_allclose(hits.estimate.sigma()[:, 2:], given.hits.estimate.sigma()[hits.cluster][:, 2:])
    one, other = tracks.rows()
    np.testing.assert_array_equal(one, np.unique(hits.cluster[searched(hits)[0]]))
    np.testing.assert_array_equal(other, np.unique(hits.cluster[-4:]))
    assert set(tracks.ms) == {"hits", "find", "split", "fit"}
    # Fitted with the parts, and not with the clusters' own estimates.
    found = Tracks.from_rows(searched(hits))
    own = fit_tracks(hits, found, detector, given.field)
    whole = fit_tracks(given.hits, tracks, detector, given.field)
    np.testing.assert_array_equal(tracks.parameters.qop, own.qop)
    np.testing.assert_array_equal(tracks.parameters.chi2, own.chi2)
    assert tracks.parameters.chi2[0] != whole.chi2[0]


def test_without_jets_or_clusters_the_first_search_is_all():
    sample = load_sample(data_path("sample.root"), 1)
    event, detector = sample.events[0], sample.header.detector
    given = FinderInput(event.clusters, event.hits, detector, sample.header.field)
    first = Tracks.from_rows([[0, 1, 2], [5, 6, 7]])
    finder = KMeansFinder(lambda _: first, fit_tracks, detector, given.field, 19)
    np.testing.assert_array_equal(finder(given).hits, first.hits)
    fitted = fit_tracks(given.hits, first, detector, given.field)
    np.testing.assert_array_equal(finder(given).parameters.qop, fitted.qop)
    empty = FinderInput(given.clusters[:0], given.hits.take(np.zeros(0, dtype=int)), detector, given.field)
    nothing = KMeansFinder(lambda _: Tracks.from_rows([]), fit_tracks, detector, given.field, 19)
    assert len(nothing(empty)) == 0


@pytest.mark.parametrize("name", ["kmeans", "deepcore"])
def test_without_a_field_there_are_no_jets_and_no_such_finder(name):
    header = open_events(data_path("sample.root")).header
    with pytest.raises(InputError, match=f"{name}: without a field nothing tells the pT"):
        make_finder(name, replace(header, field=0.0))
