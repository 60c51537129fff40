"""ACTS's graph-based seeding (GBTS) beside the cones, at the same reach in pT."""

from page_text import table

from measured.results import results
from seeding.acts_gbts import BALANCED

TEXT = """\
## ACTS's graph-based seeding

GBTS builds a graph of pairs of points and grows chains in it. It runs on the generic detector only with a
trick, since most of its cuts are not bound in pyacts 48.1 and are made for 2 T and a larger detector. So it
gets x and y times a scale, a geometry of its own with the radii times the same, and a smallest pT to match.
Layers are connected as straight lines cross them, which finds as many seeds as connections trained on the
truth. Points steeper than the cut on the slope are left out beforehand. Less memory reserved for edges,
fewer connections and a tighter match are what made it faster than as it comes
([`seeding/acts_gbts.py`](../seeding/acts_gbts.py)). The clock runs for its algorithm alone. Scaling the
points and bringing the seeds back is an artefact and is not in it.

What it misses: chains of three hits are found, but a particle whose chain breaks is lost, and it looks no
farther than {region:.0f} mm along the beam. Below its smallest pT it fades out slowly, other than the
cones. A fair comparison is therefore at the same reach: of the cones, the smallest pT is taken with which
the efficiencies in bins of pT are nearest to GBTS's. Columns in GeV are seed efficiencies of particles that
would be findable if they were stiffer:

{table}

Cluster widths play no part: the switch of that cut is not bound. The table it needs is made by
`smartpix export gbts-table` ([format](formats.md)).
"""


def gbts() -> str:
    """The section, empty for results that have no GBTS."""
    seeding = results("bench-seeding")
    if "at_gbts" not in seeding:
        return ""
    ours, acts, at = (seeding[key] for key in ("ours", "acts", "at_gbts"))
    rows = [("ACTS GridTriplet from 0.5 GeV", acts["balanced"]), ("cones from 0.5 GeV", ours["balanced"])]
    for name, title in (("gbts", "ACTS GBTS"), ("gbts-fastest", "ACTS GBTS, fastest")):
        rows.append((title, acts[name]))
        rows.append((f"cones from {at[name]['min_pt']:g} GeV, as far down", at[name]))
    bins = list(acts["gbts"]["seed_efficiency_by_pt"])
    body = []
    for title, r in rows:
        by_pt = [r["seed_efficiency_by_pt"][b] for b in bins]
        cells = ["" if value is None else f"{value:.2f}" for value in by_pt]
        time = f"{r['ms'] / acts['gbts']['ms']:.2f}"
        body.append([title, f"{r['seeds']:,.0f}", f"{r['seed_efficiency']:.4f}", *cells, time])
    head = ["seeds of", "number", "findable", *bins, "time / GBTS"]
    region = BALANCED["collisionRegionMax"]
    return TEXT.format(region=region, table=table(head, body))
