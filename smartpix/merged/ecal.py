"""Torch modules of the front's networks, from the ECAL talk and ROOT's tutorial, on images of any size.

Each gives one number per cluster: the log odds of its second class, here of two particles. Where the
published network has two outputs, it is their difference, which the softmax of two classes depends on alone.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from smartpix.merged.front import (
    CNN_DENSE,
    DNN_LAYERS,
    DNN_WIDTH,
    FILTER,
    N_FILTERS,
    POOLED,
    FrontOptions,
)
from smartpix.merged.images import check_seen
from smartpix.merged.variables import N_VARIABLES, shape_variables
from smartpix.networks.modules import encode
from smartpix.networks.options import NetworkOptions
from smartpix.networks.weights import load_weights
from smartpix.schema import InputError

__all__ = ["FRONT", "FrontNetwork", "build_front", "front_inputs", "load_front"]

FRONT = "front"
"""Architecture of weights of these networks."""


class FrontNetwork(nn.Module):
    """A network of the front.

    Shapes:
        input: what :func:`front_inputs` makes of images.
        output: (N,) log odds of the second class.
    """

    mean: Tensor
    width: Tensor

    def __init__(self, options: FrontOptions) -> None:
        super().__init__()
        self.options = options
        self.layers = nn.Sequential(*_layers(options))
        if options.network == "ecal-shape":
            seen = N_VARIABLES * options.n_slices
            self.register_buffer("mean", torch.zeros(seen))
            self.register_buffer("width", torch.ones(seen))

    def standardise(self, inputs: Tensor) -> None:
        """Bring the shape variables of the clusters to train on to mean 0 and width 1; others stay."""
        if self.options.network == "ecal-shape":
            self.mean, width = inputs.mean(0), inputs.std(0)
            self.width = torch.where(width > 0, width, torch.ones_like(width))

    def forward(self, inputs: Tensor) -> Tensor:
        """Log odds (N,) of the second class."""
        if self.options.network == "ecal-shape":
            inputs = (inputs - self.mean) / self.width
        out: Tensor = self.layers(inputs)
        return out[:, 1] - out[:, 0] if out.shape[1] == 2 else out[:, 0]


def build_front(options: FrontOptions) -> FrontNetwork:
    """The network with fresh random weights."""
    return FrontNetwork(options)


def load_front(name: str | Path) -> FrontNetwork:
    """A trained network, from its weights.

    Raises:
        InputError: missing or damaged weights, or those of another architecture or of other options.
    """
    arrays, description = load_weights(name, FRONT, remedy="give weights of smartpix train front")
    try:
        network = build_front(FrontOptions(**description["network"]))
        network.load_state_dict({key: torch.from_numpy(values) for key, values in arrays.items()})
    except (KeyError, TypeError, RuntimeError, InputError) as error:
        raise InputError(f"{name}: its weights are not those of its options; train again") from error
    return network.eval()


def _layers(options: FrontOptions) -> list[nn.Module]:
    n_slices, n_rows, n_columns = options.shape
    if options.network in CNN_DENSE:
        dense, outputs = CNN_DENSE[options.network]
        places = N_FILTERS * (n_rows - POOLED + 1) * (n_columns - POOLED + 1)
        return [
            nn.Conv2d(n_slices, N_FILTERS, FILTER, padding=FILTER // 2), nn.ReLU(), nn.BatchNorm2d(N_FILTERS),
            nn.Conv2d(N_FILTERS, N_FILTERS, FILTER, padding=FILTER // 2), nn.ReLU(),
            nn.MaxPool2d(POOLED, stride=1), nn.Flatten(),
            nn.Linear(places, dense), nn.ReLU(), nn.Linear(dense, outputs),
        ]  # fmt: skip
    if options.network == "ecal-dnn":
        layers = [nn.Flatten(), nn.Linear(n_slices * n_rows * n_columns, DNN_WIDTH), nn.ReLU()]
        for _ in range(DNN_LAYERS - 1):
            layers += [nn.BatchNorm1d(DNN_WIDTH), nn.Linear(DNN_WIDTH, DNN_WIDTH), nn.ReLU()]
        return [*layers, nn.Linear(DNN_WIDTH, 1)]
    seen = N_VARIABLES * options.n_slices
    return [nn.Linear(seen, options.hidden), nn.Tanh(), nn.Linear(options.hidden, 1)]


def front_inputs(images: npt.NDArray[np.floating], options: FrontOptions) -> Tensor:
    """What a network sees of images: their shape variables, or the images scaled as its options say.

    Args:
        images: (N, S, R, C) charge in e, or energies of another unit.

    Returns:
        (N, 12 * S) for ``ecal-shape``, otherwise (N, S, R, C); float32.

    Raises:
        InputError: images of another shape, or not finite ones.
    """
    check_seen(images, options.shape, "front", options.network)
    if options.network == "ecal-shape":
        return torch.from_numpy(shape_variables(images, options.variables).astype(np.float32))
    inputs = torch.from_numpy(np.ascontiguousarray(images, dtype=np.float32))
    return inputs / options.unit if options.unit else encode(inputs, NetworkOptions())
