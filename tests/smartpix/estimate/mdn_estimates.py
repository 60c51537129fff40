"""Networks and clusters made by hand."""

import dataclasses

import numpy as np

from smartpix.estimate.mdn import MdnNetwork
from smartpix.networks.modules import build
from smartpix.networks.options import NetworkOptions
from smartpix.simulate.options import SimulateOptions
from tests.helpers import SENSOR

SLICES = SimulateOptions().readout.slices
"""Of the embedded sample."""
KINDS = ("columns", "conv", "mlp")


def constant(outputs, **description):
    """A network that answers every cluster with the same outputs (14,)."""
    options = NetworkOptions()
    arrays = {k: np.zeros_like(v.numpy()) for k, v in build(options).state_dict().items()}
    arrays["dense3.bias"] = np.full(14, outputs, dtype=np.float32)
    return MdnNetwork.from_arrays(
        arrays,
        {"network": dataclasses.asdict(options), "slices": list(SLICES), "sensor": SENSOR} | description,
    )
