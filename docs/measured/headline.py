"""The tables of the README."""

from page_text import table

from measured.results import CHAIN, SEARCH, results, with_interval


def search() -> list[list[str]]:
    """Lines of the search alone: what is looked at, and how long it takes."""
    seeding, tracking = results("bench-seeding"), results("bench-tracking")
    cones, window, acts = (seeding["methods"][name] for name in ("cone", "window", "acts-grid"))
    # The bench of seeds does not time the estimates; that of tracks does, on other events of the same kind.
    estimates_ms = tracking["ms_estimate"] * seeding["n_hits"] / tracking["n_hits"]
    return [
        ["edges to look at", f"window: {window['edges']:,.0f}", f"{cones['edges']:,.0f}"],
        [
            "with these of the findable particles' edges",
            f"window: {100 * window['edge_efficiency_0p9']:.2f} %",
            f"{100 * cones['edge_efficiency_0p9']:.2f} %",
        ],
        ["seeds", f"ACTS, tuned: {acts['seeds']:,.0f}", f"{cones['seeds']:,.0f}"],
        [
            "findable particles with a seed",
            f"ACTS, tuned: {with_interval(acts['seed_efficiency'], findable(acts))}",
            with_interval(cones["seed_efficiency"], findable(cones)),
        ],
        ["time of seeding", "ACTS, tuned: 1", f"{seeding['ratio_time_to_acts']:.2f}"],
        [
            "the same, estimates made on the CPU",
            "ACTS, tuned: 1",
            f"({(cones['ms'] + estimates_ms) / acts['ms']:.2f})",
        ],
    ]


def findable(way: dict) -> int:
    """Findable particles of the bench of seeds, from what it keeps per event and per particle."""
    return round(results("bench-seeding")["n_events"] * way["seeds"] / way["seeds_per_findable"])


def rates(sample: dict, where: str) -> list[list[str]]:
    """Efficiency and fakes of ACTS and ours, each with its interval."""
    ways = (sample["acts"], sample["ours"])
    return [
        [
            f"track efficiency{where}",
            *(with_interval(way["efficiency"], way["n_findable"]) for way in ways),
        ],
        [f"fakes{where}", *(with_interval(way["fake_rate"], way["n_tracks"]) for way in ways)],
    ]


def chain() -> list[list[str]]:
    """Lines of the whole chain: how well and how fast."""
    tracking = results("bench-tracking")
    resolution = [
        f"{r['resolution_d0_um']:.0f} µm, {r['resolution_z0_um']:.0f} µm, {100 * r['resolution_qop_rel']:.2f} %"
        for r in (tracking["acts"], tracking["ours"])
    ]
    return [
        *rates(tracking, ""),
        *rates(tracking["pileup"]["60"], " at pile-up 60"),
        ["time from clusters with estimates to fitted tracks", "1", f"{tracking['ratio_time']:.2f}"],
        ["the same, estimates made on the CPU", "1", f"({tracking['ratio_time_with_estimates']:.2f})"],
        ["resolution of d0, z0, q/p", *resolution],
    ]


def headline() -> str:
    """Both tables with what stands before them."""
    tracking, seeding = results("bench-tracking"), results("bench-seeding")
    return f"""\
Both tables are of fresh events of pile-up 200, on one thread. Brackets behind a rate are its 68 %
binomial interval; both columns are of the same events. The first table is of the search alone
(`seeding`, cones of {SEARCH}), on {seeding["n_events"]} events (`smartpix bench seeding`). Our clock
runs from hits with estimates to seeds, ACTS's over its seeding algorithm alone:

{table(["search", "reference", "cones"], search())}

The second is of the whole chain (`smartpix run`), on {tracking["n_events"]} events, and
{tracking["pileup"]["60"]["n_events"]} of pile-up 60 (`smartpix bench tracking`). Its cones are wider
({CHAIN}), since the graph network's screen drops what comes in with them:

{table(["chain", "ACTS, tuned", "smartpix"], chain())}
"""
