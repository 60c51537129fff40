"""Parts of an earlier ``smartpix study trkx`` that a new one keeps: whether this version can show them."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from smartpix.schema import InputError, one_line
from tracking.bench.trkx import KEYS, WHOLE
from tracking.bench.trkx_plots import plot_trkx
from tracking.bench.trkx_table import trkx_table

__all__ = ["check_kept"]

_OTHER = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)
"""What becomes of results that lack a number, or have something else in its place."""


def check_kept(path: Path, earlier: Mapping[str, Any], measured: tuple[str, ...]) -> None:
    """Check that table and figures can be made of the parts that are kept, before others are measured for
    minutes.

    Only making them tells: a study of another version may lack any of their numbers.

    Args:
        path: of the study, for the message.
        earlier: from :func:`tracking.bench.trkx.earlier_study`.
        measured: parts that are measured anew.

    Raises:
        InputError: a part has no results, or those of another version; says how to measure it again.
    """
    empty = {key: None for keys in KEYS.values() for key in keys}
    for part in earlier["measured"]:
        if part in measured:
            continue
        fix = f"measure it again (--parts {part}), or leave out --keep"
        alone = empty | {key: earlier.get(key) for key in KEYS[part]}
        for key in KEYS[part]:
            if key in WHOLE and not alone[key]:
                raise InputError(
                    f"{path}: '{key}' must be the results of the part {part}, and is empty; {fix}"
                )
        try:
            trkx_table(alone)
            with tempfile.TemporaryDirectory() as folder:
                plot_trkx(Path(folder), alone, {})
        except _OTHER as error:
            raise InputError(
                f"{path}: results of the part {part} are damaged or of another version ({type(error).__name__}: "
                f"{one_line(str(error))}); {fix}"
            ) from error
