"""The tables of the README."""

from page_text import table

from measured.beyond import displaced
from measured.dense import dense_beside
from measured.results import CHAIN, SEARCH, results, with_interval

SIDES = {
    "acts": {
        "gbts-fastest": "ACTS GBTS, fastest", "gbts": "ACTS GBTS, from 0.5 GeV", "fastest": "ACTS, fastest",
        "balanced": "ACTS, balanced", "efficient": "ACTS, efficient",
    },
    "ours": {
        name: f"smartpix, {name}" for name in ("fastest", "balanced", "efficient")
    },
}  # fmt: skip
"""Titles of the working points of both. ACTS's without a name are of its GridTriplet seeding."""


def search() -> list[list[str]]:
    """Lines of the search: edges of the window over edges of the cones at equal efficiency."""
    return [
        [
            f"{100 * float(efficiency):g} %",
            *(
                "not reached" if r[region] is None else f"{r[region]:.1f}"
                for region in ("innermost", "barrel", "all")
            ),
        ]
        for efficiency, r in results("bench-seeding")["reduction_at"].items()
    ]


def seeds() -> list[list[str]]:
    """Lines of the seeds of both at their working points."""
    seeding = results("bench-seeding")
    return [
        [
            title,
            f"{r['seeds_same_rule']:,.0f}",
            f"{r['seed_efficiency_same_rule']:.4f}",
            f"{r['seed_purity_same_rule']:.3f}",
            f"{r['ms']:.1f}",
        ]
        for side, points in SIDES.items()
        for point, title in points.items()
        for r in (seeding[side][point],)
    ]


def chain() -> list[list[str]]:
    """Lines of the whole chain at the working points of both: how well and how fast."""
    tracking = results("bench-tracking")
    estimate = tracking["ms_estimate"]
    return [
        [
            title,
            with_interval(r["efficiency"], r["n_findable"]),
            f"{r['fake_rate_central']:.4f}",
            f"{r['ms']:.0f}",
            f"{r['ms'] + estimate:.0f}" if side == "ours" else "",
        ]
        for side, points in SIDES.items()
        for point, title in points.items()
        for r in (tracking[side][point],)
    ]


def share(ratio: float | None) -> str:
    """A ratio of times."""
    return "no known share" if ratio is None else f"{ratio:.2f}"


def headline() -> str:
    """The tables with what stands before them."""
    tracking, seeding = results("bench-tracking"), results("bench-seeding")
    dense, robust = results("bench-dense"), results("robustness")["conditions"]
    return f"""\
All tables are of fresh events of pile-up 200 at the [standard working point](docs/sensor.md#the-standard-working-point):
collisions spread over 180 ps, a threshold of 400 e with a dispersion of 60 e, noise of 50 e, four bits. The first
says how many edges a window holds for each edge in the cones (`smartpix bench seeding`,
{seeding["n_events"]} events). The window is scanned in pT and z0, the cones in quantile and pT, and each counts at
its best:

{table(["efficiency of edges", "innermost pair", "barrel", "all"], search())}

Seeds of both follow one rule for shared hits. Our clock runs from hits with estimates to seeds (cones of {SEARCH}),
ACTS's over its seeding algorithm alone: GridTriplet or, where it says so, GBTS. Both are at several working points,
ACTS's from a search of [all its settings](docs/acts.md). The fastest points of both look for stiff central particles
alone; beside each other on [equal terms](docs/benchmarks.md#actss-graph-based-seeding) ours takes
{share(seeding["ratio_time_to_best_acts"])} of GridTriplet's time and {share(seeding["ratio_time_to_gbts"])} of GBTS's.
Times are of the processor in ms an event:

{table(["seeding", "seeds", "findable particles with a seed", "purity", "ms"], seeds())}

The whole chain (`smartpix run`) is on {tracking["n_events"]} events (`smartpix bench tracking`). Its cones are
wider ({CHAIN}), since the graph network's screen drops what comes in with them. Brackets are 68 % binomial intervals.
The clock starts with estimates that the sensor makes, or with clusters, whose estimates are then made on the CPU.
Beside the [best of ACTS](docs/benchmarks.md#tracks-beside-acts) ours takes
{share(tracking["ratio_time_to_best_acts"])} of the time, and {share(tracking["ratio_time_with_estimates"])} with
estimates made on the CPU. ACTS's clock starts with its measurements:

{table(["chain", "efficiency of findable particles", "central fakes", "ms", "ms with estimates"], chain())}

Findable particles by impact parameter, with displaced pions added to the same pile-up. "Two passes" is
`--passes prompt,displaced`. ACTS has `impactMax` of 1 and 10 mm and no cut on d0:

{displaced("displaced", 3, False)}

In the cores of energetic jets clusters merge. A network counts the particles of a cluster, and others give each its
own estimate, so that a merged cluster becomes several hits ([dense environments](docs/dense.md)). `jets` are broad,
`cores` have half a TeV to two TeV each, both over pile-up 60 (`smartpix bench dense`, {dense["samples"]["cores"]["n_events"]}
events). K-means and DeepCore stand on the same chain. ACTS tuned for cores lets tracks share clusters:

{dense_beside()}

Of all charged particles from 0.9 GeV on within abs(eta) of 2.5, not only findable ones, the chain finds
{robust["standard"]["physics_efficiency"]:.3f}, and {robust["2 % dead modules"]["physics_efficiency"]:.3f} with 2 % of the modules
dead (`python benchmarks/robustness.py`).
"""
