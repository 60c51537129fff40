"""Call the function of a compiled project: ``python _call.py LIBRARY FUNCTION INPUT.npy OUTPUT.npy
N_OUTPUTS``.

A program of its own, since compiled code may print, crash or never end.
"""

from __future__ import annotations

import ctypes
import sys

import numpy as np


def main(library: str, function: str, source: str, destination: str, n_outputs: str) -> None:
    """Outputs (N, n_outputs) of the inputs (N, n), both in double precision."""
    values = np.ascontiguousarray(np.load(source), dtype=np.float64)
    out = np.zeros((len(values), int(n_outputs)))
    call = getattr(ctypes.CDLL(library), function)
    call.restype = None
    pointer = ctypes.POINTER(ctypes.c_double)
    for one, result in zip(values, out, strict=True):
        call(one.ctypes.data_as(pointer), result.ctypes.data_as(pointer))
    np.save(destination, out)


if __name__ == "__main__":
    main(*sys.argv[1:])
