"""Which instructions of the processor our code and ACTS's may use: a ratio of times depends on it."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

__all__ = ["instruction_sets"]

VECTOR = ("sse2", "sse4.2", "avx", "avx2", "fma", "avx512f")
"""Names of LLVM for those that matter to floating point."""
DISASSEMBLED = {"48.1.0": ["sse2"]}
"""What the libraries in pyacts's wheel for x86-64 use, by version: ``objdump -d libActs*.so`` shows no
instruction of AVX or FMA (no register ymm or zmm, no vfmadd).
"""


def instruction_sets() -> dict[str, dict[str, Any]]:
    """Compiler, processor and vector instructions of both.

    Returns:
        ``ours``: ``numba``, ``cpu`` and ``instructions`` of the host, for which Numba compiles; with
        ``NUMBA_CPU_NAME=generic`` those that every processor of the kind has. ``acts``: ``pyacts`` (None if
        it is not installed) and ``instructions`` of its wheel, None for a version that was not looked at.
    """
    import numba
    from llvmlite import binding

    name = numba.config.CPU_NAME
    if name is None:
        features = binding.get_host_cpu_features()
        chosen = [feature for feature in VECTOR if features.get(feature)]
    else:
        chosen = [
            feature for feature in VECTOR if f"+{feature}" in (numba.config.CPU_FEATURES or "").split(",")
        ]
        chosen = chosen or ["sse2"]
    try:
        pyacts = version("pyacts")
    except PackageNotFoundError:
        pyacts = None
    return {
        "ours": {
            "numba": numba.__version__,
            "cpu": name or binding.get_host_cpu_name(),
            "instructions": chosen,
        },
        "acts": {"pyacts": pyacts, "instructions": DISASSEMBLED.get(pyacts or "")},
    }
