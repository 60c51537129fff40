"""Charge in time and space beside that of PixelAV."""

import numpy as np
import pytest

from smartpix.simulate.drift import Sensor
from smartpix.simulate.induction import Induction
from smartpix.simulate.passages import Passages, SignalPrecision
from smartpix.simulate.response import induced_charge
from tests.left_out import require
from tests.smartpix.simulate import published
from tests.smartpix.simulate.crossing_charges import ALL, image

N_PIXELAV = 2000


class PixelAV:
    """One of its clusters and a sample of ours at the same place, both as share of the pairs: (S, R, C) and
    (N, S, R, C).
    """

    SENSOR = Sensor(0.025, 0.025, 0.05, 50.0, 7.7 / 4, 253.0)
    HALF = (21 * 0.0125, 13 * 0.0125)

    def __init__(self, k, field):
        stored = np.load(published.PIXELAV)
        truth = dict(zip(stored["truth_cols"], stored["truth"][k], strict=True))
        self.pairs = truth["number_eh_pairs"]
        self.theirs = stored["images"][k] / self.pairs
        flight = np.array([truth["n_x"], truth["n_y"], truth["n_z"]])
        entry = np.array([truth["x-entry"], truth["y-entry"]])
        self.midplane = entry + flight[:2] / flight[2] * (25 - truth["z-entry"])
        n = N_PIXELAV
        out = induced_charge(
            Passages(
                np.tile(self.midplane / 1e3, (n, 1)), np.tile(flight, (n, 1)), np.ones(n),
                np.tile(self.HALF, (n, 1)), ends_at_array=False,
            ),
            self.SENSOR, (field, 0.0, 0.0), ALL, 1, SignalPrecision(Induction(1, 1), 0.05),
        )  # fmt: skip
        self.electrons = image(out, n, (13, 21))
        self.our_pairs = out[4]
        self.ours = self.electrons / self.our_pairs[:, None, None, None]

    def difference(self, s):
        """Sum over the pixels of the difference to our mean image."""
        return np.abs(self.ours[:, s].mean(axis=0) - self.theirs[s]).sum()


@pytest.fixture(scope="module")
def pixelav():
    require("../shared/data/pixelav_raw")
    return PixelAV(0, 3.57), PixelAV(1, 3.57)


def test_pixelavs_charge_is_complete_in_the_last_slice_and_so_is_ours(pixelav):
    for cluster in pixelav:
        assert cluster.theirs[-1].sum() == pytest.approx(1, abs=1e-6)
        last = cluster.electrons[:, -1]
        np.testing.assert_array_equal(last, np.rint(last))
        total = last.sum(axis=(1, 2))
        assert np.all(total <= cluster.our_pairs)
        # Only a delta ray or two leaves the array of 525 by 325 um.
        assert np.mean(total == cluster.our_pairs) > 0.99


def test_share_of_the_charge_in_time_is_pixelavs(pixelav):
    hard, ordinary = pixelav
    ours = ordinary.ours.sum(axis=(2, 3))
    theirs = ordinary.theirs.sum(axis=(1, 2))
    np.testing.assert_allclose(theirs[:5], np.median(ours, axis=0)[:5], atol=0.025)
    np.testing.assert_allclose(theirs[5:], 1, atol=0.002)
    np.testing.assert_allclose(np.median(ours, axis=0)[5:], 1, atol=0.002)
    # Where a hard electron was made decides when its charge comes.
    ours = hard.ours[hard.our_pairs > 13_000].sum(axis=(2, 3))
    assert len(ours) > 50
    theirs = hard.theirs.sum(axis=(1, 2))
    assert theirs[0] == pytest.approx(0.33, abs=0.01)
    for s in range(5):
        assert np.percentile(ours[:, s], 0.5) - 0.02 < theirs[s] < np.percentile(ours[:, s], 99.5) + 0.02


def test_ordinary_cluster_of_pixelav_is_one_of_ours(pixelav):
    ordinary = pixelav[1]
    assert ordinary.pairs == 4783
    for s in (0, 1, 2, 4, 19):
        ours, theirs = ordinary.ours[:, s], ordinary.theirs[s]
        # Pixel by pixel within the straggling, and the image as close to our mean as our own images are.
        assert np.all(np.abs(theirs - ours.mean(axis=0)) < 3 * ours.std(axis=0) + 0.003)
        ours_differ = np.abs(ours - ours.mean(axis=0)).sum(axis=(1, 2))
        assert ordinary.difference(s) < np.median(ours_differ)
        assert np.corrcoef(theirs.ravel(), ours.mean(axis=0).ravel())[0, 1] > 0.98
    np.testing.assert_allclose(
        ordinary.theirs[-1].sum(axis=0)[10:13],
        ordinary.ours[:, -1].mean(axis=0).sum(axis=0)[10:13],
        atol=0.03,
    )
    np.testing.assert_allclose(
        ordinary.theirs[-1].sum(axis=1)[4:6], ordinary.ours[:, -1].mean(axis=0).sum(axis=1)[4:6], atol=0.05
    )


def test_negative_lobes_in_the_first_slice_are_pixelavs(pixelav):
    ordinary = pixelav[1]
    first, ours = ordinary.theirs[0] * ordinary.pairs, ordinary.ours[:, 0] * ordinary.pairs
    np.testing.assert_allclose(first[3, 9:13], [-3.9, -7.0, -3.5, 2.1], atol=0.05)
    np.testing.assert_allclose(np.median(ours[:, 3, 9:13], axis=0), first[3, 9:13], atol=6)
    assert np.all(np.median(ours[:, 3, 9:12], axis=0) < -2)
    lobes = first.min(axis=0).sum(), np.minimum(ours.mean(axis=0), 0).min(axis=0).sum()
    assert lobes[1] == pytest.approx(lobes[0], rel=0.6)
    # No signal further away than the next pixel but one.
    assert not np.any(first[:3])
    assert np.abs(np.median(ours, axis=0)[:3]).max() < 0.01


def test_hard_delta_ray_aside_the_columns_and_the_tracks_own_row_are_pixelavs(pixelav):
    hard = pixelav[0]
    assert hard.pairs == 17_461
    by_column = hard.theirs[-1].sum(axis=0)
    assert set(np.flatnonzero(by_column)) == {9, 10, 11, 12}
    np.testing.assert_array_equal(
        np.flatnonzero(np.median(hard.electrons[:, -1].sum(axis=1), axis=0) > 0), [9, 10, 11]
    )
    # Row 6 is where the track's own charge goes; the electron left its own in row 5.
    theirs = hard.theirs[-1, 6] * hard.pairs
    ours = hard.electrons[:, -1, 6]
    assert np.all(np.abs(theirs - np.median(ours, axis=0))[9:12] < 2 * ours.std(axis=0)[9:12])


def test_agreement_with_pixelav_fails_with_the_field_reversed(pixelav):
    """Pins the sign of the Lorentz shift."""
    right, wrong = pixelav[1], PixelAV(1, -3.57)
    for s in (0, 2, 19):
        assert wrong.difference(s) > 0.6
        assert right.difference(s) < 0.2
    y = (np.arange(13) - 6) * 25.0
    for cluster, close in ((right, True), (wrong, False)):
        ours = np.median(cluster.ours[:, -1].sum(axis=2) @ y)
        assert (abs(cluster.theirs[-1].sum(axis=1) @ y - ours) < 3) == close
