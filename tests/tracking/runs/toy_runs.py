"""Runs on copies of the toy events, and what they leave."""

import json
import subprocess
import sys

import awkward as ak
import numpy as np
import uproot

from tests.helpers import REPOSITORY
from tracking.runs.driver import run

ALONE = """
import sys
from tracking import RunOptions, run
run(sys.argv[1], sys.argv[2], RunOptions(gnn=sys.argv[3]), figures=False, events_per_unit=1)
"""


def call(code, copies, folder, options):
    command = [sys.executable, "-c", code, str(copies / "toy-*.root"), str(folder), options.gnn]
    return subprocess.run(command, cwd=REPOSITORY, check=code is ALONE).returncode


def run_into(folder, copies, options, client=None, events_per_unit=1):
    run(copies / "toy-*.root", folder, options, client, figures=False, events_per_unit=events_per_unit)
    return folder


def results(folder):
    """All numbers but the times, to the last bit, and the bytes of all branches of the tracks."""
    summary = json.loads((folder / "summary.json").read_text())
    assert json.loads((folder / "times.json").read_text())["ms_per_event"]["total"] > 0
    assert len(summary.pop("sha256")["tracks.root"]) == 64
    with uproot.open(folder / "tracks.root") as file:
        arrays = file["tracks"].arrays()
    assert len(arrays) == summary["n_events"]
    buffers = ak.to_buffers(ak.to_packed(arrays))
    return json.dumps(summary), {name: np.asarray(b).tobytes() for name, b in buffers[2].items()}


def parts(folder):
    return sorted((folder / "unfinished").glob("*.part"))
