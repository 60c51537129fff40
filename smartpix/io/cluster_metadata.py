"""What a cluster table (parquet) says about itself: JSON in its footer, under the key ``smartpix``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from smartpix.io.checksums import ALGORITHM
from smartpix.io.cluster_set import ClusterSet
from smartpix.provenance import origin
from smartpix.rules import check_json, fields, items, nullable, optional, parse_checked, real, whole
from smartpix.schema import STRONGEST_FIELD, InputError

__all__ = ["SENSOR_AND_FIELD", "checked_sensor", "metadata_text", "read_metadata"]

FORMAT, VERSION = "smartpix clusters", 1
MOST = 1_000_000
"""Rows, columns and slices: a parquet table with so many columns cannot be read."""

SENSOR_AND_FIELD = {"pitch_x": "mm", "pitch_y": "mm", "thickness": "mm", "field": "T"}
"""What a table may say about the sensor and the magnetic field it is in, with units."""

_LENGTH = real(above=0)
_SENSOR = fields(
    {
        "pitch_x": _LENGTH, "pitch_y": _LENGTH, "thickness": _LENGTH,
        "field": real(-STRONGEST_FIELD, STRONGEST_FIELD),
    },
    more=True,
)  # fmt: skip
_CONTENT = fields(
    {
        "slices": items(whole(0, MOST), 1, different=True),
        "shape": items(whole(1, MOST), 2, 2),
        "sensor": nullable(_SENSOR),
        "made_by": fields({}, more=True),
        "provenance": optional(fields({}, more=True)),
    },
    more=True,
)


def metadata_text(first: ClusterSet, sensor: Mapping[str, float] | None, made_by: Mapping[str, Any]) -> str:
    """The metadata of a table.

    Args:
        first: clusters of the table.
        sensor: as in :data:`SENSOR_AND_FIELD`.
        made_by: how the clusters were made; anything JSON can hold.
    """
    content = {
        "format": FORMAT,
        "version": VERSION,
        "slices": [int(s) for s in first.slices],
        "shape": list(first.charge.shape[2:]),
        "sensor": None if sensor is None else dict(sensor),
        "made_by": dict(made_by),
        "provenance": origin(),
        "checksums": ALGORITHM,
    }
    return json.dumps(content)


def read_metadata(path: Path, raw: bytes | None) -> dict[str, Any]:
    """Checked content of our metadata; empty for files of others.

    These are slices, shape, sensor and made_by; and provenance and checksums, where there are some.

    Raises:
        InputError: they are damaged or of another version.
    """
    if raw is None:
        return {}
    where, fix = f"{path}: metadata", "write the file again"
    meta = parse_checked(raw, fields({}, more=True), where, fix)
    if (meta.get("format"), meta.get("version")) != (FORMAT, VERSION):
        raise InputError(
            f"{path}: its 'smartpix' metadata are not '{FORMAT}' of version {VERSION}; write the file again "
            "(tracks and edges of a run hold no clusters)"
        )
    check_json(meta, _CONTENT, where, fix)
    sensor = meta["sensor"]
    content = {
        "slices": tuple(meta["slices"]),
        "shape": tuple(meta["shape"]),
        "sensor": None if sensor is None else _numbers(sensor),
        "made_by": meta["made_by"],
    }
    return content | {key: meta[key] for key in ("provenance", "checksums") if key in meta}


def checked_sensor(path: Path, sensor: Mapping[str, float]) -> dict[str, float]:
    """Numbers of :data:`SENSOR_AND_FIELD` that are to be written.

    Raises:
        InputError: one is missing or cannot be.
    """
    units = ", ".join(f"{name} ({unit})" for name, unit in SENSOR_AND_FIELD.items())
    content = dict(sensor) if isinstance(sensor, Mapping) else sensor
    check_json(content, lambda value, _: _SENSOR(value, "sensor"), path, f"give {units}")
    return _numbers(sensor)


def _numbers(sensor: Mapping[str, float]) -> dict[str, float]:
    return {name: float(sensor[name]) for name in SENSOR_AND_FIELD}
