"""The learned cone's network: a GRU over the hits of a path, and a head that is asked for a module."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from smartpix.networks.fused import check_shapes
from smartpix.networks.options import LARGEST_SEED, WIDEST
from smartpix.networks.weights import REPAIR, load_arrays, load_weights
from smartpix.rules import check_json, fields, items, real, whole
from tracking.finders.trkx.path.features import N_HIT, N_TARGET
from tracking.finders.trkx.path.gates import GATES_SHAPE
from tracking.finders.trkx.path.options import FilterOptions

__all__ = ["ARCHITECTURE", "PathNetwork", "crossing_losses", "load_network", "trained_with"]

ARCHITECTURE = "path-v2"
N_OUT = 5
WIDEST_LOG = 0.7
"""A cone is at most so many e-folds wider or narrower than the filter's, in either direction.

Far wider ones would be few, and have most of the area of all: of paths that are lost anyway, which the
    largest share
that is asked for may leave out.
"""
DESCRIPTION = fields(
    {
        "options": fields(
            {
                "hidden": whole(1, WIDEST),
                "head": whole(1, WIDEST),
                "seed": whole(0, LARGEST_SEED),
                "filter": fields(
                    {
                        "thickness": real(0.0, 10.0), "thickness_disk": real(0.0, 10.0),
                        "curvature_pt": real(1e-3, 1e6), "sigma_d0": real(0.0, 1e6), "softest": real(1e-3, 1e6),
                        "repeats": whole(1, 100), "outlier": real(1.0, 1e9), "slope_scale": real(0.0, 1e6),
                        "slope_outlier": real(0.1, 1e9),
                    }
                ),
            },
            more=True,
        ),
        "data": items(fields({}, more=True)),
    },
    more=True,
)  # fmt: skip
"""What the JSON of its weights must say."""


class PathNetwork(nn.Module):
    """A memory of the path's hits, and the cone on any module.

    All is in units in which the filter's covariance of the crossing is one: an untrained head gives the
    filter's cone.

    Shapes:
        hit: (N, N_HIT) and memory (N, H) -> memory (N, H) of the path with that hit.
        memory: (N, H) and target (N, N_TARGET) -> (N, 5): shift of the crossing along x and y; logarithms of
            the
        factor's diagonal; its element 10.
    """

    gates: Tensor

    def __init__(self, hidden: int = 48, head: int = 48) -> None:
        super().__init__()
        self.hidden = hidden
        self.memory = nn.GRUCell(N_HIT, hidden)
        self.head = nn.Sequential(nn.Linear(hidden + N_TARGET, head), nn.SiLU(), nn.Linear(head, N_OUT))
        last = self.head[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        # Gates that hold what they are asked for: of this network, and of the filter alone.
        self.register_buffer("gates", torch.ones(GATES_SHAPE))

    def blank(self, n: int) -> Tensor:
        """(n, H) memories of paths without hits."""
        return torch.zeros(n, self.hidden)

    def remember(self, hit: Tensor, memory: Tensor) -> Tensor:
        """Memories with one hit more."""
        following: Tensor = self.memory(hit, memory)
        return following

    def forward(self, memory: Tensor, target: Tensor) -> Tensor:
        """Cones on modules."""
        raw: Tensor = self.head(torch.cat([memory, target], dim=-1))
        shift, log, cross = raw[..., :2], raw[..., 2:4], raw[..., 4:]
        return torch.cat([shift, WIDEST_LOG * torch.tanh(log / WIDEST_LOG), cross], dim=-1)


def crossing_losses(cone: Tensor, crossing: Tensor) -> Tensor:
    """(N,) negative logarithms of Gaussian densities of crossings (N, 2), less that of 2 pi.

    Args:
        cone: (N, 5) of :class:`PathNetwork`; both are in the filter's units.
    """
    shift, log, cross = cone[..., :2], cone[..., 2:4], cone[..., 4]
    u = (crossing[..., 0] - shift[..., 0]) * torch.exp(-log[..., 0])
    v = (crossing[..., 1] - shift[..., 1] - cross * u) * torch.exp(-log[..., 1])
    return log.sum(dim=-1) + 0.5 * (u * u + v * v)


def load_network(name: str = "path") -> tuple[PathNetwork, FilterOptions]:
    """Shipped weights by name, or others by path; and the filter that they were trained on.

    Raises:
        InputError: missing or damaged files, or weights of another architecture.
    """
    arrays, description = load_weights(name, ARCHITECTURE)
    options = _checked(description, name)["options"]
    size = options["hidden"], options["head"]
    # Before anything of that size is made.
    with torch.device("meta"):
        state = PathNetwork(*size).state_dict()
    check_shapes(arrays, {k: tuple(v.shape) for k, v in state.items()}, name)
    network = PathNetwork(*size)
    load_arrays(network, arrays, name)
    return network.eval(), FilterOptions(**options["filter"])


def trained_with(name: str = "path") -> frozenset[int]:
    """Seeds of the events that weights learned from and were calibrated on.

    Raises:
        InputError: as :func:`load_network`.
    """
    _, description = load_weights(name, ARCHITECTURE)
    return frozenset(made["seed"] for made in _checked(description, name)["data"] if "seed" in made)


def _checked(description: dict[str, Any], name: str) -> dict[str, Any]:
    check_json(description, DESCRIPTION, Path(name).with_suffix(".json"), REPAIR)
    return description
