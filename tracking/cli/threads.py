"""The flag ``--threads`` of commands that train."""

from __future__ import annotations

from typing import Any

from smartpix.schema import check

__all__ = ["set_threads", "threads_flag"]


def threads_flag(parser: Any) -> None:
    """Add ``--threads``, of torch."""
    parser.add_argument("--threads", type=int, default=1, metavar="N", help=(
        "threads of torch (default: %(default)s); the weights depend on their number in the last digits, "
        "since sums are taken in another order"
    ))  # fmt: skip


def set_threads(threads: int) -> None:
    """Set the number of threads torch uses."""
    import torch

    check("train", "threads", threads, threads >= 1, "at least 1")
    torch.set_num_threads(threads)
