"""Files of groups of crossings, and networks that count with random weights."""

from dataclasses import asdict

import numpy as np
import torch

from smartpix.chip.fixed_point import describe, to_arrays
from smartpix.chip.options import QuantizedOptions
from smartpix.chip.quantize import QuantizedMdn
from smartpix.chip.transfer import to_fixed
from smartpix.io.write import write_events
from smartpix.networks.modules import build
from smartpix.networks.options import NetworkOptions
from smartpix.networks.weights import save_weights
from smartpix.simulate.events import SimulateOptions, header, simulate_crossings
from smartpix.simulate.options import GroupOptions
from tests.helpers import SENSOR, embedded_detector, part_of


def groups_file(path, crossings=300, events=1, seed=52900, together=(1, 2, 3)):
    """Groups of one to three particles on a part of the embedded detector, barrel and end-caps."""
    whole = embedded_detector()
    some = np.concatenate([np.flatnonzero(whole.barrel)[:40], np.flatnonzero(~whole.barrel)[:40]])
    detector = part_of(whole, some)
    options = SimulateOptions(groups=GroupOptions(together, (0.05, 3.0)))
    write_events(
        path, header(detector, options, events, seed),
        simulate_crossings(detector, options, events, crossings, seed),
    )  # fmt: skip
    return path


def count_weights(path, region, chip=False, seed=1, **network):
    """Weights of a small network that counts, with a scaling that is not trivial."""
    torch.manual_seed(seed)
    scaling = {"weight": [[2.0, 0.1, 0.0], [0.3, 3.0, -0.2], [0.0, 0.4, 2.5]], "bias": [0.5, -0.2, 0.1]}
    if chip:
        options = QuantizedOptions("columns", filters=(2, 0), hidden=(5, 5), n_outputs=3, **network)
        fixed = to_fixed(QuantizedMdn(options))
        arrays, facts = to_arrays(fixed), {"architecture": "fixedcount-columns", "fixed": describe(fixed)}
    else:
        options = NetworkOptions("columns", hidden=5, filters=2, n_outputs=3, **network)
        arrays = {k: v.numpy() for k, v in build(options).state_dict().items()}
        facts = {"architecture": "count-columns"}
    description = {
        "network": asdict(options), "region": region, "sensor": SENSOR, "slices": [2, 19], "data": {},
        "scaling": scaling, "mixture": [0.5, 0.3, 0.2],
    }  # fmt: skip
    save_weights(path, arrays, description | facts)
    return path
