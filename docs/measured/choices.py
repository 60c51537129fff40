"""Tables and numbers of docs/how-to-choose.md."""

from page_text import table

from measured.results import results
from smartpix.networks.plan import KINDS


def choose_estimates() -> str:
    """Estimates: what they leave to search."""
    methods = results("bench-seeding")["methods"]
    chips = results("chain-quantised")
    more = chips["16 bits"]["n_edges"] / chips["float"]["n_edges"]
    titles = {
        "cone": "network, `mdn`", "cone-shape": "cluster shapes, `shape`", "window": "none (window)",
    }  # fmt: skip
    body = [
        [title, f"{methods[key]['edges']:,.0f}", f"{methods[key]['edge_efficiency_0p9']:.4f}", f"{methods[key]['edge_purity']:.3f}"]
        for key, title in titles.items()
    ]  # fmt: skip
    body.insert(1, ["whole numbers, `quantised`", f"{more:.2f} x the network's", "", ""])
    return table(["estimates", "edges / event", "edge efficiency", "purity"], body)


def choose_graph() -> str:
    """Cones and window below the same chain."""
    result = results("bench-tracking")
    body = [
        [
            title,
            f"{g['edges']:,}",
            f"{g['ms'] / result['cone_graph']['ms']:.2f}",
            f"{g['efficiency']:.4f}",
            f"{g['fake_rate']:.4f}",
        ]
        for title, g in (("cones", result["cone_graph"]), ("window", result["window_graph"]))
    ]
    return table(["graph", "edges / event", "time", "track efficiency", "fakes"], body)


def choose_network() -> str:
    """The three kinds of networks."""
    body = []
    for kind in KINDS:
        r = results("bench-mdn")[f"{kind}-2t-float"]
        half = r["half_width_68"]
        body.append(
            [
                f"`{kind}`",
                f"{r['parameters']:,}",
                f"{r['half_width_68_central']['cot_alpha']:.3f}",
                f"{half['cot_beta']:.4f}",
                f"{half['x_um']:.1f}",
                f"{half['y_um']:.2f}",
                f"{r['clusters_per_second'] / 1e6:.2f}",
            ]
        )
    head = ["network", "parameters", "cot alpha", "cot beta", "x µm", "y µm", "10⁶ clusters / s"]
    return table(head, body)


def choose_size() -> str:
    """Sizes of the graph network, smallest, shipped and largest."""
    networks = results("network-size")["networks"]
    body = [
        [
            title,
            f"{networks[name]['parameters']:,}",
            f"{networks[name]['efficiency']:.4f}",
            f"{networks[name]['fake_rate']:.4f}",
            f"{networks[name]['ms_after_estimates'] / networks['gnn']['ms_after_estimates']:.2f}",
        ]
        for name, title in (("gnn-8-1", "8, 1"), ("gnn", "16, 2 (shipped)"), ("gnn-32-2", "32, 2"))
    ]
    return table(["width, passes", "parameters", "track efficiency", "fakes", "time of the chain"], body)


def choose_finder() -> str:
    """Finders at pile-up 200."""
    tracking, chain = results("bench-tracking"), results("acts-chain")
    acts, loose, window = (tracking[key] for key in ("acts", "acts_loose", "window_graph"))
    ways = {
        "chain, cones": (tracking["ours"], tracking["ratio_time"]),
        "chain, window's graph": (window, tracking["ratio_time"] * window["ms"] / tracking["ours"]["ms"]),
        "ACTS balanced": (acts, 1.0),
        "ACTS efficient": (loose, loose["ms"] / acts["ms"]),
        "cones as seeds inside ACTS": (chain["ours"], chain["ratio_time"]),
    }
    body = [
        [title, f"{way['efficiency']:.4f}", f"{way['fake_rate']:.4f}", f"{ratio:.2f}"]
        for title, (way, ratio) in ways.items()
    ]
    return table(["finder", "track efficiency", "fakes", "time / ACTS balanced"], body)


def choose_quantile() -> str:
    """What a quantile keeps."""
    body = [
        [f"{100 * p['quantile']:.6g} %", f"{p['edges']:,.0f}", f"{p['edge_efficiency_0p9']:.4f}"]
        for p in results("bench-seeding")["front"]["mdn"]
    ]
    return table(["quantile", "edges / event", "edge efficiency"], body)


def choices() -> dict[str, tuple[str, ...]]:
    """Numbers of docs/how-to-choose.md."""
    clusters, seeding = results("acts-clusters"), results("bench-seeding")["methods"]
    chips, exported = results("chain-quantised"), results("bench-export")
    reduction = [results(f"chain-{name}")["reduction"] for name in ("sample", "pu200", "trackml")]
    wide, narrow = seeding["cone-sigma-2"], seeding["cone"]
    gain = wide["edge_efficiency_0p9"] - narrow["edge_efficiency_0p9"]
    return {
        "its edges are {} times as many": (f"{chips['16 bits']['n_edges'] / chips['float']['n_edges']:.2f}",),
        "is {} with cones on the shipped estimates, {} with the window, and {} with": tuple(
            f"{clusters[key]['track_efficiency']:.3f}" for key in ("shipped", "window", "own")
        ),
        "The window has {} times the edges of the cones at pile-up 20 and {} times": tuple(
            f"{r:.2f}" for r in reduction[:2]
        ),
        "On the TrackML extract it has {} times": (f"{reduction[2]:.2f}",),
        "needs {} look-up tables": (f"{exported['smallest']['luts']:,}",),
        "`fixed-2s-talk` needs {} ([costs]": (f"{exported['talk']['luts']:,}",),
        "made on the CPU takes {} of the time of the best of ACTS": (
            f"{results('bench-tracking')['pileup']['20']['ratio_time_with_estimates']:.2f}",
        ),
        "({} to {}) and gains {} % of efficiency": (
            f"{narrow['edges']:,.0f}",
            f"{wide['edges']:,.0f}",
            f"{100 * gain:.1f}",
        ),
    }
