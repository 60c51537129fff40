"""Programs that tests use and this repository does not install, the Debian packages that hold them, and
`make tools`.

Only Python's standard library, also when imported: `make tools` may be the first command in a clone.
"""

from __future__ import annotations

import functools
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PROGRAMS = {
    "g++": ("g++",),
    "verilator": ("verilator",),
    "yosys": ("yosys",),
    "opensta": ("sta",),
    "qflow-tech-osu018": ("/usr/share/qflow/tech/osu018/osu018_stdcells.lib",),
    "chromium": ("chromium", "google-chrome"),
    "chromium-driver": ("chromedriver",),
}
"""By Debian package: what must be there of it, a command or a file; one of several is enough."""

ESSENTIAL = ("bash", "dirname", "mkdir", "mv", "rm", "seq", "as", "ld")
"""What every Debian system has, and what g++ brings, as far as data/make.sh and the build scripts of hls4ml call it
by name.
"""

COMPILE = (
    'set -e; cd "$(dirname "$0")"; echo "int main() {}" | g++ -x c++ - -o compiled; ./compiled; rm compiled'
)


@functools.cache
def _compiles() -> bool:
    """Whether a program comes out of g++: without assembler and linker it is as good as missing."""
    if any(shutil.which(name) is None for name in ("bash", "dirname", "rm")):
        return False
    with tempfile.TemporaryDirectory() as folder:
        command = ["bash", "-c", COMPILE, f"{folder}/script"]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


def is_there(package: str) -> bool:
    """Whether a program is found, by PATH or where its file must be."""
    found = any(Path(p).is_file() if p.startswith("/") else shutil.which(p) for p in PROGRAMS[package])
    return found and (package != "g++" or _compiles())


def bare_path(folder: Path) -> dict[str, str]:
    """An environment whose PATH holds python3, git, make, g++ and nothing else that is not on every Debian
    system.

    Args:
        folder: a new one, for the programs.

    Returns:
        PATH, HOME (an empty folder beside the programs) and how pip reaches its index, where the caller's
        says so.
    """
    programs, home = folder / "programs", folder / "home"
    programs.mkdir(parents=True)
    home.mkdir()
    for name in ("git", "make", "g++", *ESSENTIAL):
        place = shutil.which(name)
        if place is not None:
            (programs / name).symlink_to(place)
    # A link would make the folder part of what Python takes for its installation.
    python = programs / "python3"
    python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys._base_executable)} "$@"\n')
    python.chmod(0o755)
    kept = {k: v for k, v in os.environ.items() if k.startswith("PIP_") or k.lower().endswith("_proxy")}
    return {**kept, "PATH": str(programs), "HOME": str(home)}


def install() -> int:
    """Install what is missing with apt, as root or by sudo without a password; else say how. Returns the exit
    code.
    """
    packages = [name for name in PROGRAMS if not is_there(name)]
    if not packages:
        print(f"tools: all there: {', '.join(PROGRAMS)}")
        return 0
    names = " ".join(packages)
    if shutil.which("apt-get") is None:
        print(f"tools: apt-get is missing; install what Debian calls: {names}", file=sys.stderr)
        return 1
    command = f"apt-get update; apt-get install --yes --no-install-recommends {names}"
    root = ["env"]
    if os.geteuid() != 0:
        root = ["sudo", "-n", "env"]
        asked = shutil.which("sudo") and subprocess.run(
            ["sudo", "-n", "true"], capture_output=True, check=False
        )
        if not asked or asked.returncode != 0:
            print(f"tools: needs root; call: sudo sh -c '{command}'", file=sys.stderr)
            return 1
    print(f"tools: {command}", flush=True)
    # A list that is out of date fails the installation, and says so; one source that is out of reach need
    # not.
    for part in command.split("; "):
        code = subprocess.run(
            [*root, "DEBIAN_FRONTEND=noninteractive", *part.split()], stdin=subprocess.DEVNULL
        ).returncode
    _compiles.cache_clear()
    left = [name for name in packages if not is_there(name)]
    if code != 0 or left:
        print(
            f"tools: apt-get ended with {code}; still missing: {' '.join(left) or 'nothing'}", file=sys.stderr
        )
    return int(code != 0 or bool(left))


if __name__ == "__main__":
    sys.exit(install())
