"""Statistical errors of shares over events, and of the difference of two finders on the same events.

Particles of one jet are lost together, so that a binomial error is too small. Events are independent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tracking.bench.judgement import Judgement

__all__ = ["EventCounts", "difference", "event_counts", "rate_errors", "share_error"]

Floats = npt.NDArray[np.float64]
EventCounts = Mapping[str, Floats]
"""(E,) by name: ``findable``, ``found``, ``in_jets``, ``found_in_jets``, ``tracks``, ``fake`` and
``duplicate`` of each event.
"""
RATES = {
    "efficiency": ("found", "findable"),
    "efficiency_in_jets": ("found_in_jets", "in_jets"),
    "fake_rate": ("fake", "tracks"),
    "duplicate_rate": ("duplicate", "tracks"),
}
"""Of what share each rate is, in :data:`EventCounts`."""


def share_error(passed: Floats, total: Floats) -> float | None:
    """Standard error of ``sum(passed) / sum(total)`` over independent events: that of a ratio (Cochran,
    Sampling Techniques, chapter 6).

    Args:
        passed, total: (E,) of each event.

    Returns:
        None of fewer than two events, or of nothing at all.
    """
    return _error(_deviations(passed, total)) if np.sum(total) else None


def _deviations(passed: Floats, total: Floats) -> Floats:
    """(E,) by how much each event moves the share of all of them."""
    whole = np.sum(total)
    return np.asarray((passed - total * (np.sum(passed) / whole)) / whole)


def _error(deviations: Floats) -> float | None:
    n = len(deviations)
    return float(np.sqrt(n / (n - 1) * np.sum(deviations**2))) if n > 1 else None


def event_counts(
    judgements: Sequence[Judgement], in_jets: Sequence[npt.NDArray[np.bool_]]
) -> dict[str, Floats]:
    """Counts of each event.

    Args:
        in_jets: flags of all particles of each event, of the findable ones in jets.
    """
    columns = {
        "findable": [j.truth.findable.sum() for j in judgements],
        "found": [j.matched().sum() for j in judgements],
        "in_jets": [own.sum() for own in in_jets],
        "found_in_jets": [(j.matched() & own).sum() for j, own in zip(judgements, in_jets, strict=True)],
        "tracks": [len(j.rows) for j in judgements],
        "fake": [np.sum(j.score.particle < 0) for j in judgements],
        "duplicate": [j.score.duplicate.sum() for j in judgements],
    }
    return {name: np.array(column, dtype=np.float64) for name, column in columns.items()}


def rate_errors(counts: EventCounts) -> dict[str, float | None]:
    """``<rate>_error`` of each of :data:`RATES`, :func:`share_error`."""
    return {f"{name}_error": share_error(counts[of], counts[all_]) for name, (of, all_) in RATES.items()}


def difference(
    one: EventCounts,
    other: EventCounts,
    found: npt.NDArray[np.bool_],
    found_by_other: npt.NDArray[np.bool_],
) -> dict[str, Any]:
    """One finder less another on the same events.

    Args:
        found, found_by_other: (P,) findable particles of all events.

    Returns:
        ``n_won`` and ``n_lost``: particles that the one finds and the other does not, and the other way
        round; and of each of :data:`RATES` the difference and its ``<rate>_error`` over events, in which what
        both share cancels.
    """
    numbers: dict[str, Any] = {
        "n_won": int(np.sum(found & ~found_by_other)),
        "n_lost": int(np.sum(~found & found_by_other)),
    }
    for name, (of, all_) in RATES.items():
        pairs = [(counts[of], counts[all_]) for counts in (one, other)]
        if not all(np.sum(total) for _, total in pairs):
            numbers |= {name: None, f"{name}_error": None}
            continue
        shares = [float(np.sum(passed) / np.sum(total)) for passed, total in pairs]
        deviations = [_deviations(*pair) for pair in pairs]
        numbers[name] = shares[0] - shares[1]
        numbers[f"{name}_error"] = _error(deviations[0] - deviations[1])
    return numbers
