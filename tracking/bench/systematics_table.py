"""``smartpix study systematics`` as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tracking.bench.systematics_effects import NOMINAL

__all__ = ["judged_rows", "systematics_table"]

HEADINGS = ("edges kept", "reduction", "tracks found", "fakes")
KEYS = ("edge_efficiency", "reduction", "track_efficiency", "fake_rate")
DIGITS = (4, 2, 4, 4)


def judged_rows(result: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Name with size and unit, and what is judged, of the nominal events and each effect.

    Args:
        result: of a study, or of several that ``benchmarks/systematics.py`` joined: ``nominal`` is a list then.
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
    lines = [f"{'':18s}" + "".join(f"{text + ', before, after':>30s}" for text in HEADINGS)]
    for name, found in judged_rows(result):
        cells = [
            f"{found[key]['before']:20.{digits}f}{found[key]['after']:10.{digits}f}"
            for key, digits in zip(KEYS, DIGITS, strict=True)
        ]
        lines.append(f"{name:18s}" + "".join(cells))
    return "\n".join(lines)
