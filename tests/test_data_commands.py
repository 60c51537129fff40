"""The commands that remake the data, of data/make.sh: they are run with a command line that does nothing."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tracking.cli.main import parser

DATA = Path(__file__).parents[1] / "data"
STUB = """#!{python}
import json, sys
from pathlib import Path
arguments = sys.argv[1:]
read = [a.rpartition("=")[2] for i, a in enumerate(arguments) if i == 0 or arguments[i - 1] != "-o"]
files = [Path(name) for name in read if name.endswith((".root", ".parquet", ".csv", ".safetensors"))]
if missing := [str(path) for path in files if not path.exists()]:
    sys.exit(f"{{arguments}} needs {{missing}}")
with open({log!r}, "a") as log:
    log.write(json.dumps(arguments) + "\\n")
output = Path(arguments[arguments.index("-o") + 1])
output.touch()
if output.suffix == ".safetensors":
    output.with_suffix(".json").touch()
"""


@pytest.fixture(scope="module")
def commands(tmp_path_factory):
    """The folder of a run of data/make.sh, and its commands. The stand-in refuses files that are not there."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "data").mkdir()
    (folder / "bin").mkdir()
    shutil.copy(DATA / "make.sh", folder / "data")
    stub, log = folder / "bin" / "smartpix", folder / "log"
    stub.write_text(STUB.format(python=sys.executable, log=str(log)))
    stub.chmod(0o755)
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    run = subprocess.run(
        ["/bin/bash", folder / "data" / "make.sh"], env={**os.environ, "PATH": path}, capture_output=True, text=True
    )  # fmt: skip
    assert (run.returncode, run.stderr) == (0, "")
    return folder / "data", [json.loads(line) for line in log.read_text().splitlines()]


def test_each_command_is_one_of_the_command_line(commands):
    known = parser()
    for arguments in commands[1]:
        known.parse_args(arguments)


def test_they_make_all_weights_that_ship(commands):
    made, shipped = (
        {path.name for path in (of / "weights").glob("*.safetensors")} for of in (commands[0], DATA)
    )
    assert made == shipped


TRAINED = [path for path in sorted((DATA / "weights").glob("*.json")) if not path.stem.startswith("shape-")]


@pytest.mark.parametrize("path", TRAINED, ids=lambda p: p.stem)
def test_weights_were_trained_with_the_options_of_their_command(path, commands):
    """Of weights that were calibrated afterwards, the training's command wrote another file."""
    trained = [a for a in commands[1] if a[0] in ("train", "compress")]
    by_output = {Path(a[a.index("-o") + 1]).stem: a for a in trained}
    given = parser().parse_args(by_output[path.stem])
    # What is read of data sets is told among the data.
    flags = {name: value for name, (_, value) in given.flag_values.items() if not name.startswith("readout.")}
    flags |= {
        name: json.loads(value)
        for name, _, value in (pair.partition("=") for pair in given.set)
        if _is_number(value)
    }
    options = json.loads(path.read_text())["options"]
    trained_with = {name: _at(options, name) for name in flags}
    assert trained_with == flags


def _is_number(text):
    return text.replace(".", "", 1).isdigit()


def _at(options, name):
    """The value under a dotted name; weights of before an option say nothing of it."""
    for part in name.split("."):
        options = options.get(part, {})
    return tuple(options) if isinstance(options, list) else options
