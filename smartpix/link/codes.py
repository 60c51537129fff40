"""What every code of the link takes and gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from smartpix.clusters import FlatClusters
from smartpix.geometry import Detector
from smartpix.link.images import Adc, Boxes, boxes_of, code_images

__all__ = ["PLACE_BITS", "Code", "CodedClusters", "Sent", "coded"]

Ints = npt.NDArray[np.int64]

PLACE_BITS = 22
"""Row and column of the window on its module, up to 2,048 of each: every code sends them, and none counts
them.
"""


@dataclass(frozen=True)
class CodedClusters:
    """N clusters as the chip has them.

    Attributes:
        clusters: with the slices of the estimates.
        codes: (N, S, rows, columns) of the ADC in their windows.
        boxes: their bounding boxes.
        barrel: (N,) whether they are in the barrel.
        adc: the ADC.
    """

    clusters: FlatClusters
    codes: npt.NDArray[np.int8]
    boxes: Boxes
    barrel: npt.NDArray[np.bool_]
    adc: Adc

    def __len__(self) -> int:
        return len(self.codes)


def coded(clusters: FlatClusters, detector: Detector, adc: Adc) -> CodedClusters:
    """Clusters as the chip has them."""
    return CodedClusters(
        clusters, code_images(clusters, adc), boxes_of(clusters), detector.barrel[clusters.module], adc
    )


@dataclass(frozen=True)
class Sent:
    """What a code made of N clusters.

    Attributes:
        charge: (N, S, rows, columns) in e, as the host decodes it.
        bits: (N,) that were sent in a format of fixed fields, without the place on the module.
        arithmetic_bits: (N,) the same content in an arithmetic code with static tables.
    """

    charge: npt.NDArray[np.float32]
    bits: Ints
    arithmetic_bits: Ints


Code = Callable[[CodedClusters], Sent]
"""A code: it sends clusters, and the host decodes them."""
