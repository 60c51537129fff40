"""The packages ``seeding`` and ``tracking``, always those that lie beside this one.

Their names are common. A folder of the same name beside a user's script, or in the working directory, comes
first on Python's path.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import TypedDict

__all__ = ["AT_START", "SIBLINGS", "import_siblings"]

SIBLINGS = ("seeding", "tracking")


class Initialized(TypedDict):
    """What pools call first in each process."""

    initializer: Callable[[str], ModuleType]
    initargs: tuple[str]


AT_START: Initialized = {"initializer": import_module, "initargs": ("smartpix",)}
"""For pools of processes that are not forked: each imports smartpix before it gets work of ``tracking``."""


def import_siblings() -> None:
    """Import them from their place, so that whoever imports their names later gets these.

    Raises:
        ImportError: another module of one of these names is imported already.
    """
    for name in SIBLINGS:
        file = Path(__file__).absolute().parents[1] / name / "__init__.py"
        known = sys.modules.get(name)
        if known is None:
            _import_from(name, file)
        elif _place(known) != file.parent.resolve():
            raise ImportError(
                f"smartpix: {_place(known)} was imported as '{name}', which is the name of a package of smartpix; "
                f"rename it"
            )


def _import_from(name: str, file: Path) -> None:
    spec = spec_from_file_location(name, file, submodule_search_locations=[str(file.parent)])
    if spec is None or spec.loader is None or not file.is_file():
        raise ImportError(f"smartpix: {file}: is missing; install smartpix again")
    module = sys.modules[name] = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise


def _place(module: ModuleType) -> Path | None:
    """The folder of a package, or the file of a module; None: it has neither."""
    # A folder without __init__.py has no file.
    places = list(getattr(module, "__path__", ())) or [getattr(module, "__file__", None)]
    return Path(places[0]).resolve() if places[0] else None
