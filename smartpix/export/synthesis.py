"""Size and speed of Verilog with free tools: yosys (look-up tables, standard cells) and opensta (longest
path).
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from smartpix.schema import InputError

__all__ = [
    "CELLS",
    "FPGA",
    "LIBERTY",
    "NETLIST",
    "TIMING",
    "cells",
    "fpga",
    "fpga_assumption",
    "missing",
    "present",
    "run",
    "timing",
    "tool_version",
]

LIBERTY = "/usr/share/qflow/tech/osu018/osu018_stdcells.lib"
GATES, NETLIST = "gates.il", "cells.v"
"""The design in gates, which is only there on the way, and in standard cells."""

FPGA = ("luts", "ffs", "carry")
CELLS = ("cells", "cell_ffs", "cell_area_mm2", "cell_area_mm2_28nm")
TIMING = ("longest_path_ns", "slack_ns", "meets_clock", "fmax_mhz")
"""What each step finds."""

NANOMETRES = 180, 28
CELL_ASSUMPTIONS = [
    "cells: area of the standard cells of the OSU 180 nm library, before placement: no clock tree, no wires, "
    "no fill",
    f"28 nm: the area at 180 nm times ({NANOMETRES[1]}/{NANOMETRES[0]})^2, the ideal shrink; a real library "
    f"differs",
]
TIMING_ASSUMPTION = (
    "longest path: from register to register at 180 nm, typical corner, no wires, with setup, by opensta; "
    "not scaled to 28 nm"
)

DEBIAN_PACKAGES = {"verilator": "verilator", "yosys": "yosys", "sta": "opensta"}
HELPERS = {"verilator": ("make", "g++")}


def missing(tool: str, file: str | None = None) -> dict[str, str]:
    """What to install: by tool, if the tool or what it needs is not there, and as ``liberty``, if the file is
    not.
    """
    fixes = {}
    for name in (tool, *HELPERS.get(tool, ())):
        if shutil.which(name) is None and tool not in fixes:
            fixes[tool] = f"'{name}' was not found; on Debian: apt install {DEBIAN_PACKAGES.get(name, name)}"
    if file is not None and not Path(file).is_file():
        fixes["liberty"] = f"'{file}' was not found; on Debian: apt install qflow-tech-osu018"
    return fixes


def tool_version(tool: str) -> str:
    """As the tool gives it."""
    flag = {"verilator": "--version", "yosys": "-V", "sta": "-version"}[tool]
    done = subprocess.run([tool, flag], capture_output=True, encoding="utf-8", errors="replace", check=False)
    return (done.stdout + done.stderr).strip().splitlines()[0]


def present(facts: dict[str, Any], tool: str, file: str | None = None) -> bool:
    """Note the version of a tool that is there, or what to install."""
    fix = missing(tool, file)
    if fix:
        facts["missing"] |= fix
    elif tool not in facts["versions"]:
        facts["versions"][tool] = tool_version(tool)
    return not fix


def run(command: list[str], folder: Path, log: str) -> str:
    """What a command prints in a folder; written to ``log`` there as well.

    Raises:
        InputError: it failed; with the end of what it printed.
    """
    with (folder / log).open("w", encoding="utf-8") as file:
        code = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT
        ).returncode
    text = (folder / log).read_text(errors="replace", encoding="utf-8")
    if code != 0:
        raise InputError(f"{Path(command[0]).name} failed with code {code}:\n{text[-2000:]}")
    return text


def fpga(folder: Path, family: str, narrow: bool = False) -> dict[str, Any]:
    """Look-up tables, registers and carry chains' blocks of the design in programmable logic.

    Args:
        narrow: without the multiplexers behind look-up tables. With them yosys makes wide functions of narrow
            adders, which are faster and take more tables.

    Modules with the attribute ``keep_hierarchy`` are synthesised once. ``modules`` has, by name, what one of
    each has in itself and how often it occurs; ``smartpix`` is all else.
    """
    without = " -nowidelut" if narrow else ""
    script = f"""{_read(folder)}
synth_xilinx -family {family} -top smartpix -flatten -noiopad -noclkbuf -nodsp -nobram -nosrl{without}
tee -q -o yosys_fpga.json stat -json
"""
    _yosys(folder, script, "yosys_fpga")
    stat = json.loads((folder / "yosys_fpga.json").read_text(encoding="utf-8"))["modules"]
    # Yosys writes the names of modules with a backslash, and those of cells' types without.
    types = {name.lstrip("\\"): dict(module["num_cells_by_type"]) for name, module in stat.items()}
    modules: dict[str, Any] = {}

    def add(name: str, times: int) -> None:
        counts = modules.setdefault(name, {**_fpga_cells(types[name]), "copies": 0})
        counts["copies"] += times
        for inside in types[name].keys() & types.keys():
            add(inside, times * types[name][inside])

    add("smartpix", 1)
    total = {key: sum(module[key] * module["copies"] for module in modules.values()) for key in FPGA}
    return total | ({"modules": modules} if len(modules) > 1 else {})


def fpga_assumption(family: str, narrow: bool = False) -> str:
    """What the counts of :func:`fpga` are."""
    without = ", no multiplexers behind look-up tables" if narrow else ""
    return f"look-up tables: yosys synth_xilinx for {family}, before placement, no DSP, no BRAM{without}"


def _fpga_cells(count: dict[str, int]) -> dict[str, int]:
    return {
        "luts": sum(n for name, n in count.items() if re.fullmatch(r"LUT[1-6]", name)),
        "ffs": sum(n for name, n in count.items() if name.startswith("FD")),
        "carry": sum(n for name, n in count.items() if name.startswith("CARRY")),
    }


def cells(folder: Path, liberty: str, clock_ns: float) -> dict[str, Any]:
    """Number and area of the design's standard cells; leaves them in ``cells.v``."""
    # With a load at the outputs abc also puts buffers behind gates that drive many others, and chooses sizes.
    (folder / "abc.constr").write_text("set_load 0.1\n", encoding="utf-8")
    # In two goes: what the first one needs on the way to gates would not leave abc enough memory beside it.
    _yosys(
        folder, f"{_read(folder)}\nsynth -flatten -noabc -top smartpix\nwrite_rtlil {GATES}\n", "yosys_gates"
    )
    # Opensta reads no assignments of several wires at once: the last step leaves none.
    script = f"""read_rtlil {GATES}
dfflibmap -liberty {liberty}
abc -liberty {liberty} -constr abc.constr -D {clock_ns * 1000:.0f}
opt_clean -purge
tee -q -o yosys_cells.json stat -json
tee -q -o yosys_cells_area.txt stat -liberty {liberty}
splitnets -ports
opt_clean -purge
write_verilog -noattr {NETLIST}
"""
    _yosys(folder, script, "yosys_cells")
    (folder / GATES).unlink()
    count = _count(folder, "yosys_cells")
    area = (
        float(
            _found(
                r"Chip area for .*: *([0-9.]+)", (folder / "yosys_cells_area.txt").read_text(encoding="utf-8")
            )
        )
        * 1e-6
    )
    return {
        "cells": sum(count.values()),
        "cell_ffs": sum(n for name, n in count.items() if name.startswith("DFF")),
        "cell_area_mm2": area,
        "cell_area_mm2_28nm": area * (NANOMETRES[1] / NANOMETRES[0]) ** 2,
    }


def timing(folder: Path, liberty: str, clock_ns: float) -> dict[str, Any]:
    """Longest path from register to register of ``cells.v``, with the setup of the second."""
    (folder / "sta.tcl").write_text(
        f"""read_liberty {liberty}
read_verilog {NETLIST}
link_design smartpix
create_clock -name clk -period {clock_ns} [get_ports clk]
report_checks -path_delay max -digits 4
puts "worst slack [worst_slack -max]"
exit
""",
        encoding="utf-8",
    )
    text = run(["sta", "-no_splash", "-exit", "sta.tcl"], folder, "sta.log")
    # Opensta goes on after an error, without the part of the design that it did not understand.
    if "Error" in text:
        raise InputError(f"opensta did not read the design:\n{text[-2000:]}")
    slack = float(_found(r"worst slack (-?[0-9.]+)", text))
    longest = clock_ns - slack
    return {
        "longest_path_ns": longest,
        "slack_ns": slack,
        "meets_clock": slack >= 0,
        "fmax_mhz": 1000 / longest,
    }


def _read(folder: Path) -> str:
    sources = sorted(path.name for path in folder.glob("*.v") if path.name not in ("testbench.v", NETLIST))
    return f"read_verilog {' '.join(sources)}"


def _yosys(folder: Path, script: str, name: str) -> None:
    (folder / f"{name}.ys").write_text(script, encoding="utf-8")
    run(["yosys", "-v", "2", "-s", f"{name}.ys"], folder, f"{name}.log")


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    if found is None:
        raise InputError(f"'{pattern}' was not found in what the tool wrote:\n{text[-2000:]}")
    return found[1]


def _count(folder: Path, name: str) -> dict[str, int]:
    """Cells by type."""
    stat = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    return dict(stat["modules"]["\\smartpix"]["num_cells_by_type"])
