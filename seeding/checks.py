"""What a search refuses: compiled code would read beyond arrays, and one bad hit spoil its neighbours'
search.
"""

from __future__ import annotations

import numpy as np

from seeding.constants import LARGEST, SINGULAR, STEEPEST
from seeding.hits import Hits, check_modules
from smartpix.geometry import Detector, Layers
from smartpix.layers import LayerPairs
from smartpix.schema import InputError, check, check_field

__all__ = ["check_hits", "check_search"]


def check_search(detector: Detector, pairs: LayerPairs, field: float, threads: int = 1) -> None:
    """Check what a search is given besides its hits.

    Raises:
        InputError: layer pairs of another detector, or a field or number of threads that cannot be.
    """
    check_field("edges", field)
    check("edges", "threads", threads, threads >= 1, "at least 1")
    _check_pairs(pairs, detector.layers)


def check_hits(hits: Hits, detector: Detector) -> None:
    """Check that hits can be of this detector, and are finite.

    Raises:
        InputError: they are not; the line names the first of them.
    """
    check_modules(hits, detector, "edges")
    # What is no number fails every comparison below: one test finds all.
    aa, ab, bb = hits.cot_covariance.T
    good = (np.abs(hits.position) <= LARGEST).all(axis=1) & (np.abs(hits.cot) <= STEEPEST).all(axis=1)
    good &= (aa > 0) & (aa * bb - ab * ab > SINGULAR * aa * bb) & (aa + bb <= STEEPEST**2)
    if not good.all():
        row = int(np.argmin(good))
        raise InputError(
            f"edges: hit {hits.hit_id[row]} (row {row}; {int(np.sum(~good))} such hits) has the position "
            f"{hits.position[row]}, "
            f"the slopes {hits.cot[row]} and their covariance {hits.cot_covariance[row]}; all must be finite "
            f"(positions to "
            f"{LARGEST:g} mm, slopes and their sigmas to {STEEPEST:g}) and the covariance positive definite: "
            "estimate its cluster again or leave it out"
        )


def _check_pairs(pairs: LayerPairs, layers: Layers) -> None:
    n_layers, gap = len(layers), pairs.skipped[pairs.skipped >= 0]
    for name, least in (("inner", 0), ("outer", 0), ("skipped", -2)):
        rows = getattr(pairs, name)
        bad = rows[(rows < least) | (rows >= n_layers)]
        if len(rows) != len(pairs) or len(bad):
            raise InputError(
                f"edges: the layer pairs have {len(rows)} {name} layers for {len(pairs)} pairs, "
                f"{bad[:3].tolist()} among them, "
                f"and the detector has {n_layers}, numbered from 0; give smartpix.layers.layer_pairs of this "
                f"detector"
            )
    if not np.all(layers.gap_high[gap] > layers.gap_low[gap]):
        raise InputError(
            f"edges: a layer pair goes through the gap of a layer of {sorted(set(gap.tolist()))} and one of "
            f"those has none; "
            "give smartpix.layers.layer_pairs of this detector"
        )
