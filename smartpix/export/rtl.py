"""A network of whole numbers as Verilog."""

from __future__ import annotations

from smartpix.export.logic import estimate_luts, trace

__all__ = ["estimate_luts", "trace"]
