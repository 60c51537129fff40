"""The fuzz session: it counts what it must, sees each kind of fault, and repeats an input."""

import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest

from smartpix.schema import InputError
from tests.helpers import REPOSITORY

sys.path.append(str(REPOSITORY / "benchmarks"))
import fuzz
import fuzz_changes
from fuzz_attempts import SilentError
from fuzz_targets import TARGETS

KEYS = {"inputs", "input_errors", "accepted", "other", "crashes", "hangs", "silent"}


def raises(error):
    def attempt(rng, folder):
        raise error

    return attempt


@pytest.mark.parametrize(
    ("attempt", "kind"),
    [
        (lambda rng, folder: None, "accepted"),
        (raises(InputError("f.root: cut off; copy it again")), "input_errors"),
        (raises(InputError("two\nlines")), "other"),
        (raises(KeyError("x")), "other"),
        (raises(MemoryError()), "other"),
        (raises(SystemExit(1)), "other"),
        (raises(SilentError("other content")), "silent"),
    ],
)
def test_what_comes_of_an_input_is_told(attempt, kind, tmp_path):
    assert fuzz.attempt_one("t", 1, 1, {"t": attempt}, tmp_path)[0] == kind
    assert not list(tmp_path.iterdir())


def falls(pipe, seed):
    """Ends at the second input, and never answers to the fourth."""
    while (told := pipe.recv()) is not None:
        if told[1] == 2:
            os._exit(3)
        if told[1] == 4:
            time.sleep(1000)
        pipe.send(("ready", ""))
        pipe.send(("accepted", ""))


def test_crashes_and_hangs_are_counted_and_do_not_end_the_session():
    result = fuzz.run(600, 6, 1, 1, ["options-text"], work=falls, hang=5.0)
    assert {k: result[k] for k in KEYS} == {
        "inputs": 6, "accepted": 4, "crashes": 1, "hangs": 1, "input_errors": 0, "other": 0, "silent": 0
    }  # fmt: skip
    assert [(f["number"], f["kind"]) for f in result["faults"]] == [(2, "crashes"), (4, "hangs")]


def test_a_short_session_prints_one_object_without_faults():
    command = [
        sys.executable,
        str(REPOSITORY / "benchmarks" / "fuzz.py"),
        "--json",
        "--inputs",
        "60",
        "--processes",
        "1",
    ]
    names = [
        "events-ttree",
        "clusters",
        "weights-bytes",
        "checkpoint",
        "trackml",
        "other-options",
        "options-text",
    ]
    done = subprocess.run([*command, "--only", *names], capture_output=True, text=True, check=True)
    result = json.loads(done.stdout)
    assert result.keys() >= KEYS
    assert result["inputs"] == 60 == sum(result[k] for k in KEYS - {"inputs"})
    assert result["faults"] == []
    assert result["input_errors"] > 20
    assert set(result["targets"]) == set(names)


def test_every_change_changes_and_follows_from_the_seed():
    content = b"a,b\n1,2\n3,4\n" * 30
    for change in (fuzz_changes.bytes_changed, fuzz_changes.cells_changed, fuzz_changes.text_changed):
        made = [change(content, np.random.default_rng(k)) for k in range(40)]
        assert made == [change(content, np.random.default_rng(k)) for k in range(40)]
        assert sum(m != content for m in made) > 20
        assert len(set(made)) > 20
    value = {"a": [1, 2, {"b": 0.5}], "c": "x"}
    made = [json.dumps(fuzz_changes.json_changed(value, np.random.default_rng(k))) for k in range(60)]
    assert len(set(made)) > 20
    assert value == {"a": [1, 2, {"b": 0.5}], "c": "x"}


def test_all_formats_have_a_target():
    assert {"events-ttree", "events-rntuple", "clusters", "weights-bytes", "checkpoint", "parts"} <= set(
        TARGETS
    )
