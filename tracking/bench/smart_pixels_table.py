"""The table of ``smartpix study smart-pixels``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["settings", "smart_pixels_table"]


def settings(result: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Lever, setting and numbers of each row."""
    for lever, of_lever in {**result["levers"], "link": result["link"]}.items():
        for label, numbers in of_lever.items():
            yield lever, label, numbers


def smart_pixels_table(result: Mapping[str, Any]) -> str:
    """For a screen."""
    options = result["options"]
    lines = [
        f"{options['events']} events of pile-up {options['pileup']}, base {result['base']}, estimates "
        f"{options['estimates']}; 68 % half widths are of the barrel",
        f"{'':38s}{'bits':>7s}{'y, um':>8s}{'cot a':>8s}{'cot b':>8s}{'edges':>9s}{'reduction':>10s}"
        f"{'found':>9s}{'fakes':>9s}{'d0, um':>8s}",
    ]
    for lever, label, n in settings(result):
        widths = n.get("half_width_68", {})
        cells = [
            _cell(n.get("bits_per_cluster"), "7.0f"), _cell(widths.get("y_um"), "8.2f"),
            _cell(widths.get("cot_alpha"), "8.3f"), _cell(widths.get("cot_beta"), "8.4f"),
            _cell(n["edge_efficiency"], "9.4f"), _cell(n["reduction"], "10.2f"),
            _cell(n["track_efficiency"], "9.4f"), _cell(n["fake_rate"], "9.4f"),
            _cell(n["resolution_d0_um"], "8.1f"),
        ]  # fmt: skip
        lines.append(f"{f'{lever}: {label}':38s}{''.join(cells)}")
    return "\n".join(lines)


def _cell(value: float | None, form: str) -> str:
    return " " * (int(form.partition(".")[0]) - 1) + "-" if value is None else f"{value:{form}}"
