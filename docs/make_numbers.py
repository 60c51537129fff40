"""Write the measured tables and numbers of the README and of the pages written by hand, from
benchmarks/results: python docs/make_numbers.py.

A table stands between ``<!-- table: NAME -->`` and ``<!-- /table -->``; :data:`TABLES` makes it. A number in
a sentence is found by the words around it; :func:`sentences` has them, ``{}`` for each number.
"""

import functools
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from page_text import table, wrap

from seeding.cones import ConeOptions
from smartpix.networks.plan import KINDS
from tracking.finders.gnn.graph import WIDE

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
HEADLINE = re.compile(r"(<!-- headline -->\n).*?(<!-- /headline -->)", re.DOTALL)
TABLE = re.compile(r"(<!-- table: ([\w-]+) -->\n).*?(<!-- /table -->)", re.DOTALL)
SEARCH, CHAIN = (f"{100 * options.quantile:.6g} %" for options in (ConeOptions(), WIDE))
"""What the cones hold of the search alone, and of the graph network's tracks."""
WORDS = ["none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
NUMBER = rf"(?:\d+(?:[.,]\d+)*(?:e-\d+)?|{'|'.join(WORDS)})"
BASE = {
    "which two slices": "0 and 19", "number of slices": "2 (0, 19)", "noise [e]": "50",
    "threshold [e]": "300", "input bits": "float", "thickness [um]": "100",
    "geometry": "2: 50 x 12.5 x 100 um", "network": "columns, 2,178",
    "induction followed to": "3 x 3 pixels",
}  # fmt: skip
"""Of each lever the setting that the others keep."""
TARGETS = {"x_um": "x", "y_um": "y", "alpha_deg": "alpha", "beta_deg": "beta"}


@functools.cache
def results(name: str) -> dict:
    """One file of results."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def headline() -> str:
    """The README's table."""
    tracking, seeding = results("bench-tracking"), results("bench-seeding")
    ours, acts = tracking["ours"], tracking["acts"]
    cones, window = (seeding["methods"][name] for name in ("cone", "window"))
    resolution = [
        f"{r['resolution_d0_um']:.0f} µm, {r['resolution_z0_um']:.0f} µm, {100 * r['resolution_qop_rel']:.2f} %"
        for r in (acts, ours)
    ]
    search = [
        ["edges to look at", f"window: {window['edges']:,.0f}", f"{cones['edges']:,.0f}"],
        [
            "with these of the findable particles' edges",
            f"window: {100 * window['edge_efficiency_0p9']:.2f} %",
            f"{100 * cones['edge_efficiency_0p9']:.2f} %",
        ],
        ["seeds", f"ACTS, tuned: {seeding['methods']['acts-grid']['seeds']:,.0f}", f"{cones['seeds']:,.0f}"],
        ["time of seeding", "ACTS, tuned: 1", f"{seeding['ratio_time_to_acts']:.2f}"],
    ]
    chain = [
        ["track efficiency", f"{acts['efficiency']:.4f}", f"{ours['efficiency']:.4f}"],
        ["fakes", f"{acts['fake_rate']:.4f}", f"{ours['fake_rate']:.4f}"],
        ["time from clusters with estimates to fitted tracks", "1", f"{tracking['ratio_time']:.2f}"],
        ["the same, estimates made on the CPU", "1", f"({tracking['ratio_time_with_estimates']:.2f})"],
        ["resolution of d0, z0, q/p", *resolution],
    ]
    return f"""\
Both tables are of fresh events of pile-up 200, on one thread. The first is of the search alone
(`seeding`, cones of {SEARCH}), on {seeding["n_events"]} events (`smartpix bench seeding`):

{table(["search", "reference", "cones"], search)}

The second is of the whole chain (`smartpix run`), on {tracking["n_events"]} events (`smartpix bench tracking`). Its
cones are wider ({CHAIN}), since the graph network's screen drops what comes in with them:

{table(["chain", "ACTS, tuned", "smartpix"], chain)}
"""


def total(way: dict) -> float:
    """Milliseconds of all steps."""
    return sum(value for key, value in way.items() if key.endswith("_ms"))


def way_of_acts(way: dict, ratio: float) -> list[str]:
    """Cells of one way from clusters to tracks in ACTS."""
    return [
        f"{way['n_seeds']:,}",
        f"{way['seeding_ms']:.0f}",
        f"{way['parameters_ms']:.0f}",
        f"{way.get('ckf_ms', way.get('fit_ms')):.0f}",
        f"{ratio:.2f}",
        f"{way['efficiency']:.4f}",
        f"{way['fake_rate']:.4f}",
    ]


OF_ACTS = ["number", "seeding", "parameters", "CKF or fit", "together / ACTS's", "efficiency", "fakes"]


def acts_chain() -> str:
    """Seeds inside ACTS's own chain."""
    result = results("acts-chain")
    ways = {
        "ACTS's own": ("acts", 1.0),
        "**cones**": ("ours", result["ratio_time"]),
        "the graph network's tracks": ("ours_tracks", result["ratio_time_tracks"]),
        "the same, only fitted": ("ours_fitted", result["ratio_time_fitted"]),
        "ACTS's own, our settings": (
            "acts_same_options",
            total(result["acts_same_options"]) / total(result["acts"]),
        ),
    }
    return table(
        ["seeds", *OF_ACTS],
        [[title, *way_of_acts(result[key], ratio)] for title, (key, ratio) in ways.items()],
    )


def acts_clusters() -> str:
    """The same from ACTS's geometric clusters."""
    body = []
    for key, title in (("own", "shapes"), ("lengths", "lengths")):
        both = results("acts-clusters")["in_acts"][key]
        body.append([f"{title}: ACTS's own", *way_of_acts(both["acts"], 1.0)])
        body.append([f"{title}: **cones**", *way_of_acts(both["ours"], both["ratio_time"])])
    return table(["directions and seeds", *OF_ACTS], body)


def export() -> str:
    """The chip's two networks."""
    result = results("bench-export")
    both = [result["talk"], result["smallest"]]

    def row(title: str, cell: Callable[[dict], str]) -> list[str]:
        return [title, *(cell(r) for r in both)]

    def widths(r: dict) -> str:
        values = sorted(r["quality"]["pull_sigma"].values())
        return f"{values[0]:.2f}-{values[-1]:.2f}; {r['quality']['coverage68']:.3f}"

    body = [
        ["network", "conv, 8-bit weights", "columns, learned bits"],
        row("parameters", lambda r: f"{r['parameters']:,}"),
        row("weights that are not zero", lambda r: f"{r['nonzero_weights']:,}"),
        row(
            f"C simulation of hls4ml, wrong of {both[0]['csim_clusters']:,} (parallel, stream)",
            lambda r: ", ".join(str(r["hls"][io]["csim_mismatches"]) for io in ("parallel", "stream")),
        ),
        row("Verilog in Verilator, wrong of 2,000", lambda r: f"{r['rtl_mismatches']}"),
        row("look-up tables (yosys, UltraScale+, fully unrolled)", lambda r: f"{r['luts']:,}"),
        row("flip-flops", lambda r: f"{r['ffs']:,}"),
        row("latency in cycles of 5 ns", lambda r: f"{r['latency_cycles']}"),
        row("cycles from cluster to cluster", lambda r: f"{r['ii_cycles']}"),
        row("standard cells at 180 nm, mm²", lambda r: f"{r['cell_area_mm2']:.2f}"),
        row("the same at 28 nm by ideal shrink, mm²", lambda r: f"{r['cell_area_mm2_28nm']:.3f}"),
        row("longest path at 180 nm, ns", lambda r: f"{r['longest_path_ns']:.2f}"),
        *(
            row(
                f"half width of {name} / the float network's",
                lambda r, k=key: f"{r['hw68_ratio_to_float'][k]:.3f}",
            )
            for key, name in {**TARGETS, "cot_alpha": "cot alpha"}.items()
        ),
        row("pull widths; 68 % ellipsoid holds", widths),
        row(f"NLL (float: {result['float']['quality']['nll']:.2f})", lambda r: f"{r['quality']['nll']:.2f}"),
        row(
            "clusters per second of the emulation / of the float kernels",
            lambda r: f"{r['clusters_per_second'] / r['float_clusters_per_second']:.2f}",
        ),
    ]
    return table(["", "`talk`: `fixed-2s-talk`", "`smallest`: `fixed-2s-smallest`"], body)


def front() -> str:
    """Resolution against size, fewest look-up tables first."""
    body = [
        [
            f"`{name}`" + (" *" if r["on_front"] else ""),
            f"{r['method']} {r['setting']}".strip(),
            f"{r['nonzero_weights']:,}",
            f"{r['zeros']['all']:.3f}",
            f"{r['da4ml_luts']:,}",
            *(f"{r['hw68_ratio_to_base'][key]:.3f}" for key in TARGETS),
            f"{r['nll']:.2f}",
        ]
        for name, r in sorted(results("front")["networks"].items(), key=lambda item: item[1]["da4ml_luts"])
    ]
    return table(["network", "method", "not zero", "zeros", "LUTs", *TARGETS.values(), "NLL"], body)


def quantised() -> str:
    """What the chip would send, in the chain."""
    rows = {
        key: result
        for key, result in results("chain-quantised").items()
        if isinstance(result, dict) and "track_efficiency" in result
    }
    titles = {"float": "`mdn`, floating point", "16 bits": "`quantised`, all 16 bits"}
    body = [
        [
            titles.get(key, f"`quantised`, {key} each"),
            f"{round(r['n_edges'], -2):,}",
            f"{r['reduction']:.2f}",
            f"{r['edge_efficiency']:.4f}, {r['edge_efficiency_0p5']:.4f}",
            f"{r['track_efficiency']:.4f}",
            f"{r['fake_rate']:.4f}",
        ]
        for key, r in rows.items()
    ]
    return table(
        ["estimates", "edges in cones", "reduction", "edge efficiency", "track efficiency", "fakes"], body
    )


def mdn_resolution() -> str:
    """The estimates beside the published networks: resolution."""

    def cell(r: dict, key: str, form: str) -> str:
        published = (r["published"] or {}).get(key)
        return f"{r['half_width_68'][key]:{form}}" + (f" ({published[2]:{form}})" if published else "")

    def readout(r: dict) -> str:
        if not r["readout"]:
            return "none"
        return f"{r['readout']['adc_bits']} bits" if r["readout"]["adc_bits"] else "no ADC"

    body = [
        [
            f"`{name}`",
            readout(r),
            f"{r['truncated']:.3f}",
            cell(r, "x_um", ".1f"),
            cell(r, "y_um", ".2f"),
            cell(r, "beta_deg", ".2f"),
            f"{r['half_width_68']['cot_alpha']:.3f}",
            f"{r['half_width_68_central']['cot_alpha']:.3f}",
        ]
        for name, r in results("bench-mdn").items()
    ]
    head = ["network", "readout", "cut", "x µm", "y µm", "beta °", "cot alpha, all", "abs < 2"]
    return table(head, body)


def mdn_calibration() -> str:
    """The same: calibration and speed."""
    body = []
    for name, r in results("bench-mdn").items():
        widths = sorted(r["pull_sigma"].values())
        body.append(
            [
                f"`{name}`",
                f"{r['nll']:.2f}",
                f"{widths[0]:.2f}-{widths[-1]:.2f}",
                f"{r['coverage68']:.3f}",
                f"{r['clusters_per_second'] / 1e6:.2f} ({r['speedup']:.1f})",
            ]
        )
    head = ["network", "NLL", "pull widths", "68 % ellipsoid holds", "10⁶ clusters / s (x torch)"]
    return table(head, body)


def levers() -> str:
    """Half widths and reduction for each setting, a table for each lever."""
    widths, searches = results("levers")["levers"], results("bench-seeding")["sensors"]
    tables = []
    for lever, settings in widths.items():
        head = [name.split(":")[0] if lever == "geometry" else name for name in settings]
        cells = [f"{r['half_width_68_central']['cot_alpha']:.3f}" for r in settings.values()]
        bold = [f"**{c}**" if name == BASE[lever] else c for c, name in zip(cells, settings, strict=True)]
        reductions = [f"{searches[lever][name]['reduction_barrel']:.1f}" for name in settings]
        title = {"geometry": "type of sensor", "thickness [um]": "thickness [µm]"}.get(lever, lever)
        if lever == "which two slices":
            head = [name.replace(" and ", ", ") for name in head]
        tables.append(table([title, *head], [["cot alpha", *bold], ["reduction", *reductions]]))
    return "\n\n".join(tables)


def dask() -> str:
    """Two workers against one."""
    r = results("dask")
    low, high = min(r["ratio_by_round"]), max(r["ratio_by_round"])
    busiest, workers, here = r["cpu_s_busiest"], r["cpu_s_workers"], r["cpu_s_here"]
    body = [
        ["wall time, s", f"{r['s_one']:.1f}", f"{r['s_two']:.1f}", f"**{r['ratio']:.2f}** ({low:.2f} to {high:.2f})"],
        ["CPU seconds of the (busier) worker", f"{busiest['one']:.2f}", f"{busiest['two']:.2f}", ""],
        ["CPU seconds of all workers", f"{workers['one']:.2f}", f"{workers['two']:.2f}", ""],
        ["CPU seconds of the caller: scheduler, merging", f"{here['one']:.2f}", f"{here['two']:.2f}", ""],
        ["busier worker and caller", "", "", f"**{r['ratio_cpu']:.2f}**"],
        ["plain counting, at the same time", "", "", f"{r['ceiling']:.2f}"],
    ]  # fmt: skip
    return table(["", "one worker", "two workers", "ratio (by round)"], body)


def billion_time() -> str:
    """Core hours of 10⁹ events."""
    seconds = {
        "chain, estimates made by the sensor": results("bench-tracking")["ours"]["ms"] / 1000,
        "chain, estimates made on the CPU": results("chain-pu200")["ms_per_event"]["total"] / 1000,
        "the whole run: reading, reference window, truth": results("dask")["cpu_s_worker_per_event"],
    }
    body = [
        [
            what,
            f"{s:.2f}",
            f"{s * 1e9 / 3600 / 1000:.0f}",
            f"{s * 1e9 / 3600 / 8766:.1f}",
            f"{s * 1e9 / 3600 / 10_000:.1f}",
        ]
        for what, s in seconds.items()
    ]
    head = ["what", "t, s / event", "1,000 core hours", "core years", "hours on 10,000 cores"]
    return table(head, body)


def billion_size() -> str:
    """Bytes of 10⁹ events."""
    r = results("dask")
    keys = {
        "input: pixels, clusters, truth": "input_mb_per_event",
        "`tracks.root`": "tracks_mb_per_event",
        "sent to the caller, and kept until the end of the run": "part_mb_per_event",
    }
    body = [
        [what, f"{r[k]:.2f}", "(per run)" if k.startswith("part") else f"{r[k]:.2f}", f"`{k}`"]
        for what, k in keys.items()
    ]
    return table(["what", "MB / event", "10⁹ events, PB", "key of `dask.json`"], body)


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
        "ACTS tuned": (acts, 1.0),
        "ACTS loose": (loose, loose["ms"] / acts["ms"]),
        "cones as seeds inside ACTS": (chain["ours"], chain["ratio_time"]),
    }
    body = [
        [title, f"{way['efficiency']:.4f}", f"{way['fake_rate']:.4f}", f"{ratio:.2f}"]
        for title, (way, ratio) in ways.items()
    ]
    return table(["finder", "track efficiency", "fakes", "time / ACTS tuned"], body)


def choose_quantile() -> str:
    """What a quantile keeps."""
    body = [
        [f"{100 * p['quantile']:.6g} %", f"{p['edges']:,.0f}", f"{p['edge_efficiency_0p9']:.4f}"]
        for p in results("bench-seeding")["front"]["mdn"]
    ]
    return table(["quantile", "edges / event", "edge efficiency"], body)


TABLES: dict[str, Callable[[], str]] = {
    "acts-chain": acts_chain,
    "acts-clusters": acts_clusters,
    "export": export,
    "front": front,
    "quantised": quantised,
    "mdn-resolution": mdn_resolution,
    "mdn-calibration": mdn_calibration,
    "levers": levers,
    "dask": dask,
    "billion-time": billion_time,
    "billion-size": billion_size,
    "choose-estimates": choose_estimates,
    "choose-graph": choose_graph,
    "choose-network": choose_network,
    "choose-size": choose_size,
    "choose-finder": choose_finder,
    "choose-quantile": choose_quantile,
}


@functools.cache
def sentences() -> dict[str, dict[str, tuple[str, ...]]]:
    """By page: what stands around measured numbers, ``{}`` for each of them, and the numbers."""
    pull, bench, quantised = results("pull"), results("bench-mdn"), results("chain-quantised")
    clusters, chain, seeding = results("acts-clusters"), results("acts-chain"), results("bench-seeding")
    lever, dask, exported = results("levers")["levers"], results("dask"), results("bench-export")
    fronts, tracking = results("front")["networks"], results("bench-tracking")
    barrel, endcap = pull["barrel"]["mdn"], pull["endcap"]["mdn"]
    widths = sorted(barrel["pull_sigma"].values())
    # The network on sums has its cot alpha in a phrase of its own.
    quiet = {
        (name, target): width
        for name in ("conv-20t-float", "conv-2t-float", "columns-2t-float", "mlp-2t-float")
        for target, width in bench[name]["pull_sigma"].items()
    }
    sums = quiet.pop(("mlp-2t-float", "cot_alpha"))
    inside = [f"{100 * endcap['within_1_sigma'][axis]:.0f}" for axis in "xy"]
    half = {
        name: {key: r["half_width_68_central"]["cot_alpha"] for key, r in settings.items()}
        for name, settings in lever.items()
    }
    alphas, flat = (
        sorted(values)
        for values in (
            [r["half_width_68"]["alpha_deg"] for r in bench.values()],
            [r["alpha_deg_flat_in_cot_alpha"] for r in bench.values()],
        )
    )
    published = [
        abs(r["published"]["alpha_deg"][2])
        for r in bench.values()
        if r["published"] and "alpha_deg" in r["published"]
    ]
    wider = [r["all_clusters"]["half_width_68"]["x_um"] - r["half_width_68"]["x_um"] for r in bench.values()]
    agree = [r["difference"] for name, r in bench.items() if name != "mlp-2t-float"]
    tuned = [fronts["conv-mdmm-67-tuned"]["hw68_ratio_to_base"][key] - 1 for key in TARGETS]
    lost = {
        bits: round(
            (quantised["float"]["track_efficiency"] - quantised[bits]["track_efficiency"])
            * quantised["float"]["n_findable"]
        )
        for bits in ("5 bits", "4 bits")
    }
    lost_least = [r["edge_efficiency_0p9"] for s in seeding["sensors"].values() for r in s.values()]
    worker, caller = dask["cpu_s_worker_per_event"], dask["cpu_s_merge_per_event"]
    shipped, own, window = (clusters[key] for key in ("shipped", "own", "window"))
    reductions = {"all": seeding["reduction_all"], "barrel": seeding["reduction_barrel"]}
    kept = f"{100 * seeding['methods']['cone']['edge_efficiency_0p9']:.1f}"
    return {
        "README.md": {
            "the reduction is therefore {}, and {} in the barrel": (
                f"{reductions['all']:.1f}",
                f"{reductions['barrel']:.1f}",
            ),
        },
        "docs/limits.md": {
            "are {} to {} wide": (f"{widths[0]:.2f}", f"{widths[-1]:.2f}"),
            "the 68 % ellipsoid holds {} (`smartpix study pull`)": (f"{barrel['coverage68']:.2f}",),
            "the joint test keeps {} % of the findable particles' edges at pile-up 200": (kept,),
            "{} and {} % of them lie within one sigma": (inside[0], inside[1]),
            "keeps the reduction over all pairs at {}": (f"{reductions['all']:.1f}",),
            "Their widths reach {}, and {} for cot alpha": (f"{max(quiet.values()):.2f}", f"{sums:.2f}"),
            "With the shipped ones {} % of the particles are found": (
                f"{100 * shipped['track_efficiency']:.0f}",
            ),
            "on the TrackML extract the reduction is {}, so": (
                f"{results('chain-trackml')['reduction']:.2f}",
            ),
            "with trained ones {} %.": (f"{100 * own['track_efficiency']:.1f}",),
            "takes {} of the time of ACTS's own": (f"{clusters['in_acts']['own']['ratio_time']:.1f}",),
            "on smart pixels it takes {} ([both]": (f"{chain['ratio_time']:.2f}",),
        },
        "docs/acts.md": {
            "{} fresh events of pile-up {}, {} hits each": (
                str(chain["n_events"]),
                str(chain["pileup"]),
                f"{chain['n_hits']:,}",
            ),
            "(medians of {})": (str(chain["repeats"]),),
            "add {} ms per event to ours: {} of ACTS's time instead of {}.": (
                f"{chain['estimates_ms']:.0f}",
                f"{chain['ratio_time_with_estimates']:.2f}",
                f"{chain['ratio_time']:.2f}",
            ),
            "{} events of {} pions from {} vertices": (
                str(clusters["n_events"]),
                f"{clusters['n_pions'] * clusters['n_vertices']:,}",
                str(clusters["n_vertices"]),
            ),
            "Each has {} hits and {} findable particles": (
                f"{own['n_hits'] / clusters['n_events']:,.0f}",
                f"{own['n_findable'] / clusters['n_events']:,.0f}",
            ),
            "trained on {} such events": (str(clusters["n_train"]),),
            "own seeding gives {} seeds for each track": (
                spelled(round(chain["acts"]["n_seeds"] / chain["ours_fitted"]["n_seeds"])),
            ),
            "{} times those of pile-up 200": (
                spelled(
                    round(
                        own["n_findable"]
                        / clusters["n_events"]
                        / (tracking["ours"]["n_findable"] / tracking["n_events"])
                    )
                ),
            ),
            "reaches a track efficiency of {} with them": (f"{shipped['track_efficiency']:.3f}",),
            "it reaches {} in {} % of the window's edges, and with the window {}.": (
                f"{own['track_efficiency']:.3f}",
                f"{100 * own['n_edges'] / own['n_window_edges']:.0f}",
                f"{window['track_efficiency']:.3f}",
            ),
        },
        "docs/chip.md": {
            "takes {} of the talk's look-up tables": (
                f"{exported['smallest']['luts'] / exported['talk']['luts']:.2f}",
            ),
            "more than {} % larger": (f"{100 * (fronts['fixed-2s-smallest']['worst'] - 1):.1f}",),
            "are wider by {} to {} %": (f"{100 * min(tuned):.0f}", f"{100 * max(tuned):.0f}"),
            "likelihood is worse by {}.": (
                f"{fronts['conv-mdmm-67-tuned']['nll'] - fronts['fixed-2s-talk']['nll']:.2f}",
            ),
            "5 bits lose {} of the": (spelled(lost["5 bits"]),),
            "of the {} particles": (f"{quantised['float']['n_findable']:,}",),
            "4 bits lose {}.": (spelled(lost["4 bits"]),),
        },
        "docs/sensor.md": {
            "possible at {} clusters per second": (f"{results('sensor')['clusters_per_second']['2s']:,}",),
            "x widens by {} to {} µm": (f"{min(wider):.1f}", f"{max(wider):.1f}"),
            "agree to {} of the output or better, and `mlp-2t-float` to {} (torch there is {} from": (
                f"{max(agree):.0e}",
                f"{bench['mlp-2t-float']['difference']:.1e}",
                f"{bench['mlp-2t-float']['torch_error']:.0e}",
            ),
            "Published alphas ({} to {}°)": (f"{min(published):.1f}", f"{max(published):.1f}"),
            "gives {} to {}°. Weighted": (f"{alphas[0]:.1f}", f"{alphas[-1]:.1f}"),
            "the same clusters give {} to {}°": (f"{flat[0]:.1f}", f"{flat[-1]:.1f}"),
            "train longer and reach {}, and": (
                f"{bench['columns-2t-chip']['half_width_68_central']['cot_alpha']:.2f}",
            ),
            "collected charge ({} to {})": (
                f"{half['number of slices']['1 (19)']:.3f}",
                f"{half['number of slices']['2 (0, 19)']:.3f}",
            ),
            "the efficiency is {} throughout": (f"{min(lost_least):.3f}",),
            "more than two buy {} %.": (
                f"{100 * (1 - half['number of slices']['8'] / half['number of slices']['2 (0, 19)']):.0f}",
            ),
            "the half width is {}. What": (f"{half['threshold [e]']['0, no noise']:.3f}",),
            "parameters buy {} %.": (
                f"{100 * (1 - half['network']['columns, 102 k'] / half['network']['columns, 2,178']):.0f}",
            ),
        },
        "docs/speed.md": {
            "search two events {} times as fast": (f"{seeding['thread_speedup']:.2f}",),
        },
        "docs/scaling.md": {
            "- {} GB of memory each": (f"{dask['worker_mb'] / 1000:.1f}",),
            "runs {} events of pile-up 200": (str(dask["n_events"]),),
            "(seed 2013), {} hits each": (f"{dask['n_hits'] / dask['n_events']:,.0f}",),
            "writes ({} s of CPU)": (f"{dask['cpu_s_here']['two']:.1f}",),
            "takes {} times as long as the one of the table": (f"{dask['memory_given_back_ratio']:.2f}",),
            "it is {} s in one process": (f"{dask['cpu_s_unit_per_event']:.2f}",),
            "writes in {} CPU s per event": (f"{caller:.3f}",),
            "{} times less than a worker needs, and gets {} MB/s": (
                f"{worker / caller:.0f}",
                f"{dask['part_mb_per_event'] / worker:.1f}",
            ),
            "more than some {} workers": (f"{worker / caller:.0f}",),
            "a `tracks.root` of {} TB": (f"{1000 * dask['tracks_mb_per_event']:.0f}",),
            "takes {} core hours, writes {} GB of tracks and keeps {} GB": (
                f"{worker * 1e5 / 3600:.0f}",
                f"{dask['tracks_mb_per_event'] * 100:.0f}",
                f"{dask['part_mb_per_event'] * 100:.0f}",
            ),
        },
        "docs/how-to-choose.md": choices(),
        "docs/faq.md": {
            "find only {} % of the particles": (f"{100 * shipped['track_efficiency']:.0f}",),
        },
    }


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
        "made on the CPU takes {} of its time": (
            f"{results('bench-tracking')['pileup']['20']['ratio_time_with_estimates']:.2f}",
        ),
        "({} to {}) and gains {} % of efficiency": (
            f"{narrow['edges']:,.0f}",
            f"{wide['edges']:,.0f}",
            f"{100 * gain:.1f}",
        ),
    }


def spelled(number: int) -> str:
    """A small number as a word."""
    return WORDS[number]


def current(page: str, text: str) -> str:
    """A page with its tables and its measured numbers.

    Raises:
        ValueError: a sentence of :func:`sentences` is not in it, or more than once.
    """
    text = HEADLINE.sub(lambda found: found[1] + wrap(headline()) + found[2], text)
    text = TABLE.sub(lambda found: f"{found[1]}{TABLES[found[2]]()}\n{found[3]}", text)
    for sentence, numbers in sentences().get(page, {}).items():
        pattern = pattern_of(sentence)
        if len(re.findall(pattern, text)) != 1:
            raise ValueError(
                f"{page}: '{sentence}' must be there once; change it in docs/make_numbers.py too"
            )
        text = re.sub(
            pattern,
            lambda found, n=(*numbers, ""): "".join(a + b for a, b in zip(found.groups(), n, strict=True)),
            text,
        )
    return text


def pattern_of(sentence: str) -> str:
    """What finds a sentence in a page; its groups are the words between the numbers."""
    words = [re.escape(part).replace(r"\ ", r"\s+") for part in sentence.split("{}")]
    return "(" + f"){NUMBER}(".join(words) + ")"


def main() -> None:
    """All pages with measured numbers."""
    for name in sentences():
        path = ROOT / name
        path.write_text(wrap(current(name, path.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main()
