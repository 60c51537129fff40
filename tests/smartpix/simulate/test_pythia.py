"""The process that makes collisions: it needs no guard in the caller's script, and ends with the caller."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import psutil
import pytest

from smartpix.schema import InputError
from smartpix.simulate.pythia import produce
from tests.helpers import REPOSITORY
from tests.left_out import require

REQUEST = {"pileup": 2, "energy": 14000.0, "max_eta": 4.0, "min_pt": 0.1, "neutral": []}

KINEMATICS = "GeV = 1\ndef CenterOfMass(*arguments): return arguments\n"
MODELS = """
import ctypes, os, time
import numpy as np

class Final:
    def __init__(self, rng):
        n = 7
        self.px, self.py, self.pz, self.vx, self.vy, self.vz = rng.normal(0, 1, (6, n))
        self.pid, self.charge = np.array([211] * 5 + [310, 130]), np.array([1.0] * 5 + [0.0, 0.0])

class Event:
    def __init__(self, rng):
        self.rng = rng
    def final_state(self):
        return Final(self.rng)

class Pythia6:
    def __init__(self, kinematics, seed):
        self.rng = np.random.default_rng(seed)
        os.write(1, b"banner")
        {more}
    def __call__(self, n):
        return (Event(self.rng) for _ in range(n))
"""


@pytest.fixture
def generator(tmp_path, monkeypatch):
    """Puts a generator in chromo's place, that does something more."""

    def put(more="pass"):
        (tmp_path / "chromo").mkdir()
        (tmp_path / "chromo" / "__init__.py").touch()
        (tmp_path / "chromo" / "kinematics.py").write_text(KINEMATICS)
        (tmp_path / "chromo" / "models.py").write_text(MODELS.replace("{more}", more))
        monkeypatch.syspath_prepend(tmp_path)
        return tmp_path

    return put


def test_events_come_back_as_they_were_made(generator, capfd):
    generator()
    one, two = produce(REQUEST, 2, 7)
    vertex, pdg, charge, point, momentum = one
    assert [a.dtype for a in one] == [np.int32, np.int32, np.float64, np.float64, np.float64]
    assert point.shape == momentum.shape == (len(vertex), 3)
    assert set(vertex) == {1, 2}
    assert set(pdg) == {211}
    assert set(charge) == {1.0}
    assert not np.array_equal(one[4], two[4])
    assert all(np.array_equal(a, b) for a, b in zip(one, produce(REQUEST, 1, 7)[0], strict=True))
    more = produce(REQUEST | {"neutral": [310]}, 1, 7)[0]
    assert set(more[1]) == {211, 310}
    assert set(more[2][more[1] == 310]) == {0.0}
    # Nothing of what it prints.
    assert capfd.readouterr().out == ""


def test_no_collisions_are_empty_events(generator):
    generator()
    for event in produce(REQUEST | {"pileup": 0}, 2, 1):
        assert [a.shape for a in event] == [(0,), (0,), (0,), (0, 3), (0, 3)]


def test_a_script_without_a_guard_simulates(generator, tmp_path):
    folder = generator()
    script = tmp_path / "script.py"
    script.write_text(
        "from smartpix.beam import BeamSpot\n"
        "from smartpix.simulate.generate import collisions\n"
        "from smartpix.simulate.options import GenerateOptions\n"
        "print(len(collisions(GenerateOptions(pileup=3), BeamSpot(), 2, 1)))\n"
    )
    environment = {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{REPOSITORY}"}
    done = subprocess.run(
        [sys.executable, script], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr, done.returncode) == ("2\n", "", 0)


def test_without_chromo_the_extra_is_named(generator):
    folder = generator()
    (folder / "chromo" / "models.py").write_text("raise ImportError('no Fortran')")
    with pytest.raises(InputError, match=r"chromo: cannot be imported .* pip install 'smartpix.acts"):
        produce(REQUEST, 1, 1)


def test_a_process_that_dies_is_one_error(generator):
    generator("os.kill(os.getpid(), 9)")
    with pytest.raises(
        InputError, match=r"the process that makes the collisions ended with code -9; .* too little memory"
    ):
        produce(REQUEST, 1, 1)


STARTS = """
    from smartpix.simulate.pythia import produce
    produce({request}, 1, 1)
"""


@pytest.mark.parametrize("how", ["signal", "pipe"])
def test_it_ends_when_the_one_that_started_it_is_killed(generator, tmp_path, how):
    """By the system's signal; or, where there is none, by the end of the pipe."""
    if how == "signal":
        require("linux")
    told = tmp_path / "pid"
    # The signal is off, or the thread that watches the pipe cannot run.
    off = "ctypes.CDLL(None).prctl(1, 0)" if how == "pipe" and sys.platform == "linux" else "pass"
    busy = "ctypes.PyDLL(None).sleep(60)" if how == "signal" else "time.sleep(60)"
    folder = generator(
        f"{off}; open({str(told)!r} + '~', 'w').write(str(os.getpid())); os.rename({str(told)!r} + '~', "
        f"{str(told)!r}); {busy}"
    )
    environment = {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{REPOSITORY}"}
    command = [sys.executable, "-c", textwrap.dedent(STARTS.format(request=REQUEST))]
    parent = subprocess.Popen(command, env=environment)
    until = time.monotonic() + 60
    while not told.exists() and time.monotonic() < until:
        time.sleep(0.02)
    child = psutil.Process(int(told.read_text()))
    assert child.is_running()
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    assert psutil.wait_procs([child], timeout=20)[1] == []
