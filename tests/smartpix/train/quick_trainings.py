"""Trainings of a few epochs, and batches to try the copies on."""

import dataclasses
import types

import torch

from smartpix.networks.modules import build
from smartpix.networks.weights import load_weights, save_weights
from smartpix.train.options import TrainMdnOptions

QUICK = TrainMdnOptions(epochs=3, batch_size=256)
PIXEL = torch.tensor([0.05 / 0.075, 0.0125 / 0.01875])
"""One pixel along x and y in the networks' scaled units."""


def silent(line):
    pass


def first(samples, n):
    return dataclasses.replace(
        samples, images=samples.images[:n], targets=samples.targets[:n], truncated=samples.truncated[:n]
    )


def weights_of(path):
    return load_weights(path, "mdn-columns", "mdn-conv", "mdn-mlp")


class PowerCutError(Exception):
    pass


def cut_after(epoch):
    def report(line):
        if line.startswith(f"epoch {epoch}/"):
            raise PowerCutError

    return report


# Augmentation


class Always:
    """A generator's stand-in of which the chance is decided."""

    def __init__(self, monkeypatch, yes, shift=(0, 0)):
        chance = types.SimpleNamespace(item=lambda: 0.0 if yes else 1.0)
        monkeypatch.setattr(torch, "rand", lambda *size, generator: chance)
        monkeypatch.setattr(torch, "randint", lambda *arguments, generator: torch.tensor(shift))


def some_batch(seed=1, shape=(13, 21)):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(5, 2, *shape, generator=generator), torch.randn(5, 4, generator=generator)


# Starting from weights


def save_start(path, network, seed=1):
    torch.manual_seed(seed)
    arrays = {k: v.numpy() for k, v in build(network).state_dict().items()}
    # All that weights tell, though only the network matters here.
    _, description = load_weights("mdn-barrel", "mdn-columns")
    told = {"architecture": f"mdn-{network.kind}", "network": dataclasses.asdict(network)}
    save_weights(path, arrays, description | told | {"slices": list(range(network.n_slices))})
