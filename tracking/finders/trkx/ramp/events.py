"""Events of the RAMP tracking challenge: tracks of a solenoid's field in nine thin circles.

After ramp-kits/HEP_tracking, ``simulation/`` (S. Amrouche et al., EPJ Web Conf. 150, 00015), with all events
made at once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tracking.finders.trkx.ramp.options import RampOptions

__all__ = [
    "BEND", "N_INNER", "N_LAYERS", "RADII", "RampEvents", "RampHits", "RampTracks", "make_ramp", "n_pixels",
    "scattering_angle",
]  # fmt: skip

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

RADII = np.array([39.0, 85.0, 155.0, 213.0, 271.0, 405.0, 562.0, 762.0, 1000.0])
"""Of the circles in mm."""
N_LAYERS = len(RADII)
N_INNER = 5
"""Circles with the finer pixels."""
BEND = 1e3 / 0.3
"""Radius in mm of a track of 1 GeV. That is a field of 1 T."""
SCATTERING = 13.6e-3
"""Of Highland's formula in GeV, without its logarithm."""
REDRAWS = 1000
"""Times that empty events are made again; the rarest mean, 0.1, leaves a share of 1e-42 of them."""


@dataclass(frozen=True)
class RampHits:
    """Hits of one event, all that a finder may know.

    Attributes:
        layer: (N,) circle, from 0.
        phi: (N,) azimuth of the pixel's middle, from 0 to 2 pi.
        x, y: (N,) in mm, of the pixel's lower edge, as the challenge gives them.
    """

    layer: Ints
    phi: Floats
    x: Floats
    y: Floats


@dataclass(frozen=True)
class RampTracks:
    """Tracks of all events, as they start.

    Attributes:
        offsets: (E + 1,) first track of each event.
        charge: (T,) 1 or -1; positive ones turn counter-clockwise.
        pt: (T,) in GeV.
        phi: (T,) azimuth of the momentum at the origin.
        x, y: (T,) origin in mm.
    """

    offsets: Ints
    charge: Ints
    pt: Floats
    phi: Floats
    x: Floats
    y: Floats


@dataclass(frozen=True)
class RampEvents:
    """Events of the challenge: flat arrays of hits, event after event.

    Attributes:
        offsets: (E + 1,) first hit of each event.
        event: (N,) number of the event.
        layer: (N,) circle, from 0.
        iphi: (N,) pixel of the circle.
        x, y: (N,) in mm, of the pixel's lower edge.
        phi: (N,) azimuth of the pixel's middle.
        track: (N,) the track that hit the pixel last, counted within its event; never given to finders.
        shared: crossings that left no hit of their own, since a later track has the pixel.
        tracks: what made the hits.
    """

    offsets: Ints
    event: Ints
    layer: Ints
    iphi: Ints
    x: Floats
    y: Floats
    phi: Floats
    track: Ints
    shared: int
    tracks: RampTracks

    @property
    def n_events(self) -> int:
        """Events."""
        return len(self.offsets) - 1

    def hits(self, event: int) -> RampHits:
        """Hits of an event, without their tracks."""
        part = slice(self.offsets[event], self.offsets[event + 1])
        return RampHits(self.layer[part], self.phi[part], self.x[part], self.y[part])


def n_pixels(options: RampOptions) -> Ints:
    """Pixels (9,) of the circles."""
    pitch = np.where(np.arange(N_LAYERS) < N_INNER, options.inner_pitch, options.outer_pitch)
    return np.asarray(2 * np.pi * RADII / pitch, dtype=np.int64) + 1


def scattering_angle(pt: Floats, options: RampOptions) -> Floats:
    """Standard deviation in rad of a layer's scattering, by pT in GeV."""
    return SCATTERING * math.sqrt(options.radiation) / pt


def make_ramp(options: RampOptions, n_events: int, seed: int | Sequence[int]) -> RampEvents:
    """Make events; the hits of an event are in random order.

    Of tracks in the same pixel the last one has the hit, as in the challenge.

    Args:
        options: law of the events.
        n_events: how many.
        seed: of all random numbers.
    """
    rng = np.random.default_rng(seed)
    tracks = _tracks(options, n_events, rng)
    n_tracks = len(tracks.pt)
    event = np.repeat(np.arange(n_events), np.diff(tracks.offsets))
    curvature = tracks.charge / (BEND * tracks.pt)
    azimuth = np.arctan2(tracks.y, tracks.x)
    radius = np.hypot(tracks.x, tracks.y)
    # The sine of the angle to the radial direction, times the radius, grows as the area swept by the track.
    lever = radius * np.sin(tracks.phi - azimuth)
    outward = np.cos(tracks.phi - azimuth) >= 0
    angle = np.where(outward, 1, -1) * np.arcsin(np.divide(lever, radius, out=0 * lever, where=radius > 0))
    angle = np.where(outward, angle, np.pi + angle)
    if not np.any(radius):
        azimuth, angle = tracks.phi, 0 * angle
    sigma = scattering_angle(tracks.pt, options)
    alive = np.ones(n_tracks, dtype=bool)
    found = []
    for layer, (r, n) in enumerate(zip(RADII, n_pixels(options), strict=True)):
        lever = lever + curvature * (r**2 - radius**2) / 2
        alive &= np.abs(lever) < r
        there = np.arcsin(np.clip(lever / r, -1, 1))
        # The law of tangents in the triangle of the beam, the last crossing and this one.
        azimuth = azimuth + 2 * np.arctan((r - radius) / (r + radius) * np.tan((angle + there) / 2))
        seen = alive & (rng.random(n_tracks) > options.inefficiency)
        pixel = np.asarray(np.mod(azimuth, 2 * np.pi) / (2 * np.pi) * n, dtype=np.int64) % n
        (hit,) = np.nonzero(seen)
        found.append((hit, np.full(len(hit), layer), pixel[hit]))
        angle = there + sigma * rng.normal(size=n_tracks)
        lever, radius = r * np.sin(angle), np.full(n_tracks, r)
        alive &= rng.random(n_tracks) >= options.stop
    hit, layers, pixels = (np.concatenate([part[k] for part in found]) for k in range(3))
    return _events(options, n_events, tracks, event, (hit, layers, pixels), rng)


def _tracks(options: RampOptions, n_events: int, rng: np.random.Generator) -> RampTracks:
    """Tracks as they start."""
    if options.poisson:
        count = rng.poisson(options.tracks, n_events)
        for _ in range(REDRAWS):
            (empty,) = np.nonzero(count == 0)
            if len(empty) == 0:
                break
            count[empty] = rng.poisson(options.tracks, len(empty))
    else:
        count = np.full(n_events, max(round(options.tracks), 1))
    n = int(count.sum())
    return RampTracks(
        np.concatenate([[0], np.cumsum(count)]).astype(np.int64),
        2 * rng.integers(0, 2, n) - 1,
        rng.uniform(options.min_pt, options.max_pt, n),
        rng.uniform(-np.pi, np.pi, n),
        options.sigma_vertex * rng.normal(size=n),
        options.sigma_vertex * rng.normal(size=n),
    )


def _events(
    options: RampOptions,
    n_events: int,
    tracks: RampTracks,
    event: Ints,
    found: tuple[Ints, Ints, Ints],
    rng: np.random.Generator,
) -> RampEvents:
    """Pixels of all crossings, each once, in random order within the events.

    Args:
        event: (T,) of the tracks.
        found: track, layer and pixel of the crossings that are seen.
    """
    hit, layer, pixel = found
    order = np.lexsort((hit, pixel, layer, event[hit]))
    hit, layer, pixel = hit[order], layer[order], pixel[order]
    last = np.ones(len(hit), dtype=bool)
    last[:-1] = (event[hit[1:]] != event[hit[:-1]]) | (layer[1:] != layer[:-1]) | (pixel[1:] != pixel[:-1])
    hit, layer, pixel = hit[last], layer[last], pixel[last]
    order = np.lexsort((rng.random(len(hit)), event[hit]))
    hit, layer, pixel = hit[order], layer[order], pixel[order]
    of = event[hit]
    size = 2 * np.pi / n_pixels(options)[layer]
    r, edge = RADII[layer], pixel * size
    offsets = np.searchsorted(of, np.arange(n_events + 1)).astype(np.int64)
    return RampEvents(
        offsets, of, layer, pixel, r * np.cos(edge), r * np.sin(edge), edge + size / 2,
        hit - tracks.offsets[of], int(np.sum(~last)), tracks,
    )  # fmt: skip
