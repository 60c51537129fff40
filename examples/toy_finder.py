"""A finder of one's own: from each hit to the next, always the one whose slope changes least.

    smartpix bench tracking --finders toy,chain

takes it from a package whose pyproject.toml has these two lines::

    [project.entry-points."smartpix.finders"]
    toy = "toy_finder:make_finder"

The cluster of the first hit says where its particle goes; after that the line through the last two hits does.
"""

import numpy as np

from smartpix.io import Header
from smartpix.layers import layer_pairs
from tracking.finders import FinderInput, Tracks

SLOPE, AZIMUTH = 0.4, 0.15
"""Largest changes of cot theta and of the azimuth (rad) from one hit to the next."""
MIN_HITS = 4


def make_finder(header: Header):
    """The finder for a header's detector: what is the same for all events is made here."""
    pairs = layer_pairs(header.detector)
    inner, outer = pairs.inner[pairs.skipped < 0], pairs.outer[pairs.skipped < 0]
    following = [outer[(inner == k) & (outer != k)] for k in range(len(header.detector.layers))]

    def find(event: FinderInput) -> Tracks:
        hits = event.hits
        # Directions in the global frame: cot alpha along the sensor's x, cot beta along its y, 1 along z.
        local = np.column_stack([hits.cot, np.ones(len(hits))])
        direction = np.einsum("nk,nki->ni", local, hits.axes.reshape(-1, 3, 3))
        on_layer = [np.flatnonzero(hits.layer == k) for k in range(len(following))]
        free, tracks = np.ones(len(hits), dtype=bool), []
        for first in np.argsort(np.linalg.norm(hits.position, axis=1)):
            track, ahead = [first], direction[first]
            while free[first]:
                near = np.concatenate([[], *(on_layer[k] for k in following[hits.layer[track[-1]]])]).astype(
                    int
                )
                steps = hits.position[near] - hits.position[track[-1]]
                slope = steps[:, 2] / np.hypot(steps[:, 0], steps[:, 1]) - ahead[2] / np.hypot(*ahead[:2])
                turn = np.angle((steps[:, 0] + 1j * steps[:, 1]) / complex(*ahead[:2]))
                change = np.hypot(slope / SLOPE, turn / AZIMUTH) + 2.0 * ~free[near]
                if change.min(initial=1.0) >= 1.0:
                    break
                best = change.argmin()
                track, ahead = [*track, near[best]], steps[best]
            if len(track) >= MIN_HITS:
                tracks.append(track)
                free[track] = False
        return Tracks.from_rows(tracks)

    return find
