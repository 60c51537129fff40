"""Write docs/benchmarks.md, and the README's headline and measured numbers, from benchmarks/results.

python docs/make_benchmarks.py
"""

import json
import re
from pathlib import Path

from seeding.cones import ConeOptions
from tracking.finders.gnn.graph import WIDE

DOCS = Path(__file__).parent
README = DOCS.parent / "README.md"
RESULTS = DOCS.parent / "benchmarks" / "results"
HEADLINE = re.compile(r"(<!-- headline -->\n).*?(<!-- /headline -->)", re.DOTALL)
METHODS = {
    "cone": "**cones**", "cone-truth": "cones, true directions",
    "cone-shape": "cones, cluster-shape estimates",
    "cone-sigma-0.5": "cones, sigmas halved", "cone-sigma-2": "cones, sigmas doubled", "window": "φ-z window",
    "length": "window with cluster lengths", "tree": "window by k-d tree (SciPy)",
    "acts-grid": "ACTS GridTriplet, tuned",
    "acts-orthogonal": "ACTS OrthogonalTriplet, tuned",
}  # fmt: skip
SEARCH, CHAIN = (f"{100 * options.quantile:.6g} %" for options in (ConeOptions(), WIDE))
"""What the cones hold of the search alone, and of the graph network's tracks."""
NUMBER = r"\d+(?:[.,]\d+)*"
CHAINS = {
    "sample": "embedded sample, pile-up 20",
    "pu200": "pile-up 200, seed 7",
    "trackml": "TrackML extract",
}


def results(name: str) -> dict:
    """One file of results."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def rows(head: list[str], body: list[list[str]]) -> str:
    """A table."""
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def number(value: float | None, form: str) -> str:
    """A number, or nothing."""
    return "" if value is None else format(value, form)


def samples() -> dict[str, dict]:
    """Of the bench of tracks, by what they are."""
    result = results("bench-tracking")
    both = {int(p): r for p, r in result["pileup"].items()} | {200: result}
    return {f"pile-up {p}": both[p] for p in sorted(both)} | {"20 jets over pile-up 60": result["jets"]}


def tracks() -> str:
    """Beside ACTS."""
    body = []
    for name, sample in samples().items():
        ours, acts = sample["ours"], sample["acts"]
        pair = [
            (
                f"{100 * r['resolution_qop_rel']:.2f}",
                f"{r['resolution_d0_um']:.1f}",
                f"{r['resolution_z0_um']:.1f}",
            )
            for r in (ours, acts)
        ]
        q, d, z = (" / ".join(values) for values in zip(*pair, strict=True))
        body.append(
            [
                name,
                str(sample["n_events"]),
                f"{ours['n_findable']:,}",
                f"{ours['efficiency']:.4f} / {acts['efficiency']:.4f}",
                f"{ours['fake_rate']:.4f} / {acts['fake_rate']:.4f}",
                f"{ours['duplicate_rate']:.4f} / {acts['duplicate_rate']:.4f}",
                f"{ours['n_tracks']:,} / {acts['n_tracks']:,}",
                d,
                z,
                q,
                f"{sample['ratio_time']:.2f}",
                f"{sample['ratio_time_with_estimates']:.2f}",
            ]
        )
    head = [
        "sample",
        "events",
        "findable",
        "efficiency, ours / ACTS",
        "fakes",
        "duplicates",
        "tracks",
        "d0 µm",
        "z0 µm",
        "q/p %",
        "time ratio",
        "with estimates",
    ]
    return rows(head, body)


def loose() -> str:
    """ACTS at its most efficient."""
    body = []
    for name, sample in samples().items():
        three = [sample[who] for who in ("ours", "acts", "acts_loose")]
        body.append(
            [
                name,
                *(
                    " / ".join(f"{r[key]:.4f}" for r in three)
                    for key in ("efficiency", "fake_rate", "fake_rate_central")
                ),
            ]
            + [f"{sample['acts_loose']['ms'] / sample['acts']['ms']:.2f}"]
        )
    return rows(
        ["sample", "efficiency: ours / ACTS / ACTS loose", "fakes", "central fakes", "time of loose / tuned"],
        body,
    )


def fits() -> str:
    """The fit beside ACTS's Kalman fitter."""
    fit = results("bench-tracking")["fit"]
    units = {
        "d0_um": "d0 µm",
        "z0_um": "z0 µm",
        "phi_mrad": "φ mrad",
        "theta_mrad": "θ mrad",
        "qop_rel": "q/p",
    }
    pulls = ["d0", "z0", "phi", "theta", "qop"]
    body = [
        [
            title,
            *(f"{fit[who][f'resolution_{key}']:.4g}" for key in units),
            *(f"{fit[who][f'pull_{name}']:.3f}" for name in pulls),
        ]
        for who, title in (("ours", "smartpix"), ("acts", "ACTS"))
    ]
    return rows(["fit of the same tracks", *units.values(), *(f"pull {name}" for name in pulls)], body)


def graphs() -> str:
    """Cones and window below the same chain."""
    result = results("bench-tracking")
    body = []
    for name, title in (("cone_graph", "cones"), ("window_graph", "window")):
        g = result[name]
        body.append(
            [
                title,
                f"{g['edges']:,}",
                f"{g['mb']:.0f}",
                f"{g['ms'] / result['cone_graph']['ms']:.2f}",
                f"{g['efficiency']:.4f}",
                f"{g['fake_rate']:.4f}",
            ]
        )
    return rows(
        ["graph", "edges / event", "MB / event", "time / that of the cones", "track efficiency", "fakes"],
        body,
    )


def searches() -> str:
    """Cones beside other searches."""
    body = []
    for name, title in METHODS.items():
        m = results("bench-seeding")["methods"][name]
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
    return rows(
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
        "ms / event, one thread: estimates, edges and seeds, all": lambda r: ", ".join(
            f"{v:.0f}"
            for v in (
                r["ms_per_event"]["estimate"],
                r["ms_per_event"]["cone"] + r["ms_per_event"]["seed"],
                r["ms_per_event"]["total"],
            )
        ),
        "peak memory of the process, MB": lambda r: f"{r['peak_mb']:.0f}",
    }
    return rows(
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
    return rows(head, body)


def page() -> str:
    """docs/benchmarks.md."""
    seeding, tracking, size = (results(name) for name in ("bench-seeding", "bench-tracking", "network-size"))
    stages = ", ".join(
        f"{k} {100 * v / tracking['ours']['ms']:.0f}" for k, v in tracking["ours"]["ms_by_stage"].items()
    )
    return f"""# Benchmarks

<!-- Made by docs/make_benchmarks.py from benchmarks/results: run the command again, then this. -->

Tracks beside ACTS were measured on {tracking["date"]}, the rest within a day of it, on a shared machine with two cores. Milliseconds there are only good to tens of per cent; ratios are of two things run in turn in one process on one thread, after a warm-up, and hold better. What each number
means is [defined](numbers.md) once. Results with all keys are in `benchmarks/results/`, with a list of the commands that remake them.
Seeds inside ACTS's own chain are measured in [In ACTS](acts.md), two workers against one in [Many files, many machines](scaling.md).

## The whole chain

`python benchmarks/chain.py`. The cones there hold {CHAIN} (`cone.quantile`): wider than those of the searches below, {SEARCH}, since the graph network's screen drops what comes in with them. The TrackML extract is the pixel part of an
event that was simulated and digitised by others, with its own truth; estimates there come from cluster shapes, trained on our simulation of that sensor.

{chains()}

## The cones beside other searches

`smartpix bench seeding` (needs ACTS): {seeding["n_events"]} events of pile-up 200, {seeding["n_hits"]:,.0f} hits each, every method on the same hits. Inside the clock: from hits with estimates to edges and, for the cones, seeds; for ACTS its
seeding algorithm alone. The table of cluster lengths is made from the truth of these very events, the best there can be.

{searches()}

Edges of the window / edges in the cones: {seeding["reduction_innermost"]:.1f} for the innermost barrel pair, {seeding["reduction_barrel"]:.1f} over the barrel, {seeding["reduction_all"]:.1f} over all. Against ACTS's faster seeding: {seeding["ratio_seeds_to_acts"]:.2f} times the seeds in
{seeding["ratio_time_to_acts"]:.2f} times the time. Two threads are {seeding["thread_speedup"]:.2f} x one on events of their own, {seeding["thread_speedup_one_event"]:.2f} x on one event; time grows with hits to the power of {seeding["exponent"]:.2f} (pile-up 20 to 300).

![Edge efficiency against reduction](efficiency-reduction.png)

![Time against the number of hits](time.png)

## Tracks beside ACTS

`smartpix bench tracking` (needs ACTS): fresh events, the same hits for both; ACTS 48.1 with its own seeding, parameter estimation, combinatorial Kalman filter and ambiguity resolution, tuned for these pixels (`tracking/acts/reference.py` says
how). Efficiency of findable particles; fakes and duplicates among tracks with at least four layers and pT > 0.5 GeV; resolutions of particles that both found. Inside the clock: from clusters with estimates to fitted tracks; for ACTS from
measurements and space points to tracks. The last column adds the estimates, for a sensor that does not make them. ACTS takes positions with variances but not their correlation.

{tracks()}

ACTS with one hole and two shared hits allowed, the most efficient setting found, beside what it costs in fakes (central: of tracks with abs(η) < 2.5, where both look):

{loose()}

Where our time goes at pile-up 200, in per cent: {stages}.

The fit beside ACTS's Kalman fitter on the same tracks and hits ({tracking["fit"]["ours"]["n_resolution"]:,} tracks of findable particles; widths of pulls are standard deviations):

{fits()}

What the pruning buys: the same chain on all of the reference window's edges, with a network trained on the edges of the same events (`gnn-window`, 40 epochs and not 60). The window does not compare edges with the clusters, so its
network sees slopes and their errors at each hit, but no pulls; builder and cuts are those tuned for the cones. Time and memory are the point:

{graphs()}

## The size of the graph network

`bash benchmarks/network_size.sh`: networks trained on the same events, run in turn on {size["n_events"]} events of pile-up 200. Loss on events used for nothing else; efficiency of {next(iter(size["networks"].values()))["n_findable"]:,} findable particles, so that differences below 0.001 are
chance. Times are over those of the shipped network: features, screen and network, and all from clusters with estimates to fitted tracks.

{sizes()}
"""


def headline() -> str:
    """The README's table."""
    tracking, seeding = results("bench-tracking"), results("bench-seeding")
    ours, acts = tracking["ours"], tracking["acts"]
    cones, window = (seeding["methods"][name] for name in ("cone", "window"))
    body = [
        [
            "edges to look at",
            SEARCH,
            f"window: {window['edges']:,.0f}",
            f"{cones['edges']:,.0f}, with {100 * cones['edge_efficiency_0p9']:.2f} % of the findable "
            f"particles' edges (window: {100 * window['edge_efficiency_0p9']:.2f} %)",
        ],
        [
            "seeding",
            SEARCH,
            f"ACTS, tuned: {seeding['methods']['acts-grid']['seeds']:,.0f} seeds",
            f"{cones['seeds']:,.0f} seeds in {seeding['ratio_time_to_acts']:.2f} of the time",
        ],
        ["track efficiency", CHAIN, f"ACTS, tuned: {acts['efficiency']:.4f}", f"{ours['efficiency']:.4f}"],
        ["fakes", CHAIN, f"{acts['fake_rate']:.4f}", f"{ours['fake_rate']:.4f}"],
        [
            "time from clusters with estimates to fitted tracks",
            CHAIN,
            "1",
            f"{tracking['ratio_time']:.2f} ({tracking['ratio_time_with_estimates']:.2f} with the estimates "
            f"made on the CPU)",
        ],
        [
            "resolution of d0, z0, q/p",
            CHAIN,
            f"{acts['resolution_d0_um']:.0f} µm, {acts['resolution_z0_um']:.0f} µm, "
            f"{100 * acts['resolution_qop_rel']:.2f} %",
            f"{ours['resolution_d0_um']:.0f} µm, {ours['resolution_z0_um']:.0f} µm, "
            f"{100 * ours['resolution_qop_rel']:.2f} %",
        ],
    ]
    table = rows(["pile-up 200, one thread", "cones hold", "reference", "smartpix"], body)
    return f"""{table}

The rows are of two chains on fresh events. Edges and seeds: the search alone, as `seeding` has it, on {seeding["n_events"]} events (`smartpix bench seeding`).
Tracks: `smartpix run` with its wider cones, since the graph network's screen drops what comes in with them, on {tracking["n_events"]} events (`smartpix bench tracking`).
"""


def prose() -> dict[str, tuple[str, ...]]:
    """Sentences of the README with measured numbers, each ``{}`` standing for one, and the numbers."""
    pull, bench, chip = results("pull"), results("bench-mdn"), results("chain-quantised")
    acts_clusters, acts_chain, seeding = (
        results("acts-clusters"),
        results("acts-chain"),
        results("bench-seeding"),
    )
    barrel, endcap = pull["barrel"]["mdn"], pull["endcap"]["mdn"]
    widths = sorted(barrel["pull_sigma"].values())
    # The network on sums has its cot alpha told apart.
    quiet = {
        (name, target): width
        for name in ("conv-20t-float", "conv-2t-float", "columns-2t-float", "mlp-2t-float")
        for target, width in bench[name]["pull_sigma"].items()
    }
    sums = quiet.pop(("mlp-2t-float", "cot_alpha"))
    inside = [f"{100 * endcap['within_1_sigma'][axis]:.0f}" for axis in "xy"]
    return {
        "the chain at pile-up 200 keeps {} % of the tracks as before": (
            f"{100 * chip['8 bits']['track_efficiency']:.1f}",
        ),
        "with a reduction of {} instead of {}.": (
            f"{chip['8 bits']['reduction']:.1f}",
            f"{chip['float']['reduction']:.1f}",
        ),
        "pulls are {} to {} wide": (f"{widths[0]:.2f}", f"{widths[-1]:.2f}"),
        "the 68 % ellipsoid holds {} (`smartpix study pull`)": (f"{barrel['coverage68']:.2f}",),
        "the joint test keeps {} % of the findable particles' edges at pile-up 200": (
            f"{100 * seeding['methods']['cone']['edge_efficiency_0p9']:.1f}",
        ),
        "and {} and {} % of them lie within one sigma": (inside[0], inside[1]),
        "what keeps the reduction over all pairs at {}": (f"{seeding['reduction_all']:.1f}",),
        "widths up to {}, and {} for cot alpha of the network on row and column sums": (
            f"{max(quiet.values()):.2f}",
            f"{sums:.2f}",
        ),
        "with the shipped ones {} % of the particles are found": (
            f"{100 * acts_clusters['shipped']['track_efficiency']:.0f}",
        ),
        "with trained ones {} %.": (f"{100 * acts_clusters['own']['track_efficiency']:.1f}",),
        "cones on them take {} of the time of its own seeding": (
            f"{acts_clusters['in_acts']['own']['ratio_time']:.1f}",
        ),
        "on smart pixels {} ([both]": (f"{acts_chain['ratio_time']:.2f}",),
    }


def readme(text: str) -> str:
    """The README with its headline and its measured numbers.

    Raises:
        ValueError: a sentence of :func:`prose` is not in it, or more than once.
    """
    text = HEADLINE.sub(lambda found: found[1] + headline() + found[2], text)
    for sentence, numbers in prose().items():
        words = [re.escape(part).replace(r"\ ", r"\s+") for part in sentence.split("{}")]
        pattern = "(" + f"){NUMBER}(".join(words) + ")"
        if len(re.findall(pattern, text)) != 1:
            raise ValueError(
                f"README.md: the sentence '{sentence}' must be there once; change it in "
                f"docs/make_benchmarks.py too"
            )
        text = re.sub(
            pattern,
            lambda found, n=(*numbers, ""): "".join(a + b for a, b in zip(found.groups(), n, strict=True)),
            text,
        )
    return text


def benchmarks() -> str:
    """The whole page."""
    return page()


if __name__ == "__main__":
    (DOCS / "benchmarks.md").write_text(benchmarks(), encoding="utf-8")
    README.write_text(readme(README.read_text(encoding="utf-8")), encoding="utf-8")
