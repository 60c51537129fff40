"""ACTS's graph-based seeding (GBTS) beside the cones, at the same reach in pT."""

from page_text import table

from measured.results import results
from seeding.acts_gbts import BALANCED
from tracking.bench.seeding_terms import BELOW

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
farther than {region:.0f} mm along the beam. It fades out towards its smallest pT.

A fair comparison is on equal terms. Both sides get the hits within the slope that ACTS's point looks for,
and no others. Beside GridTriplet stands the fastest of the cones from 0.5 GeV on that seed as many findable
particles. Beside GBTS stand the fastest of the cones that do so too, and whose efficiency in no bin of pT is
more than {below:.2f} below its own. Columns in GeV are seed efficiencies of particles that would be findable if they were stiffer;
times are over ACTS's of each pair:

{table}

Cluster widths play no part: the switch of that cut is not bound. The table it needs is made by
`smartpix export gbts-table` ([format](formats.md)).
"""


TITLES = {
    "balanced": "ACTS GridTriplet from 0.5 GeV", "gbts": "ACTS GBTS from 0.5 GeV",
    "gbts-fastest": "ACTS GBTS, fastest",
}  # fmt: skip


def gbts() -> str:
    """The section, empty for results that have no GBTS."""
    seeding = results("bench-seeding")
    if "equal_terms" not in seeding:
        return ""
    terms = seeding["equal_terms"]
    bins = list(terms["gbts"]["acts"]["seed_efficiency_by_pt"])
    body = []
    for name, title in TITLES.items():
        for r, who in ((terms[name]["acts"], title), (terms[name]["ours"], f"cones, {terms[name]['point']}")):
            if r is None:
                continue
            by_pt = [r["seed_efficiency_by_pt"][b] for b in bins]
            cells = ["" if value is None else f"{value:.2f}" for value in by_pt]
            time = f"{r['ms'] / terms[name]['acts']['ms']:.2f}"
            body.append([who, f"{r['seeds']:,.0f}", f"{r['seed_efficiency']:.4f}", *cells, time])
    head = ["seeds of", "number", "findable", *bins, "time"]
    region = BALANCED["collisionRegionMax"]
    return TEXT.format(region=region, below=BELOW, table=table(head, body))
