"""Memory of this process, from the kernel's own account of it."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["give_back_memory", "peak_mb", "resident_mb"]


def peak_mb(run: Callable[[], Any]) -> float:
    """Memory (MB) a call needs at most beyond what was in use; nan where the kernel keeps no account."""
    try:
        give_back_memory()
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
        before = resident_mb()
        run()
        return max(_status("VmHWM") - before, 0.0)
    except OSError:
        run()
        return float("nan")


def give_back_memory() -> None:
    """Give what is freed back to the system, where the C library is glibc: what the allocator keeps for later would
    hide what is taken from then on.
    """
    if hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)


def resident_mb() -> float:
    """Memory (MB) in use.

    Raises:
        OSError: the kernel keeps no account.
    """
    return _status("VmRSS")


def _status(name: str) -> float:
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(name + ":"):
            return float(line.split()[1]) / 1024
    raise OSError(f"/proc/self/status has no {name}")
