"""After the training: scores that are probabilities, and what the network is worth on events used for nothing
else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits
from torch import Tensor
from torch_geometric.data import Data

from tracking.finders.gnn.epochs import all_logits
from tracking.finders.gnn.network import EdgeNetwork, InteractionNetwork, score

__all__ = ["calibrate", "edge_metrics", "evaluate", "platt"]

ALL = slice(None)


def calibrate(network: EdgeNetwork, graphs: Sequence[Data]) -> None:
    """Logits to probabilities by a factor and a shift: J. Platt, Advances in Large Margin Classifiers
    (1999).
    """
    logits, label = all_logits(network, network.forward, graphs)
    if 0 < float(label.mean()) < 1:
        network.calibration.copy_(torch.tensor(platt(logits, label)))


def platt(logits: Tensor, label: Tensor) -> tuple[float, float]:
    """The factor and the shift that make logits (E,) those of probabilities; labels (E,) are 0 and 1, both
    there.
    """
    # The weights say how many threads torch had; those of NumPy's and SciPy's libraries must not matter.
    with threadpool_limits(limits=1):
        # No penalty: two numbers from so many edges need none.
        fitted = LogisticRegression(C=np.inf).fit(logits.numpy()[:, None].astype(np.float64), label.numpy())
    return float(fitted.coef_[0, 0]), float(fitted.intercept_[0])


def evaluate(network: InteractionNetwork, graphs: Sequence[Data]) -> dict[str, Any]:
    """The metrics of :func:`tracking.finders.gnn.train.train_gnn` that need scores."""
    scores = np.concatenate([score(network, g) for g in graphs])
    label = torch.cat([g.y for g in graphs]).numpy() > 0
    kept = np.concatenate(
        [(network.screen(g.x, g.edge_index, g.edge_attr) >= network.cut).numpy() for g in graphs]
    )
    return edge_metrics(scores, label, kept) | {
        "screen_kept": float(kept.mean()),
        "screen_true_kept": float(kept[label].mean()) if label.any() else None,
    }


def edge_metrics(
    scores: npt.NDArray[np.float32],
    label: npt.NDArray[np.bool_],
    kept: npt.NDArray[np.bool_] | slice = ALL,
) -> dict[str, Any]:
    """What scores (E,) of edges with labels (E,) are worth.

    Args:
        kept: (E,) the edges that the calibration is told of.

    Returns:
        ``loss``, the mean cross-entropy; ``auc``, None with edges of one kind; ``calibration_error``, the
        mean distance of score and share of true edges, in 20 bins of equal content.
    """
    exact = scores.astype(np.float64)
    clipped = np.clip(exact, 1e-6, 1 - 1e-6)
    return {
        "loss": float(-np.mean(np.where(label, np.log(clipped), np.log1p(-clipped)))),
        "auc": float(roc_auc_score(label, exact)) if label.any() and not label.all() else None,
        "calibration_error": _calibration_error(exact[kept], label[kept]),
    }


def _calibration_error(scores: npt.NDArray[np.float64], label: npt.NDArray[np.bool_]) -> float:
    bins = np.array_split(np.argsort(scores, kind="stable"), 20)
    return float(sum(abs(scores[b].sum() - label[b].sum()) for b in bins) / max(len(scores), 1))
