"""What HEP.TrkX published of its networks: the only place of these numbers. Those of the RAMP challenge are
in :mod:`tracking.bench.ramp`.
"""

from __future__ import annotations

from typing import Any

from tracking.finders.trkx.models import MODELS
from tracking.finders.trkx.options import LINE_KINDS

__all__ = ["published"]

ACCURACIES = {
    ("lstm-50", "2d-noise"): (0.914, 0.925),
    ("lstm-100", "2d-tracks"): (0.886, 0.897),
    ("conv-autoencoder-2d", "2d-conv"): (0.683, 0.906),
}
"""Of pixels and of hits by network and toys (notebooks of HEPTrkX/heptrkx-ctd). Of square planes there is a
figure alone, of no numbers.
"""
LOSSES = {"lines-1": 0.0117, "lines-3": 0.51, "lines-poisson": 1.6}
"""Loss of the network ``caption`` by its toys: of one line that of the training, of several that of the
validation (EPJ Web Conf. 150, 00003, section 5, and the notebooks).
"""
UNCOUNTED = ("lstm-variable",)
"""Networks whose number of parameters was not published."""


def published(model: str, toy: str) -> dict[str, Any]:
    """``parameters``, ``pixel_accuracy``, ``hit_accuracy`` and ``loss`` of a network on a kind of toys; None
    where no number was published.
    """
    kinds = LINE_KINDS if MODELS[model].toy in LINE_KINDS else (MODELS[model].toy,)
    counted = model not in UNCOUNTED and toy in kinds
    pixels, hits = ACCURACIES.get((model, toy), (None, None))
    return {
        "parameters": MODELS[model].parameters if counted else None,
        "pixel_accuracy": pixels,
        "hit_accuracy": hits,
        "loss": LOSSES.get(toy) if model == "caption" else None,
    }
