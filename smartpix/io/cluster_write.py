"""Writing of cluster tables (parquet); :mod:`smartpix.io.parquet` says what a table holds and reads it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from smartpix.files import replace_when_done
from smartpix.io.checksums import checksum
from smartpix.io.cluster_checksums import METADATA, described_checksums, our_field
from smartpix.io.cluster_metadata import checked_sensor, metadata_text
from smartpix.io.cluster_set import ALL_LABELS, ClusterSet, checked_parts, regroup

__all__ = ["write_clusters"]

ROW_GROUP = 5000
"""Clusters written at a time: 110 MB with 20 slices of 13 x 21 pixels."""


def write_clusters(
    path: str | Path,
    clusters: ClusterSet | Iterable[ClusterSet],
    made_by: Mapping[str, Any],
    sensor: Mapping[str, float] | None = None,
) -> int:
    """Write clusters as one table, whole or not at all; the same clusters give the same bytes, however they
    are chunked.

    Args:
        path: file to make or replace.
        clusters: a set, or parts of one that are taken one after the other and need not fit into memory
            together.
        made_by: how they were made; anything JSON can hold.
        sensor: as in :data:`smartpix.io.cluster_metadata.SENSOR_AND_FIELD`.

    Returns:
        The number of clusters written.

    Raises:
        InputError: the folder cannot be written, there are no clusters, a part differs from the first one in
            slices, shape or labels, or a value is not finite.
    """
    path = Path(path)
    described = None if sensor is None else checked_sensor(path, sensor)
    n_clusters = 0
    # Arrow opens no path that is not UTF-8, Python does.
    with replace_when_done(path) as beside, beside.open("wb") as file:
        parts = checked_parts((clusters,) if isinstance(clusters, ClusterSet) else clusters, str(path))
        first = next(parts)
        names = [name for name in ALL_LABELS if name in first.labels]
        n_images = math.prod(first.charge.shape[1:])
        kinds = {str(k): pa.float32() for k in range(n_images)} | {name: pa.float64() for name in names}
        layout = pa.schema([our_field(k, name, kind) for k, (name, kind) in enumerate(kinds.items())])
        text = metadata_text(first, described, made_by).encode()
        sums: list[list[int]] = []
        rows: list[int] = []
        # Charges are zero or differ: dictionaries would make the file larger, statistics and Arrow's schema
        # only its footer.
        writer = pq.ParquetWriter(
            file, layout, compression="zstd", use_dictionary=False, write_statistics=False,
            store_schema=False,
            write_page_checksum=True,
        )  # fmt: skip
        with writer:
            for group in regroup(chain((first,), parts), ROW_GROUP):
                images = np.concatenate(
                    [part.charge.reshape(len(part), n_images) for part in group], dtype=np.float32
                )
                labels = [
                    np.concatenate([part.labels[name] for part in group], dtype=np.float64) for name in names
                ]
                columns = (*np.ascontiguousarray(images.T), *labels)
                rows.append(len(images))
                sums.append([checksum(column) for column in columns])
                arrays = [pa.array(column) for column in columns]
                writer.write_table(pa.Table.from_arrays(arrays, schema=layout), row_group_size=ROW_GROUP)
                n_clusters += len(images)
            writer.add_key_value_metadata(
                {METADATA: text, **described_checksums(text, list(kinds), rows, sums)}
            )
    return n_clusters
