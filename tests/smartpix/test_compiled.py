"""Where compiled kernels are kept: beside the sources, or, where that cannot be, in a folder of the
user's.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from smartpix import compiled
from smartpix.compiled import is_cold, njit
from tests.helpers import REPOSITORY, bound_by_permissions


@njit(cache=True)
def halved(x):
    return x // 2


@njit(cache=True)
def never_called(x):
    return x


TOY = """
import ast, sys
from smartpix.compiled import is_cold, njit

@njit(cache=True)
def twice(x):
    return 2 * x

print(is_cold(twice))
for text in sys.argv[1:]:
    twice(ast.literal_eval(text))
print(sum(twice.stats.cache_hits.values()))
print(is_cold(twice), twice.stats.cache_path)
"""


@pytest.fixture
def toy(tmp_path):
    """Runs a module with one kernel on numbers: whether it was cold, the number of calls that found it ready,
    folder, stderr.
    """
    folder = tmp_path / "installed"
    folder.mkdir()
    (folder / "__main__.py").write_text(TOY)
    (tmp_path / "tmp").mkdir()

    def run(*numbers, bound=False, **environment):
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("NUMBA_", "XDG_"))}
        command = [sys.executable, "-B", str(folder / "__main__.py"), *map(str, numbers)]
        done = subprocess.run(
            bound_by_permissions(command) if bound else command, capture_output=True, encoding="utf-8",
            check=True,
            env=kept | {"PYTHONPATH": str(REPOSITORY), "TMPDIR": str(tmp_path / "tmp")} | environment,
        )  # fmt: skip
        before, hits, after = done.stdout.splitlines()
        cold, path = after.split(maxsplit=1)
        assert cold == "False"
        return before == "True", int(hits), path, done.stderr

    return run


def test_the_private_parts_of_numba_that_are_used_are_there():
    """A Numba without them fails here; users lose a line of the log."""
    assert halved(4) == 2
    keys = list(compiled._index(halved))
    assert keys
    for signature, machine, _ in keys:
        assert str(signature[0]) == "int64"
        assert machine == compiled._machine()


@pytest.mark.parametrize("name", ["_machine", "_index"])
@pytest.mark.parametrize("error", [AttributeError("magic_tuple"), OSError("gone"), TypeError(), EOFError()])
def test_what_cannot_be_looked_up_is_not_cold_and_no_error(monkeypatch, name, error):
    def fail(*arguments):
        raise error

    monkeypatch.setattr(compiled, "_index", lambda kernel: {})
    assert is_cold(never_called)
    monkeypatch.setattr(compiled, "_index", lambda kernel: {("signature", "machine"): 0})
    monkeypatch.setattr(compiled, name, fail)
    assert not is_cold(never_called)


@pytest.mark.parametrize(
    ("name", "value"),
    [("NUMBA_NUM_THREADS", value) for value in ("0", "-1", "abc", "", "1.5", "9" * 5000)]
    + [("NUMBA_OPT", "fast")],
)
@pytest.mark.parametrize("arguments", [("run",), ("doctor",)])
def test_a_variable_that_numba_cannot_take_is_one_line_of_the_command(tmp_path, name, value, arguments):
    kept = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA_")}
    code = "import sys; from tracking.cli.main import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], env=kept | {"PYTHONPATH": str(REPOSITORY), name: value},
        cwd=tmp_path,
        capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    *before, line = done.stderr.splitlines()
    assert before == {"run": [], "doctor": ["testing the kernels"]}[arguments[0]]
    assert line.startswith("smartpix: ")
    assert name in line
    assert value[:20] in line
    assert line.endswith("or unset it")


def forbid(folder):
    """Nobody may write into a folder and those in it; a file where one is needed."""
    for path in (folder, *(p for p in folder.rglob("*") if p.is_dir())):
        path.chmod(0o555)


def allow(folder):
    for path in (folder, *(p for p in folder.rglob("*") if p.is_dir())):
        path.chmod(0o755)


def test_beside_the_sources_as_numba_does(toy, tmp_path):
    beside = str(tmp_path / "installed" / "__pycache__")
    assert toy(1, HOME="/dev/null") == (True, 0, beside, "")
    assert toy(1, HOME="/dev/null") == (False, 1, beside, "")
    mine = str(tmp_path / "mine")
    cold, hits, path, err = toy(1, NUMBA_CACHE_DIR=mine)
    assert (cold, hits, path.startswith(mine), err) == (True, 0, True, "")


def test_without_a_place_and_a_home_there_is_a_temporary_one_and_one_line_says_so(toy, tmp_path):
    (tmp_path / "installed" / "__pycache__").write_text("")
    folder = tmp_path / "tmp" / f"smartpix-kernels-{os.getuid()}"
    for cold in (True, False):
        was, hits, path, err = toy(1, HOME="/dev/null")
        assert (was, hits) == (cold, int(not cold))
        assert path.startswith(str(folder))
        assert err.count("\n") == 1
        assert str(folder) in err
        assert "NUMBA_CACHE_DIR" in err
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_temporary_folder_that_others_can_write_is_not_trusted(toy, tmp_path):
    (tmp_path / "installed" / "__pycache__").write_text("")
    planted = tmp_path / "tmp" / f"smartpix-kernels-{os.getuid()}"
    for plant in (
        lambda: planted.mkdir(mode=0o700) or planted.chmod(0o777),
        lambda: planted.symlink_to(tmp_path),
    ):
        plant()
        _, hits, path, err = toy(1, HOME="/dev/null")
        assert hits == 0
        assert not path.startswith(f"{planted}/")
        assert err.count("\n") == 1
        assert list((tmp_path / "tmp").iterdir()) == [planted]  # the folder used instead is gone
        planted.rmdir() if not planted.is_symlink() else planted.unlink()


@pytest.mark.parametrize("place", ["sources", "NUMBA_CACHE_DIR"])
def test_what_an_administrator_compiled_is_used_and_what_is_missing_kept_by_the_user(toy, tmp_path, place):
    folder = tmp_path / "installed"
    chosen = {} if place == "sources" else {"NUMBA_CACHE_DIR": str(tmp_path / "warm")}
    ready = Path(toy(1, **chosen)[2])
    before = sorted(ready.iterdir())
    assert len(before) == 2
    user = {"HOME": str(tmp_path / "home"), **chosen}
    (tmp_path / "home").mkdir()
    for path in (folder, tmp_path / "warm"):
        forbid(path) if path.exists() else None
    try:
        for hits, numbers in ((1, [1]), (1, [1, 1.5]), (2, [1, 1.5])):
            cold, found, path, err = toy(*numbers, bound=True, **user)
            assert (cold, found, err) == (False, hits, "")
            assert path.startswith(str(tmp_path / "home"))
    finally:
        for path in (folder, tmp_path / "warm"):
            allow(path) if path.exists() else None
    # Another source is not what was compiled.
    source = (folder / "__main__.py").read_text().replace("2 * x", "3 * x")
    (folder / "__main__.py").write_text(source)
    forbid(folder)
    try:
        assert toy(1, bound=True, **user)[:2] == (True, 0)
    finally:
        allow(folder)
    assert sorted(ready.iterdir()) == before


def test_every_kernel_of_the_packages_can_be_kept_elsewhere(tmp_path):
    modules = []
    for package in ("smartpix", "seeding", "tracking"):
        shutil.copytree(
            REPOSITORY / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "data")
        )
        for path in (tmp_path / package).rglob("*.py"):
            source = path.read_text(encoding="utf-8")
            if re.search(r"^@njit", source, flags=re.MULTILINE):
                assert re.search(
                    r"^from smartpix\.compiled import [\w, ]*\bnjit\b", source, flags=re.MULTILINE
                ), path
                assert "from numba import" not in source
                modules.append(".".join(path.relative_to(tmp_path).with_suffix("").parts))
                (path.parent / "__pycache__").touch()
    assert {"seeding.kernels", "smartpix.networks.fused_kernels", "tracking.fit.kernels"} <= set(modules)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("NUMBA_", "XDG_"))}
    done = subprocess.run(
        [sys.executable, "-c",
        f"import {', '.join(modules)}; print(seeding.kernels.search.stats.cache_path)"],
        env=environment | {"PYTHONPATH": str(tmp_path), "HOME": "/dev/null", "TMPDIR": str(tmp_path)},
        cwd=tmp_path, capture_output=True, encoding="utf-8", check=True,
    )  # fmt: skip
    assert done.stdout.startswith(str(tmp_path / "smartpix-kernels-"))
    assert done.stderr.count("\n") == 1
