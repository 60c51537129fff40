"""Foreign folders named as packages of ours, in the working directory and first on the path."""

import subprocess
import sys
from pathlib import Path

import pytest

from smartpix.siblings import SIBLINGS
from tests.helpers import REPOSITORY

IN_POOL = """\
import multiprocessing
import smartpix

if __name__ == "__main__":
    from smartpix.siblings import AT_START

    with multiprocessing.get_context("spawn").Pool(1, **AT_START) as pool:
        print(pool.apply(smartpix.ConeOptions().joint_cut))
"""


@pytest.fixture(scope="module")
def crowded(tmp_path_factory):
    """A folder of somebody who has packages and modules of these names."""
    folder = tmp_path_factory.mktemp("crowded")
    for name in (*SIBLINGS, "docs", "data", "tests"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(f"raise SystemExit('{name} of the user')\n")
    (folder / "silent").mkdir()
    for name in SIBLINGS:
        (folder / "silent" / f"{name}.py").write_text("")
    return folder


def python(folder, *arguments):
    """Python in a folder, which is first on its path."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={"PYTHONPATH": f"{folder}:{REPOSITORY}"},
        capture_output=True,
        text=True,
    )


def test_the_command_knows_its_own_packages(crowded):
    done = python(crowded, "-m", "smartpix", "run", "none.root")
    assert done.stderr.startswith("smartpix: none.root: no such file"), done.stderr
    assert done.returncode == 1


def test_a_script_gets_ours(crowded):
    code = "import smartpix, tracking.options, seeding; print(tracking.__file__, seeding.__path__[0])"
    done = python(crowded, "-c", code)
    places = [REPOSITORY / "tracking" / "__init__.py", REPOSITORY / "seeding"]
    assert [Path(word) for word in done.stdout.split()] == places, done.stderr


def test_processes_of_a_pool_get_ours(crowded):
    """Of an interactive session, whose first lines no child runs again."""
    done = python(crowded, "-c", IN_POOL)
    assert float(done.stdout) > 0, done.stderr


def test_every_pool_of_new_processes_gets_ours():
    """A child that does not fork unpickles its first work from the user's folder, if it may."""
    started = []
    for file in (path for room in ("smartpix", *SIBLINGS) for path in (REPOSITORY / room).rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        if '"spawn"' in text or '"forkserver"' in text:
            started.append(file.name)
            assert "**AT_START" in text, file
    assert {"work.py", "scaling.py"} <= {*started}


@pytest.mark.parametrize("name", SIBLINGS)
def test_a_foreign_module_that_is_there_already_is_named(crowded, name):
    folder = crowded / "silent"
    done = python(folder, "-c", f"import {name}, smartpix")
    assert done.stderr.splitlines()[-1] == (
        f"ImportError: smartpix: {folder / name}.py was imported as '{name}', which is the name of a package of "
        "smartpix; rename it"
    )
