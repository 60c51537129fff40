"""Public names of a package that are imported at first use, so that importing the package stays light (PEP
562).
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

__all__ = ["public_names"]


def public_names(
    package: str,
    *,
    elsewhere: Mapping[str, str] | None = None,
    rooms: Sequence[str] = (),
    **modules: str,
) -> Callable[[str], Any]:
    """A package's ``__getattr__``: each module's names, separated by spaces, are imported from it at first
    use.

    Type checkers do not run it: the package imports the same names under ``TYPE_CHECKING``, and a test
    compares the two.

    Args:
        elsewhere: names of modules of any package, by the modules' full names.
        rooms: full names of modules that are public themselves, by the last part of their names.
    """
    home = {name: f"{package}.{module}" for module, names in modules.items() for name in names.split()}
    home |= {name: module for module, names in (elsewhere or {}).items() for name in names.split()}
    room_of = {room.rpartition(".")[2]: room for room in rooms}

    def getattribute(name: str) -> Any:
        if name in room_of:
            value: Any = importlib.import_module(room_of[name])
        elif name in home:
            value = getattr(importlib.import_module(home[name]), name)
        else:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        setattr(sys.modules[package], name, value)
        return value

    return getattribute
