"""What ``smartpix study trkx`` measured, as lines of text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tracking.bench.next_layer import next_layer_table

__all__ = ["trkx_table"]


def trkx_table(result: Mapping[str, Any]) -> str:
    """Of :func:`tracking.bench.trkx.trkx_study`, as lines of text."""
    lines: list[str] = []
    if result["models"]:
        lines += _model_lines(result["models"]) + _reference_lines(result["references"])
        lines += _caption_lines(result["models"]) + _notes(result["models"])
    if result["ramp"]:
        lines += ["", *_ramp_lines(result)]
    if result["next_layer"]:
        lines += [
            "",
            "next layer: shares of crossings in the learned cone, and its area over the Kalman filter's",
        ]
        lines.append(next_layer_table(result["next_layer"]))
    return "\n".join(lines)


def _model_lines(models: Mapping[str, Mapping[str, Any]]) -> list[str]:
    head = f"{'network':24s}{'toys':>14s}{'parameters':>12s}{'samples':>12s}"
    lines = [head + f"{'pixels':>18s}{'published':>10s}{'hits':>18s}{'published':>10s}"]
    for name, r in models.items():
        told = r["published"]
        cells = "".join(
            f"{_with_error(r[key], r[f'{key}_error']):>18s}{_cell(told[key], '10.3f')}"
            for key in ("pixel_accuracy", "hit_accuracy")
        )
        lines.append(f"{name:24s}{r['toy']:>14s}{r['parameters']:12,d}{_cell(r['samples'], '12,d')}{cells}")
    return lines


def _reference_lines(references: Mapping[str, Mapping[str, Any]]) -> list[str]:
    return [
        f"{'straight line':24s}{kind:>14s}{0:12d}{'-':>12s}"
        f"{_with_error(r['pixel_accuracy'], r['pixel_accuracy_error']):>18s}{'-':>10s}"
        f"{_with_error(r['hit_accuracy'], r['hit_accuracy_error']):>18s}{'-':>10s}"
        for kind, r in references.items()
    ]


def _caption_lines(models: Mapping[str, Mapping[str, Any]]) -> list[str]:
    lines = []
    for name, r in models.items():
        if not r["toy"].startswith("lines") or r["loss"] is None:
            continue
        error = (r["lines"] or {}).get("loss_error")
        text = f"{name}: squared error {_with_error(r['loss'], error, 3)}, published {_cell(r['published']['loss'], '.3g')}"
        if r.get("coverage_68") is not None:
            text += (
                f"; ellipses of 68 and 95 % hold {r['coverage_68']:.4f} and {r['coverage_95']:.4f}; pulls "
                + " and ".join(_cell(width, ".3f") for width in r["pull_widths"] or (None, None))
            )
        lines.append(text)
    return lines


def _notes(models: Mapping[str, Mapping[str, Any]]) -> list[str]:
    return [f"{name}: {r['note']}" for name, r in models.items() if r["note"]]


def _ramp_lines(result: Mapping[str, Any]) -> list[str]:
    lines = [f"{'RAMP challenge':24s}{'10 tracks':>18s}{'20 tracks':>18s}{'ms':>9s}"]
    for name, r in result["ramp"].items():
        scores = "".join(f"{_with_error(r[f'score_{n}'], r[f'error_{n}']):>18s}" for n in (10, 20))
        lines.append(f"{name:24s}{scores}{r['ms_per_event']:9.2f}")
    told = ", ".join(f"{name} {score:.3f}" for name, score in result["ramp_published"].items())
    lines.append(f"the starting kit as published: {told}")
    bounds = result["ramp_bounds"] or {}
    for n in (10, 20):
        if f"wrong_{n}" in bounds:
            shared, wrong, ambiguous, missed = (
                f"{100 * bounds[f'{key}_{n}']:.3g} %" for key in ("shared", "wrong", "ambiguous", "missed")
            )
            lines.append(
                f"{n} tracks: {shared} of the crossings share their pixel; the Kalman filter is wrong in {wrong} of the "
                f"events, likelier than the truth in {ambiguous}, less likely in {missed}"
            )
    return lines


def _with_error(value: float | None, error: float | None, digits: int = 4) -> str:
    if value is None:
        return "-"
    return f"{value:.{digits}f}" + ("" if error is None else f" +- {error:.{digits}f}")


def _cell(value: float | None, form: str) -> str:
    width = form.split(".")[0].split(",")[0]
    return (format("-", f">{width}") if width else "-") if value is None else format(value, form)
