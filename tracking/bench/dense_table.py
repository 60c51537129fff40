"""What ``smartpix bench dense`` measured, as lines of text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["dense_table"]

RATES = ("efficiency", "efficiency_in_jets", "fake_rate", "duplicate_rate")


def dense_table(result: Mapping[str, Any]) -> str:
    """Of :func:`bench_dense`, as lines of text."""
    head = f"{'':12s}{'':12s}{'efficiency':>18s}{'in jets':>18s}{'fakes':>18s}{'duplicates':>18s}{'ms':>9s}"
    lines = [head + f"{'won':>8s}{'d0 [um]':>9s}{'phi [mrad]':>11s}"]
    for name, sample in result["samples"].items():
        for k, (who, r) in enumerate(sample["finders"].items()):
            won_share = sample["won"].get(who, {}).get("share_won")
            cells = (
                (r["ms"], "9.1f"), (won_share, "8.2f"),
                (r["resolution_d0_um"], "9.3g"), (r["resolution_phi_mrad"], "11.3g"),
            )  # fmt: skip
            rates = "".join(_rate(r, key) for key in RATES)
            numbers = "".join(_cell(v, form) for v, form in cells)
            lines.append(f"{'' if k else name:12s}{who:12s}{rates}{numbers}")
        merged = sample["merged"]["in_jets" if sample["n_in_jets"] else "findable"]
        lines.append(
            f"{'':12s}{sample['n_findable']} findable particles, {sample['n_in_jets']} in jets; merged "
            f"clusters a particle: {merged['per_particle']:.3f}"
        )
    for kind, regions in result["estimates"].items():
        for region, kinds in regions.items():
            for of, r in kinds.items():
                if r["n"]:
                    widths = ", ".join(
                        f"{axis} {r[axis]['half_width']:.2f} um (pull {_cell(r[axis]['pull'], '.2f')})"
                        for axis in "xy"
                    )
                    lines.append(f"{kind} hits, {region}, {of}: {r['n']}, {widths}")
    if result["merged"]:
        m = result["merged"]
        found = _cell(m["float"]["found_separable"], ".3f")
        lines.append(
            f"two particles against one: AUC {m['auc']:.4f}, on the chip {m['auc_chip']:.4f} "
            f"({m['csim_mismatches']} mismatches of {m['csim_clusters']}); {found} of the separable pairs "
            f"found at 5 % of the others; calibrated within {m['float']['miscalibration']:.3f}"
        )
        lines.append(
            f"in the end-caps: AUC {m['endcap']['auc']:.4f}, {_cell(m['endcap']['found_separable'], '.3f')} "
            f"of the separable pairs; calibrated within {m['endcap']['miscalibration']:.3f}"
        )
    lines += _position_lines((result["merged"] or {}).get("positions") or {})
    lines += _endcap_lines(result["endcap"] or {})
    if result["deepcore"]:
        d, published = result["deepcore"], result["deepcore"]["published"]
        lines.append(
            f"DeepCore's seeds: {d['parameters']:,} parameters, fakes {d['seed_fake_rate']:.3f}, cores "
            f"{_cell(d['core_x_um'], '.1f')} x {_cell(d['core_y_um'], '.1f')} um, {d['ms']:.0f} ms"
        )
        if d["cones"]:
            lines.append(
                f"cones' seeds in the same jets: fakes {_cell(d['cones']['seed_fake_rate'], '.3f')}, "
                f"{d['cones']['ms']:.0f} ms"
            )
        lines.append(
            f"published, of CMS: cores {published['core_um']:g} um and {published['core_angle']:g}, fakes less by "
            f"{published['fakes_less']:.0%}, {published['seeding_s_before']:g} -> {published['seeding_s']:g} s"
        )
    return "\n".join(lines)


def _position_lines(positions: Mapping[str, Any]) -> list[str]:
    lines = []
    for region, kinds in positions.items():
        for kind, r in kinds.items():
            text = ", ".join(
                f"{t} {_cell(r.get('half_width_ratio', {}).get(t), '.2f')} (pull {r['pull_width'][t]:.3f})"
                for t in r["pull_width"]
            )
            lines.append(f"{region}, {kind}: {r['n']} clusters; half widths in those of lone ones: {text}")
    return lines


def _endcap_lines(endcap: Mapping[str, Any]) -> list[str]:
    lines = []
    for kind in ("mixture", "single"):
        for r in endcap.get(kind, []):
            if r["n"]:
                pulls = ", ".join(f"{t} {width:.3f}" for t, width in r["pull_width"].items())
                lines.append(
                    f"end-caps, {kind}, eta {r['bin']}: {r['n']}; pulls {pulls}; in the regions "
                    f"{r['within_68']:.3f} and {r['within_95']:.3f}"
                )
    for where, r in ((endcap.get("edges") or {}).get("at_equal_share") or {}).items():
        error = _cell(r["edges_ratio_error"], ".4f")
        lines.append(
            f"edges of the mixture's cones, {where}: {_cell(r['edges_ratio'], '.4f')} +- {error} "
            f"({r['bootstraps']} samples of events) of one Gaussian's where both keep {r['n_found']} of "
            f"{r['n_true']} true ones"
        )
    if tracks := endcap.get("tracks"):
        less = tracks["difference"]
        for kind in ("single", "mixture"):
            r = tracks[kind]
            lines.append(
                f"chain, {kind}: efficiency {_rate(r, 'efficiency').strip()}, fakes {_rate(r, 'fake_rate').strip()}, "
                f"{r['ms']:.0f} ms"
            )
        lines.append(
            f"mixture at {tracks['quantile']:g} less single: efficiency {less['efficiency']:+.4f} +- "
            f"{_cell(less['efficiency_error'], '.4f')} ({less['n_won']} particles won, {less['n_lost']} lost), fakes "
            f"{less['fake_rate']:+.4f} +- {_cell(less['fake_rate_error'], '.4f')}"
        )
    return lines


def _rate(numbers: Mapping[str, Any], key: str) -> str:
    """A rate with its error, which is of the spread of the events: particles of a jet are not independent."""
    value, error = numbers[key], numbers.get(f"{key}_error")
    text = "-" if value is None else f"{value:.4f}" if error is None else f"{value:.4f} ± {error:.4f}"
    return f"{text:>18s}"


def _cell(value: float | None, form: str) -> str:
    return format("-", ">" + form.split(".")[0]) if value is None else format(value, form)
