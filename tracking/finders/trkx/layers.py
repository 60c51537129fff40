"""How the layers of these networks start."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils import convert_conv2d_weight_memory_format, convert_conv3d_weight_memory_format

__all__ = ["start_layers"]


def start_layers(network: nn.Module, rectified: bool = False) -> None:
    """Start dense layers and convolutions as Keras does: uniform as Glorot's, with biases of zero.

    The published depths were trained from there, without normalisation. The weights of convolutions are laid
    out with the channels last, which on a processor takes half the time.

    Args:
        rectified: start convolutions as He et al. (arXiv 1502.01852) instead, so that signals keep their size
            through layers of ReLU.
    """
    for layer in network.modules():
        if isinstance(layer, (nn.Linear, nn.Conv2d, nn.Conv3d)):
            if rectified and not isinstance(layer, nn.Linear):
                nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
            else:
                nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    convert_conv2d_weight_memory_format(network, torch.channels_last)
    convert_conv3d_weight_memory_format(network, torch.channels_last_3d)
