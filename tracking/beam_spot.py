"""The luminous region of a file's events, found with the chain."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import awkward as ak
import numpy as np

from smartpix.io.events import Header, iterate
from smartpix.schema import InputError
from tracking.chain import Chain
from tracking.dead_modules import with_dead_of_file
from tracking.fit.beam_spot import FoundBeam, fit_beam_spot, joined_tracks, tracks_for_beam
from tracking.options import RunOptions

__all__ = ["beam_spot_of_file", "chain_of_file", "find_beam_spot"]

log = logging.getLogger(__name__)

FIRST_SIGMA_D0 = 1.0
"""mm: impact parameters that the cones of the first pass allow for."""
FIRST_EVENTS = 2
"""Events of the first pass, whose wide cones take longer: it need only come near."""
MOST_PASSES = 4
NEAR = 0.02
"""mm: two passes that agree to this are enough. The chain loses nothing within 0.1 mm of the beam."""


def find_beam_spot(chain: Chain, records: Sequence[ak.Record]) -> FoundBeam:
    """The luminous region of some events.

    The first pass searches with wide cones about the beam of the chain. Each pass after it runs the chain
    about the beam that the one before found.

    Args:
        records: of the events, at least one, as an event file has them; their truth is not read.

    Raises:
        InputError: too few tracks, or the chain is about a beam of particles, which has no such region.
    """
    if chain.header.beam_spot.distance:
        raise InputError(
            "beam spot: the search is along a beam of particles, which has no luminous region; give beam.source = "
            "header or options"
        )
    cone = chain.options.cone
    wide = replace(cone, sigma_d0=max(cone.sigma_d0, FIRST_SIGMA_D0))
    first = replace(chain, options=replace(chain.options, cone=wide))
    found = _one_pass(first, records[:FIRST_EVENTS])
    for _ in range(MOST_PASSES):
        # Widths of a pass are not used in the next: those of few events may be far off.
        widths = {name: getattr(chain.header.beam_spot, name) for name in ("sigma_x", "sigma_y", "sigma_z")}
        before = found
        found = _one_pass(chain.at_beam(replace(before.spot, **widths)), records)
        moved = [getattr(found.spot, name) - getattr(before.spot, name) for name in ("x", "y")]
        if np.hypot(*moved) < NEAR:
            break
    else:
        log.warning(
            "beam spot: after %d passes it still moves by %.3f mm; give more events, or the beam",
            MOST_PASSES,
            np.hypot(*moved),
        )
    return found


def _one_pass(chain: Chain, records: Sequence[ak.Record]) -> FoundBeam:
    events = []
    for record in records:
        result = chain.event(int(record["event"]), record["clusters"])
        events.append(tracks_for_beam(result.tracks, result.helices, result.vertices))
    return fit_beam_spot(joined_tracks(events), chain.header.beam_spot)


def beam_spot_of_file(path: str | Path, chain: Chain, events: int) -> FoundBeam:
    """The luminous region of the first events of a file.

    Raises:
        InputError: no events, or too few tracks.
    """
    records = [part[0] for _, part in iterate(path, step=1, stop=events)]
    if not records:
        raise InputError(f"{path}: has no events to find the beam from; give another file, or its beam")
    try:
        return find_beam_spot(chain, records)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def chain_of_file(path: str | Path, header: Header, options: RunOptions) -> tuple[Chain, FoundBeam | None]:
    """The chain for a file, about the beam that the options ask for, and what was found of it in the data.
    Dead modules are found in the data first, where the options ask for it.

    Raises:
        InputError: as :meth:`tracking.chain.Chain.for_header` and :func:`beam_spot_of_file`.
    """
    chain = Chain.for_header(with_dead_of_file(path, header, options.dead), options)
    if options.beam.source != "data":
        return chain, None
    found = beam_spot_of_file(path, chain, options.beam.events)
    spot = found.spot
    log.info(
        "beam spot of %d tracks: x %.4f, y %.4f, z %.2f mm, slopes %.2g, %.2g",
        found.n_tracks, spot.x, spot.y, spot.z, spot.slope_x, spot.slope_y,
    )  # fmt: skip
    return chain.at_beam(spot), found
