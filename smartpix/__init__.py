"""One pixel cluster to position and direction with an honest covariance: files, geometry, simulation,
estimates.

Start at :mod:`smartpix.io.events` (event files), :mod:`smartpix.geometry` (the detector) and
:mod:`smartpix.estimate.mdn`.
"""
