"""Groups of one to three particles that cross a sensor close together: how many, how far apart, which
ways.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from smartpix.simulate.options import GroupOptions

__all__ = ["LIKE", "Groups", "draw_groups"]

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

LIKE = 0.01
"""Width of the directions of a group whose particles fly alike, as in the core of a jet or from a photon: in
pseudorapidity and azimuth, or in both cotangents.
"""


class Groups:
    """N particles in groups that follow each other.

    Attributes:
        options: what was asked for.
        first: (N,) row of the first particle of each one's group.
        alike: (N,) whether the group's particles fly alike; so do those of one.
    """

    def __init__(self, options: GroupOptions, first: Rows, alike: npt.NDArray[np.bool_]) -> None:
        self.options, self.first, self.alike = options, first, alike

    @property
    def number(self) -> Rows:
        """(N,) 0 for the first of a group, 1 and 2 for those that follow."""
        return np.arange(len(self.first)) - self.first

    def directed(self, values: Floats, rng: np.random.Generator) -> Floats:
        """Directions (N, 2), in coordinates in which :data:`LIKE` is their width, of which those of groups
        that fly alike are drawn about their first one's.
        """
        like = values[self.first] + rng.normal(0, LIKE, values.shape)
        return np.where((self.alike & (self.number > 0))[:, None], like, values)

    def offsets(
        self, cots: Floats, pitch: Floats, thickness: Floats | float, rng: np.random.Generator
    ) -> Floats:
        """(N, 2) mm along x and y from the first particle of each one's group; 0 for itself.

        Args:
            cots: (N, 2) cot alpha and cot beta; pitch: (N, 2) or (2,) mm along x and y; thickness: (N,) or
                one, mm.
        """
        width = pitch + np.reshape(thickness, (-1, 1)) * np.abs(cots[self.first])
        low, high = self.options.distance
        if self.options.law == "area":
            distance = np.sqrt(rng.uniform(low**2, high**2, len(cots)))
        else:
            distance = np.exp(rng.uniform(np.log(low), np.log(high), len(cots)))
        angle = rng.uniform(-np.pi, np.pi, len(cots))
        away = distance[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        return np.where((self.number > 0)[:, None], width * away, 0.0)


def draw_groups(options: GroupOptions, n: int, rng: np.random.Generator, whole: bool = False) -> Groups:
    """Groups for ``n`` particles, the last of which may be cut off; with ``whole``: ``n`` whole groups.

    Half of the groups fly alike. Without groups nothing is drawn.
    """
    if options.together == (1,):
        return Groups(options, np.arange(n), np.ones(n, dtype=bool))
    sizes = rng.choice(np.array(options.together), n)
    first = np.repeat(np.cumsum(sizes) - sizes, sizes)
    alike = np.repeat((rng.random(n) < 0.5) | (sizes == 1), sizes)
    return Groups(options, first, alike) if whole else Groups(options, first[:n], alike[:n])
