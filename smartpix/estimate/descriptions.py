"""Checks of the estimates' weights: first the JSON in full, then the arrays against it.

Nothing is made of weights before both checks. The graph network has its own:
:func:`tracking.finders.gnn.network.load_network`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.chip.fixed_point import FixedNetwork, from_arrays
from smartpix.estimate.calibrate import AXES, OLDEST_AXES, PREDICTED
from smartpix.networks.fused import check_arrays, check_shapes
from smartpix.networks.options import LARGEST_IMAGE, MOST_LAYERS, MOST_SLICES, WIDEST
from smartpix.networks.plan import ACTIVATIONS, KINDS, N_OUTPUTS, layer_names, result_names
from smartpix.networks.weights import REPAIR, load_weights
from smartpix.rules import Rule, check_json, entries, fields, flag, items, optional, real, text, whole
from smartpix.schema import REGIONS, STRONGEST_FIELD, TARGETS, InputError

__all__ = [
    "SORTS", "TRUNCATED_SCALE", "Sort", "Weights", "calibration_rule", "fixed_rule", "float_rule",
    "load_network_weights", "load_shape_weights", "load_sorted_weights",
]  # fmt: skip

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
OUTPUTS = optional(whole(1, WIDEST))
"""Descriptions written before networks of other numbers do not have it."""
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
        # Weights that do not tell it have tanh.
        "activation": optional(text(*ACTIVATIONS)),
        "batch_norm": flag, "n_outputs": OUTPUTS,
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
        "learn_edges": flag, "learn_bits": flag, "n_outputs": OUTPUTS,
    }
)  # fmt: skip


def calibration_rule(axes: int) -> Rule:
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


def _of_networks(network: Rule, n_outputs: int, **more: Rule) -> Rule:
    """What networks of all sorts tell."""
    rules = {
        "region": text(*REGIONS), "sensor": SENSOR, "slices": items(SLICE, 1, MOST_SLICES),
        "data": fields({}, more=True), "network": network,
    }  # fmt: skip
    of_all = fields(rules | more, more=True)

    def check(value: Any, where: str) -> None:
        of_all(value, where)
        found = value["network"].get("n_outputs", N_OUTPUTS)
        whole(n_outputs, n_outputs)(found, f"{where}{'.' * bool(where)}network.n_outputs")

    return check


def float_rule(n_outputs: int, **more: Rule) -> Rule:
    """What the description of a network of floating point tells, and ``more``."""
    return _of_networks(FLOAT_NETWORK, n_outputs, **more)


def fixed_rule(kind: str, n_outputs: int, **more: Rule) -> Rule:
    """What the description of a network of whole numbers tells, and ``more``."""
    fixed = fields(
        {
            "kind": text(kind), "shape": items(whole(1, LARGEST_IMAGE), 3, 3),
            "activation": text(*ACTIVATIONS), "input": FORMAT,
            "formats": fields(dict.fromkeys(layer_names(kind), FORMAT)),
            "outputs": fields(dict.fromkeys(result_names(kind), FORMAT)),
        }
    )  # fmt: skip
    return _of_networks(FIXED_NETWORK, n_outputs, fixed=fixed, **more)


TRUNCATED_SCALE = items(real(0, FURTHEST, above=0), len(TARGETS), len(TARGETS))
FLOAT = float_rule(
    N_OUTPUTS,
    truncated_scale=TRUNCATED_SCALE,
    calibration=calibration_rule(AXES),
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

    return fixed_rule(
        kind,
        N_OUTPUTS,
        truncated_scale=TRUNCATED_SCALE,
        # What the host knows of a chip's cluster is the network's outputs.
        calibration=calibration_rule(PREDICTED),
        output_range=items(interval, N_OUTPUTS, N_OUTPUTS),
    )


@dataclass(frozen=True)
class Sort:
    """Weights of a sort, told by the first part of their architecture.

    Attributes:
        rule: that the description of a kind of network must follow.
        whole: they are of whole numbers.
    """

    rule: Callable[[str], Rule]
    whole: bool


SORTS = {"mdn": Sort(lambda kind: FLOAT, whole=False), "fixed": Sort(_fixed, whole=True)}
"""Of the estimates' networks."""


def load_network_weights(name: str | Path, *sorts: str, remedy: str = "give weights of that kind") -> Weights:
    """Weights of an estimates' network, checked in full.

    Args:
        name: shipped weights by name, or others by path.
        sorts: ``"mdn"`` (of floating point) or ``"fixed"`` (of whole numbers), which the caller can run; both
            if left out.
        remedy: what to do about weights of something else.

    Raises:
        InputError: as :func:`load_sorted_weights`.
    """
    return load_sorted_weights(name, {sort: SORTS[sort] for sort in sorts or SORTS}, remedy)


def load_sorted_weights(
    name: str | Path, sorts: Mapping[str, Sort], remedy: str = "give weights of that kind"
) -> Weights:
    """Weights of a network on clusters, of one of the ``sorts``, checked in full.

    Raises:
        InputError: missing or damaged files, weights of something else, or a description or arrays that do
            not fit; names the key.
    """
    arrays, description = load_weights(
        name, *(f"{sort}-{kind}" for sort in sorts for kind in KINDS), remedy=remedy
    )
    found, kind = str(description["architecture"]).split("-")
    sort, file = sorts[found], Path(name).with_suffix(".json")
    check_json(description, sort.rule(kind), file, REPAIR)
    network = description["network"]
    check_json(network["kind"], text(kind), f"{file}: network.kind", REPAIR)
    check_json(
        network["n_slices"],
        whole(len(description["slices"]), len(description["slices"])),
        f"{file}: n_slices",
        REPAIR,
    )
    if not sort.whole:
        check_arrays(arrays, network, str(name))
    else:
        _check_fixed(from_arrays(arrays, description["fixed"], str(name)), arrays, network, str(name))
    return arrays, description


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
        plan.n_outputs,
    )
    sizes = (
        tuple(declared[k] for k in IMAGES), tuple(declared["filters"])[:first], tuple(declared["hidden"]),
        (len(declared["edges"]),),
        declared["activation"], declared.get("n_outputs", N_OUTPUTS),
    )  # fmt: skip
    if network_sizes != sizes:
        what = "shape, filters, widths, edges, activation and outputs"
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
