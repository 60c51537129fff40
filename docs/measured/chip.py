"""Tables of the chip's networks: what they cost, resolve and send."""

from collections.abc import Callable

from page_text import table

from measured.results import TARGETS, results


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
    body = [[*_size(name, r), f"{r['nll']:.2f}"] for name, r in _by_size("front")]
    return table([*SIZE, "NLL"], body)


def front_sums() -> str:
    """The same of the networks that see sums of columns and rows alone, with the widths of the pulls."""
    body = []
    for name, r in _by_size("front-sums"):
        pulls = sorted(r["pull_sigma"].values())
        worst, cot = r["worst"], r["hw68_ratio_to_base"]["cot_alpha"]
        # Without the zeros: a line has 110 characters at most.
        size = _size(name, r)
        body.append([*size[:2], *size[4:], f"{worst:.3f}", f"{cot:.3f}", f"{pulls[0]:.2f}-{pulls[-1]:.2f}"])
    return table([*SIZE[:2], *SIZE[4:], "worst", "cot alpha", "pull widths"], body)


SIZE = ["network", "method", "not zero", "zeros", "LUTs", *TARGETS.values()]


def _by_size(study: str) -> list[tuple[str, dict]]:
    return sorted(results(study)["networks"].items(), key=lambda item: item[1]["da4ml_luts"])


def _size(name: str, r: dict) -> list[str]:
    return [
        f"`{name}`" + (" *" if r["on_front"] else ""),
        f"{r['method']} {r['setting']}".strip(),
        f"{r['nonzero_weights']:,}",
        f"{r['zeros']['all']:.3f}",
        f"{r['da4ml_luts']:,}",
        *(f"{r['hw68_ratio_to_base'][key]:.3f}" for key in TARGETS),
    ]


def reload() -> str:
    """Weights in the wiring beside weights in registers."""
    result = results("reload")
    forms = {
        "small network, in the wiring": result["constant"],
        "small network, in registers": result["reloadable"],
        f"`{result['in_wiring']['weights']}`, in the wiring": result["in_wiring"],
    }
    body = [
        [
            title,
            f"{r['luts']:,}",
            f"{r['ffs']:,}",
            f"{r['latency_cycles']}",
            f"{r['longest_path_ns']:.2f}" if "longest_path_ns" in r else "-",
            f"{r['rtl_mismatches']} of {r['n_clusters']:,}",
        ]
        for title, r in forms.items()
    ]
    return table(
        ["weights", "LUTs", "FFs", "cycles", "longest path at 180 nm, ns", "wrong in Verilator"], body
    )


def reload_sizes() -> str:
    """What designs with weights in registers need, counted from them and not synthesised."""
    body = [
        [
            f"`{name}`",
            *(f"{r[key]:,}" for key in ("multipliers", "weight_bits", "register_bits", "load_cycles")),
            f"{r['latency_cycles']}",
        ]
        for name, r in results("reload")["not_synthesised"].items()
    ]
    return table(["network", "multipliers", "bits of weights", "register bits", "words", "cycles"], body)


def chain_kinds() -> str:
    """The chain on the shapes of networks of other sizes."""
    body = [
        [
            "`mdn`, floating point" if name == "mdn" else f"`{name}`",
            r.get("kind", "columns"),
            f"{r['da4ml_luts']:,}" if "da4ml_luts" in r else "-",
            f"{r['reduction']:.2f}",
            f"{r['edge_efficiency']:.4f}",
            f"{r['track_efficiency']:.4f}",
            f"{r['fake_rate']:.4f}",
        ]
        for name, r in results("chain-kinds").items()
        if isinstance(r, dict)
    ]
    return table(
        ["barrel network", "kind", "LUTs", "reduction", "edge efficiency", "track efficiency", "fakes"], body
    )


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
