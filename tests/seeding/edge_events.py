"""Events and searches of the tests of edges."""

from seeding.cones import ConeOptions
from seeding.edges import find_edges
from tests.seeding import toys

# No scattering: the independent joint test has none.
CONE = ConeOptions(quantile=0.997, sigma_z0=50.0, sigma_d0=0.05, min_pt=0.5, radiation_length=0.0)


def found(hits, options=CONE, field=toys.FIELD, threads=1):
    return find_edges(hits, toys.detector(), toys.pairs(), field, options, threads)


def pair_set(edges):
    return set(zip(edges.source.tolist(), edges.target.tolist(), strict=True))
