"""Estimates by mixture density networks, of floating point or of the chip's whole numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.chip.fixed_point import LinkFormat, link_format
from smartpix.chip.fixed_point import from_arrays as fixed_from_arrays
from smartpix.chip.fused import FusedFixedNetwork, fuse_fixed
from smartpix.clusters import FlatClusters, pixel_lists
from smartpix.estimate.base import Estimate, thickness_in_pitches, window_center, with_room
from smartpix.estimate.descriptions import load_network_weights
from smartpix.estimate.finish import Finishing, in_blocks, tables_of
from smartpix.geometry import Detector
from smartpix.networks.fused import FusedNetwork, check_images, fuse
from smartpix.networks.lists import PixelLists
from smartpix.notebook import words_and_table
from smartpix.outlines import outlines_of
from smartpix.schema import N_COLUMNS, N_ROWS, REGIONS, TARGET_SCALE, InputError, check

__all__ = ["MdnEstimator", "MdnNetwork", "shapes_of_images"]

Floats = npt.NDArray[np.float64]

TRUNCATED_SCALE = 3.0
"""Factor on the sigmas of truncated clusters where none was measured."""


@words_and_table
@dataclass(frozen=True)
class MdnNetwork:
    """One trained network with its calibration, ready to run.

    Attributes:
        fused: the network's kernels, of floating point or of whole numbers; arrays: the same weights by their
            names.
        description: what is known of it; ``calibration``, ``truncated_scale`` and ``length`` are used if they
            are there, as in files they must be.
        name: of the weights, for messages.
    """

    fused: FusedNetwork | FusedFixedNetwork
    description: Mapping[str, Any]
    arrays: Mapping[str, npt.NDArray[Any]]
    name: str = "weights"

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, npt.NDArray[Any]], description: Mapping[str, Any], name: str = "weights"
    ) -> MdnNetwork:
        """From a torch module's arrays by name, or those of whole numbers, and the description saved with
        them.

        ``link`` in the description gives the formats of the outputs on the link.
        """
        if "fixed" in description:
            link = (
                tuple(LinkFormat(**fields) for fields in description["link"])
                if "link" in description
                else None
            )
            return cls(
                fuse_fixed(fixed_from_arrays(arrays, description["fixed"], name), link),
                description,
                arrays,
                name,
            )
        return cls(fuse(arrays, description["network"]), description, arrays, name)

    @classmethod
    def load(cls, name: str) -> MdnNetwork:
        """Shipped weights by name, or others by path.

        Raises:
            InputError: as :func:`smartpix.estimate.descriptions.load_network_weights`.
        """
        return cls.from_arrays(*load_network_weights(name, "mdn", "fixed"), name)

    def on_link(self, bits: int) -> MdnNetwork:
        """The same network with its outputs sent in ``bits`` bits each; 0: as they are.

        Raises:
            InputError: it is of floating point, or the number of bits is out of range.
        """
        if bits == 0:
            return self
        if not isinstance(self.fused, FusedFixedNetwork):
            raise InputError(
                f"link_bits: {bits} were asked for, and floating-point estimates are not sent over the link; "
                f"use quantised"
            )
        check("estimates", "link_bits", bits, 2 <= bits <= 16, "0, or 2 to 16")
        last = self.fused.network.outputs["dense3"]
        formats = [
            link_format(bits, low, high, last.fraction) for low, high in self.description["output_range"]
        ]
        return MdnNetwork.from_arrays(
            self.arrays, {**self.description, "link": [asdict(f) for f in formats]}, self.name
        )

    @property
    def on_chip(self) -> bool:
        """Whether it is a network of whole numbers. The host then has a cluster's outputs and no pixels."""
        return isinstance(self.fused, FusedFixedNetwork)

    @property
    def cells(self) -> tuple[float, float]:
        """The sensor's thickness in pitches along x and y."""
        return thickness_in_pitches(self.description["sensor"])

    def predict_images(
        self, images: npt.NDArray[np.float32], truncated: npt.NDArray[np.bool_] | None = None
    ) -> tuple[Floats, Floats]:
        """Estimates from (N, S, R, C) charge in e.

        Returns:
            (N, 4) means, x and y in mm from the window's centre; (N, 4, 4) Cholesky factors.
        """
        check_images(images, self.fused.shape)
        lists = pixel_lists(images)
        outlines = outlines_of(*lists)
        shape = None if self.on_chip else outlines.shape
        return self.finish(self.fused.pixels(*lists), shape, truncated, ~outlines.readable)

    def predict_into(
        self,
        mean: Floats,
        cholesky: Floats,
        clusters: FlatClusters,
        origin: npt.NDArray[np.int64],
        rows: npt.NDArray[np.int64],
    ) -> None:
        """Fill ``mean`` (N, 4) and ``cholesky`` (N, 4, 4) for the clusters of ``rows`` with estimates as of
        predict_images; ``origin`` (N, 2) of all.
        """
        outlines, charge = clusters.outlines, np.ascontiguousarray(clusters.charge, dtype=np.float32)
        lists = PixelLists(
            clusters.first, clusters.counts, clusters.row, clusters.column, charge, origin, outlines.box
        )
        rows = lists.by_size(rows, *self.fused.shape[1:])
        raw = self.fused.outputs(lists, rows)
        shape = None if self.on_chip else outlines.shape
        self.finishing.into(mean, cholesky, raw, rows, shape, clusters.truncated, ~outlines.readable)

    def finish(
        self,
        raw: npt.NDArray[Any],
        shape: Floats | None,
        truncated: npt.NDArray[np.bool_] | None = None,
        bad: npt.NDArray[np.bool_] | None = None,
    ) -> tuple[Floats, Floats]:
        """Estimates from raw outputs (N, 14) and shapes (N, 3): positive diagonal, units, calibration.

        A chip's clusters have no shapes, since the host gets the 14 outputs and whether the cluster was
        truncated. What the link cuts off the means is added to the covariance.

        The covariance is wide for ``truncated`` clusters, and as wide as can be for ``bad`` ones. If the
        training saw clusters longer than the window, cot alpha of such clusters follows from their length.
        """
        mean, cholesky = np.empty((len(raw), 4)), np.empty((len(raw), 4, 4))
        if len(raw):
            self.finishing.into(mean, cholesky, in_blocks(raw), shape=shape, truncated=truncated, bad=bad)
        return mean, cholesky

    @cached_property
    def finishing(self) -> Finishing:
        """What makes estimates of raw outputs."""
        known, length, added = self.description, self.description.get("length"), None
        if isinstance(self.fused, FusedFixedNetwork) and self.fused.link is not None:
            # The variance of an even distribution over one step.
            added = tuple(((self.fused.link_steps()[0:8:2] * np.array(TARGET_SCALE)) ** 2 / 12).tolist())
        return Finishing(
            tables_of(known["calibration"]) if "calibration" in known else None,
            self.cells,
            tuple(known.get("truncated_scale", [TRUNCATED_SCALE] * 4)),
            None if length is None else (self.fused.shape[2], length["offset"], length["sigma"]),
            added,
        )


def shapes_of_images(images: npt.NDArray[np.float32]) -> Floats:
    """(N, 3) as :func:`smartpix.estimate.calibrate.cluster_shapes`, of images (N, S, R, C)."""
    return outlines_of(*pixel_lists(images)).shape


@words_and_table
@dataclass(frozen=True)
class MdnEstimator:
    """The mixture density network, one set of weights for the barrel and one for the end-caps.

    Drift in the magnetic field shears barrel clusters and not those of the end-caps, hence two sets.
    """

    networks: Mapping[str, MdnNetwork]

    @classmethod
    def load(cls, barrel: str = "mdn-barrel", endcap: str = "mdn-endcap", link_bits: int = 0) -> MdnEstimator:
        """Load shipped weights by name, or others by path; ``link_bits`` as for :meth:`MdnNetwork.on_link`.

        Raises:
            InputError: missing or damaged files, weights of another architecture, of the other region or of
                another window, or of different slices.
        """
        named = zip(REGIONS, (barrel, endcap), strict=True)
        networks = {region: MdnNetwork.load(name).on_link(link_bits) for region, name in named}
        for region, network in networks.items():
            trained = network.description["region"]
            if trained != region:
                raise InputError(
                    f"{network.name}: was trained on clusters of the {trained} and is given for the "
                    f"{region}; "
                    "give the pair the other way round, or others"
                )
            shape = network.fused.shape[1:]
            if shape != (N_ROWS, N_COLUMNS):
                raise InputError(
                    f"{network.name}: takes images of {shape} pixels; events need those for "
                    f"{(N_ROWS, N_COLUMNS)}"
                )
        slices = [network.description["slices"] for network in networks.values()]
        if slices[0] != slices[1]:
            raise InputError(
                f"{barrel}, {endcap}: were trained on different slices, {slices[0]} and {slices[1]}; use a "
                f"pair of the same"
            )
        return cls(networks)

    @property
    def descriptions(self) -> Mapping[str, Mapping[str, Any]]:
        """What is known of the networks, by region."""
        return {region: network.description for region, network in self.networks.items()}

    @property
    def names(self) -> Mapping[str, str]:
        """Of the networks' weights, by region."""
        return {region: network.name for region, network in self.networks.items()}

    @property
    def slices(self) -> Sequence[int]:
        """Time slices the network was trained on."""
        return tuple(next(iter(self.networks.values())).description["slices"])

    def predict(self, clusters: FlatClusters, detector: Detector) -> Estimate:
        """Estimates of all clusters, in their order."""
        mean, cholesky = with_room(len(clusters), 4), with_room(len(clusters), 4, 4)
        outlines = clusters.outlines
        origin = outlines.origin
        barrel = detector.barrel[clusters.module]
        for region, chosen in zip(REGIONS, (barrel, ~barrel), strict=True):
            rows = np.flatnonzero(chosen)
            if len(rows):
                self.networks[region].predict_into(mean, cholesky, clusters, origin, rows)
        mean[:, :2] += window_center(origin, clusters.module, detector)
        return Estimate(mean, cholesky, clusters.truncated | ~outlines.readable)
