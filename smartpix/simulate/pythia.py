"""Minimum-bias collisions of chromo's Pythia 6, in a process of its own.

Pythia's Fortran state allows one run per process, and it prints to stdout. The process is started as a plain
program, so that a script that simulates needs no ``__main__`` guard; it ends with the one that started it,
however that ends.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.extras import missing_package
from smartpix.packed import pack, unpack
from smartpix.schema import InputError

__all__ = ["Produced", "produce", "serve"]

Produced = tuple[
    npt.NDArray[np.int32],
    npt.NDArray[np.int32],
    npt.NDArray[np.float64],
    npt.NDArray[np.float64],
    npt.NDArray[np.float64],
]
"""Of one event's N particles: (N,) number of the collision from 1, (N,) PDG id, (N,) charge, (N, 3)
production point in mm from the collision, (N, 3) momentum in GeV."""

KIND = "collisions 1"
START = "import sys, json; sys.path[:] = json.loads(sys.argv[1]); from smartpix.simulate.pythia import serve; serve()"
PR_SET_PDEATHSIG = 1
"""Linux, prctl(2): the signal that comes when the parent dies."""


def produce(request: Mapping[str, Any], n_events: int, seed: int) -> list[Produced]:
    """Charged particles of events, and neutral ones that are asked for.

    Args:
        request: ``pileup``, ``energy`` (GeV), ``max_eta``, ``min_pt`` (GeV), and ``neutral``, a list of PDG
            ids.

    Raises:
        InputError: chromo is not installed, or the process died.
    """
    command = [sys.executable, "-P", "-c", START, json.dumps(sys.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            # It stays open: its end is that of this process.
            os.write(
                child.stdin.fileno(),
                json.dumps({**request, "n_events": n_events, "seed": seed}).encode() + b"\n",
            )
            answer = child.stdout.read()
        except BrokenPipeError:
            answer = b""
        except BaseException:
            child.kill()
            raise
    try:
        produced = unpack(answer, KIND)
    except ValueError as error:
        raise InputError(
            f"simulate: the process that makes the collisions ended with code {child.returncode}; what it "
            "says is above. If it was killed, there may be too little memory: ask for less pile-up or fewer "
            "events"
        ) from error
    if "error" in produced:
        raise InputError(produced["error"])
    return [tuple(event) for event in produced["events"]]


def serve() -> None:
    """The other process: one request from stdin, one answer to stdout."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _end_with_parent()
    line = b""
    while not line.endswith(b"\n"):
        if not (more := os.read(0, 4096)):
            return
        line += more
    threading.Thread(target=_watch_parent, daemon=True).start()
    # Pythia prints.
    out, quiet = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    try:
        answer: dict[str, Any] = {"events": _collide(**json.loads(line))}
    except InputError as error:
        answer = {"error": str(error)}
    with os.fdopen(out, "wb") as stream:
        stream.write(pack(answer, KIND))


def _end_with_parent() -> None:
    """Die with the parent, where the system can see to it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _watch_parent() -> None:
    """End when the parent's end of the pipe is closed; on every system."""
    while os.read(0, 4096):
        pass
    os._exit(1)


def _collide(
    pileup: int, energy: float, max_eta: float, min_pt: float, neutral: list[int], n_events: int, seed: int
) -> list[Produced]:
    try:
        from chromo.kinematics import CenterOfMass, GeV
        from chromo.models import Pythia6
    except ImportError as error:
        raise missing_package("chromo", "acts", error) from error
    # The generator's kinematics are exact in GeV; its vertices (weak decays within the collision) are in mm.
    model = Pythia6(CenterOfMass(energy * GeV, "p", "p"), seed=seed)
    stream = model(n_events * pileup)
    empty = np.zeros(0)
    nothing = empty.astype(np.int32), empty.astype(np.int32), empty, np.zeros((0, 3)), np.zeros((0, 3))
    events: list[Produced] = []
    for _ in range(n_events):
        columns: list[Produced] = []
        for collision in range(pileup):
            final = next(stream).final_state()
            momentum = np.stack([final.px, final.py, final.pz], axis=1)
            pt = np.hypot(momentum[:, 0], momentum[:, 1])
            keep = (final.charge != 0) | np.isin(final.pid, neutral)
            keep &= (pt > min_pt) & (np.abs(momentum[:, 2]) < pt * np.sinh(max_eta))
            columns.append(
                (
                    np.full(int(keep.sum()), collision + 1, dtype=np.int32),
                    final.pid[keep].astype(np.int32),
                    final.charge[keep].astype(np.float64),
                    np.stack([final.vx, final.vy, final.vz], axis=1)[keep],
                    momentum[keep],
                )
            )
        vertex, pdg, charge, point, momentum = (
            (np.concatenate(c) for c in zip(*columns, strict=True)) if columns else nothing
        )
        events.append((vertex, pdg, charge, point, momentum))
    return events
