"""The flag ``--threads`` of commands that train."""

from __future__ import annotations

from typing import Any

from smartpix.schema import check

__all__ = ["set_threads", "threads_flag"]

MOST_THREADS = 4096
"""More than any machine has; torch takes no number of more than 32 bits."""


def threads_flag(parser: Any) -> None:
    """Add ``--threads``, of torch."""
    parser.add_argument("--threads", type=int, default=1, metavar="N", help=(
        "threads of torch (default: %(default)s); the weights depend on their number in the last digits, "
        "since sums are taken in another order"
    ))  # fmt: skip


def set_threads(threads: int) -> None:
    """Set the number of threads torch uses.

    Raises:
        InputError: none, or more than any machine has.
    """
    import torch

    expected = f"at least 1 and at most {MOST_THREADS}"
    check("train", "threads", threads, 1 <= threads <= MOST_THREADS, expected)
    torch.set_num_threads(threads)
