"""Ratios of times at matched quality: a faster finder that finds less, or more fakes, wins nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["matched_lines", "matched_ratios", "ratio_to_best"]


def matched_ratios(
    ours: Mapping[str, Mapping[str, Any]],
    theirs: Mapping[str, Mapping[str, Any]],
    quality: str = "efficiency",
    fault: str = "fake_rate_central",
) -> dict[str, dict[str, dict[str, Any]]]:
    """Each working point beside the fastest one of the other side that is at least as good.

    As good: at least its ``quality`` and at most its ``fault``, on the same events.

    Args:
        ours, theirs: numbers by working point, with ``ms``.

    Returns:
        ``ours`` by our working points: ``acts``, the fastest of theirs that is as good, or None where there
        is none, and ``ratio_time``, our time over its. ``acts`` by theirs: ``ours``, the fastest of ours
        that is as good, and again our time over theirs.
    """
    return {
        "ours": {
            name: _beside(point, _fastest_as_good(point, theirs, quality, fault), "acts", theirs, False)
            for name, point in ours.items()
        },
        "acts": {
            name: _beside(point, _fastest_as_good(point, ours, quality, fault), "ours", ours, True)
            for name, point in theirs.items()
        },
    }


def ratio_to_best(
    ours: Mapping[str, Mapping[str, Any]],
    theirs: Mapping[str, Mapping[str, Any]],
    quality: str = "efficiency",
    fault: str = "fake_rate_central",
) -> dict[str, Any]:
    """Our fastest point over the fastest of theirs that is as good; where none is, the fastest of theirs that
    any of ours is as good as, and the fastest of ours that is.

    This is the one definition of ``ratio_time_to_best_acts`` and ``ratio_time_with_estimates`` of whole
    chains. Seedings are compared on equal terms (:mod:`tracking.bench.seeding_terms`).

    Args:
        ours, theirs: numbers by working point, with ``ms``; as good: as in :func:`matched_ratios`.

    Returns:
        ``ours`` and ``acts``: the names of the two points, and ``ratio_time``; None each where neither side
        has such a point.
    """
    first = min(ours, key=lambda name: float(ours[name]["ms"]))
    as_good = _fastest_as_good(ours[first], theirs, quality, fault)
    pairs = [(first, as_good)] if as_good else []
    if not pairs:
        for name in sorted(theirs, key=lambda name: float(theirs[name]["ms"])):
            reached = _fastest_as_good(theirs[name], ours, quality, fault)
            if reached:
                pairs.append((reached, name))
                break
    for us, them in pairs:
        return {"ours": us, "acts": them, "ratio_time": ours[us]["ms"] / theirs[them]["ms"]}
    return {"ours": None, "acts": None, "ratio_time": None}


def _fastest_as_good(
    point: Mapping[str, Any], others: Mapping[str, Mapping[str, Any]], quality: str, fault: str
) -> str | None:
    good = [
        name
        for name, other in others.items()
        if other[quality] >= point[quality] and other[fault] <= point[fault]
    ]
    return min(good, key=lambda name: float(others[name]["ms"]), default=None)


def _beside(
    point: Mapping[str, Any],
    name: str | None,
    side: str,
    others: Mapping[str, Mapping[str, Any]],
    inverse: bool,
) -> dict[str, Any]:
    if name is None:
        return {side: None, "ratio_time": None}
    ratio = others[name]["ms"] / point["ms"] if inverse else point["ms"] / others[name]["ms"]
    return {side: name, "ratio_time": ratio}


def matched_lines(matched: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> list[str]:
    """What :func:`matched_ratios` gives as lines of text."""
    lines = []
    for side, other in (("ours", "acts"), ("acts", "ours")):
        for name, beside in matched[side].items():
            if beside[other] is None:
                lines.append(f"{side}.{name}: no point of {other} is as good")
                continue
            pair = f"{side}.{name} beside {other}.{beside[other]}"
            lines.append(f"{pair}, the fastest as good: our time over ACTS's {beside['ratio_time']:.3f}")
    return lines
