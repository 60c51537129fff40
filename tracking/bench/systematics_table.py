"""``smartpix study systematics`` as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tracking.bench.systematics_effects import NOMINAL
from tracking.show.numbers import share

__all__ = ["judged_rows", "systematics_table"]

HEADINGS = ("edges kept", "reduction", "tracks found", "fakes")
KEYS = ("edge_efficiency", "reduction", "track_efficiency", "fake_rate")
DIGITS = (4, 2, 4, 4)
WHEN = ("before", "after")
COUNTED = {"edge_efficiency": "edges", "track_efficiency": "tracks"}
"""What the efficiencies are of."""


def judged_rows(result: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Name with size and unit, and what is judged, of the nominal events and each effect.

    Args:
        result: of a study, or of several that ``benchmarks/systematics.py`` joined: ``nominal`` is a list
            then.
    """
    nominal = result[NOMINAL]
    if isinstance(nominal, list):
        for sample, found in zip(result["samples"], nominal, strict=True):
            where = "files" if sample["pileup"] is None else f"pile-up {sample['pileup']}"
            yield f"{NOMINAL}, {where}, {sample['calibrate_events']} + {sample['events']} events", found
    else:
        yield NOMINAL, nominal
    for name, sizes in result["effects"].items():
        unit = result["units"].get(name, "")
        for size, found in sizes.items():
            yield f"{name} {size} {unit}".strip(), found


def systematics_table(result: Mapping[str, Any]) -> str:
    """Before and after calibration, a line for each size."""
    lines = [f"{'':18s}" + "".join(f"{text + ', before, after':>60s}" for text in HEADINGS)]
    for name, found in judged_rows(result):
        cells = [
            _cell(found, key, digits, when) for key, digits in zip(KEYS, DIGITS, strict=True) for when in WHEN
        ]
        lines.append(f"{name:18s}" + "".join(cells))
    return "\n".join(lines)


def _cell(found: Mapping[str, Any], key: str, digits: int, when: str) -> str:
    value = found[key][when]
    if key in COUNTED:
        return share(value, found.get("counts", {}).get(when, {}).get(COUNTED[key]), 30)
    return f"{value:30.{digits}f}"
