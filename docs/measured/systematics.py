"""Tables of what is wrong by a little, before and after calibration from tracks."""

from page_text import table

from measured.results import results
from tracking.bench.systematics_table import judged_rows

RATES = {"edge_efficiency": 4, "reduction": 2, "track_efficiency": 4, "fake_rate": 4}
WHEN = ("before", "after")
TRACKS = {"d0_um": ("d0, um", 1), "z0_um": ("z0, um", 1), "qop_rel": ("q/p", 4)}
TARGETS = {"x": "x", "y": "y", "cot_alpha": "cot alpha", "cot_beta": "cot beta"}


def arrow(found: dict, key: str, digits: int) -> str:
    """A rate before and after."""
    return f"{found[key]['before']:.{digits}f}, {found[key]['after']:.{digits}f}"


def systematics() -> str:
    """Edges, reduction, tracks and fakes before and after calibration."""
    body = []
    for name, found in judged_rows(results("systematics")):
        share = found["track_efficiency"].get("regained")
        acts = found.get("acts")
        body.append(
            [
                name,
                *(arrow(found, key, digits) for key, digits in RATES.items()),
                "" if share is None else f"{share:.0%}",
                "" if acts is None else f"{acts['track_efficiency']:.4f}",
            ]
        )
    head = ["", "edges kept", "reduction", "tracks found", "central fakes", "tracks regained", "ACTS"]
    return table(head, body)


def systematics_pulls() -> str:
    """Widths of the pulls in the barrel before and after calibration."""
    body = []
    for name, found in judged_rows(results("systematics")):
        cells = [
            ", ".join(f"{found['pulls'][when]['barrel'][key]:.2f}" for when in ("before", "after"))
            for key in TARGETS
        ]
        tracks = found["pulls_of_tracks"]
        cells.append(", ".join(f"{tracks[when]['d0']:.2f}" for when in ("before", "after")))
        body.append([name, *cells])
    return table(["", *TARGETS.values(), "d0 of tracks"], body)


def systematics_tracks() -> str:
    """Resolutions of tracks where modules are moved, before and after, and the share of the loss that is regained."""
    found = results("systematics")
    body = []
    for size, row in found["effects"]["shift"].items():
        nominal = found["nominal"][found["sample_of"]["shift"][size]].get("resolution_of_tracks")
        if nominal is None:
            continue
        cells = []
        for key, (_, digits) in TRACKS.items():
            best, (before, after) = (
                nominal["before"][key],
                (row["resolution_of_tracks"][w][key] for w in WHEN),
            )
            cells += [
                f"{best:.{digits}f}, {before:.{digits}f}, {after:.{digits}f}",
                f"{(before - after) / (before - best):.0%}",
            ]
        body.append([f"{size} um", *cells])
    head = [words for name, _ in TRACKS.values() for words in (name, "back")]
    return table(["shift", *head], body)


LOST = {
    "edge_efficiency": "edges", "track_efficiency": "tracks", "reduction": "reduction", "d0_um": "d0", "z0_um": "z0",
    "qop_rel": "q/p", "pull_x": "pull of x", "pull_y": "pull of y", "pull_cot_alpha": "pull of cot alpha",
    "pull_cot_beta": "pull of cot beta", "bias_y": "bias of y", "bias_cot_beta": "bias of cot beta",
}  # fmt: skip


def systematics_lost() -> str:
    """What shifts, the Lorentz angle and the charge scale cost, what is left, and the share regained."""
    body = []
    for name, found in judged_rows(results("systematics")):
        if name.split()[0] not in ("shift", "lorentz", "charge"):
            continue
        for key, words in LOST.items():
            told = found.get("lost", {}).get(key)
            if told is None or told["regained"] is None:
                continue
            interval = told.get("interval")
            low_high = "" if interval is None else f" ({interval[0]:.0%} to {interval[1]:.0%})"
            body.append(
                [
                    name,
                    words,
                    f"{told['lost']:.4f}",
                    f"{told['left']:.4f}",
                    f"{told['regained']:.0%}{low_high}",
                ]
            )
    return table(["effect", "of", "lost", "left", "regained"], body)
