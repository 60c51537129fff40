"""Trained networks of HEP.TrkX, read from their weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from smartpix.networks.fused import check_shapes
from smartpix.networks.weights import REPAIR, load_arrays, load_weights
from smartpix.rules import check_json, fields, flag, optional, real, text, whole
from smartpix.schema import InputError, ranges_of
from tracking.finders.trkx.models import MODELS
from tracking.finders.trkx.networks import make_network
from tracking.finders.trkx.options import KINDS, ToyOptions
from tracking.finders.trkx.training_options import LARGEST_TRAINING_SEED, TrainTrkxOptions

__all__ = ["ARCHITECTURE", "load_network"]

ARCHITECTURE = "trkx-v1"


def _whole_or_real(name: str) -> Any:
    """The rule of a number of the toys' options."""
    least, most, _ = ranges_of(ToyOptions)[name]
    return whole(int(least), int(most)) if isinstance(least, int) else real(least, most)


SEEDS = (0, LARGEST_TRAINING_SEED)
DESCRIPTION = fields(
    {
        "options": fields(
            {
                "model": text(*MODELS),
                "seed": whole(*SEEDS),
                "width": real(*ranges_of(TrainTrkxOptions)["width"][:2]),
                "toy": fields(
                    {"kind": text(*KINDS), "background_exact": flag}
                    | {name: _whole_or_real(name) for name in ranges_of(ToyOptions)}
                ),
            },
            more=True,
        ),
        "started_from": optional(
            fields({"sha256": text(), "seed": whole(*SEEDS), "toy": fields({}, more=True)})
        ),
    },
    more=True,
)
"""What the JSON of weights must say."""


def load_network(name: str | Path, *models: str) -> tuple[nn.Module, ToyOptions]:
    """A trained network, and the toys that it learned from.

    Args:
        name: of weights that ship, or a path.
        models: which it must be one of; none: any.

    Raises:
        InputError: missing or damaged files, weights of another architecture or model.
    """
    arrays, description = load_weights(name, ARCHITECTURE)
    check_json(description, DESCRIPTION, Path(name).with_suffix(".json"), REPAIR)
    options = description["options"]
    if models and options["model"] not in models:
        raise InputError(
            f"{name}: holds weights of '{options['model']}' and {' or '.join(models)} was expected; give "
            f"weights of that model (smartpix train trkx --model)"
        )
    toy = ToyOptions(**options["toy"])
    # Before anything of that size is made.
    with torch.device("meta"):
        state = make_network(options["model"], toy, options["width"]).state_dict()
    check_shapes(arrays, {k: tuple(v.shape) for k, v in state.items()}, name)
    network = make_network(options["model"], toy, options["width"])
    load_arrays(network, arrays, name)
    return network.eval(), toy
