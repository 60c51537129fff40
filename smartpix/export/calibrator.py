"""The estimates as one ONNX graph: network, units, calibration and place on the module, for other programs.

What the host computes after a network (:mod:`smartpix.estimate.finish`) is written once more in torch, from
the same tables. It works in double precision, since a position of 40 mm in single precision is good to 2 nm
only.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from smartpix.clusters import windows
from smartpix.estimate.choose import Chosen
from smartpix.estimate.finish import Tables
from smartpix.estimate.mdn import MdnEstimator, MdnNetwork
from smartpix.extras import missing_package
from smartpix.files import replace_when_done
from smartpix.io.events import Header
from smartpix.networks.modules import build, encode
from smartpix.networks.options import NetworkOptions
from smartpix.networks.weights import load_arrays
from smartpix.schema import N_COLUMNS, N_ROWS, REGIONS, SMALLEST_SIGMA, TARGET_SCALE, InputError, origin_pixel

__all__ = ["INPUTS", "OUTPUTS", "Calibrator", "calibrator_inputs", "export_calibrator", "write_onnx"]

INPUTS: Mapping[str, str] = {
    "charges": f"(N, slices, {N_ROWS}, {N_COLUMNS}) float: charge in e of the pixels in the window, rows along y",
    "origin": "(N, 2) int64: row and column of the window's first pixel",
    "extent": "(N, 3) double: charge in e of the whole cluster in the last slice, columns and rows that it spans",
    "truncated": "(N,) bool: the cluster does not fit the window",
    "module": "(N,) int64: row of the detector table",
}
OUTPUTS: Mapping[str, str] = {
    "mean": "(N, 4) double: x and y in mm from the module's centre, cot alpha, cot beta",
    "covariance": "(N, 4, 4) double: of these",
    "flagged": "(N,) bool: truncated, or with charges that are not finite",
}
OPSET = 18
CENTER = (origin_pixel(N_ROWS), origin_pixel(N_COLUMNS))
DIAGONAL, OFF_DIAGONAL = (1, 3, 5, 7), ((1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2))
"""Outputs that are the factor's diagonal, and places of those from the ninth on."""


class Finish(nn.Module):
    """Raw outputs of one region's network to means and factors, as
    :class:`smartpix.estimate.finish.Finishing`.

    Shapes:
        raw (N, 14), shape (N, 3) and truncated (N,) -> mean (N, 4), cholesky (N, 4, 4), double.
    """

    def __init__(self, network: MdnNetwork) -> None:
        super().__init__()
        known = network.finishing
        if known.added is not None:
            raise InputError(f"{network.name}: is sent over a link; give estimates of floating point")
        self.length, self.cells = known.length, known.cells
        self._constant("scale", TARGET_SCALE)
        self._constant("wider", known.wider)
        self.has_tables = known.tables is not None
        if known.tables is not None:
            self._constant("base", known.tables.base)
            self.register_buffer("axis", torch.from_numpy(known.tables.axis.astype(np.int64)))
            self._constant("at", known.tables.at)
            self._constant("inverse", known.tables.inverse)
            self._constant("grows", growth(known.tables))

    def _constant(self, name: str, values: npt.ArrayLike) -> None:
        self.register_buffer(name, torch.from_numpy(np.array(values, dtype=np.float64)))

    def forward(self, raw: Tensor, shape: Tensor, truncated: Tensor) -> tuple[Tensor, Tensor]:
        """Means and factors in the window's frame."""
        raw = raw.double()
        scale: Any = self.scale
        mean = raw[:, [0, 2, 4, 6]] * scale
        diagonal = raw[:, DIAGONAL]
        # Softplus, in the form of the training's likelihood.
        diagonal = (
            diagonal.clamp(min=0) + torch.log(1 + torch.exp(-diagonal.abs())) + SMALLEST_SIGMA
        ) * scale
        zero = torch.zeros_like(diagonal[:, 0])
        rows = [[zero] * 4 for _ in range(4)]
        for k, (i, j) in enumerate(OFF_DIAGONAL):
            rows[i][j] = raw[:, 8 + k] * scale[i]
        for i in range(4):
            rows[i][i] = diagonal[:, i]
        factor = torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)
        sigma = factor.square().sum(dim=2).sqrt()
        times = torch.ones_like(mean)
        if self.has_tables:
            shift, times = self._corrections(mean, sigma, shape)
            mean = mean + shift * sigma
        wider: Any = self.wider
        times = torch.where(truncated[:, None], times * wider, times)
        factor = factor * times[:, :, None]
        return self._with_length(mean, factor, shape)

    def _corrections(self, mean: Tensor, sigma: Tensor, shape: Tensor) -> tuple[Tensor, Tensor]:
        """Shifts in sigmas and factors (N, 4) from the calibration's tables."""
        alpha, beta = mean[:, 2], mean[:, 3]
        path = 0.5 * torch.log(1 + alpha * alpha + beta * beta)
        columns, rows = shape[:, 1], shape[:, 2]
        values = torch.stack(
            [
                alpha, beta, *torch.log(sigma).unbind(1), torch.log(shape[:, 0].clamp(min=1)) - path,
                columns - alpha.abs() * self.cells[0], rows - beta.abs() * self.cells[1], columns,
            ],
            dim=1,
        )  # fmt: skip
        axis, at, inverse, grows, base = self.axis, self.at, self.inverse, self.grows, self.base
        part = ((values[:, axis] - at) * inverse).clamp(min=0.0, max=1.0)  # type: ignore[index, operator]
        sums = base + part @ grows  # type: ignore[operator]
        return sums[:, 0::2], torch.exp(sums[:, 1::2])

    def _with_length(self, mean: Tensor, factor: Tensor, shape: Tensor) -> tuple[Tensor, Tensor]:
        """What the length tells of clusters that are longer than the window."""
        if self.length is None:
            return mean, factor
        longest, offset, sigma = self.length
        is_long = shape[:, 1] > longest
        sign = torch.where(mean[:, 2] < 0, -torch.ones_like(mean[:, 2]), torch.ones_like(mean[:, 2]))
        alpha = sign * (shape[:, 1] - offset) / self.cells[0]
        zero = torch.zeros_like(alpha)
        third = torch.stack([zero, zero, zero + sigma, zero], dim=1)
        own = torch.sqrt(factor[:, 3, 3].square() + factor[:, 3, 2].square())
        fourth = torch.stack([factor[:, 3, 0], factor[:, 3, 1], zero, own], dim=1)
        long_mean = torch.stack([mean[:, 0], mean[:, 1], alpha, mean[:, 3]], dim=1)
        long_factor = torch.stack([factor[:, 0], factor[:, 1], third, fourth], dim=1)
        return (
            torch.where(is_long[:, None], long_mean, mean),
            torch.where(is_long[:, None, None], long_factor, factor),
        )


def growth(tables: Tables) -> npt.NDArray[np.float64]:
    """(I, 8) what grows along each interval of a calibration, of one target after the other."""
    grows = np.array(tables.together, dtype=np.float64)
    grows[tables.first[0] :] = 0.0
    for target in range(4):
        own = slice(int(tables.first[target]), int(tables.first[target + 1]))
        grows[own, 2 * target : 2 * target + 2] = tables.alone[own]
    return grows


class Region(nn.Module):
    """The network of barrel or end-caps with its finish: charge in e to mean and factor in the window's
    frame.
    """

    def __init__(self, network: MdnNetwork) -> None:
        super().__init__()
        if network.on_chip:
            raise InputError(
                f"{network.name}: is a network of whole numbers, which are not ONNX's; give one of floating point, or "
                "write its logic (smartpix export WEIGHTS)"
            )
        self.options = NetworkOptions(**network.description["network"])
        self.network = build(self.options)
        load_arrays(self.network, network.arrays, network.name)
        self.finish = Finish(network)

    def forward(self, charges: Tensor, shape: Tensor, truncated: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 4) and (N, 4, 4)."""
        mean, factor = self.finish(self.network(encode(charges, self.options)), shape, truncated)
        return mean, factor


class Calibrator(nn.Module):
    """Estimates of clusters on a detector's modules: :data:`INPUTS` to :data:`OUTPUTS`.

    Args:
        estimator: of floating point.
        header: of the files; its detector's pitches and sizes, and its calibration, become constants.

    Raises:
        InputError: estimates of another kind, or a field of the opposite sign to their training's.
    """

    def __init__(self, estimator: Chosen, header: Header) -> None:
        super().__init__()
        if not isinstance(estimator, MdnEstimator):
            raise InputError(
                "export calibrator: these estimates are no network's; take --estimates mdn, for a sensor that one was "
                "trained for"
            )
        if any(header.field * d["sensor"]["field"] < 0 for d in estimator.descriptions.values()):
            raise InputError(
                f"export calibrator: the field is {header.field:g} T and the networks were trained in one of the "
                "opposite sign, where clusters are mirror images; give files with the field of the training"
            )
        detector = header.detector
        self.barrel, self.endcap = (Region(estimator.networks[region]) for region in REGIONS)
        self._table("upright", detector.barrel, torch.bool)
        self._table("pitch", np.stack([detector.pitch_x, detector.pitch_y], axis=1))
        self._table("half_size", np.stack([detector.half_x, detector.half_y], axis=1))
        self._table("unknown", 3.0 * np.diag(TARGET_SCALE))
        self.charge_scale = 1.0
        self.is_calibrated = header.calibration is not None
        if header.calibration is not None:
            known = header.calibration
            self.charge_scale = float(known.charge_scale)
            self._table("layer", detector.layer_index, torch.int64)
            self._table("bias", known.bias)
            self._table("times", known.scale)
            self._table("added", known.position_error**2)

    def _table(self, name: str, values: npt.ArrayLike, kind: torch.dtype = torch.float64) -> None:
        self.register_buffer(name, torch.from_numpy(np.array(values)).to(kind))

    def local(
        self, charges: Tensor, extent: Tensor, truncated: Tensor, upright: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Means and factors with x and y from the centre of the window's middle pixel."""
        known = torch.isfinite(charges).flatten(1).all(dim=1) & torch.isfinite(extent).all(dim=1)
        charges = torch.where(known[:, None, None, None], charges, torch.zeros_like(charges))
        extent = torch.where(known[:, None], extent, torch.ones_like(extent))
        if self.charge_scale != 1.0:
            charges = charges * (1 / self.charge_scale)
            extent = torch.cat([extent[:, :1] * (1 / self.charge_scale), extent[:, 1:]], dim=1)
        (one, of_one), (two, of_two) = (
            region(charges, extent, truncated) for region in (self.barrel, self.endcap)
        )
        mean = torch.where(upright[:, None], one, two)
        factor = torch.where(upright[:, None, None], of_one, of_two)
        unknown: Any = self.unknown
        mean = torch.where(known[:, None], mean, torch.zeros_like(mean))
        return mean, torch.where(known[:, None, None], factor, unknown + torch.zeros_like(factor))

    def forward(
        self, charges: Tensor, origin: Tensor, extent: Tensor, truncated: Tensor, module: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Means, covariances and flags."""
        tables: Any = self
        extent = extent.double()
        mean, factor = self.local(charges, extent, truncated, tables.upright[module])
        # Columns go along x, rows along y.
        middle = torch.stack([origin[:, 1] + CENTER[1] + 0.5, origin[:, 0] + CENTER[0] + 0.5], dim=1).double()
        place = middle * tables.pitch[module] - tables.half_size[module]
        mean = torch.cat([mean[:, :2] + place, mean[:, 2:]], dim=1)
        if self.is_calibrated:
            layer = tables.layer[module]
            mean = mean - tables.bias[layer]
            factor = factor * tables.times[layer][:, :, None]
        covariance = factor @ factor.transpose(1, 2)
        if self.is_calibrated:
            zero = torch.zeros_like(mean[:, :2])
            added = torch.cat([tables.added[module], zero], dim=1)
            covariance = covariance + added[:, :, None] * torch.eye(4, dtype=torch.float64)
        bad = ~torch.isfinite(charges).flatten(1).all(dim=1)
        return mean, covariance, truncated | bad


def calibrator_inputs(clusters: Any, header: Header, slices: tuple[int, ...]) -> dict[str, npt.NDArray[Any]]:
    """:data:`INPUTS` of cluster records (one event's, or flattened), with charges as the file has them."""
    from smartpix.clusters import flatten

    flat = flatten(clusters, slices)
    if np.any(flat.bare):
        raise InputError("calibrator: hits without pixels have no charges; leave them out")
    images, origin = windows(flat)
    return {
        "charges": images,
        "origin": origin.astype(np.int64),
        "extent": flat.outlines.shape,
        "truncated": flat.truncated.astype(bool),
        "module": flat.module.astype(np.int64),
    }


def write_onnx(
    module: nn.Module, example: Mapping[str, npt.NDArray[Any]], outputs: Mapping[str, str], path: str | Path,
    told: Mapping[str, Any],
) -> None:  # fmt: skip
    """Write a module as ONNX, whole or not at all, with the number of clusters left open.

    Args:
        example: inputs by name, of some clusters.
        outputs: their names, and what they are.
        told: goes into the file's metadata, each value as JSON.

    Raises:
        InputError: ONNX is not installed, or the file cannot be written.
    """
    try:
        import onnx
    except ImportError as error:
        raise missing_package("onnx", "onnx", error) from error
    tensors = tuple(torch.from_numpy(np.array(values)) for values in example.values())
    with replace_when_done(path) as beside, warnings.catch_warnings():
        # As for the graph network: a tracer that knows no clusters' number.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.filterwarnings("ignore", category=Warning, module=r"torch\.")
        torch.onnx.export(
            module.eval(), tensors, str(beside), dynamo=False, opset_version=OPSET, input_names=list(example),
            output_names=list(outputs),
            dynamic_axes={name: {0: "clusters"} for name in (*example, *outputs)},
        )  # fmt: skip
        model = onnx.load(str(beside))
        model.producer_name = "smartpix"
        for name, value in told.items():
            entry = model.metadata_props.add()
            entry.key, entry.value = name, json.dumps(value)
        onnx.save(model, str(beside))


def export_calibrator(estimator: Chosen, header: Header, path: str | Path) -> dict[str, Any]:
    """Write the whole estimate of a detector's clusters as one ONNX graph, :data:`INPUTS` to :data:`OUTPUTS`.

    Args:
        estimator: for the header (:func:`smartpix.estimate.choose.choose_estimator`).
        header: of the files; a calibration of it is written along.

    Returns:
        ``file``, ``inputs``, ``outputs``, ``slices``, ``weights`` and ``modules``.

    Raises:
        InputError: as :class:`Calibrator` and :func:`write_onnx`.
    """
    calibrator = Calibrator(estimator, header)
    n, slices = 2, tuple(int(s) for s in estimator.slices)
    example: dict[str, npt.NDArray[Any]] = {
        "charges": np.zeros((n, len(slices), N_ROWS, N_COLUMNS), dtype=np.float32),
        "origin": np.zeros((n, 2), dtype=np.int64),
        "extent": np.ones((n, 3)),
        "truncated": np.zeros(n, dtype=bool),
        "module": np.zeros(n, dtype=np.int64),
    }
    told = described(estimator, header)
    write_onnx(calibrator, example, OUTPUTS, path, {**told, "inputs": INPUTS, "outputs": OUTPUTS})
    return {"file": str(path), "inputs": dict(INPUTS), "outputs": dict(OUTPUTS), **told}


def described(estimator: Chosen, header: Header) -> dict[str, Any]:
    """What a file of the calibrator says of its estimates, sensor and detector."""
    descriptions = estimator.descriptions
    return {
        "slices": [int(s) for s in estimator.slices],
        "weights": {
            region: {
                "name": estimator.names[region],
                "sha256": known.get("sha256"),
                "sensor": known["sensor"],
            }
            for region, known in descriptions.items()
        },
        "field": header.field,
        "modules": len(header.detector),
        "calibrated": header.calibration is not None,
    }
