"""The loops that fill the images of the toys (Numba), with random numbers of each event's own.

An event's numbers begin where the hash of its seed and its number says, so that it does not matter which
events are made together.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from smartpix.compiled import njit
from smartpix.simulate.ionisation import uniform

__all__ = ["fill_lines", "fill_tracks"]

MANTISSA = 9007199254740992.0
"""2^53, the bits of a random number."""
SPARE = 2048
"""The other 2^11 of 2^64 states."""


@njit(cache=True)
def _begin(state: Any, seed: int, event: int) -> None:
    """Put the generator at the beginning of an event."""
    state[0] = np.uint64(seed)
    state[0] = np.uint64(uniform(state) * MANTISSA) * np.uint64(SPARE) + np.uint64(event)
    # Without the last bits two of 10^8 events would be the same.
    state[0] = np.uint64(uniform(state) * MANTISSA) * np.uint64(SPARE) + np.uint64(event % SPARE)


@njit(cache=True)
def _number(mean: float, exact: bool, state: Any) -> int:
    """Tracks of an event: the mean, or a Poisson number by inversion."""
    if exact:
        return int(mean)
    u = uniform(state)
    n = 0
    term = math.exp(-mean)
    total = term
    # At large numbers the sum may stop below 1 by rounding.
    while u >= total and term > 0.0:
        n += 1
        term *= mean / n
        total += term
    return n


@njit(cache=True)
def _between(ends: Any, state: Any) -> float:
    return float(ends[0] + (ends[1] - ends[0]) * uniform(state))


@njit(cache=True)
def _pixel(start: float, slope: float, plane: int, low: int, high: int) -> int:
    """Where a line crosses a plane, truncated; rounding may put an end a bit beyond the last pixel."""
    return min(max(int(start + slope * plane), low), high - 1)


@njit(cache=True)
def fill_tracks(
    seed: int, first: int, ranges: Any, width: int, square: bool, seed_planes: int, noise: float,
    background: float, exact: bool, images: Any, wanted: Any, all_hits: Any, n_tracks: Any,
) -> None:  # fmt: skip
    """Fill N events with a wanted track, others and noise.

    As in the published code a track of square planes ends on the last one, and a track of the others one
    distance behind it. The others of ``variable`` cross the full width, and the planes show a part of it.

    Args:
        seed: of all events.
        first: number of the first event.
        ranges: (P, 2) first pixel of each plane and the one behind its last.
        width: pixels of the widest plane in each direction.
        square: whether planes have two directions.
        seed_planes: planes whose image has the wanted track alone.
        noise: probability that a pixel is on by itself.
        background: mean number of other tracks.
        exact: every event has that many.
        images: (N, P, pixels) zeros, to fill with the image.
        wanted: (N, P) to fill with the pixel of the wanted track.
        all_hits: (N, P, pixels) zeros, to fill with the hits of all.
        n_tracks: (N,) to fill with the number of tracks, the wanted one with them.
    """
    state = np.empty(1, dtype=np.uint64)
    n_planes, n_pixels = images.shape[1], images.shape[2]
    entry, exit_ = ranges[0], ranges[-1]
    n_steps = n_planes - 1 if square else n_planes
    for event in range(len(images)):
        _begin(state, seed, first + event)
        n_tracks[event] = 1 + _number(background, exact, state)
        for track in range(n_tracks[event]):
            is_wanted = track == 0
            x = _between(entry, state) if is_wanted else width * uniform(state)
            end = _between(exit_, state) if is_wanted else width * uniform(state)
            x_slope = (end - x) / n_steps
            y = width * uniform(state) if square else 0.0
            y_slope = (width * uniform(state) - y) / n_steps if square else 0.0
            for plane in range(n_planes):
                pixel = _pixel(x, x_slope, plane, 0, width)
                if not ranges[plane, 0] <= pixel < ranges[plane, 1]:
                    continue
                if square:
                    pixel = pixel * width + _pixel(y, y_slope, plane, 0, width)
                all_hits[event, plane, pixel] = 1
                if is_wanted:
                    wanted[event, plane] = pixel
                if is_wanted or plane >= seed_planes:
                    images[event, plane, pixel] = 1
        if noise > 0.0:
            for plane in range(n_planes):
                low, high = (0, n_pixels) if square else (ranges[plane, 0], ranges[plane, 1])
                for pixel in range(low, high):
                    if uniform(state) < noise:
                        all_hits[event, plane, pixel] = 1
                        if plane >= seed_planes:
                            images[event, plane, pixel] = 1


@njit(cache=True)
def fill_lines(
    seed: int, first: int, mean: float, exact: bool, images: Any, parameters: Any, n_tracks: Any
) -> None:
    """Fill N images with lines, and their parameters in the order of the intercepts.

    As in the published code a line ends one distance behind the last plane, and leaves no hit on pixel 0.

    Args:
        seed: of all events.
        first: number of the first event.
        mean: number of lines.
        exact: every image has that many.
        images: (N, P, W) zeros, to fill.
        parameters: (N, T, 2) to fill with intercept in pixels, and slope in pixels a plane times W / 2, which
            makes both as wide; rows without a line stay as they are.
        n_tracks: (N,) to fill with the number of lines, T at most.
    """
    state = np.empty(1, dtype=np.uint64)
    n_planes, width = images.shape[1], images.shape[2]
    for event in range(len(images)):
        _begin(state, seed, first + event)
        n_tracks[event] = min(_number(mean, exact, state), parameters.shape[1])
        for track in range(n_tracks[event]):
            start = width * uniform(state)
            slope = (width * uniform(state) - start) / n_planes
            for plane in range(n_planes):
                pixel = _pixel(start, slope, plane, 0, width)
                if pixel > 0:
                    images[event, plane, pixel] = 1
            row = track
            while row > 0 and parameters[event, row - 1, 0] > start:
                parameters[event, row] = parameters[event, row - 1]
                row -= 1
            parameters[event, row, 0] = start
            parameters[event, row, 1] = slope * (0.5 * width)
