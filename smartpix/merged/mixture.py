"""Each particle of a merged cluster: the networks for clusters of two and of three particles, by region."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from smartpix.clusters import FlatClusters
from smartpix.estimate.components import Components
from smartpix.estimate.mixture import SET, MixtureNetwork
from smartpix.geometry import Detector
from smartpix.merged.descriptions import check_alike
from smartpix.schema import REGIONS, InputError

__all__ = ["PARTICLES", "MixtureNetwork", "ParticleNetworks"]

PARTICLES: Mapping[int, str] = {2: "pair", 3: "triple"}
"""How the networks for so many particles are called: ``pair-barrel`` and so on."""


@dataclass(frozen=True)
class ParticleNetworks:
    """The networks for clusters of ``n`` particles; three stand for more, too.

    Attributes:
        networks: one for each region.
    """

    networks: Mapping[str, MixtureNetwork]

    @classmethod
    def load(cls, n: int, barrel: str = "", endcap: str = "") -> ParticleNetworks:
        """Load shipped weights of clusters of ``n`` particles, or others by name or path.

        Raises:
            InputError: missing or damaged files, weights of another number of particles, of the other
                region, of another window, or of different slices.
        """
        networks = {}
        for region, name in zip(REGIONS, (barrel, endcap), strict=True):
            network = MixtureNetwork.load(name or f"{PARTICLES[n]}-{region}", SET)
            found = (network.n, network.description["region"])
            if found != (n, region):
                raise InputError(
                    f"{network.name}: is for clusters of {found[0]} particles in the {found[1]} and was given for "
                    f"{n} in the {region}; give others (smartpix train mixture --particles {n})"
                )
            networks[region] = network
        check_alike(networks)
        return cls(networks)

    def components(
        self,
        clusters: FlatClusters,
        rows: npt.NDArray[np.int64],
        detector: Detector,
        field: float | None = None,
    ) -> Components:
        """Particles of the clusters ``rows`` (R,), as of :meth:`MixtureNetwork.components`."""
        n = next(iter(self.networks.values())).n
        found = Components(
            np.empty((len(rows), n, 4)), np.empty((len(rows), n, 4, 4)), np.ones((len(rows), n))
        )
        barrel = detector.barrel[clusters.module[rows]]
        for region, here in zip(REGIONS, (barrel, ~barrel), strict=True):
            chosen = np.flatnonzero(here)
            if len(chosen):
                part = self.networks[region].components(clusters, rows[chosen], detector, field)
                found.mean[chosen], found.cholesky[chosen] = part.mean, part.cholesky
        return found
