"""Where an output comes from: one record for every kind of file that is written.

What is made with the chain has the whole record (:func:`provenance`). Event files, cluster tables and weights
say their command and options themselves; they have the rest of it (:func:`origin`).

The record says nothing of when and where it was made, so that the same command gives the same bytes.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from smartpix.files import sha256_of

__all__ = ["PACKAGES", "VERSIONED", "by_path", "origin", "provenance"]

PACKAGES = ("smartpix", "seeding", "tracking")
"""The packages of this distribution; loggers and frames of ours begin with one of them."""

VERSIONED = ("smartpix", "awkward", "numba", "numpy", "torch", "uproot")
"""The packages whose version may change a number, or how a file holds it."""


def provenance(
    command: str,
    inputs: Iterable[str | Path],
    options: Mapping[str, Any],
    weights: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The record of an output, of what JSON can hold.

    Args:
        command: the command that makes it, as on the command line: ``"smartpix run"``.
        inputs: files that it is made from.
        options: all of them, defaults too.
        weights: by name, the sha256 of weights and of their JSON.

    Returns:
        ``command``, ``versions`` of Python and :data:`VERSIONED`, ``inputs`` (sha256 by path as it was
        given), ``weights`` and ``options``.
    """
    return {
        "command": command,
        **origin(by_path(inputs)),
        "weights": dict(weights or {}),
        "options": dict(options),
    }


def origin(inputs: Mapping[str, Path] | None = None) -> dict[str, Any]:
    """With which ``versions`` and of which ``inputs`` an output is made, as in :func:`provenance`.

    Args:
        inputs: files that it is made from, by the names they get in the record.
    """
    sums = {name: sha256_of(path) for name, path in (inputs or {}).items()}
    return {"versions": _versions(), "inputs": sums}


def by_path(files: Iterable[str | Path]) -> dict[str, Path]:
    """Inputs for :func:`origin`, each named by its path as it was given."""
    return {str(path): Path(path) for path in files}


@cache
def _versions() -> dict[str, str]:
    return {"python": platform.python_version(), **{name: version(name) for name in VERSIONED}}
