"""Public names of a package that are imported at first use, so that importing the package stays light (PEP
562).
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any

__all__ = ["public_names"]


def public_names(package: str, **modules: str) -> Callable[[str], Any]:
    """A package's ``__getattr__``: each module's names, separated by spaces, are imported from it at first
    use.

    Type checkers do not run it: the package imports the same names under ``TYPE_CHECKING``, and a test
    compares the two.
    """
    home = {name: module for module, names in modules.items() for name in names.split()}

    def getattribute(name: str) -> Any:
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{package}.{home[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    return getattribute
