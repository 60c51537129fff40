"""The toy events of HEP.TrkX: images of straight tracks, and what the networks are to find in them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from smartpix.networks.options import LARGEST_SEED
from smartpix.notebook import words_and_table
from smartpix.schema import InputError, check
from tracking.finders.trkx.options import ToyOptions, plane_ranges
from tracking.finders.trkx.toy_kernels import fill_lines, fill_tracks

__all__ = ["MOST_EVENTS", "NO_LINE", "ToyEvents", "make_toys"]

MOST_EVENTS = 2**40
"""Events of a seed, far above any training here."""
MOST_PIXELS = 2**31
"""Pixels of one call; images and hits take a byte for each."""
NO_LINE = -1.0
"""Parameters of lines that are not there, as in the published code."""


@words_and_table
@dataclass(frozen=True)
class ToyEvents:
    """N toy events of P planes with W or W x W pixels.

    Attributes:
        images: (N, P, W) or (N, P, W, W) hits that the network reads: on seed planes those of the wanted
            track alone. The published hit accuracy multiplies predictions by these.
        wanted: (N, P) pixel of the wanted track on each plane; x W + y where planes are W x W, and -1 where
            no track is wanted.
        all_hits: (N, P, W) or (N, P, W, W) hits of all tracks and noise, on seed planes too.
        parameters: (N, T, 2) of the kinds ``lines``: intercept in pixels, and slope in pixels a plane times
            W / 2, in the order of the intercepts; -1 where there is no line. T is 0 for other kinds.
        n_tracks: (N,) tracks of each event, the wanted one with them.
    """

    images: npt.NDArray[np.uint8]
    wanted: npt.NDArray[np.int64]
    all_hits: npt.NDArray[np.uint8]
    parameters: npt.NDArray[np.float32]
    n_tracks: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.images)


def make_toys(options: ToyOptions, n: int, seed: int, first: int = 0) -> ToyEvents:
    """Make toy events (HEPTrkX/heptrkx-ctd, toy2d.py, toy3d.py and the notebooks of parameters).

    Event k of a seed is the same whichever events are made with it.

    Args:
        options: kind of the events, and how many planes, pixels and tracks.
        n: number of events.
        seed: of all events, from 0 to 2^32 - 1.
        first: number of the first event.

    Raises:
        InputError: a number is out of range, or the images are too many for memory.
    """
    check("toys", "events", n, 0 <= n <= MOST_EVENTS, f"from 0 to {MOST_EVENTS}")
    check("toys", "seed", seed, 0 <= seed <= LARGEST_SEED, f"from 0 to {LARGEST_SEED}")
    check("toys", "first", first, 0 <= first <= MOST_EVENTS, f"from 0 to {MOST_EVENTS}")
    shape = (n, options.n_planes, *options.plane_shape)
    most = MOST_PIXELS // math.prod(shape[1:])
    if n > most:
        raise InputError(
            f"toys: {n} events of these options do not fit into memory, {most} do; make them in parts, each "
            "with its first"
        )
    images = np.zeros(shape, dtype=np.uint8)
    wanted = np.full((n, options.n_planes), -1, dtype=np.int64)
    parameters = np.full((n, options.max_tracks, 2), NO_LINE, dtype=np.float32)
    n_tracks = np.zeros(n, dtype=np.int64)
    mean, exact = float(options.background), options.background_exact
    if options.has_lines:
        fill_lines(seed, first, mean, exact, images, parameters, n_tracks)
        return ToyEvents(images, wanted, images.copy(), parameters, n_tracks)
    all_hits = np.zeros(shape, dtype=np.uint8)
    flat = (n, options.n_planes, -1) if n else (0, options.n_planes, 1)
    fill_tracks(
        seed, first, np.array(plane_ranges(options)), options.width, len(options.plane_shape) == 2,
        options.seed_planes, float(options.noise), mean, exact, images.reshape(flat), wanted,
        all_hits.reshape(flat), n_tracks,
    )  # fmt: skip
    return ToyEvents(images, wanted, all_hits, parameters, n_tracks)
