"""Estimates to candidate edges and seeds, with NumPy and Numba and never torch.

:mod:`seeding.edges` and :mod:`seeding.seeds` search an event. :mod:`seeding.cones` gives the cone of a single
hit. :mod:`seeding.references` and :mod:`seeding.acts_reference` are the searches they are compared with.
"""

from typing import TYPE_CHECKING

from smartpix.lazy import public_names

if TYPE_CHECKING:
    from seeding.cones import make_cones
    from seeding.edges import Edges, find_edges
    from seeding.hits import Hits, Mixed, estimated_hits, make_hits
    from seeding.mixtures import Possibilities, find_mixture_edges, possibilities
    from seeding.options import ConeOptions, SeedOptions, WindowOptions
    from seeding.references import window
    from seeding.seeds import Seeds, find_seeds

__all__ = [
    "ConeOptions",
    "Edges",
    "Hits",
    "Mixed",
    "Possibilities",
    "SeedOptions",
    "Seeds",
    "WindowOptions",
    "estimated_hits",
    "find_edges",
    "find_mixture_edges",
    "find_seeds",
    "make_cones",
    "make_hits",
    "possibilities",
    "window",
]

__getattr__ = public_names(
    __name__,
    cones="make_cones",
    edges="Edges find_edges",
    hits="Hits Mixed estimated_hits make_hits",
    mixtures="Possibilities find_mixture_edges possibilities",
    options="ConeOptions SeedOptions WindowOptions",
    references="window",
    seeds="Seeds find_seeds",
)
