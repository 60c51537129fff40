"""The results of ``smartpix bench seeding`` as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tracking.bench.matched import matched_lines
from tracking.bench.reduction import REGIONS
from tracking.show.numbers import share

__all__ = ["seeding_table"]


def seeding_table(result: Mapping[str, Any]) -> str:
    """The result of :func:`tracking.bench.seeding.bench_seeding` as lines of text, the headline first."""
    heads = (
        ("edges", 10),
        ("eff 0.9", 30),
        ("eff 0.5", 30),
        ("purity", 8),
        ("seeds", 8),
        ("seed eff", 30),
        ("ms", 8),
        ("MB", 7),
    )
    lines = _reduction_lines(result)
    lines += [f"{'method':18s}" + "".join(f"{head:>{width}s}" for head, width in heads)]

    def cell(value: float | None, form: str, width: int) -> str:
        return f"{'-':>{width}s}" if value is None else f"{value:{width}{form}}"

    for name, m in result["methods"].items():
        lines.append(
            f"{name:18s}{cell(m['edges'], ',.0f', 10)}{share(m['edge_efficiency_0p9'], m.get('n_wanted'), 30)}"
            f"{share(m['edge_efficiency_0p5'], m.get('n_wanted_0p5'), 30)}{cell(m['edge_purity'], '.3f', 8)}"
            f"{cell(m['seeds'], ',.0f', 8)}{share(m['seed_efficiency'], m.get('n_findable'), 30)}"
            f"{cell(m['ms'], '.1f', 8)}{cell(m['peak_mb'], '.0f', 7)}"
        )
    lines += _point_lines(result)
    for name in (
        "reduction_innermost", "reduction_barrel", "reduction_all", "ratio_time_to_acts",
        "ratio_seeds_to_acts", "ratio_time_to_best_acts", "ratio_time_to_gbts", "ratio_seeds_to_best_acts",
        "seed_purity", "thread_speedup", "thread_speedup_one_event", "exponent",
    ):  # fmt: skip
        if result.get(name) is not None:
            lines.append(f"{name:26s}{result[name]:8.3f}")
    if result.get("generic") is not None:
        lines.append(f"{'ratio_generic':26s}{result['generic']['ratio_generic']:8.3f}")
    return "\n".join(lines)


def _reduction_lines(result: Mapping[str, Any]) -> list[str]:
    """Window over cones at equal efficiency, each at its best."""
    lines = [f"{'edges of the window / in the cones':36s}" + "".join(f"{region:>11s}" for region in REGIONS)]
    for efficiency, by_region in result["reduction_at"].items():
        values = ["-" if by_region[r] is None else f"{by_region[r]:.2f}" for r in REGIONS]
        lines.append(f"{'both at an efficiency of ' + efficiency:36s}" + "".join(f"{v:>11s}" for v in values))
    return [*lines, ""]


def _point_lines(result: Mapping[str, Any]) -> list[str]:
    """Working points of both, with seeds after one rule for shared hits, and ratios at matched quality."""
    lines = [
        "",
        f"{'working point':18s}{'seeds':>8s}{'seed eff':>30s}{'same rule':>10s}{'seed eff':>30s}{'ms':>8s}",
    ]
    for side in ("ours", "acts"):
        lines += [
            f"{side + '.' + name:18s}{p['seeds']:8,.0f}{share(p['seed_efficiency'], p.get('n_findable'), 30)}"
            f"{p['seeds_same_rule']:10,.0f}{share(p['seed_efficiency_same_rule'], p.get('n_findable'), 30)}{p['ms']:8.1f}"
            for name, p in result[side].items()
        ]
    for name, beside in result["equal_terms"].items():
        if beside["ours"] is None:
            lines.append(f"on equal terms with acts.{name}: none of ours is as good")
            continue
        ms = [beside[side]["ms"] for side in ("ours", "acts")]
        pair = f"ours {beside['point']} {ms[0]:.1f} ms, acts.{name} {ms[1]:.1f} ms"
        lines.append(f"on equal terms: {pair}, ratio {beside['ratio_time']:.3f}")
    return [*lines, *matched_lines(result["matched"]), ""]
