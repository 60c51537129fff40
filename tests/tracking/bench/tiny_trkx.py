"""Small networks of HEP.TrkX that nobody trained, as weights on disk."""

import dataclasses
import json

import torch

from tracking.finders.training import n_parameters, save_trained
from tracking.finders.trkx.networks import make_network
from tracking.finders.trkx.options import toy_options
from tracking.finders.trkx.trained import ARCHITECTURE
from tracking.finders.trkx.training_options import TrainTrkxOptions


def tiny_network(path, model, kind, width=0.02, seed=3, samples=256, toy=()):
    """Write weights of a narrow network, with a curve of two points; returns the network.

    Args:
        toy: options of the toys that differ from the published ones.
    """
    toy = dataclasses.replace(toy_options(kind), **dict(toy))
    torch.manual_seed(seed)
    network = make_network(model, toy, width)
    options = TrainTrkxOptions(model=model, toy=toy, width=width, samples=samples, evaluations=1, seed=seed)
    point = {"samples": samples // 2, "loss": 3.0}
    if not toy.has_lines:
        point |= {"pixel_accuracy": 0.25, "hit_accuracy": 0.5}
    metrics = {
        "model": model, "toy": kind, "parameters": n_parameters(network), "samples": samples,
        "curve": [point, point | {"samples": samples}],
    }  # fmt: skip
    save_trained(path, network, ARCHITECTURE, options, [], metrics)
    return network


def training_result(path, model, kind, **more):
    """Write what a training printed; returns it."""
    numbers = {"loss": 1.5, "pixel_accuracy": 0.75, "hit_accuracy": 0.9}
    result = {
        "model": model, "toy": kind, "parameters": 1234, "samples": 5000, **numbers,
        "curve": [{"samples": 2500, **numbers}, {"samples": 5000, **numbers}], "seconds": 60.0, **more,
    }  # fmt: skip
    path.write_text(json.dumps(result))
    return result
