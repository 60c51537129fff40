"""The three perceptrons as hls4ml projects, proven equal to the whole numbers by C simulation.

hls4ml 1.3 has no layer that gathers by an index, so that what is between the perceptrons is not in them.

In hls4ml every product is cut to the type of the accumulator before it is added. With one type for all, as
``ap_fixed<14,7>``, a sum of n products is lower by half a step for each of them, on average, and the next
layers multiply that. Here the accumulators hold all bits of a sum, and only results are cut.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from smartpix.chip.fixed_point import FixedPoint
from smartpix.export.hls import HlsOptions, check_tools, write_layers
from smartpix.export.hls_layers import HlsLayer, dense_layers, input_layer
from smartpix.files import replace_folder_when_done
from tracking.finders.trigger.logic.perceptrons import sum_bits
from tracking.finders.trigger.shape import MLPS, N_LAYERS
from tracking.finders.trigger.whole import FixedInteraction, Graphs, align, flow, perceptron

__all__ = ["perceptron_layers", "write_perceptrons"]


def perceptron_layers(network: FixedInteraction, mlp: str, n_edges: int) -> list[HlsLayer]:
    """A perceptron as layers of hls4ml; its input is in the finest of the units of its parts.

    Args:
        n_edges: as many messages may come to one node.
    """
    finest = network.input_fraction(f"{mlp}_0")
    widths = [form.bits + finest - form.fraction for form, _ in network.parts(mlp)]
    if mlp == "o":
        widths[1] += sum_bits(network, n_edges) - network.message.bits
    layers = [input_layer(mlp, (network.shape.widths(mlp)[0],), FixedPoint(True, max(widths), finest))]
    for name in (f"{mlp}_{number}" for number in range(N_LAYERS)):
        layers += dense_layers(network, name, layers[-1], network.weights[name])
    return layers


def write_perceptrons(
    network: FixedInteraction,
    folder: str | Path,
    graphs: Graphs,
    options: HlsOptions | None = None,
    most: int = 2000,
) -> dict[str, Any]:
    """Write each perceptron as a project, with what it sees in sectors as its test bench, and compare.

    Args:
        network: whose.
        folder: with a project for each of them; replaced if it is one of ours.
        graphs: as :func:`tracking.finders.trigger.whole.evaluate` takes them.
        options: backend and the like.
        most: inputs of a test bench, the first ones.

    Returns:
        The projects' reports by name.

    Raises:
        InputError: as :func:`smartpix.export.hls.write_layers`.
    """
    check_tools()
    options = options or HlsOptions()
    valid = graphs[4]
    seen = flow(network, *graphs).inputs
    reports = {}
    with replace_folder_when_done(folder) as new:
        for mlp in MLPS:
            x = seen[mlp].reshape(-1, seen[mlp].shape[-1]) if mlp == "o" else seen[mlp][valid]
            x = x[:most]
            layers = perceptron_layers(network, mlp, valid.shape[1])
            facts = {"perceptron": mlp, "n_inputs": len(x)}
            expected = perceptron(network, mlp, x)
            reports[mlp] = write_layers(layers, new / mlp, align(network, mlp, x), expected, options, facts)
    return reports
