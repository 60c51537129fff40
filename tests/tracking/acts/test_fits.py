import dataclasses

import numpy as np
import pytest

from smartpix.schema import InputError
from tests.tracking.acts.pulls import PARAMETERS, half_widths, pulls
from tracking.acts.fits import acts_fits
from tracking.finders.tracks import Tracks


@dataclasses.dataclass(frozen=True)
class Start:
    d0: np.ndarray
    z0: np.ndarray
    phi: np.ndarray
    theta: np.ndarray
    qop: np.ndarray


def test_fits_of_given_tracks(sample, reference):
    hits, _, _, header = sample
    # Off by several standard deviations: the start must not count.
    start = [
        Start(p.d0 + 0.2, p.z0 - 0.2, p.phi + 2e-3, p.theta - 2e-3, 1.1 * p.qop)
        for p in (tracks.parameters for tracks in reference)
    ]
    fits = acts_fits(hits, reference, start, header.detector, header.field)
    assert fits.ms > 0
    for given, values, n_fitted in zip(reference, fits.parameters, fits.n_fitted, strict=True):
        assert values.covariance.shape == (len(given), 5, 5)
        fitted = n_fitted > 0
        assert fitted.mean() > 0.99
        assert np.mean(n_fitted[fitted] == np.diff(given.start)[fitted]) > 0.99
        assert np.array_equal(np.isfinite(values.d0), fitted)
    spread = pulls(sample, reference, fits.parameters)
    assert np.all(np.abs(half_widths(spread) - 1) < 0.35)
    near = acts_fits(
        hits[:1], reference[:1], [reference[0].parameters], header.detector, header.field
    ).parameters[0]
    sigma = np.sqrt(np.diagonal(near.covariance, axis1=1, axis2=2))
    shift = np.column_stack([getattr(near, n) - getattr(fits.parameters[0], n) for n in PARAMETERS]) / sigma
    assert np.quantile(np.abs(shift), 0.95) < 0.2


def test_an_event_without_hits_has_no_fits(sample, reference):
    hits, _, _, header = sample
    empty = hits[0].take(np.zeros(0, dtype=np.int64))
    none = Tracks.from_rows([], parameters=Start(*np.zeros((5, 0))))
    tracks = [none, reference[0]]
    fits = acts_fits([empty, hits[0]], tracks, [t.parameters for t in tracks], header.detector, header.field)
    assert [len(p.d0) for p in fits.parameters] == [0, len(reference[0])]


def test_what_cannot_be_fitted_is_said(sample):
    pytest.importorskip("acts")
    hits, _, _, header = sample
    with pytest.raises(InputError, match="no events"):
        acts_fits([], [], [], header.detector, header.field)
    with pytest.raises(InputError, match="give one of each for every event"):
        acts_fits(hits[:1], [Tracks.from_rows([])], [Start(*np.zeros((5, 1)))], header.detector, header.field)
