"""Write docs/benchmarks.md from benchmarks/results: python docs/make_benchmarks.py."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from measured import beside_acts, beyond
from measured.gbts import gbts
from measured.results import CHAIN, SEARCH, number, results
from page_text import table, wrap

METHODS = {
    "cone": "**cones**", "cone-truth": "cones, true directions",
    "cone-shape": "cones, cluster-shape estimates",
    "cone-sigma-0.5": "cones, sigmas halved", "cone-sigma-2": "cones, sigmas doubled", "window": "φ-z window",
    "length": "window with cluster lengths", "tree": "window by k-d tree (SciPy)",
    "acts-grid": "ACTS GridTriplet, balanced",
    "acts-orthogonal": "ACTS OrthogonalTriplet, balanced", "acts-gbts": "ACTS GBTS, from 0.5 GeV",
}  # fmt: skip
CHAINS = {
    "sample": "embedded sample, pile-up 20",
    "pu200": "pile-up 200, seed 7",
    "trackml": "TrackML extract",
}


def reduction() -> str:
    """The headline of the searches: window over cones at equal efficiency, each at its best."""
    seeding = results("bench-seeding")
    body = [
        [
            efficiency,
            *("" if of[region] is None else f"{of[region]:.1f}" for region in ("innermost", "barrel", "all")),
        ]
        for efficiency, of in seeding["reduction_at"].items()
    ]
    text = """The reduction is edges of the window / edges in the cones at equal efficiency. The window is scanned
in pT and z0, the cones in quantile and pT, and each counts at its best:"""
    return (
        f"\n{text}\n\n{table(['both at an efficiency of', 'innermost barrel pair', 'barrel', 'all'], body)}\n"
    )


def searches() -> str:
    """Cones beside other searches."""
    body = []
    methods = results("bench-seeding")["methods"]
    for name, title in METHODS.items():
        m = methods.get(name)
        if m is None:
            continue
        both = [number(m[k], ".4f") for k in ("edge_efficiency_0p9", "edge_efficiency_0p5")]
        body.append(
            [
                title,
                number(m["edges"], ",.0f"),
                ", ".join(x for x in both if x),
                number(m["edge_purity"], ".3f"),
                number(m["seeds"], ",.0f"),
                number(m["seed_efficiency"], ".4f"),
                number(m["ms"], ".0f"),
                number(m["peak_mb"], ".0f"),
            ]
        )
    return table(
        [
            "method",
            "edges",
            "edge efficiency, pT > 0.9, > 0.5 GeV",
            "purity",
            "seeds",
            "seed efficiency",
            "ms",
            "MB",
        ],
        body,
    )


def chains() -> str:
    """The whole chain on three samples."""
    of = {name: results(f"chain-{name}") for name in CHAINS}
    entries = {
        "events, findable particles": lambda r: f"{r['n_events']}, {r['n_findable']:,}",
        "clusters / event": lambda r: f"{r['n_hits'] / r['n_events']:,.0f}",
        "edges: window → cones / event": lambda r: (
            f"{r['n_window_edges'] / r['n_events']:,.0f} → {r['n_edges'] / r['n_events']:,.0f}"
        ),
        "reduction": lambda r: f"{r['reduction']:.2f}",
        "edge efficiency: window, cones": lambda r: (
            f"{r['window_edge_efficiency']:.4f}, {r['edge_efficiency']:.4f}"
        ),
        "edge purity: window, cones": lambda r: f"{r['window_edge_purity']:.3f}, {r['edge_purity']:.3f}",
        "seed efficiency": lambda r: f"{r['seed_efficiency']:.4f}",
        "**track efficiency**": lambda r: f"**{r['track_efficiency']:.4f}**",
        "fakes, duplicates": lambda r: f"{r['fake_rate']:.4f}, {r['duplicate_rate']:.4f}",
        "vertices found": lambda r: number(r["vertex_efficiency"], ".3f"),
        "ms / event: estimates, edges and seeds, all": lambda r: ", ".join(
            f"{v:.0f}"
            for v in (
                r["ms_per_event"]["estimate"],
                r["ms_per_event"]["cone"] + r["ms_per_event"]["seed"],
                r["ms_per_event"]["total"],
            )
        ),
        "peak memory of the process, MB": lambda r: f"{r['peak_mb']:.0f}",
    }
    return table(
        ["", *CHAINS.values()],
        [[title, *(entry(r) for r in of.values())] for title, entry in entries.items()],
    )


def sizes() -> str:
    """Networks of several sizes, their time over that of the shipped one."""
    networks = results("network-size")["networks"]
    whole = networks["gnn"]
    body = [
        [
            f"{n['hidden']}, {n['passes']}" + (" (shipped)" if n is whole else ""), str(n["epochs"]),
            f"{n['parameters']:,}",
            f"{n['loss']:.4f}", f"{n['efficiency']:.4f}", f"{n['fake_rate']:.4f}",
            *(f"{n[key] / whole[key]:.2f}" for key in ("ms_graph", "ms_after_estimates")),
        ]
        for n in sorted(networks.values(), key=lambda n: n["ms_graph"])
    ]  # fmt: skip
    head = [
        "width, passes",
        "epochs",
        "parameters",
        "loss",
        "track efficiency",
        "fakes",
        "time",
        "time of the chain",
    ]
    return table(head, body)


def page() -> str:
    """docs/benchmarks.md, its lines not wrapped."""
    seeding, tracking, size = (results(name) for name in ("bench-seeding", "bench-tracking", "network-size"))
    stages = ", ".join(
        f"{k} {100 * v / tracking['ours']['ms']:.0f}" for k, v in tracking["ours"]["ms_by_stage"].items()
    )
    robust = results("robustness")
    n_findable = next(iter(size["networks"].values()))["n_findable"]
    return f"""# Benchmarks

<!-- Made by docs/make_benchmarks.py from benchmarks/results: run the command again, then this. -->

Tracks beside ACTS were measured on {tracking["date"]}, the rest within a day of it, on a shared machine with two
cores. Milliseconds there are only good to tens of per cent. Ratios hold better: they are of two things run in
turn in one process on one thread, after a warm-up. What each number means is [defined](numbers.md) once.
Results with all keys are in `benchmarks/results/`, with a list of the commands that remake them. Seeds inside
ACTS's own chain are measured in [In ACTS](acts.md), two workers against one in
[Many files, many machines](scaling.md).

## The whole chain

The command is `python benchmarks/chain.py`. The cones there hold {CHAIN} (`cone.quantile`), more than the
{SEARCH} of the searches below: the graph network's screen drops what comes in with them. The TrackML extract
is the pixel part of an event that was simulated and digitised by others, with its own truth. Its estimates
come from cluster shapes, trained on our simulation of that sensor.

{chains()}

## The cones beside other searches

`smartpix bench seeding` (needs ACTS) runs every method on the same hits: {seeding["n_events"]} events of
pile-up 200, {seeding["n_hits"]:,.0f} hits each. The clock of a search runs from hits with estimates to edges
and, for the cones, seeds. For ACTS it runs for its seeding algorithm alone. The table of cluster lengths is
made from the truth of these very events, the best there can be.

{reduction()}
{searches()}

At one setting of each search, edges of the window / edges in the cones are {seeding["reduction_innermost"]:.1f} for the innermost barrel
pair, {seeding["reduction_barrel"]:.1f} over the barrel and {seeding["reduction_all"]:.1f} over all. Against
ACTS's faster seeding the cones make {seeding["ratio_seeds_to_acts"]:.2f} times the seeds in
{seeding["ratio_time_to_acts"]:.2f} times the time. Two threads are {seeding["thread_speedup"]:.2f} times as
fast as one on events of their own, and {seeding["thread_speedup_one_event"]:.2f} times on one event. Time grows
with hits to the power of {seeding["exponent"]:.2f} (pile-up 20 to 300).

![Edge efficiency against reduction](efficiency-reduction.png)

![Time against the number of hits](time.png)

Which true edges the cones lose:

![Share of true edges lost, by pT, by pseudorapidity and by pair of layers](lost-edges.png)

{gbts()}
## Tracks beside ACTS

`smartpix bench tracking` (needs ACTS) takes fresh events and the same hits for both. ACTS 48.1 runs its own
seeding, parameter estimation, combinatorial Kalman filter and ambiguity resolution, tuned for these pixels
(`benchmarks/tune_acts.py` searches, and `tracking/acts/reference.py` has the points chosen). Times are of the
processor. The keys `acts` and `acts_loose` of the results are ACTS's balanced and its most efficient point. ACTS takes positions with variances but not their correlation.

Numbers are ours / ACTS's. The efficiency is that of findable particles. Fakes and duplicates are counted among
tracks with at least four layers and pT > 0.5 GeV. Our clock runs from clusters with estimates to fitted tracks,
ACTS's from measurements and space points to tracks. Time ratios are ours over ACTS's, first of both balanced points.
The best of ACTS is the fastest of its points that is at least as good as our fastest, or where none is, the fastest
that any of ours is as good as. The last column adds our estimates to that ratio, for a sensor that does not make
them.

{beside_acts.tracks()}
{beside_acts.points()}
Resolutions are of particles that both found:

{beside_acts.resolutions()}

The next table has ACTS at its most efficient point (`acts-efficient`, with holes and shared hits), and what it
costs in fakes. Numbers are ours / ACTS's / those of that point. Central fakes are of tracks with abs(η) < 2.5,
where both look:

{beside_acts.loose()}

Our time at pile-up 200 goes to these stages, in per cent: {stages}.

Displaced pions are in {tracking["displaced"]["n_events"]} events more. "Two passes" is
`--passes prompt,displaced`. ACTS is at its balanced point with `impactMax` of 1 and 10 mm, without a cut on d0 (`acts-narrow`,
`acts-wide`). All findable particles count, those of the collisions too, which fill the first bin:

{beyond.displaced("displaced", 4, True)}

The same of 20 jets over the collisions, in each of which every second pion comes from a decay in flight, like that
of a hadron with a b quark, 5 mm away on average:

{beyond.displaced("b_jets", 4, True)}

The fit stands beside ACTS's Kalman fitter on the same tracks and hits: {tracking["fit"]["ours"]["n_resolution"]:,}
tracks of findable particles. Widths of pulls are standard deviations:

{beside_acts.fits()}

The last table shows what the pruning buys. It has the same chain on all of the reference window's edges, with a
network trained on the edges of the same events (`gnn-window`, 40 epochs and not 60). The window does not compare edges with the clusters. Its
network therefore sees slopes and their errors at each hit, but no pulls. Builder and cuts are those tuned for
the cones. Time and memory are the point:

{beside_acts.graphs()}

## Other conditions

`python benchmarks/robustness.py` (needs ACTS) simulates {robust["n_events"]} events of pile-up 200 in each
condition, which differs from the standard working point in one thing. Weights and options are those that ship. The
physics efficiency is that of all charged particles from 0.9 GeV on within abs(η) of 2.5, whatever hits they left. Conditions with a star are refused by `smartpix run`,
unless `conditions=ignore` is set:

{beyond.robustness()}

## The size of the graph network

`bash benchmarks/network_size.sh` runs networks trained on the same events in turn on {size["n_events"]} events of
pile-up 200. The loss is that of events used for nothing else. The efficiency is that of {n_findable:,} findable
particles, so differences below 0.001 are chance. Times are over those of the shipped network: first features,
screen and network, then all from clusters with estimates to fitted tracks. These networks were trained and compared at
the ideal working point, with 12 features of an edge where the shipped one now has 16; what a size costs is the same.

{sizes()}
"""


def benchmarks() -> str:
    """The whole page."""
    return wrap(page())


if __name__ == "__main__":
    Path(__file__).with_name("benchmarks.md").write_text(benchmarks(), encoding="utf-8")
