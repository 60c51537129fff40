"""Splitting by networks, and the choice of these for a file: they must be trained for its sensor, slices and
conditions.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from smartpix.clusters import FlatClusters
from smartpix.estimate.base import Estimate, Estimator, same_sensor, sensor_of, sensor_words
from smartpix.estimate.conditions import training_differs
from smartpix.estimate.mdn import MdnEstimator
from smartpix.io.events import Header
from smartpix.merged.count import CountNetworks
from smartpix.merged.crowds import crowded, expected_numbers
from smartpix.merged.descriptions import OfRegion
from smartpix.merged.mixture import PARTICLES, ParticleNetworks
from smartpix.merged.options import SplitOptions
from smartpix.merged.split import with_parts
from smartpix.merged.suspects import suspects
from smartpix.schema import REGIONS, InputError

__all__ = ["NOT_ALL_PIXELS", "NetworkSplitter", "choose_splitter", "misfit", "parts_of", "reads_all_pixels"]

log = logging.getLogger(__name__)

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
ByRegion = Mapping[str, OfRegion]
T = TypeVar("T")


@dataclass(frozen=True)
class NetworkSplitter:
    """Asks networks how many particles made the suspects of crowded places, and where each crossed.

    Attributes:
        counts: of the numbers of particles; particles: of two and of three particles.
    """

    counts: CountNetworks
    particles: Mapping[int, ParticleNetworks]
    options: SplitOptions

    def __call__(self, clusters: FlatClusters, header: Header, lone: Estimate) -> tuple[Estimate, Ints]:
        """Estimates and cluster rows as of :class:`smartpix.merged.split.Splitter`."""
        detector = header.detector
        among, n_near = crowded(
            clusters.module, lone.mean, detector, self.options.cell, self.options.neighbours
        )
        readable = clusters.outlines.readable[among] & ~clusters.bare[among]
        among, n_near = among[readable], n_near[readable]
        rows = suspects(clusters, lone, detector, among=among)
        chance = self.probabilities(clusters, rows, n_near[np.searchsorted(among, rows)], header)
        n_parts, is_shared = parts_of(chance, self.options)
        several = np.flatnonzero(n_parts > 1)
        rows, n_parts, is_shared = rows[several], n_parts[several], is_shared[several]
        # Rows of each cluster's hits among all of these.
        first = np.cumsum(n_parts) - n_parts
        of = np.repeat(rows, n_parts)
        mean, cholesky = lone.mean[of], lone.cholesky[of]
        for n, networks in self.particles.items():
            chosen = np.flatnonzero(~is_shared & (n_parts == n))
            if len(chosen) == 0:
                continue
            found = networks.components(clusters, rows[chosen], detector, header.field)
            for k in range(n):
                mean[first[chosen] + k] = found.mean[:, k]
                cholesky[first[chosen] + k] = found.cholesky[:, k]
        return with_parts(lone, rows, n_parts, mean, cholesky)

    def probabilities(self, clusters: FlatClusters, rows: Ints, n_near: Ints, header: Header) -> Floats:
        """(R, 3) that one, two, and three or more particles made the clusters ``rows`` (R,) with so many
        others around them.
        """
        barrel = header.detector.barrel[clusters.module[rows]]
        chance = self.counts.probabilities(clusters, rows, header.detector, field=header.field)
        # A network's are right for its own shares: the odds shift with those of the place.
        of_barrel, of_endcap = (np.array(self.counts.networks[region].mixture) for region in REGIONS)
        mixture = np.where(barrel[:, None], of_barrel, of_endcap)
        prior = expected_numbers(n_near, self.options.cell, self.options.area)
        weighted = chance * (prior / mixture)
        return np.asarray(weighted / weighted.sum(axis=1, keepdims=True))


def parts_of(chance: npt.NDArray[Any], options: SplitOptions) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """How many hits clusters give, and which of them share one estimate, of probabilities (R, 3) that one,
    two, and three or more particles made them.
    """
    several = chance[:, 1] + chance[:, 2]
    split = several > options.split
    shared = ~split & (several > options.share)
    three = split & (chance[:, 2] > options.three * several)
    return np.where(three, 3, np.where(split | shared, 2, 1)), shared


def misfit(networks: ByRegion, header: Header, slices: Sequence[int]) -> str:
    """In what networks, by region, do not fit a file and the slices of its clusters: sensor, slices, and
    conditions that are too far from the training's. Empty: they fit.
    """
    described = _Described.of(networks)
    for region, sensor in sensor_of(header.detector, header.field).items():
        if region not in networks:
            continue
        trained, name = described.descriptions[region], described.names[region]
        # In the opposite field, clusters are mirror images.
        fields = [sensor | {"field": sign * header.field} for sign in (1, -1)]
        if not any(same_sensor(trained["sensor"], turned) for turned in fields):
            return f"{name} was trained for another sensor, {sensor_words(trained['sensor'])}"
        if tuple(trained["slices"]) != tuple(slices):
            return f"{name} was trained on other slices than the estimates, {tuple(trained['slices'])}"
    return "; ".join(training_differs(header, described, 2))


@dataclass(frozen=True)
class _Described:
    """Networks of one task, by region, as :func:`smartpix.estimate.conditions.training_differs` reads
    them.
    """

    descriptions: Mapping[str, Mapping[str, Any]]
    names: Mapping[str, str]

    @classmethod
    def of(cls, networks: ByRegion) -> _Described:
        """Those of networks."""
        known = {region: network.description for region, network in networks.items()}
        return cls(known, {region: network.name for region, network in networks.items()})

    @property
    def slices(self) -> Sequence[int]:
        """Time slices they were trained on."""
        return tuple(next(iter(self.descriptions.values()))["slices"])


NOT_ALL_PIXELS = "estimates are not those of the MDN, which reads all pixels"


def reads_all_pixels(estimator: Estimator) -> bool:
    """Whether estimates are the MDN's in floating point: networks beside it see the same clusters then."""
    return isinstance(estimator, MdnEstimator) and not any(n.on_chip for n in estimator.networks.values())


def choose_splitter(
    header: Header, estimator: Estimator, options: SplitOptions, report: Callable[[str], None] = log.info
) -> NetworkSplitter | None:
    """The splitter for a file whose clusters an estimator estimates; None: clusters are not split.

    Args:
        report: called with the reason, where the mode is ``auto`` and networks do not fit the MDN's file.

    Raises:
        InputError: the mode is ``on`` and the networks do not fit the file or the estimates; or weights that
            cannot be used.
    """
    if options.mode == "off":
        return None
    if not reads_all_pixels(estimator):
        return _unsplit(options, log.info, NOT_ALL_PIXELS)
    counts = _loaded("count", CountNetworks.load, estimator, options)
    particles = {
        n: _loaded(name, partial(ParticleNetworks.load, n), estimator, options)
        for n, name in PARTICLES.items()
    }
    tasks: list[ByRegion] = [counts.networks, *(p.networks for p in particles.values())]
    for networks in tasks:
        if why := misfit(networks, header, estimator.slices):
            return _unsplit(options, report, why)
    return NetworkSplitter(counts, particles, options)


def _loaded(task: str, load: Callable[[str, str], T], estimator: Estimator, options: SplitOptions) -> T:
    """The networks of a task, of both regions; what is wrong with them is told with the options' names."""
    names = [f"{task}_{region}" for region in REGIONS]
    try:
        return load(*(getattr(options, name) for name in names))
    except InputError as error:
        where = " and ".join(f"split.{name}" for name in names)
        raise InputError(f"{where}, for slices {list(estimator.slices)}: {error}") from error


def _unsplit(options: SplitOptions, report: Callable[[str], None], why: str) -> NetworkSplitter | None:
    """None, for a reason that is told."""
    if options.mode == "on":
        raise InputError(
            f"split: clusters of several particles cannot be split: {why}. Set split.mode=auto, or train "
            "such networks (smartpix train count, smartpix train mixture)"
        )
    report(f"clusters of several particles are not split: {why}")
    return None
