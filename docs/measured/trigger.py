"""Tables and numbers of the trigger's network in sectors, and of GravNet beside the interaction network."""

from page_text import table

from measured.results import number, results, spelled
from tracking.bench.trigger_rate import design_rate

FINDERS = {
    "trigger": "`trigger`, whole numbers", "trigger-float": "`trigger`, floating point", "chain": "`chain`",
}  # fmt: skip
BUILDERS = {
    "chain": "interaction network, compiled", "chain-in-torch": "interaction network, torch", "gravnet": "GravNet, torch",
    "gravnet-no-messages": "GravNet without messages, torch", "gravnet-free": "GravNet, free neighbours, torch",
    "gravnet-condensation": "GravNet, object condensation, torch",
}  # fmt: skip


def trigger_tracks() -> str:
    """Tracks of the sectors' scores beside the chain's, above 1 GeV."""
    body = [
        [name, *(f"{r[key]:.4f}" for key in ("efficiency", "efficiency_2", "fake_rate", "fake_rate_1"))]
        for name, r in ((shown, results("bench-trigger")["finders"][key]) for key, shown in FINDERS.items())
    ]
    return table(["finder", "efficiency, > 1 GeV", "> 2 GeV", "fakes", "fakes, > 1 GeV"], body)


def trigger_features() -> str:
    """What the network reads of an edge, and what comes of it."""
    body = []
    for name in ("paper-8", "paper-40", "estimates-8", "kinks-8", "all-8"):
        r = results("trigger-training")["networks"][name]
        rates = [f"{r[key]:.4f}" for key in ("auc", "efficiency", "fake_rate")]
        body.append([f"`{r['features']}`", f"{r['parameters']}", *rates])
    return table(["features", "parameters", "AUC", "efficiency, > 1 GeV", "fakes"], body)


def trigger_bits() -> str:
    """Area under the curve against bits: rounded after the training, and trained in whole numbers."""
    networks = results("trigger-training")["networks"]
    bits = list(networks["kinks-8"]["auc_rounded"])
    rows = {
        f"{graph}, rounded": [networks[name]["auc"], *networks[name]["auc_rounded"].values()]
        for graph, name in (("cones, `kinks`", "kinks-8"), ("the paper's graph", "geometric-8"))
    }
    trained = [networks.get(f"kinks-8-{b}b", {}).get("auc") for b in bits]
    rows["cones, `kinks`, trained in whole numbers"] = [None, *trained]
    body = [[name, *(number(auc, ".4f") for auc in row)] for name, row in rows.items()]
    return table(["graph", "float", *(f"{b} bits" for b in bits)], body)


def trigger_logic() -> str:
    """Size and time of the logic against the cycles between two sectors."""
    sectors = results("bench-trigger")["sectors"]
    body = []
    for interval, r in results("trigger-logic")["rows"].items():
        rate = design_rate(sectors["n_used"], sectors["n_sectors"], int(interval), r["clock_ns"])
        sizes = [f"{r[key]:,}" for key in ("luts", "ffs")]
        differ = f"{r['rtl_mismatches']} of {r['n_sectors']:,}"
        times = [f"{r['latency_cycles']}", f"{r['latency_ns']:.0f}", f"{rate['event_us']:.1f}"]
        body.append([interval, *sizes, *times, differ])
    head = ["interval", "LUTs", "flip-flops", "cycles", "latency, ns", "µs an event", "sectors that differ"]
    return table(head, body)


def trigger_sentences() -> dict[str, tuple[str, ...]]:
    """Numbers in sentences of docs/trigger.md."""
    bench, perceptrons = results("bench-trigger"), results("trigger-logic")["hls"]
    rate = bench["rate"]
    (n_inputs,), wrong = (
        {p["n_inputs"] for p in perceptrons.values()},
        sum(p["csim_mismatches"] for p in perceptrons.values()),
    )
    return {
        "An event has {} sectors with edges": (f"{bench['sectors']['n_used']:,.0f}",),
        "takes them in within {} µs, or {} events a second": (
            f"{rate['event_us']:.1f}",
            f"{round(rate['events_per_s'], -3):,.0f}",
        ),
        "at every crossing keep {} designs busy": (f"{rate['designs']}",),
        "and {} if sectors without edges go in, too": (f"{rate['designs_all']}",),
        "of {} inputs of each perceptron {} give another result": (f"{n_inputs:,}", spelled(wrong)),
    }


def trigger_sectors() -> str:
    """Sectors of 28 hits and 56 edges: how many, and which particles are whole in one."""
    result = results("bench-trigger")
    rows = [
        (f"helix, {r['n_phi']} x {r['n_eta']}", r)
        for r in result["curve"]
        if (r["by"], r["nodes"], r["edges"], r["order"]) == ("helix", 28, 56, "chi2")
    ]
    rows += [
        (f"position, {r['n_phi']} x {r['n_eta']}" + (", overlapping" if r["margin_phi"] else ""), r)
        for r in result["curve"]
        if (r["by"], r["nodes"], r["edges"]) == ("position", 28, 56)
    ]
    body = [
        [name, f"{r['mean_edges']:.1f}", *(f"{r[key]:.4f}" for key in ("truncated", "whole", "strict"))]
        for name, r in rows
    ]
    return table(["sectors", "edges", "cut", "whole", "whole, all true edges"], body)


def builders() -> str:
    """GravNet beside the interaction network on the same graph."""
    body = [
        [shown, f"{r['parameters']:,}", f"{r['efficiency']:.4f}", f"{r['fake_rate']:.4f}", f"{r['ms']:.0f}"]
        for shown, r in ((shown, results("gravnet")["finders"][key]) for key, shown in BUILDERS.items())
    ]
    return table(["network", "parameters", "efficiency", "fakes", "ms an event"], body)


def garnet_sectors() -> str:
    """GarNet on sectors of two sizes: the area under its curve in floating point, and in whole numbers."""
    body = [
        [
            name, f"{r['vertices']}", f"{r['training']['hits']:.0f}", f"{r['training']['truncated']:.3f}",
            f"{r['training']['auc_float']:.3f}", f"{r['training']['auc_fixed']:.3f}", f"{r['auc_fixed']:.3f}",
        ]
        for name, r in results("gravnet")["garnet"].items()
    ]  # fmt: skip
    head = ["sectors", "vertices", "hits", "cut", "AUC, float", "AUC, ternary", "ternary, other events"]
    return table(head, body)
