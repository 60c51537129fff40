"""Checks of the estimates' weights: first the JSON in full, then the arrays against it.

Nothing is made of weights before both checks. The graph network has its own:
:func:`tracking.finders.gnn.network.load_network`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.chip.fixed_point import ACTIVATIONS, FixedNetwork, from_arrays
from smartpix.estimate.calibrate import AXES, OLDEST_AXES, PREDICTED
from smartpix.networks.fused import check_arrays, check_shapes
from smartpix.networks.options import LARGEST_IMAGE, MOST_LAYERS, MOST_SLICES, WIDEST
from smartpix.networks.plan import KINDS, N_OUTPUTS, layer_names, result_names
from smartpix.networks.weights import REPAIR, load_weights
from smartpix.rules import Rule, check_json, entries, fields, flag, items, optional, real, text, whole
from smartpix.schema import REGIONS, STRONGEST_FIELD, TARGETS, InputError

__all__ = ["Weights", "load_fixed_weights", "load_network_weights", "load_shape_weights"]

Weights = tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]
"""Arrays by name, and what is told of them."""

FURTHEST = 1e9
"""Of a calibration's shifts in sigmas and of factors on sigmas."""
LARGEST_LOG_SCALE = 50.0
LARGEST_OUTPUT = 2.0**20
"""Of networks of whole numbers."""

LENGTH = real(1e-4, 100)
FIELD = real(-STRONGEST_FIELD, STRONGEST_FIELD)
SENSOR = fields({"pitch_x": LENGTH, "pitch_y": LENGTH, "thickness": LENGTH, "field": FIELD}, more=True)
CHARGE = real(1e-6, 1e9)
FORMAT = fields({"signed": flag, "bits": whole(1, 40), "fraction": whole(-40, 60)})
SLICE = whole(0, MOST_SLICES - 1)
WIDTHS = items(whole(0, WIDEST), 2, 2)
IMAGES = {
    "n_slices": whole(1, MOST_SLICES),
    "n_rows": whole(5, LARGEST_IMAGE),
    "n_columns": whole(5, LARGEST_IMAGE),
}


def _kind(value: Any, where: str) -> None:
    """A kind of network that there is now: others may have been added to the table."""
    text(*KINDS)(value, where)


FLOAT_NETWORK = fields(
    {
        "kind": _kind, **IMAGES, "hidden": whole(0, WIDEST), "filters": whole(1, WIDEST),
        "batch_norm": flag,
        "reference": CHARGE, "compression": CHARGE,
    }
)  # fmt: skip
BITS = (
    "conv_bits",
    "dense_bits",
    "last_bits",
    "activation_bits",
    "output_bits",
    "output_fraction",
    "data_bits",
)
FIXED_NETWORK = fields(
    {
        "kind": _kind, **IMAGES, "filters": WIDTHS, "hidden": WIDTHS, **dict.fromkeys(BITS,
        whole(0, 40)),
        "activation": text(*ACTIVATIONS), "threshold": CHARGE, "adc_max": CHARGE, "edges": items(real(), 1,
        255, rising=True),
        "learn_edges": flag, "learn_bits": flag,
    }
)  # fmt: skip


def _calibration(axes: int) -> Rule:
    """Of each target a table for each axis, as :func:`smartpix.estimate.calibrate.fit_calibration` makes
    them.
    """

    def table(value: Any, where: str) -> None:
        fields(
            {
                "axis": whole(0, axes - 1), "at": items(real(), 1, rising=True),
                "shift": items(real(-FURTHEST, FURTHEST), 1),
                "log_scale": items(real(-LARGEST_LOG_SCALE, LARGEST_LOG_SCALE), 1),
            }
        )(value, where)  # fmt: skip
        n = len(value["at"])
        for name in ("shift", "log_scale"):
            items(real(), n, n)(value[name], f"{where}.{name}")

    def tables(value: Any, where: str) -> None:
        items(table, min(axes, OLDEST_AXES), axes)(value, where)
        for k, entry in enumerate(value):
            whole(k, k)(entry["axis"], f"{where}[{k}].axis")

    return items(tables, len(TARGETS), len(TARGETS))


def _of_networks(**more: Rule) -> Rule:
    """What networks of both kinds tell."""
    rules = {
        "region": text(*REGIONS), "sensor": SENSOR, "slices": items(SLICE, 1, MOST_SLICES),
        "data": fields({}, more=True),
        "truncated_scale": items(real(0, FURTHEST, above=0), len(TARGETS), len(TARGETS)),
    }  # fmt: skip
    return fields(rules | more, more=True)


FLOAT = _of_networks(
    network=FLOAT_NETWORK,
    calibration=_calibration(AXES),
    length=optional(fields({"offset": real(-FURTHEST, FURTHEST), "sigma": real(0, FURTHEST, above=0)})),
)
SHAPE = fields(
    {
        "sensor": entries(REGIONS, SENSOR), "slices": items(SLICE, 1, 1), "data": fields({}, more=True),
        "options": fields({"hidden": items(whole(1, WIDEST), 0, MOST_LAYERS)}, more=True),
    },
    more=True,
)  # fmt: skip


def _fixed(kind: str) -> Rule:
    output = real(-LARGEST_OUTPUT, LARGEST_OUTPUT)

    def interval(value: Any, where: str) -> None:
        items(output, 2, 2)(value, where)
        real(value[0], LARGEST_OUTPUT)(value[1], f"{where}[1]")

    return _of_networks(
        network=FIXED_NETWORK,
        # What the host knows of a chip's cluster is the network's outputs.
        calibration=_calibration(PREDICTED),
        output_range=items(interval, N_OUTPUTS, N_OUTPUTS),
        fixed=fields(
            {
                "kind": text(kind), "shape": items(whole(1, LARGEST_IMAGE), 3, 3),
                "activation": text(*ACTIVATIONS), "input": FORMAT,
                "formats": fields(dict.fromkeys(layer_names(kind), FORMAT)),
                "outputs": fields(dict.fromkeys(result_names(kind), FORMAT)),
            }
        ),
    )  # fmt: skip


def load_network_weights(name: str | Path, *sorts: str, remedy: str = "give weights of that kind") -> Weights:
    """Weights of an estimates' network, checked in full.

    Args:
        name: shipped weights by name, or others by path.
        sorts: ``"mdn"`` (of floating point) or ``"fixed"`` (of whole numbers), which the caller can run.
        remedy: what to do about weights of something else.

    Raises:
        InputError: missing or damaged files, weights of something else, or a description or arrays that do
            not fit; names the key.
    """
    arrays, description = load_weights(
        name, *(f"{sort}-{kind}" for sort in sorts for kind in KINDS), remedy=remedy
    )
    sort, kind = str(description["architecture"]).split("-")
    file = Path(name).with_suffix(".json")
    check_json(description, FLOAT if sort == "mdn" else _fixed(kind), file, REPAIR)
    network = description["network"]
    check_json(network["kind"], text(kind), f"{file}: network.kind", REPAIR)
    check_json(
        network["n_slices"],
        whole(len(description["slices"]), len(description["slices"])),
        f"{file}: n_slices",
        REPAIR,
    )
    if sort == "mdn":
        check_arrays(arrays, network, str(name))
    else:
        _check_fixed(from_arrays(arrays, description["fixed"], str(name)), arrays, network, str(name))
    return arrays, description


def load_fixed_weights(name: str | Path, remedy: str) -> tuple[FixedNetwork, dict[str, Any]]:
    """A network of whole numbers and its description; arguments and errors of
    :func:`load_network_weights`.
    """
    arrays, description = load_network_weights(name, "fixed", remedy=remedy)
    return from_arrays(arrays, description["fixed"], str(name)), description


def _check_fixed(
    network: FixedNetwork, arrays: Mapping[str, npt.NDArray[Any]], declared: Mapping[str, Any], name: str
) -> None:
    """Check that a network is as large as its description's ``network`` says, and of whole numbers."""
    plan, first = network.plan, KINDS[network.kind].filter_layers
    network_sizes = (
        network.shape,
        plan.filters[:first],
        plan.hidden,
        network.edges.shape,
        network.activation,
    )
    sizes = (
        tuple(declared[k] for k in IMAGES), tuple(declared["filters"])[:first], tuple(declared["hidden"]),
        (len(declared["edges"]),),
        declared["activation"],
    )  # fmt: skip
    if network_sizes != sizes:
        what = "shape, filters, widths, edges and activation"
        raise InputError(f"{name}: has {what} {network_sizes}, and its JSON says {sizes}; {REPAIR}")
    for key, values in arrays.items():
        if values.dtype.kind != ("f" if key == "edges" else "i"):
            raise InputError(
                f"{name}: '{key}' is of type {values.dtype}, whole numbers and real edges are expected; "
                f"{REPAIR}"
            )


def load_shape_weights(name: str | Path, architecture: str, n_features: int, n_classes: int) -> Weights:
    """Weights of the cluster-shape estimates, checked in full.

    Args:
        name: shipped weights by name, or others by path.
        architecture: theirs.
        n_features: what goes in; n_classes: of clusters, each with a covariance.

    Raises:
        InputError: as :func:`load_network_weights`.
    """
    arrays, description = load_weights(name, architecture)
    check_json(description, SHAPE, Path(name).with_suffix(".json"), REPAIR)
    layers = [n_features, *description["options"]["hidden"], len(TARGETS)]
    shapes: dict[str, tuple[int, ...]] = {}
    for region in description["sensor"]:
        shapes |= {f"{region}.feature_{k}": (n_features,) for k in ("mean", "std")}
        shapes |= {f"{region}.target_{k}": (len(TARGETS),) for k in ("mean", "std")}
        shapes |= {
            f"{region}.weight{k}": pair for k, pair in enumerate(zip(layers, layers[1:], strict=False))
        }
        shapes |= {f"{region}.bias{k}": (n,) for k, n in enumerate(layers[1:])}
        shapes[f"{region}.cholesky"] = (n_classes, len(TARGETS), len(TARGETS))
    check_shapes(arrays, shapes, name)
    for region in description["sensor"]:
        diagonal = np.diagonal(arrays[f"{region}.cholesky"], axis1=1, axis2=2)
        upper = np.triu(arrays[f"{region}.cholesky"], 1)
        good = np.all(diagonal > 0) and not upper.any()
        for key, fine in (
            (f"{region}.cholesky", good),
            (f"{region}.feature_std", np.all(arrays[f"{region}.feature_std"] > 0)),
        ):
            if not fine:
                raise InputError(
                    f"{name}: '{key}' must be positive (of a factor, its diagonal, with zeros above); "
                    f"{REPAIR}"
                )
    return arrays, description
