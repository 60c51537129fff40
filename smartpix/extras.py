"""Optional packages: which extra brings them, and what to call where one is missing."""

from __future__ import annotations

from typing import Any

from smartpix.schema import InputError

__all__ = ["EXTRAS", "import_acts", "missing_package"]

EXTRAS = {
    "acts": ("pyacts", "chromo"),
    "hls": ("hls4ml", "da4ml"),
    "onnx": ("onnx", "onnxruntime"),
    "dask": ("dask", "distributed"),
    "pandas": ("pandas",),
}
"""Packages by extra; ``onnxruntime`` runs what the extra exports, and is installed by hand."""


def missing_package(package: str, extra: str, error: ImportError) -> InputError:
    """The error to raise where an optional package cannot be imported.

    The call it names installs the extra of the installation at hand, be that a wheel or a clone.
    """
    return InputError(f"{package}: cannot be imported ({error}); call: pip install 'smartpix[{extra}]'")


def import_acts() -> Any:
    """The module ``acts``, with ``acts.examples``.

    Raises:
        InputError: ACTS is not installed.
    """
    try:
        import acts.examples
    except ImportError as error:
        raise missing_package("pyacts", "acts", error) from error
    return acts
