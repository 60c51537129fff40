"""Conditions that are not the same in all events: a randomised domain, to train estimates for a world that is
not known exactly.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from smartpix.simulate.options import SimulateOptions

__all__ = ["drawn_conditions"]


def drawn_conditions(options: SimulateOptions, event: int, seed: int) -> SimulateOptions:
    """The options of one event, its conditions drawn from the ranges of ``options.randomise``.

    The result randomises no more. The same arguments give the same conditions.

    Raises:
        InputError: a condition drawn is out of its range.
    """
    half = options.randomise
    if half == type(half)():
        return options
    # The last number tells streams apart, as in :mod:`smartpix.simulate.events`. All are drawn always, so
    # that a range more changes nothing in the others.
    part = np.random.default_rng([seed, event, 7]).uniform(-1, 1, 8).tolist()
    bias, temperature, lorentz, charge, noise, threshold, sigma_t, phase = part
    readout, beam_spot = options.readout, options.beam_spot
    return replace(
        options,
        randomise=type(half)(),
        bias=options.bias * (1 + half.bias * bias),
        temperature=options.temperature * (1 + half.temperature * temperature),
        lorentz_scale=options.lorentz_scale * (1 + half.lorentz * lorentz),
        charge_scale=options.charge_scale * (1 + half.charge * charge),
        readout=replace(
            readout,
            noise=readout.noise * (1 + half.noise * noise),
            threshold_scale=readout.threshold_scale * (1 + half.threshold * threshold),
            phase=readout.phase + half.phase * phase,
        ),
        beam_spot=replace(beam_spot, sigma_t=beam_spot.sigma_t * (1 + half.sigma_t * sigma_t)),
    )
