"""What a new detector's guide found: numbers, which of them are as they should be, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from smartpix.schema import TARGETS
from tracking.guide.options import GuideOptions
from tracking.sequence import Step

__all__ = ["BARS", "Finding", "findings", "report_text"]

BARS = {
    "pull width": (0.9, 1.1),
    "coverage": (0.63, 0.74),
    "edge efficiency": (0.99, 1.0),
    "track efficiency": (0.95, 1.0),
    "fakes": (0.0, 0.02),
    "track pull width": (0.85, 1.15),
}
"""Within which a number is as it should be. A 68 % ellipsoid holds 0.683; with fewer than some thousand
clusters it and the pulls vary by a few in a hundred."""
NEXT = {
    "modules that share space": "move them apart, in a layout by z_stagger or stagger; smartpix detector --json lists the "
    "pairs (colliding)",
    "pull width": "train on more crossings (--crossings), or take the network (--estimates mdn); pull/estimate-pulls.png shows "
    "the region and target",
    "coverage": "train on more crossings (--crossings), and look at pulls_by of pull/pull.json for where it fails",
    "edge efficiency": "look at who follows whom (detector.json of --json), and widen the cones (cone.quantile)",
    "track efficiency": "train the graph network on events of the detector (--graph-epochs, --events), and look at "
    "tracks/efficiency.png",
    "fakes": "train the graph network on more events (--events), or ask for a larger build.min_track_score",
    "track pull width": "look at the pull widths of x and y above, which tracks follow, and at the fit's material "
    "(fit.*, docs/options.md), of which a table of modules says nothing",
}


@dataclass(frozen=True)
class Finding:
    """One number.

    Attributes:
        what: it is, with region and target where there are several.
        value: None: there was too little to tell.
        low, high: within which it is as it should be.
        good: whether it is.
        next: what to do where it is not; empty: nothing.
    """

    what: str
    value: float | None
    low: float
    high: float
    good: bool
    next: str = ""


def findings(results: Mapping[str, Mapping[str, Any]], options: GuideOptions) -> list[Finding]:
    """All numbers that are judged.

    Args:
        results: of the steps, by their names.
    """
    found = [_finding("modules that share space", results["layout"]["n_colliding"], bar=(0, 0))]
    for region in ("barrel", "endcap"):
        judged = results["check"].get(region, {}).get(options.estimates)
        if judged is None:
            continue
        for target in TARGETS:
            found.append(_finding("pull width", judged["pull_width"][target], f"of {target}, {region}"))
        found.append(_finding("coverage", judged["coverage68"], f"of the 68 % ellipsoid, {region}"))
    tracks = results["tracks"]
    found.append(_finding("edge efficiency", tracks["edge_efficiency"]))
    found.append(_finding("track efficiency", tracks["track_efficiency"]))
    found.append(_finding("fakes", tracks["fake_rate"]))
    # Without a field tracks tell no momentum.
    widths = {
        n: w for n, w in tracks["pull_half_width"].items() if n != "qop" or results["events-test"]["field"]
    }
    for name, width in widths.items():
        found.append(_finding("track pull width", width, f"of {name}"))
    return found


def _finding(
    kind: str, value: float | None, more: str = "", bar: tuple[float, float] | None = None
) -> Finding:
    low, high = BARS[kind] if bar is None else bar
    good = value is not None and low <= value <= high
    hint = "simulate more events (--events)" if value is None else NEXT[kind]
    return Finding(f"{kind} {more}".strip(), value, low, high, good, "" if good else hint)


def report_text(
    name: str, steps: Sequence[Step], results: Mapping[str, Mapping[str, Any]], options: GuideOptions
) -> str:
    """The report in Markdown."""
    layout, tracks = results["layout"], results["tracks"]
    found = findings(results, options)
    wrong = [f for f in found if not f.good]
    sensors = "; ".join(
        f"{s['modules']} modules of {s['pitch_v'] * 1e3:g} x {s['pitch_u'] * 1e3:g} x {s['thickness'] * 1e3:g} µm"
        for s in layout["sensors"]
    )
    per_event = tracks["n_hits"] / max(tracks["n_events"], 1)
    reduction = (
        "none, as the window is empty" if tracks["reduction"] is None else f"{tracks['reduction']:.2f}"
    )
    lines = [
        f"# {name}",
        "",
        f"Simulation. {layout['n_modules']} modules on {layout['n_layers']} layers; {sensors}.",
        f"Judged on {tracks['n_events']} events with {per_event:,.0f} hits each and {tracks['n_findable']} findable "
        f"particles (on {tracks['findable_layers']} layers or more, above {tracks['findable_pt']:g} GeV).",
        f"Edges of the reference window for each edge in the cones: {reduction} (below 1 cones save none).",
        "",
        "![The detector](detector.png)",
        "",
        "| what | value | as it should be | |",
        "| --- | --- | --- | --- |",
        *(
            f"| {f.what} | {'-' if f.value is None else f'{f.value:.4g}'} | {f.low:g} to {f.high:g} "
            f"| {'good' if f.good else 'look'} |"
            for f in found
        ),
        "",
        "## What to do next",
        "",
        *(
            [f"- {hint}: {', '.join(f.what for f in wrong if f.next == hint)}." for hint in _once(wrong)]
            or ALL_GOOD
        ),
        "",
        "## Commands",
        "",
        "Each can be given alone, with other options, too.",
        "",
        "```sh",
        *(line for step in steps for line in (f"# {step.why}", step.command)),
        "```",
    ]
    return "\n".join(lines) + "\n"


ALL_GOOD = ["Nothing: all is as it should be. Use the weights with the options of the last command."]


def _once(wrong: Sequence[Finding]) -> list[str]:
    return list(dict.fromkeys(f.next for f in wrong))


def as_mappings(found: Sequence[Finding]) -> list[dict[str, Any]]:
    """For JSON."""
    return [asdict(f) for f in found]
