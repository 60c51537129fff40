"""Logic of da4ml as pipelined Verilog, with evenly spaced ports; its simulation by verilator."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from smartpix.chip.fixed_point import Ints
from smartpix.export import synthesis
from smartpix.schema import InputError

__all__ = ["hex_lines", "pipelined", "simulate", "spaced_ports", "write_da4ml", "write_pipeline"]

DA4ML = ("shift_adder", "mux", "negative")
"""Modules of da4ml (LGPL-3.0) that its Verilog is made of."""


def pipelined(logic: Any, depth: int) -> Any:
    """Logic as da4ml's pipeline, with registers after every ``depth`` adders."""
    from da4ml.trace.pipeline import to_pipeline

    return to_pipeline(logic, depth, retiming=False, verbose=False)


def write_pipeline(pipe: Any, name: str, folder: Path) -> None:
    """Write the module ``name`` of a pipeline, and those of its stages, with da4ml's packed ports."""
    from da4ml.codegen.rtl import verilog

    for module, text in verilog.pipeline_logic_gen(pipe, name, print_latency=False).items():
        (folder / f"{module}.v").write_text(text, encoding="utf-8")


def write_da4ml(folder: Path) -> None:
    """Write the modules of da4ml that pipelines use."""
    from da4ml.codegen.rtl import verilog

    for name in DA4ML:
        source = (Path(verilog.__file__).parent / "source" / f"{name}.v").read_text(encoding="utf-8")
        # Verilator before 5.008 does not know the two parts of WIDTH by name, and stops.
        (folder / f"{name}.v").write_text(
            source.replace("WIDTHTRUNC", "WIDTH").replace("WIDTHEXPAND", "WIDTH"), encoding="utf-8"
        )


def spaced_ports(
    pipe: Any, name: str, in_bits: Sequence[int], out_bits: Sequence[int], ports: tuple[str, str]
) -> str:
    """Body of a module around a pipeline, whose ports hold the numbers in given widths, the first one lowest.

    Args:
        pipe: the pipeline.
        name: of its module.
        in_bits, out_bits: width of each number that comes in and goes out.
        ports: names of the module's ports in and out.
    """
    source, target = ports
    lines, at, place = [], 0, 0
    for form, width in zip(_forms(pipe.inp_qint), in_bits, strict=True):
        if form[0]:
            lines.append(f"assign used[{at} +: {form[0]}] = {source}[{place} +: {form[0]}];")
        at += form[0]
        place += width
    n_used, at, place = at, 0, 0
    for (bits, zeros, signed), width in zip(_forms(pipe.out_qint), out_bits, strict=True):
        more = width - bits - zeros
        # The tracing keeps to the format, so there is never more than fits.
        assert more >= 0
        parts = [f"{{{more}{{found[{at + bits - 1}]}}}}" if signed else f"{more}'b0"] if more else []
        parts += [f"found[{at} +: {bits}]"] if bits else []
        parts += [f"{zeros}'b0"] if zeros else []
        lines.append(f"assign {target}[{place} +: {width}] = {{{', '.join(parts)}}};")
        at += bits
        place += width
    body = "\n    ".join(lines)
    return f"""    wire [{n_used - 1}:0] used;
    wire [{at - 1}:0] found;

    {body}

    {name} logic_of_{name} (.clk(clk), .model_inp(used), .model_out(found));
"""


def simulate(folder: str | Path, more: Sequence[str] = ()) -> int:
    """Inputs of a folder's test bench whose results differ from the expected ones, with the clock, by
    verilator.

    Args:
        folder: with ``testbench.v``, which prints how many of what there were and how many mismatches.
        more: flags for verilator.

    Raises:
        InputError: the Verilog does not compile, or the test bench does not come to its end.
    """
    folder = Path(folder)
    with tempfile.TemporaryDirectory() as build:
        sources = sorted(path.name for path in folder.glob("*.v") if path.name != synthesis.NETLIST)
        # da4ml's modules drop bits on purpose, which lint warns of. Optimised C++ takes longer to compile
        # than it saves.
        command = [
            "verilator",
            "--binary",
            "-j",
            "1",
            "-Wno-lint",
            "-Wno-style",
            "--top-module",
            "testbench",
            "--Mdir",
            build,
        ]
        command += [
            word for stage in ("GLOBAL", "FAST", "SLOW") for word in ("-MAKEFLAGS", f"OPT_{stage}=-O0")
        ]
        synthesis.run([*command, *more, *sources], folder, "verilator.log")
        out = synthesis.run([str(Path(build) / "Vtestbench")], folder, "simulation.log")
    found = re.search(r"(\d+) mismatches (\d+)", out)
    if found is None:
        raise InputError(f"the test bench did not come to its end:\n{out[-2000:]}")
    return int(found[2])


def _forms(intervals: list[Any]) -> list[tuple[int, int, bool]]:
    """Of da4ml's packed numbers: bits, zeros below them that are left out, signed."""
    from da4ml.types import minimal_kif

    return [(int(k + i + f), int(-f) if k + i + f else 0, bool(k)) for k, i, f in map(minimal_kif, intervals)]


def hex_lines(numbers: Ints, bits: int) -> str:
    """One line of hexadecimal digits per row (N, n) of numbers, the first number lowest."""
    each = ((numbers[:, :, None] >> np.arange(bits)) & 1).astype(np.uint8).reshape(len(numbers), -1)
    packed = np.packbits(each, axis=1, bitorder="little")[:, ::-1]
    digits = -(-each.shape[1] // 4)
    return "".join(row.tobytes().hex()[-digits:] + "\n" for row in packed)
