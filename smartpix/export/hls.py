"""Networks of whole numbers as hls4ml projects, proven equal by C simulation.

hls4ml (https://github.com/fastmachinelearning/hls4ml) writes C++ that the vendors' compilers turn into
hardware. What it writes is compiled here with g++, run over real clusters and compared with
:func:`smartpix.chip.fixed_point.evaluate`: one wrong bit is an error.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.chip.fixed_point import FixedNetwork, FixedPoint, Ints, evaluate
from smartpix.export.hls_layers import HlsLayer, hls_layers
from smartpix.extras import missing_package
from smartpix.files import replace_folder_when_done
from smartpix.schema import InputError, check, check_types, one_of, quoted

__all__ = [
    "BACKENDS",
    "IOS",
    "HlsOptions",
    "MismatchError",
    "check_project",
    "check_tools",
    "write_layers",
    "write_project",
]

Floats = npt.NDArray[np.float64]

BACKENDS: Mapping[str, tuple[str, ...]] = {
    "vitis": ("latency", "resource", "distributed_arithmetic"),
    "vivado": ("latency", "resource", "distributed_arithmetic"),
    "catapult": ("latency", "resource"),
    "quartus": ("resource",),
}
"""Strategies by backend. hls4ml's others need their vendor's compiler already for the C simulation, and have
none here.
"""
STRATEGIES = tuple(dict.fromkeys(strategy for backend in BACKENDS.values() for strategy in backend))
IOS = ("parallel", "stream")

NAME = "smartpix"
"""Of the project and its top function."""
REPORT, CONFIG, LOG = "report.json", "hls4ml_config.yml", "hls4ml.log"
INPUTS, EXPECTED = "tb_data/tb_input_features.dat", "tb_data/tb_output_predictions.dat"
"""Test bench: one cluster a line, places in the order row, column, slice; its outputs a line."""
FINISH = (
    "The 14 outputs are x, M11, y, M22, cot alpha, M33, cot beta, M44, M21, M31, M32, M41, M42, M43 in "
    "scaled units. "
    "What follows, softplus of the diagonal M11, M22, M33, M44, units and calibration, is the host's "
    "arithmetic: "
    "smartpix.estimate.mdn.MdnNetwork.finish"
)


class MismatchError(InputError):
    """A project computes something else than its network."""


@dataclass(frozen=True)
class HlsOptions:
    """How the hls4ml project is made.

    Attributes:
        backend: compiler that the project is for: ``vitis``, ``vivado``, ``catapult`` or ``quartus``.
        io: ``parallel`` (the whole window at once) or ``stream`` (place by place).
        strategy: ``latency``, ``resource`` or ``distributed_arithmetic`` (adders without multipliers);
            quartus has only resource.
        reuse: how often a multiplier works for one cluster. With 1 and parallel, all places of a
            convolution are made at once; with resource, each layer takes the nearest number that divides
            its work.
        clock_period: period of the clock in ns.
        part: device in the vendor's spelling; hls4ml's default if it is empty.
    """

    backend: str = one_of("vitis", BACKENDS)
    io: str = one_of("parallel", IOS)
    strategy: str = one_of("latency", STRATEGIES)
    reuse: int = 1
    clock_period: float = 5.0
    part: str = ""

    def __post_init__(self) -> None:
        check_types("hls", self)
        possible = BACKENDS[self.backend]
        if self.strategy not in possible:
            raise InputError(
                f"hls: hls4ml has no strategy {quoted(self.strategy)} for {self.backend}; it has "
                f"{', '.join(possible)}"
            )
        check("hls", "reuse", self.reuse, self.reuse >= 1, "at least 1")
        check("hls", "clock_period", self.clock_period, self.clock_period > 0, "positive")
        if self.strategy == "distributed_arithmetic" and self.reuse != 1:
            raise InputError(
                f"hls: distributed_arithmetic has no multipliers to reuse; reuse must be 1 and is "
                f"{self.reuse}"
            )


def write_project(
    network: FixedNetwork,
    folder: str | Path,
    codes: npt.NDArray[Any],
    options: HlsOptions,
    finish: str = FINISH,
) -> dict[str, Any]:
    """Write a network as an hls4ml project with a test bench of real clusters, compile it and compare all of
    them.

    Args:
        network: what the hardware computes.
        folder: to write; replaced if it is a project of ours, written whole or not at all.
        codes: (N, S, R, C) of the clusters, see :func:`smartpix.chip.fixed_point.adc_codes`.
        options: backend and the like.
        finish: what the outputs are and what the host makes of them, for whoever reads the report.

    Returns:
        What is written to report.json: options, number formats by layer, parameters, clusters compared.

    Raises:
        InputError: hls4ml or g++ missing, no clusters or of another shape, a folder that is not ours, a
            project that hls4ml cannot make or g++ not compile.
        MismatchError: the project computes something else than the network.
    """
    check_tools()
    if len(codes) == 0:
        raise InputError("hls: there are no clusters to simulate; give at least one")
    expected = evaluate(network, codes)
    form = network.input
    if codes.min() < form.low or codes.max() > form.high:
        raise InputError(
            f"hls: codes must lie from {form.low} to {form.high} and go from {codes.min()} to {codes.max()}"
        )
    images = codes.transpose(0, 2, 3, 1).reshape(len(codes), -1)
    facts = {
        "kind": network.kind,
        "activation": network.activation,
        "shape": list(network.shape),
        "parameters": network.parameters,
        "nonzero_weights": network.nonzero_weights,
        "input_order": "row, column, slice",
        "after_the_outputs": finish,
        "n_clusters": len(codes),
    }
    return write_layers(hls_layers(network), folder, images, expected, options, facts)


def write_layers(
    layers: list[HlsLayer],
    folder: str | Path,
    inputs: Ints,
    expected: Ints,
    options: HlsOptions,
    facts: Mapping[str, Any],
) -> dict[str, Any]:
    """Write layers as an hls4ml project with a test bench, compile it and compare all its results.

    Args:
        layers: the first is the input, the last gives the outputs.
        folder: to write; replaced if it is a project of ours, written whole or not at all.
        inputs: (N, n) whole numbers in the format of the first layer.
        expected: (N, O) whole numbers in the format of the last one.
        options: backend and the like.
        facts: what else the report says.

    Returns:
        What is written to report.json: options, facts, number formats by layer, mismatches.

    Raises:
        InputError: as :func:`write_project`.
        MismatchError: the project computes something else.
    """
    folder = Path(folder)
    first, last = layers[0].result, layers[-1].result
    with replace_folder_when_done(folder) as new:
        settings = _convert(layers, new, options)
        # The project is moved when it is done; the name it was written under means nothing to anyone.
        text = (new / CONFIG).read_text(encoding="utf-8")
        (new / CONFIG).write_text(text.replace(str(new), folder.name), encoding="utf-8")
        _write_numbers(new / INPUTS, np.ldexp(inputs.astype(np.float64), -first.fraction))
        _write_numbers(new / EXPECTED, np.ldexp(expected.astype(np.float64), -last.fraction))
        mismatches = check_project(new)
        report = _report(layers, settings, options, facts) | {"csim_mismatches": mismatches}
        (new / REPORT).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return report


def check_project(folder: str | Path) -> int:
    """Compile a project, run its test bench's clusters and compare; returns the number of wrong ones, which
    is 0.

    Raises:
        InputError: no project there, no g++, or it does not compile or run.
        MismatchError: outputs differ; says how many and names the first.
    """
    folder = Path(folder)
    for name in (INPUTS, EXPECTED, "build_lib.sh"):
        if not (folder / name).is_file():
            raise InputError(f"{folder}: has no {name}; is it a project written by smartpix?")
    expected = np.loadtxt(folder / EXPECTED, ndmin=2)
    simulation = _simulate(folder, np.loadtxt(folder / INPUTS, ndmin=2), expected.shape[1])
    wrong = simulation != expected
    clusters = wrong.any(axis=1)
    if clusters.any():
        i = int(np.argmax(clusters))
        j = int(np.argmax(wrong[i]))
        raise MismatchError(
            f"{folder}: the C simulation differs from the network for {int(clusters.sum())} of "
            f"{len(expected)} clusters; "
            f"the first is cluster {i}, output {j}: {simulation[i, j]:.10g} instead of {expected[i, j]:.10g}"
        )
    return 0


def check_tools() -> None:
    """Check that what projects are written and compiled with is there.

    Raises:
        InputError: hls4ml or g++ is missing.
    """
    try:
        import hls4ml  # noqa: F401
    except ImportError as error:
        raise missing_package("hls4ml", "hls", error) from error
    _check_compiler()


def _check_compiler() -> None:
    if shutil.which("g++") is None:
        raise InputError(
            "hls: g++ is missing, which compiles the C simulation; install it (Debian, Ubuntu: apt install "
            "g++)"
        )


def _type(form: FixedPoint, cut: bool = False) -> str:
    """As hls4ml writes it; with ``cut`` whatever is put in is cut off and saturates."""
    modes = ",AP_TRN,AP_SAT" if cut else ""
    return f"ap_{'' if form.signed else 'u'}fixed<{form.bits},{form.bits - form.fraction}{modes}>"


def _convert(layers: list[HlsLayer], folder: Path, options: HlsOptions) -> dict[str, dict[str, Any]]:
    """Write the project; returns hls4ml's settings by layer."""
    from hls4ml.backends import get_backend
    from hls4ml.model.graph import ModelGraph
    from hls4ml.utils.config import create_config

    part = {"part": options.part} if options.part else {}
    config = create_config(
        str(folder),
        NAME,
        options.backend,
        io_type=f"io_{options.io}",
        clock_period=options.clock_period,
        **part,
    )
    backend = get_backend(options.backend)
    settings = {layer.name: _settings(layer, options, backend) for layer in layers}
    model = {
        "Precision": "ap_fixed<16,6>",
        "ReuseFactor": options.reuse,
        "Strategy": BACKENDS[options.backend][0],
    }
    config["HLSConfig"] = {"Model": model, "LayerName": settings}
    listed = [
        {**layer.attributes, "class_name": layer.kind, "name": layer.name, "inputs": list(layer.inputs)}
        for layer in layers
    ]
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            ModelGraph.from_layer_list(config, listed).write()
    except Exception as error:  # hls4ml raises bare ones
        raise InputError(f"hls: hls4ml cannot make this project for {options.backend}: {error}") from error
    if printed.getvalue():
        (folder / LOG).write_text(printed.getvalue(), encoding="utf-8")
    return settings


def _settings(layer: HlsLayer, options: HlsOptions, backend: Any) -> dict[str, Any]:
    """hls4ml's settings of a layer."""
    precision = {"result": _type(layer.result, layer.cut)} | {
        name: _type(form) for name, form in layer.precision.items()
    }
    settings: dict[str, Any] = {"Precision": precision}
    if layer.kind not in ("Conv2D", "Dense"):
        # Additions and the constant ninth: there is nothing to choose.
        return settings | {"ReuseFactor": options.reuse}
    reuse = options.reuse
    if options.strategy == "resource":
        # hls4ml would choose too, but forgets its choice for 1 x 1 convolutions, which then abort, and takes
        # numbers that its convolutions cannot do.
        *seen, n_out = layer.attributes["weight_data"].shape
        n_in = int(np.prod(seen))
        possible = [
            n for n in backend.get_valid_reuse_factors(n_in, n_out) if layer.kind == "Dense" or n <= n_in
        ]
        reuse = backend.get_closest_reuse_factor(possible, options.reuse)
    settings |= {"ReuseFactor": int(reuse), "Strategy": options.strategy}
    if layer.kind == "Conv2D" and options.io == "parallel" and options.reuse == 1:
        settings["ParallelizationFactor"] = layer.pixels
    if layer.kind == "Conv2D" and options.backend == "quartus":
        # Winograd's kernels, its default, have fractions that the weights' types do not hold.
        settings["ConvImplementation"] = "im2col"
    return settings


def _write_numbers(path: Path, numbers: Floats) -> None:
    """One row a line; 17 digits, and no more than needed."""
    path.parent.mkdir(exist_ok=True)
    np.savetxt(path, numbers, fmt="%.17g")


def _simulate(folder: Path, values: Floats, n_outputs: int) -> Floats:
    """Outputs (N, n_outputs) of the compiled project for inputs (N, n)."""
    _check_compiler()
    firmware = folder.resolve() / "firmware"
    # hls4ml asks for -O3, which takes twice as long to compile and is not faster; the name is what the script
    # calls itself.
    script = (folder / "build_lib.sh").read_text(encoding="utf-8").replace("-O3", "-O1")
    command = ["bash", "-c", script, "./build_lib.sh"]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, encoding="utf-8", errors="replace", check=False
    )
    libraries = list(firmware.glob("*.so"))
    try:
        if done.returncode or len(libraries) != 1:
            raise InputError(
                f"{folder}: g++ cannot compile the project: {(done.stderr or done.stdout)[-2000:]}"
            )
        with tempfile.TemporaryDirectory() as scratch:
            source, out = Path(scratch) / "in.npy", Path(scratch) / "out.npy"
            np.save(source, values)
            call = str(Path(__file__).with_name("_call.py"))
            command = [
                sys.executable,
                call,
                str(libraries[0]),
                f"{NAME}_double",
                str(source),
                str(out),
                str(n_outputs),
            ]
            ran = subprocess.run(
                command, capture_output=True, encoding="utf-8", errors="replace", check=False
            )
            if ran.returncode:
                raise InputError(
                    f"{folder}: the C simulation ended with {ran.returncode}: "
                    f"{(ran.stderr or ran.stdout)[-2000:]}"
                )
            return np.asarray(np.load(out))
    finally:
        # They know the place of their weights by its full name, and the project may move.
        for library in libraries:
            library.unlink()


def _report(
    layers: list[HlsLayer],
    settings: Mapping[str, Mapping[str, Any]],
    options: HlsOptions,
    facts: Mapping[str, Any],
) -> dict[str, Any]:
    from hls4ml import __version__

    def of_layer(name: str) -> dict[str, Any]:
        chosen = settings[name]
        return {**chosen["Precision"], "reuse": chosen["ReuseFactor"], "strategy": chosen.get("Strategy")}

    return {
        **asdict(options),
        "hls4ml": __version__,
        "top_function": NAME,
        **facts,
        "layers": {layer.name: of_layer(layer.name) for layer in layers},
        "input": _type(layers[0].result),
        "output": _type(layers[-1].result),
    }
