"""Files of single clusters, without events, as tables of parquet in the layout of the public data sets.

PixelAV's text gives a whole data set with labels. The public TFRecords for filters give the last slice with
their own labels: which class a cluster is of, and where its module is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from smartpix.convert.pixelav import is_pixelav, read_pixelav
from smartpix.convert.tfrecord_files import examples, is_tfrecord
from smartpix.files import check_writable
from smartpix.io.cluster_write import write_clusters
from smartpix.provenance import origin
from smartpix.schema import InputError
from smartpix.tables import parquet_writer

__all__ = ["CLUSTER_FORMATS", "FilterClusters", "cluster_format", "convert_clusters", "read_filter_clusters"]

CLUSTER_FORMATS = {"pixelav": "clusters of PixelAV (text)", "tfrecord": "smart-pixel clusters (TFRecord)"}
"""Formats of files of single clusters, and what messages call them."""
IMAGE, CLASS, LAST_SLICE = "cluster", "y", 19
RENAMED = {CLASS: "class", "y_local": "y-local", "z_global": "z-global"}
"""Features of the public TFRecords, and what their columns are called here."""


FilterClusters = dict[str, npt.NDArray[Any]]
"""Columns of clusters for filters: ``charge`` (N, R, C) in e, and the other features (N,) by name."""


def cluster_format(path: Path) -> str | None:
    """Which format of :data:`CLUSTER_FORMATS` a file has; None: none of these."""
    if not path.is_file():
        return None
    if is_pixelav(path):
        return "pixelav"
    return "tfrecord" if path.suffix in (".tfrecord", ".tfrecords") and is_tfrecord(path) else None


def read_filter_clusters(path: Path) -> FilterClusters:
    """Clusters of a TFRecord of batches: image, class, and all features with one number a cluster.

    Pixels hold sign(q) log2(1 + abs(q)) of the charge q in e after the last slice, which is turned back.

    Raises:
        InputError: the file is damaged, or its features are none of these.
    """
    parts: list[dict[str, Any]] = []
    for number, example in enumerate(examples(path)):
        where = f"{path}: record {number}"
        if IMAGE not in example or CLASS not in example:
            raise InputError(
                f"{where}: has the features {', '.join(sorted(example))}; expected '{IMAGE}' and '{CLASS}' of the public "
                "smart-pixel filters"
            )
        image = example[IMAGE].astype(np.float64)
        image = image[..., 0] if image.ndim == 4 and image.shape[3] == 1 else image
        n = len(image)
        if image.ndim != 3 or n == 0 or not np.all(np.isfinite(image)):
            raise InputError(
                f"{where}: '{IMAGE}' has the shape {example[IMAGE].shape}; expected images (N, 13, 21)"
            )
        columns: dict[str, Any] = {"charge": np.sign(image) * (np.exp2(np.abs(image)) - 1.0)}
        for name, values in example.items():
            if name != IMAGE and values.size == n:
                columns[RENAMED.get(name, name)] = values.reshape(n)
        if parts and list(columns) != list(parts[0]):
            raise InputError(f"{where}: has other features than the first record; give files of one data set")
        parts.append(columns)
    if not parts:
        raise InputError(f"{path}: has no records; copy or make the file again")
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def convert_clusters(path: Path, kind: str, output: Path) -> dict[str, Any]:
    """Write the clusters of a file as a table of parquet.

    Returns:
        ``kind``, ``source``, ``n_clusters``, ``slices``, ``n_rows``, ``n_columns``, ``labels``.

    Raises:
        InputError: the file cannot be read, or the output is no ``.parquet``.
    """
    if output.suffix != ".parquet":
        raise InputError(
            f"{output}: {path.name} holds {CLUSTER_FORMATS[kind]}, without events; give the output a name that ends in "
            ".parquet"
        )
    check_writable(output, [path])
    made_by = {"command": f"smartpix convert {kind}", "source": path.name}
    if kind == "pixelav":
        clusters, sensor = read_pixelav(path)
        n, labels = write_clusters(output, clusters, made_by, sensor), list(clusters.labels)
        slices, shape = clusters.slices, clusters.charge.shape[2:]
    else:
        columns = read_filter_clusters(path)
        charge = columns["charge"]
        labels = [name for name in columns if name != "charge"]
        slices, shape, n = (LAST_SLICE,), charge.shape[1:], len(charge)
        _write_filter(output, columns, labels, made_by)
    return {
        "kind": kind, "source": str(path), "n_clusters": n, "slices": list(slices), "n_rows": shape[0],
        "n_columns": shape[1], "labels": labels,
    }  # fmt: skip


def _write_filter(output: Path, columns: FilterClusters, labels: list[str], made_by: dict[str, Any]) -> None:
    """Image columns and labels; these are not the public data sets', so that networks are not trained on
    them.
    """
    charge = columns["charge"].astype(np.float32)
    images = charge.reshape(len(charge), -1)
    types = {str(k): pa.float32() for k in range(images.shape[1])} | dict.fromkeys(labels, pa.float64())
    metadata = {
        "format": "smartpix clusters", "version": 1, "slices": [LAST_SLICE], "shape": list(charge.shape[1:]),
        "sensor": None, "made_by": made_by, "provenance": origin(),
    }  # fmt: skip
    with parquet_writer(output, types, metadata) as add:
        add({str(k): images[:, k] for k in range(images.shape[1])} | {name: columns[name] for name in labels})
