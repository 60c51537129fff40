"""In which formats figures are written, and how files are named in them; light, since options and flags need
it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

__all__ = ["FORMATS", "figure_format_flag", "sample_words"]

FORMATS = ("png", "pdf", "svg")
"""The first is what is written if nothing else is said."""


def sample_words(files: Sequence[str | Path]) -> str:
    """Files in words, for the line above a figure: the first by name, and how many more."""
    if not files:
        return "no file"
    more = len(files) - 1
    return Path(files[0]).name + (f" and {more} more file{'s' * (more > 1)}" if more else "")


def figure_format_flag(parser: argparse.ArgumentParser) -> None:
    """Add ``--figures FORMAT``: what the figures of a command are written as."""
    parser.add_argument(
        "--figures", choices=FORMATS, default=FORMATS[0],
        help="format of the figures; the data of each lie beside it as CSV (default: %(default)s)",
    )  # fmt: skip
