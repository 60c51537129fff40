"""The estimates in the rows of numbers that ACTS's ``NeuralCalibrator`` gives an ONNX network and takes from
it.

ACTS's examples (``ActsExamples/Onnx/NeuralCalibrator``) fill one row for each measurement: the activations of
7 x 7 cells about the cluster's centre of charge, its volume and layer, two angles of the track, and position
and variances as they are. They take back, for each of n components, a prior, two positions and two variances.
There is one activation a cell, so that only networks of one slice fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from smartpix.estimate.choose import Chosen
from smartpix.export.calibrator import CENTER, Calibrator, described, write_onnx
from smartpix.io.events import Header
from smartpix.schema import N_COLUMNS, N_ROWS, InputError

__all__ = ["ACTS_INPUTS", "ACTS_OUTPUTS", "N_INPUTS", "SIDE", "ActsCalibrator", "export_acts_calibrator"]

SIDE = 7
"""Cells along each side of ACTS's matrix."""
N_CELLS = SIDE * SIDE
N_INPUTS = N_CELLS + 8
ACTS_INPUTS: Mapping[str, str] = {
    "measurement": f"(N, {N_INPUTS}) float: {N_CELLS} activations in e (loc0 first), volume, layer, two angles of the "
    "track (not looked at), loc0, loc1 (mm, the centre of charge) and their variances"
}
ACTS_OUTPUTS: Mapping[str, str] = {
    "calibrated": "(N, 5) float: 1 (the prior of one component), loc0, loc1 in mm, and their variances"
}


class ActsCalibrator(nn.Module):
    """ACTS's rows (N, 57) to (N, 5); measurements on layers that the detector has not stay as they are.

    Raises:
        InputError: networks of several slices, layers whose modules lie differently, or a calibration of
            single modules.
    """

    def __init__(self, estimator: Chosen, header: Header) -> None:
        super().__init__()
        self.calibrator = Calibrator(estimator, header)
        if len(estimator.slices) != 1:
            raise InputError(
                f"export calibrator: ACTS's matrix has one charge a cell and these networks see {len(estimator.slices)} "
                "slices; leave out --layout acts, or train with one slice (smartpix train mdn, files of --slices 19)"
            )
        known = header.calibration
        if known is not None and np.any(known.position_error):
            raise InputError(
                "export calibrator: ACTS's row tells layers and no modules, and the calibration has errors of single "
                "modules; leave out --layout acts"
            )
        detector = header.detector
        keys = np.stack([np.asarray(detector.columns[n]) for n in ("volume_id", "layer_id")], axis=1)
        layers, rows, where = np.unique(keys, axis=0, return_index=True, return_inverse=True)
        sizes = np.stack([detector.pitch_x, detector.pitch_y], axis=1)
        signs = np.stack([detector.v_sign, detector.u_sign], axis=1)
        of_module = {"upright": detector.barrel, "pitch": sizes, "sign": signs, "layer": detector.layer_index}
        for name, values in of_module.items():
            if np.any(values != values[rows][where.reshape(-1)]):
                raise InputError(
                    f"export calibrator: modules of one layer differ ({name}), and ACTS's row tells no modules; leave "
                    "out --layout acts"
                )
            self.register_buffer(name, torch.from_numpy(np.array(values[rows])))
        self.register_buffer("keys", torch.from_numpy(layers.astype(np.float32)))

    def forward(self, measurement: Tensor) -> Tensor:
        """Calibrated measurements."""
        tables: Any = self
        match = (measurement[:, None, N_CELLS : N_CELLS + 2] == tables.keys).all(dim=2)
        known, row = match.any(dim=1), match.float().argmax(dim=1)
        cells = measurement[:, :N_CELLS].reshape(-1, SIDE, SIDE)
        sign, pitch = tables.sign[row], tables.pitch[row]
        # Rows go along our y, which is loc0 or against it, and columns along x, which is loc1 or against it.
        cells = torch.where(sign[:, 1, None, None] < 0, cells.flip(1), cells)
        cells = torch.where(sign[:, 0, None, None] < 0, cells.flip(2), cells)
        fired = (cells != 0).any(dim=2), (cells != 0).any(dim=1)
        (low_row, high_row), (low_column, high_column) = _ends(fired[0]), _ends(fired[1])
        middle_row = torch.div(low_row + high_row, 2, rounding_mode="floor")
        middle_column = torch.div(low_column + high_column, 2, rounding_mode="floor")
        image = (
            _place(middle_row, N_ROWS, CENTER[0])
            @ cells
            @ _place(middle_column, N_COLUMNS, CENTER[1]).transpose(1, 2)
        )
        charge = cells.clamp(min=0).sum(dim=(1, 2))
        extent = torch.stack(
            [charge, high_column - low_column + 1.0, high_row - low_row + 1.0], dim=1
        ).double()
        truncated = torch.zeros_like(known)
        mean, factor = self.calibrator.local(image[:, None], extent, truncated, tables.upright[row])
        if self.calibrator.is_calibrated:
            of_layer: Any = self.calibrator
            mean = mean - of_layer.bias[tables.layer[row]]
            factor = factor * of_layer.times[tables.layer[row]][:, :, None]
        variance = factor.square().sum(dim=2)
        # The measurement is the centre of charge, from which the middle of the window lies so far.
        total = cells.double().sum(dim=(1, 2))
        place = torch.arange(SIDE, dtype=torch.float64)
        centre_row = (cells.double().sum(dim=2) * place).sum(dim=1) / total
        centre_column = (cells.double().sum(dim=1) * place).sum(dim=1) / total
        found = measurement[:, N_CELLS + 4 : N_CELLS + 8].double()
        x = sign[:, 0] * found[:, 1] + (middle_column - centre_column) * pitch[:, 0] + mean[:, 0]
        y = sign[:, 1] * found[:, 0] + (middle_row - centre_row) * pitch[:, 1] + mean[:, 1]
        ours = torch.stack([sign[:, 1] * y, sign[:, 0] * x, variance[:, 1], variance[:, 0]], dim=1)
        kept = torch.where((known & (total > 0))[:, None], ours, found)
        return torch.cat([torch.ones_like(kept[:, :1]), kept], dim=1).float()


def _ends(fired: Tensor) -> tuple[Tensor, Tensor]:
    """First and last place (N,) of those that fired (N, 7)."""
    return fired.float().argmax(dim=1), SIDE - 1 - fired.flip(1).float().argmax(dim=1)


def _place(middle: Tensor, n: int, center: int) -> Tensor:
    """(N, n, 7) ones where a row of the window is one of the matrix, its ``middle`` at the window's
    centre.
    """
    wanted = torch.arange(n)[None, :, None] - center + middle[:, None, None]
    return (wanted == torch.arange(SIDE)).float()


def export_acts_calibrator(estimator: Chosen, header: Header, path: str | Path) -> dict[str, Any]:
    """Write the estimates as a network for ACTS's ``NeuralCalibrator`` with one component.

    Returns:
        As :func:`smartpix.export.calibrator.export_calibrator`.

    Raises:
        InputError: as :class:`ActsCalibrator` and :func:`smartpix.export.calibrator.write_onnx`.
    """
    calibrator = ActsCalibrator(estimator, header)
    told = described(estimator, header)
    example = {"measurement": np.ones((2, N_INPUTS), dtype=np.float32)}
    write_onnx(
        calibrator, example, ACTS_OUTPUTS, path, {**told, "inputs": ACTS_INPUTS, "outputs": ACTS_OUTPUTS}
    )
    return {"file": str(path), "inputs": dict(ACTS_INPUTS), "outputs": dict(ACTS_OUTPUTS), **told}
