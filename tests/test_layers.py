"""Which package may import which, that nothing imports in a circle, and what light imports may not pull in."""

import ast
import importlib
import pkgutil
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter

import pytest

from tests.helpers import REPOSITORY

FORBIDDEN = {"smartpix": {"seeding", "tracking"}, "seeding": {"tracking"}, "tracking": set()}
DOORS = {"smartpix/__init__.py", "smartpix/__main__.py"}
"""They show all packages to users, and no module imports anything from them."""


def module_name(path):
    return ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_name(path): path for package in FORBIDDEN for path in (REPOSITORY / package).rglob("*.py")}


def imported(path):
    """Modules that a file imports, also inside functions and for type checkers."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in MODULES else node.module


def room(module):
    """A package's folder is a room; a module beside rooms is one of its own."""
    return (
        module
        if MODULES[module].name == "__init__.py" or module.count(".") < 2
        else module.rpartition(".")[0]
    )


def arrows(place):
    """Who imports whom; what a package's ``__init__`` lists for its users counts as imported by it."""
    found = {}
    for module, path in MODULES.items():
        targets = {place(name) for name in imported(path) if name in MODULES}
        found.setdefault(place(module), set()).update(targets - {place(module)})
    return found


@pytest.mark.parametrize("package", FORBIDDEN)
def test_packages_import_downwards_only(package):
    files = sorted((REPOSITORY / package).rglob("*.py"))
    assert len(files) > 3
    wrong = [
        (str(path.relative_to(REPOSITORY)), name)
        for path in files
        if path.relative_to(REPOSITORY).as_posix() not in DOORS
        for name in imported(path)
        if name.split(".")[0] in FORBIDDEN[package] or name in ("smartpix", "smartpix.__main__")
    ]
    assert wrong == []


@pytest.mark.parametrize("place", [lambda module: module, room], ids=["modules", "rooms"])
def test_nothing_imports_in_a_circle(place):
    graph = arrows(place)
    assert len(graph) > 30
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))


@pytest.mark.parametrize(
    ("place", "lower", "upper"),
    [
        (room, "smartpix.schema", "smartpix.io"),
        # A module that asks its own room for a name, which the room has of the module or of one above it.
        (lambda module: module, "smartpix.io.events", "smartpix.io"),
    ],
    ids=["rooms", "a room's names"],
)
def test_a_circle_would_be_found(place, lower, upper):
    graph = arrows(place)
    graph[lower].add(upper)
    with pytest.raises(CycleError):
        tuple(TopologicalSorter(graph).static_order())


PACKAGES = sorted(name for name, path in MODULES.items() if path.name == "__init__.py")


@pytest.mark.parametrize("package", PACKAGES)
def test_public_names_of_a_package_are_told_once_to_everybody(package):
    """To users (``__all__``), to type checkers and at run time the same; none hides another module."""
    module = importlib.import_module(package)
    assert module.__doc__, package
    tree = ast.parse(MODULES[package].read_text(encoding="utf-8"))
    typed = {
        alias.asname or alias.name
        for node in tree.body if isinstance(node, ast.If)
        for line in node.body if isinstance(line, ast.ImportFrom)
        for alias in line.names
    }  # fmt: skip
    public = set(getattr(module, "__all__", []))
    assert typed == public
    for name in public & {found.name for found in pkgutil.iter_modules(module.__path__)}:
        assert getattr(module, name) is importlib.import_module(f"{package}.{name}")
    for name in public:
        assert getattr(module, name) is not None
    if public:
        with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'none'"):
            module.none  # noqa: B018


@pytest.mark.parametrize("statement", ["import smartpix, seeding", "import seeding.edges", "import tracking"])
def test_light_imports_stay_light(statement):
    code = f"import sys; {statement}; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    modules = set(out.stdout.split())
    assert modules & {"smartpix", "seeding"}
    assert modules & {"torch", "matplotlib", "acts", "hls4ml"} == set()


def test_the_first_import_loads_nothing_of_others():
    code = "import sys; before = set(sys.modules); import smartpix; print(*(set(sys.modules) - before))"
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    known = {*sys.stdlib_module_names, "smartpix", "seeding", "tracking"}
    assert {name.split(".")[0] for name in out.stdout.split()} <= known
    assert "smartpix.schema" not in out.stdout.split()


def test_options_are_read_without_what_takes_seconds_to_import():
    """The command line makes its flags from them, so that a mistake is told at once."""
    names = sorted(name for name in MODULES if name.endswith("options"))
    assert len(names) > 8
    code = f"import sys, {', '.join(names)}; print(*sys.modules)"
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    heavy = {"torch", "numba", "scipy", "sklearn", "awkward", "uproot", "pyarrow", "matplotlib"}
    assert set(out.stdout.split()) & heavy == set()
