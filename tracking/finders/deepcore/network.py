"""DeepCore's network: maps of charge to what crosses each cell (arXiv 1910.08058)."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils import convert_conv2d_weight_memory_format

from smartpix.networks.fused import check_shapes
from smartpix.networks.options import LARGEST_SEED
from smartpix.networks.weights import REPAIR, load_arrays, load_weights
from smartpix.rules import check_json, fields, items, real, text, whole
from smartpix.schema import InputError
from tracking.finders.deepcore.options import (
    N_CELLS,
    N_OVERLAPS,
    N_PARAMETERS,
    MapOptions,
    TargetOptions,
)

__all__ = ["ARCHITECTURE", "DeepCoreNetwork", "load_network", "trained_with"]

ARCHITECTURE = "deepcore-v1"
TRUNK = ((50, 7), (20, 5), (20, 5), (18, 5), (18, 3))
"""Filters and kernel size of the layers that both heads share."""
PARAMETER_HEAD = ((18, 3),) * 4
"""Its last layer is linear: of each overlap the parameters and a channel that holds the target's weight."""
PROBABILITY_HEAD = ((12, 3), (9, 3), (7, 3), (6, 3))
"""Its last layer has a sigmoid: of each overlap the probability and a channel that holds the weight."""
DESCRIPTION = fields(
    {
        "options": fields(
            {
                "maps": fields(
                    {"cell_x": real(0.01, 1.0), "cell_y": real(0.01, 1.0), "layers": text("barrel", "all")}
                ),
                "targets": fields({"momentum": text("inverse", "pt")}, more=True),
                "seed": whole(0, LARGEST_SEED),
            },
            more=True,
        ),
        "data": items(fields({}, more=True)),
    },
    more=True,
)  # fmt: skip
"""What the JSON of its weights must say."""


def _layers(channels: int, layers: tuple[tuple[int, int], ...], last: nn.Module) -> nn.Sequential:
    """Convolutions that keep the size of the map, with ReLU between them and ``last`` at the end."""
    made: list[nn.Module] = []
    for filters, kernel in layers:
        made += [nn.Conv2d(channels, filters, kernel, padding="same"), nn.ReLU()]
        channels = filters
    return nn.Sequential(*made[:-1], last)


class DeepCoreNetwork(nn.Module):
    """Convolutions over the maps of a jet.

    Shapes:
        maps: (J, C, 30, 30), C being 6 or 9 -> parameters (J, 3, 6, 30, 30) and logits of the
        probabilities (J, 3, 2, 30, 30). The last channel of both is never trained.
    """

    def __init__(self, options: MapOptions | None = None) -> None:
        super().__init__()
        self.options = options or MapOptions()
        self.trunk = _layers(self.options.n_channels, TRUNK, nn.ReLU())
        shared = TRUNK[-1][0]
        self.parameter_head = _layers(shared, PARAMETER_HEAD, nn.Identity())
        # The sigmoid is left to the loss, which is exact on logits, and to :meth:`answer`.
        self.probability_head = _layers(shared, PROBABILITY_HEAD, nn.Identity())
        # On a processor a third faster, since so few channels fill its registers.
        convert_conv2d_weight_memory_format(self, torch.channels_last)

    @property
    def first(self) -> nn.Conv2d:
        """The layer that reads the maps."""
        layer = self.trunk[0]
        assert isinstance(layer, nn.Conv2d)
        return layer

    def forward(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Parameters and logits."""
        shared = self.trunk(maps.contiguous(memory_format=torch.channels_last))
        parameters, logits = self.parameter_head(shared), self.probability_head(shared)
        cells = (N_CELLS, N_CELLS)
        return (
            parameters.reshape(len(maps), N_OVERLAPS, N_PARAMETERS + 1, *cells),
            logits.reshape(len(maps), N_OVERLAPS, 2, *cells),
        )

    @torch.inference_mode()
    def answer(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Parameters (J, 3, 5, 30, 30) and probabilities (J, 3, 30, 30)."""
        parameters, logits = self(maps)
        return parameters[:, :, :N_PARAMETERS], torch.sigmoid(logits[:, :, 0])


def load_network(name: str = "deepcore", maps: MapOptions | None = None) -> DeepCoreNetwork:
    """Shipped weights by name, or others by path.

    Args:
        maps: which they must have been trained on; None: any.

    Raises:
        InputError: missing or damaged files, weights of another architecture, or of other maps.
    """
    arrays, description = load_weights(name, ARCHITECTURE)
    check_json(description, DESCRIPTION, Path(name).with_suffix(".json"), REPAIR)
    options = MapOptions(**description["options"]["maps"])
    if maps is not None and maps != options:
        differs = [key for key, value in asdict(maps).items() if asdict(options)[key] != value]
        words = [", ".join(f"{key} {asdict(of)[key]}" for key in differs) for of in (options, maps)]
        raise InputError(
            f"{name}: was trained on maps with {words[0]} and {words[1]} is asked for; give weights of "
            f"these maps (smartpix train deepcore)"
        )
    # Before anything of that size is made.
    with torch.device("meta"):
        state = DeepCoreNetwork(options).state_dict()
    check_shapes(arrays, {k: tuple(v.shape) for k, v in state.items()}, name)
    network = DeepCoreNetwork(options)
    load_arrays(network, arrays, name)
    return network.eval()


def trained_with(name: str) -> tuple[TargetOptions, frozenset[int]]:
    """What weights learned, and the seeds of the events that they learned from.

    Raises:
        InputError: as :func:`load_network`.
    """
    _, description = load_weights(name, ARCHITECTURE)
    check_json(description, DESCRIPTION, Path(name).with_suffix(".json"), REPAIR)
    targets = TargetOptions(**description["options"]["targets"])
    return targets, frozenset(made["seed"] for made in description["data"] if "seed" in made)
