"""Compiled: which candidates of the RAMP challenge are tracks, when each hit is of one track only."""

from __future__ import annotations

from typing import Any

import numpy as np

from smartpix.compiled import njit

__all__ = ["assign"]

ROUNDS = 10
"""Most passes over the candidates; the last ones hardly ever change anything."""


@njit(cache=True, nogil=True, error_model="numpy")
def assign(path: Any, value: Any, n_hits: int) -> Any:
    """Choose candidates without a hit in common, of the largest sum of values.

    The best goes first, then the next that is free. After that each one that was left out takes the place of
    those in its way, and free hits are filled again; where that is better it stays.

    Args:
        path: (C, L) hits of the candidates, -1 for none.
        value: (C,) above 0.
        n_hits: hits of the event.

    Returns:
        The candidate (N,) of each hit, -1 for none.
    """
    n, n_layers = path.shape
    owner = np.full(n_hits, -1)
    # How much a hit can bring at most, if every candidate shared its value out evenly.
    density = np.zeros(n_hits)
    # The outermost hit of each, which tells most candidates that are not free at once.
    lead = np.empty(n, np.int64)
    order = np.argsort(-value, kind="mergesort")
    for c in order:
        size, lead[c] = 0, path[c].max()
        for layer in range(n_layers):
            size += path[c, layer] >= 0
        for layer in range(n_layers):
            h = path[c, layer]
            if h >= 0:
                density[h] = max(density[h], value[c] / size)
        if _free(path[c], owner):
            _take(path[c], owner, c)
    trial, freed = np.empty_like(owner), np.empty(n_hits, np.int64)
    for _ in range(ROUNDS):
        better = False
        for c in order:
            if owner[lead[c]] == c:
                continue
            gain = value[c]
            trial[:] = owner
            n_freed = 0
            for layer in range(n_layers):
                h = path[c, layer]
                if h >= 0 and trial[h] >= 0:
                    out = trial[h]
                    gain -= value[out]
                    for other in range(n_layers):
                        if path[out, other] >= 0:
                            trial[path[out, other]] = -1
                            freed[n_freed] = path[out, other]
                            n_freed += 1
            _take(path[c], trial, c)
            hope = 0.0
            for k in range(n_freed):
                if trial[freed[k]] < 0:
                    hope += density[freed[k]]
            if gain + hope <= 1e-9:
                continue
            for other in order:
                if trial[lead[other]] < 0 and _free(path[other], trial):
                    _take(path[other], trial, other)
                    gain += value[other]
            if gain > 1e-9:
                owner[:] = trial
                better = True
        if not better:
            break
    return owner


@njit(cache=True, nogil=True, error_model="numpy")
def _free(path: Any, owner: Any) -> bool:
    """Whether no hit of a candidate has an owner."""
    free = True
    for h in path:
        free &= h < 0 or owner[h] < 0
    return free


@njit(cache=True, nogil=True, error_model="numpy")
def _take(path: Any, owner: Any, c: int) -> None:
    """Give a candidate its hits."""
    for h in path:
        if h >= 0:
            owner[h] = c
