"""Clusters of simulated events for the codes of the link, all regions together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from smartpix.clusters import FlatClusters, flatten
from smartpix.io.events import Header, iterate
from smartpix.schema import InputError

__all__ = ["link_clusters"]


def link_clusters(
    files: Sequence[Path], slices: Sequence[int], limit: int = 0, seed: int = 0
) -> tuple[FlatClusters, Header]:
    """Clusters of events, and the header of the first file.

    Args:
        slices: which are taken.
        limit: most clusters, drawn with the seed; 0: all.

    Raises:
        InputError: unusable files, ones without clusters, or of other detectors than the first.
    """
    parts, header = [], None
    for opened, records in iterate(list(files), step=1):
        header = header or opened.header
        if len(opened.header.detector) != len(header.detector) or opened.header.field != header.field:
            raise InputError(
                f"{opened.path}: is of another detector or field than {files[0]}; give files of one"
            )
        parts.append(flatten(records[0]["clusters"], slices))
    if header is None or not sum(map(len, parts)):
        raise InputError(f"{files[0]}: has no clusters; give files of events with some")
    clusters = joined(parts)
    if limit and limit < len(clusters):
        chosen = np.random.default_rng(seed).permutation(len(clusters))[:limit]
        clusters = clusters.take(np.sort(chosen))
    return clusters, header


def joined(parts: Sequence[FlatClusters]) -> FlatClusters:
    """Clusters of several events, one after the other."""
    counts = np.concatenate([part.counts for part in parts])
    columns = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("module", "truncated", "local", "row", "column", "charge")
    }
    return FlatClusters(first=np.cumsum(counts) - counts, counts=counts, **columns)
