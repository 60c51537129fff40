"""How the layers of these networks start."""

from __future__ import annotations

from torch import nn

__all__ = ["glorot"]


def glorot(network: nn.Module) -> None:
    """Start dense layers and convolutions as Keras does: uniform as Glorot's, with biases of zero.

    The published depths were trained from there, without normalisation.
    """
    for layer in network.modules():
        if isinstance(layer, (nn.Linear, nn.Conv2d, nn.Conv3d)):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
