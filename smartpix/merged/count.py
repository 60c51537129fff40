"""How many particles made a cluster: probabilities of one, two, and three or more, by a small network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.chip.fixed_point import from_arrays as fixed_from_arrays
from smartpix.chip.fused import FusedFixedNetwork, fuse_fixed
from smartpix.clusters import FlatClusters, pixel_lists
from smartpix.compiled import FAST, njit
from smartpix.geometry import Detector
from smartpix.merged.descriptions import check_alike, load_count_weights
from smartpix.merged.samples import MOST_PARTICLES
from smartpix.mirror import is_opposite, mirrored
from smartpix.networks.fused import FusedNetwork, check_images, fuse
from smartpix.networks.fused_blocks import BLOCK
from smartpix.networks.lists import PixelLists
from smartpix.outlines import outlines_of
from smartpix.schema import REGIONS, InputError, check

__all__ = ["CountNetwork", "CountNetworks", "finish_counts"]

Singles = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]

OF_ONE = (1.0, 0.0, 0.0)
"""Probabilities of a cluster that is not split."""


@dataclass(frozen=True)
class CountNetwork:
    """One trained network with its calibration, ready to run.

    Attributes:
        fused: the network's kernels, of floating point or of whole numbers.
        description: what is known of it; ``scaling`` makes calibrated probabilities of its outputs, for
            clusters of which the shares ``mixture`` are of one, two and three particles.
        name: of the weights, for messages.
    """

    fused: FusedNetwork | FusedFixedNetwork
    description: Mapping[str, Any]
    name: str = "weights"

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, npt.NDArray[Any]], description: Mapping[str, Any], name: str = "weights"
    ) -> CountNetwork:
        """From a torch module's arrays by name, or those of whole numbers, and the description saved with
        them.
        """
        if "fixed" in description:
            return cls(fuse_fixed(fixed_from_arrays(arrays, description["fixed"], name)), description, name)
        return cls(fuse(arrays, description["network"]), description, name)

    @classmethod
    def load(cls, name: str) -> CountNetwork:
        """Shipped weights by name, or others by path.

        Raises:
            InputError: as :func:`smartpix.merged.descriptions.load_count_weights`.
        """
        return cls.from_arrays(*load_count_weights(name), str(name))

    @property
    def mixture(self) -> tuple[float, ...]:
        """Shares of clusters of one, two and three particles for which the probabilities are right."""
        return tuple(self.description["mixture"])

    def probabilities(
        self, clusters: FlatClusters, rows: Rows, prior: Sequence[float] | None = None
    ) -> Singles:
        """Probabilities (len(rows), 3) that one, two, or three and more particles made the clusters ``rows``.

        A cluster with charges that are not finite counts as of one: nothing is known of it.

        Args:
            clusters: with the network's slices, in a field of the training's sign.
            prior: shares of clusters of one, two and three particles among those that are asked about; None:
                those of :attr:`mixture`. In ordinary events nearly all are of one; what a network trained on
                equal shares says is shifted by the ratio of the odds (M. Saerens et al., Neural Computation
                14 (2002) 21).

        Raises:
            InputError: other slices than the network's, or a prior that is none.
        """
        # The kernels encode all pixels of the lists they are given, and few clusters are asked about.
        return self.of_all(clusters.take(rows), prior)

    def of_all(self, clusters: FlatClusters, prior: Sequence[float] | None = None) -> Singles:
        """Probabilities (C, 3) of all the clusters, as of :meth:`probabilities`."""
        found = np.empty((len(clusters), MOST_PARTICLES), dtype=np.float32)
        if len(clusters) == 0:
            return found
        outlines, charge = clusters.outlines, np.ascontiguousarray(clusters.charge, dtype=np.float32)
        lists = PixelLists(
            clusters.first, clusters.counts, clusters.row, clusters.column, charge, outlines.origin,
            outlines.box,
        )  # fmt: skip
        ordered = lists.by_size(np.arange(len(clusters)), *self.fused.shape[1:])
        raw = self.fused.outputs(lists, ordered)
        finish_counts(np.asarray(raw, dtype=np.float32), ordered, *self._scaling(prior), found)
        found[~outlines.readable] = OF_ONE
        return found

    def of_images(self, images: npt.NDArray[np.float32], prior: Sequence[float] | None = None) -> Singles:
        """Probabilities (N, 3) as of :meth:`probabilities`, of (N, S, R, C) charge in e."""
        check_images(images, self.fused.shape)
        weight, bias = self._scaling(prior)
        lists = pixel_lists(images)
        raw = np.asarray(self.fused.pixels(*lists), dtype=np.float64)
        scores = raw @ weight.T.astype(np.float64) + bias
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        found = np.asarray(scores / scores.sum(axis=1, keepdims=True), dtype=np.float32)
        found[~outlines_of(*lists).readable] = OF_ONE
        return found

    def _scaling(self, prior: Sequence[float] | None) -> tuple[Singles, Singles]:
        """Weights (3, 3) and biases (3,) that make the logarithms of the odds of the outputs."""
        scaling = self.description["scaling"]
        weight, bias = np.array(scaling["weight"]), np.array(scaling["bias"])
        if prior is not None:
            good = len(prior) == MOST_PARTICLES and all(0 < p <= 1 for p in prior)
            check("count", "prior", prior, good, "three shares above 0, of one, two and three particles")
            bias = bias + np.log(np.array(prior) / np.array(self.mixture))
        return weight.astype(np.float32), bias.astype(np.float32)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def finish_counts(raw: Any, rows: Any, weight: Any, bias: Any, found: Any) -> None:
    """Fill ``found`` (N, 3) for the clusters ``rows`` (R,) with the softmax of ``weight`` (3, 3) times raw
    outputs (B, 3, BLOCK) plus ``bias`` (3,).
    """
    for i in range(len(rows)):
        b, k = i // BLOCK, i % BLOCK
        one = (
            bias[0] + weight[0, 0] * raw[b, 0, k] + weight[0, 1] * raw[b, 1, k] + weight[0, 2] * raw[b, 2, k]
        )
        two = (
            bias[1] + weight[1, 0] * raw[b, 0, k] + weight[1, 1] * raw[b, 1, k] + weight[1, 2] * raw[b, 2, k]
        )
        more = (
            bias[2] + weight[2, 0] * raw[b, 0, k] + weight[2, 1] * raw[b, 1, k] + weight[2, 2] * raw[b, 2, k]
        )
        largest = max(one, max(two, more))
        e1, e2, e3 = np.exp(one - largest), np.exp(two - largest), np.exp(more - largest)
        total = e1 + e2 + e3
        found[rows[i], 0], found[rows[i], 1], found[rows[i], 2] = e1 / total, e2 / total, e3 / total


@dataclass(frozen=True)
class CountNetworks:
    """A network for the barrel and one for the end-caps: drift shears clusters of the barrel only."""

    networks: Mapping[str, CountNetwork]

    @classmethod
    def load(cls, barrel: str = "count-barrel", endcap: str = "count-endcap") -> CountNetworks:
        """Load shipped weights by name, or others by path.

        Raises:
            InputError: missing or damaged files, or weights of the other region, of another window, or of
                different slices.
        """
        networks = {
            region: CountNetwork.load(name) for region, name in zip(REGIONS, (barrel, endcap), strict=True)
        }
        for region, network in networks.items():
            trained = network.description["region"]
            if trained != region:
                raise InputError(
                    f"{network.name}: was trained on clusters of the {trained} and is given for the "
                    f"{region}; give the pair the other way round, or others"
                )
        check_alike(networks)
        return cls(networks)

    @property
    def slices(self) -> tuple[int, ...]:
        """Time slices they were trained on."""
        return tuple(next(iter(self.networks.values())).description["slices"])

    def probabilities(
        self,
        clusters: FlatClusters,
        rows: Rows,
        detector: Detector,
        prior: Sequence[float] | None = None,
        field: float | None = None,
    ) -> Singles:
        """Probabilities (len(rows), 3) as of :meth:`CountNetwork.probabilities`, each cluster by the network
        of its region.

        Args:
            field: along z in T; None: that of the training. In the opposite one, the clusters' mirror images
                are asked about (:mod:`smartpix.mirror`).
        """
        found = np.empty((len(rows), MOST_PARTICLES), dtype=np.float32)
        barrel = detector.barrel[clusters.module[rows]]
        for region, chosen in zip(REGIONS, (barrel, ~barrel), strict=True):
            if not chosen.any():
                continue
            network, some = self.networks[region], clusters.take(rows[chosen])
            if is_opposite(field, network.description["sensor"]):
                some, _ = mirrored(some, detector)
            found[chosen] = network.of_all(some, prior)
        return found
