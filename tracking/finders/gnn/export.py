"""The graph network for other programs: TorchScript or ONNX, from features to scores."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from smartpix.extras import missing_package
from smartpix.files import replace_when_done
from smartpix.schema import InputError
from tracking.finders.gnn.graph import EDGE_FEATURES, NODE_FEATURES
from tracking.finders.gnn.network import InteractionNetwork, load_network

__all__ = ["FORMATS", "Scores", "export_network"]

FORMATS = (".pt", ".onnx")
OPSET = 18


class Scores(nn.Module):
    """An interaction network with screen, standardisation and calibration inside.

    Shapes:
        x: (N, 9), edge_index: (2, E) of 64-bit integers, edge_attr: (E, 16), as
        :mod:`tracking.finders.gnn.graph` names them -> scores (E,), 0 for edges the screen drops.
    """

    def __init__(self, network: InteractionNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor) -> Tensor:
        """Scores of the edges."""
        kept = (self.network.screen(x, edge_index, edge_attr) >= self.network.cut).nonzero().squeeze(1)
        logits = self.network(x, edge_index[:, kept], edge_attr[kept])
        scores = torch.sigmoid(self.network.calibration[0] * logits + self.network.calibration[1])
        return torch.zeros_like(edge_attr[:, 0]).scatter(0, kept, scores)


def export_network(name: str, path: str | Path) -> dict[str, Any]:
    """Write a graph network as TorchScript (``.pt``) or ONNX (``.onnx``), whole or not at all.

    Args:
        name: shipped weights, or a path.

    Returns:
        ``format``, ``inputs``, ``outputs`` with their shapes, and ``features``, the order of both kinds.

    Raises:
        InputError: another ending, unusable weights, or ONNX is not installed.
    """
    path = Path(path)
    if path.suffix not in FORMATS:
        raise InputError(
            f"{path}: a graph network is written as TorchScript or ONNX; end its name in "
            f"{' or '.join(FORMATS)}"
        )
    scores = Scores(load_network(name)).eval()
    example = (
        torch.zeros(3, len(NODE_FEATURES)), torch.tensor([[0, 1], [1, 2]]), torch.zeros(2,
        len(EDGE_FEATURES)),
    )  # fmt: skip
    with replace_when_done(path) as beside, warnings.catch_warnings():
        # Torch would rather have its own formats, which C++ frameworks do not read yet.
        warnings.simplefilter("ignore", DeprecationWarning)
        if path.suffix == ".pt":
            # Through memory, since torch does not tell why a file could not be written.
            content = io.BytesIO()
            torch.jit.save(torch.jit.trace(scores, example), content)  # type: ignore[no-untyped-call]
            beside.write_bytes(content.getvalue())
        else:
            _write_onnx(scores, example, beside)
    return {
        "weights": name, "file": str(path),
        "format": "TorchScript" if path.suffix == ".pt" else f"ONNX, opset {OPSET}",
        "inputs": {"x": ["hits", len(NODE_FEATURES)], "edge_index": [2, "edges"], "edge_attr": ["edges",
        len(EDGE_FEATURES)]},
        "outputs": {"scores": ["edges"]}, "features": {"x": list(NODE_FEATURES),
        "edge_attr": list(EDGE_FEATURES)},
    }  # fmt: skip


def _write_onnx(scores: nn.Module, example: tuple[Tensor, ...], path: Path) -> None:
    try:
        import onnx  # noqa: F401
    except ImportError as error:
        raise missing_package("onnx", "onnx", error) from error
    torch.onnx.export(
        scores, example, str(path), dynamo=False, opset_version=OPSET, input_names=["x", "edge_index",
        "edge_attr"],
        output_names=["scores"],
        dynamic_axes={"x": {0: "hits"}, "edge_index": {1: "edges"}, "edge_attr": {0: "edges"},
        "scores": {0: "edges"}},
    )  # fmt: skip
