"""What is known of a detector's files beyond their header: where modules really are, and how far estimates
are off.

A :class:`Calibration` is found from tracks (:mod:`tracking.calibration`) and kept as a small JSON file. A
header that carries one (:func:`calibrated`) has the aligned detector; charges are scaled before the
estimates, and these corrected after them, by :func:`scaled` and :func:`corrected` alone.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from smartpix.beam import CENTRED
from smartpix.files import check_writable, replace_when_done
from smartpix.geometry import Detector
from smartpix.notebook import words_and_table
from smartpix.rules import fields, items, parse_checked, real, text, whole
from smartpix.schema import DETECTOR, InputError
from smartpix.text import read_text

if TYPE_CHECKING:
    # The header of a file imports this, and clusters import Numba.
    from smartpix.clusters import FlatClusters

__all__ = [
    "CALIBRATION_VERSION", "Calibration", "corrected", "displaced", "fingerprint", "nothing_known",
    "read_calibration", "scaled", "write_calibration",
]  # fmt: skip

Floats = npt.NDArray[np.float64]

CALIBRATION_VERSION = 1
KIND = "smartpix calibration"
FARTHEST, STEEPEST = 10.0, 0.2
"""mm and rad: modules that are further off are in another place, and no calibration of this table."""
DIGITS = 7
"""Decimals of what is written: 0.1 nm, and 0.1 urad."""


@words_and_table
@dataclass(frozen=True)
class Calibration:
    """Corrections of one detector table's files.

    Attributes:
        detector: :func:`fingerprint` of the table that modules are displaced from.
        shift: (M, 3) mm by which a module lies off its place in the table, along its x, y and normal.
        rotation: (M, 3) rad by which it is turned about these axes.
        position_error: (M, 2) mm, of x and y of hits, that is left of these: added to their covariance.
        charge_scale: charges of the files, over those that the estimates were trained with.
        bias: (L, 4) estimated less true x, y (mm), cot alpha and cot beta, by layer.
        scale: (L, 4) factors on the standard deviations of these.
        made_by: how it was made.
    """

    detector: str
    shift: Floats
    rotation: Floats
    position_error: Floats
    charge_scale: float
    bias: Floats
    scale: Floats
    made_by: Mapping[str, Any] = field(default_factory=dict)

    @property
    def moves(self) -> bool:
        """Whether any module is elsewhere."""
        return bool(np.any(self.shift) or np.any(self.rotation))


def nothing_known(detector: Detector) -> Calibration:
    """The calibration that changes nothing."""
    m, n_layers = len(detector), len(detector.layers)
    return Calibration(
        fingerprint(detector), np.zeros((m, 3)), np.zeros((m, 3)), np.zeros((m, 2)), 1.0,
        np.zeros((n_layers, 4)), np.ones((n_layers, 4)),
    )  # fmt: skip


def fingerprint(detector: Detector) -> str:
    """CRC-32 of a detector table's columns in the types of :data:`smartpix.schema.DETECTOR`, as eight digits;
    whatever the beam's frame.
    """
    crc = 0
    for name, column in DETECTOR.items():
        crc = zlib.crc32(np.ascontiguousarray(detector.columns[name], dtype=column.dtype).tobytes(), crc)
    return f"{crc:08x}"


def displaced(detector: Detector, shift: Floats, rotation: Floats) -> Detector:
    """A detector whose modules lie elsewhere.

    Args:
        shift: (M, 3) mm along each module's x, y and normal; rotation: (M, 3) vectors in rad in the same
            axes, about the module's centre.
    """
    at_rest = detector.at_beam(CENTRED)
    center = at_rest.center + np.einsum("mij,mj->mi", at_rest.axes, shift)
    turn = _turns(np.einsum("mij,mj->mi", at_rest.axes, rotation))
    columns = dict(detector.columns)
    for k, name in enumerate("xyz"):
        columns[f"c{name}"] = center[:, k]
    for axis in "uvw":
        old = np.stack(
            [np.asarray(detector.columns[f"rot_{g}{axis}"], dtype=np.float64) for g in "xyz"], axis=1
        )
        new = np.einsum("mij,mj->mi", turn, old)
        for k, name in enumerate("xyz"):
            columns[f"rot_{name}{axis}"] = new[:, k]
    return Detector(columns, "displaced detector", frame=detector.frame, dead=detector.dead)


def _turns(vector: Floats) -> Floats:
    """(M, 3, 3) rotations by vectors (M, 3): O. Rodrigues' formula."""
    angle = np.linalg.norm(vector, axis=1)
    x, y, z = (vector / np.maximum(angle, 1e-300)[:, None]).T
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=1).reshape(-1, 3, 3)
    sine, versine = np.sin(angle)[:, None, None], (2 * np.sin(angle / 2) ** 2)[:, None, None]
    return np.asarray(np.eye(3) + sine * cross + versine * (cross @ cross))


def scaled(clusters: FlatClusters, calibration: Calibration | None) -> FlatClusters:
    """Clusters with the charges that the estimates were trained with."""
    if calibration is None or calibration.charge_scale == 1:
        return clusters
    factor = np.float32(1 / calibration.charge_scale)
    return replace(clusters, charge=clusters.charge * factor)


def corrected(
    mean: Floats,
    cholesky: Floats,
    module: npt.NDArray[np.integer[Any]],
    detector: Detector,
    calibration: Calibration,
) -> tuple[Floats, Floats]:
    """Estimates less their bias, with scaled errors and what is not known of the modules' places.

    Args:
        mean: (N, 4); cholesky: (N, 4, 4); module: (N,) of each estimate.
    """
    layer = detector.layer_index[module]
    mean = mean - calibration.bias[layer]
    cholesky = cholesky * calibration.scale[layer][:, :, None]
    added = calibration.position_error[module] ** 2
    if np.any(added):
        covariance = cholesky @ np.swapaxes(cholesky, 1, 2)
        covariance[:, [0, 1], [0, 1]] += added
        cholesky = np.asarray(np.linalg.cholesky(covariance), dtype=np.float64)
    return mean, cholesky


_number = real(-FARTHEST, FARTHEST)
_RULE = fields(
    {
        "kind": text(KIND), "version": whole(1, 10**6), "detector": text(),
        "shift": items(items(_number, 3, 3)), "rotation": items(items(real(-STEEPEST, STEEPEST), 3, 3)),
        "position_error": items(items(real(0.0, FARTHEST), 2, 2)), "charge_scale": real(0.1, 10.0),
        "bias": items(items(_number, 4, 4)), "scale": items(items(real(0.1, 100.0), 4, 4)),
        "made_by": fields({}, more=True),
    }
)  # fmt: skip
FIX = "give a file of `smartpix calibrate --from-tracks`"


def write_calibration(path: str | Path, calibration: Calibration) -> None:
    """Write a calibration as JSON, whole or not at all."""
    check_writable(path)
    content: dict[str, Any] = {"kind": KIND, "version": CALIBRATION_VERSION, "detector": calibration.detector}
    for name in ("shift", "rotation", "position_error", "bias", "scale"):
        # Adding nothing makes -0 a 0.
        content[name] = (np.round(getattr(calibration, name), DIGITS) + 0.0).tolist()
    content |= {"charge_scale": float(calibration.charge_scale), "made_by": dict(calibration.made_by)}
    with replace_when_done(path) as place:
        place.write_text(json.dumps(content) + "\n", encoding="utf-8")


def read_calibration(path: str | Path, detector: Detector) -> Calibration:
    """Read a calibration of a detector's files.

    Raises:
        InputError: missing or another file, another version, damaged, or of another detector table.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such calibration; {FIX}")
    try:
        content = read_text(path)
    except ValueError as error:
        raise InputError(f"{path}: is no text and no calibration ({error}); {FIX}") from error
    known = parse_checked(
        content, fields({"kind": text(KIND), "version": whole(1, 10**6)}, more=True), path, FIX
    )
    if known["version"] != CALIBRATION_VERSION:
        raise InputError(
            f"{path}: version {known['version']} and this smartpix reads {CALIBRATION_VERSION}; calibrate again"
        )
    known = parse_checked(content, _RULE, path, FIX)
    if known["detector"] != fingerprint(detector):
        raise InputError(
            f"{path}: is of the detector table {known['detector']}, and the file's is {fingerprint(detector)}; "
            "calibrate from tracks of files with this table"
        )
    arrays = {
        name: np.array(known[name], dtype=np.float64) for name in ("shift", "rotation", "position_error")
    }
    arrays |= {name: np.array(known[name], dtype=np.float64) for name in ("bias", "scale")}
    rows = {name: len(detector.layers) if name in ("bias", "scale") else len(detector) for name in arrays}
    for name, n in rows.items():
        if len(arrays[name]) != n:
            raise InputError(f"{path}: '{name}' has {len(arrays[name])} rows and the detector {n}; {FIX}")
    return Calibration(
        detector=known["detector"],
        charge_scale=float(known["charge_scale"]),
        made_by=known["made_by"],
        **arrays,
    )
