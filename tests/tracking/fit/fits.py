"""Fits of toys."""

import dataclasses

import numpy as np

from tests.seeding import toys
from tests.tracking.scattering import simulate
from tracking.fit.tracks import FitOptions, fit_tracks

FIELD = 3.8
KEEP_ALL = FitOptions(outlier_chi2=1e9)


def fit(hits, tracks, field=FIELD, options=KEEP_ALL):
    return fit_tracks(hits, tracks, toys.detector(), field, options)


def finite(found, n_hits):
    names = [field.name for field in dataclasses.fields(found) if not field.name.startswith("_")]
    for name in (*names, "residual", "pull"):
        assert np.all(np.isfinite(getattr(found, name))), name
    assert np.all(np.diagonal(found.covariance, axis1=1, axis2=2) >= 0)
    np.testing.assert_array_equal(found.covariance, np.swapaxes(found.covariance, 1, 2))
    assert found.residual.shape == found.pull.shape == (n_hits, 2)
    assert np.all(np.abs(found.phi) <= np.pi)
    assert np.all((found.theta >= 0) & (found.theta <= np.pi))
    assert np.all(found.ndf >= 0)


_cached = []


def _nonsense():
    if not _cached:
        _cached.append(simulate(6, 9))
    return _cached[0]
