"""The table that ``smartpix run`` prints."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from tracking.chain import STAGES
from tracking.cli.streams import show
from tracking.show.numbers import shown

__all__ = ["print_summary"]


def print_summary(summary: dict[str, Any], output: Path) -> None:
    """The table of a run, on stdout; errors are those of 68 % intervals."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    def number(key: str, digits: int = 4) -> str:
        value = summary[key]
        return "-" if value is None else f"{value:.{digits}f}"

    def rate(key: str) -> str:
        """With the errors of its 68 % interval."""
        value = summary[key]
        return "-" if value is None else shown(value, summary["interval"][key])

    table = Table(
        title=Text(", ".join(Path(f).name for f in summary["files"]), "table.title"), show_header=False
    )
    per = max(summary["n_events"], 1)
    table.add_row("events", f"{summary['n_events']}")
    table.add_row("hits / event", f"{summary['n_hits'] / per:,.0f}")
    if summary["n_split_clusters"] or summary["n_shared_clusters"]:
        table.add_row(
            "clusters split (shared) / event",
            f"{summary['n_split_clusters'] / per:,.1f} ({summary['n_shared_clusters'] / per:,.1f})",
        )
    table.add_row("edges of the reference window / event", f"{summary['n_window_edges'] / per:,.0f}")
    table.add_row("edges in cones / event", f"{summary['n_edges'] / per:,.0f}")
    # Where the window is empty, as without field, there is nothing that the cones reduce.
    table.add_row("reduction", number("reduction", 2) if summary["n_window_edges"] else "no reference")
    table.add_row("seeds / event", f"{summary['n_seeds'] / per:,.0f}")
    table.add_row("tracks / event", f"{summary['n_tracks'] / per:,.1f}")
    table.add_row("vertices / event", f"{summary['n_vertices'] / per:,.1f}")
    if "track_efficiency" in summary:
        table.add_section()
        layers, pt = summary["findable_layers"], summary["findable_pt"]
        table.add_row(
            f"findable particles (on {layers} layers or more, pT > {pt:g} GeV)", f"{summary['n_findable']:,}"
        )
        for title, key in {
            "edge efficiency": "edge_efficiency", "edge efficiency of the window": "window_edge_efficiency",
            "edge purity": "edge_purity", "edge purity of the window": "window_edge_purity",
            "seed efficiency": "seed_efficiency", "track efficiency": "track_efficiency", "fakes": "fake_rate",
            "duplicates": "duplicate_rate",
        }.items():  # fmt: skip
            table.add_row(title, rate(key))
        table.add_row(
            f"track efficiency (of all charged, pT > {pt:g} GeV, |eta| < 2.5)", rate("physics_efficiency")
        )
        table.add_row("resolution of d0, z0 in µm", f"{rate('resolution_d0_um')}, {rate('resolution_z0_um')}")
        table.add_row(
            "resolution of phi, theta in mrad",
            f"{rate('resolution_phi_mrad')}, {rate('resolution_theta_mrad')}",
        )
        table.add_row("resolution of q/p, relative", rate("resolution_qop_rel"))
        table.add_row("true vertices found", rate("vertex_efficiency"))
        table.add_row("vertices that are false", rate("vertex_false_rate"))
        table.add_row("vertices that are split", rate("vertex_split_rate"))
    table.add_section()
    for stage in (*STAGES, "total"):
        # There is a second pass only where one was asked for.
        if stage in summary["ms_per_event"]:
            table.add_row(f"ms / event: {stage}", f"{summary['ms_per_event'][stage]:,.1f}")
    # Names of files may look like rich's markup.
    console = Console(width=None if sys.stdout.isatty() else 100, markup=False, emoji=False)
    with console.capture() as captured:
        console.print(table)
    lines = [captured.get().rstrip("\n")]
    if "joined" in summary:
        lines.append(f"per hit of your files: {', '.join(summary['joined']['files'])}")
    lines += ["to cite:", *(f"  {line}" for line in summary.get("cite", ()))]
    show("\n".join([*lines, f"results in {output}/"]))
