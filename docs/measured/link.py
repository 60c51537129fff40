"""Tables of what leaves the chip: codes of clusters."""

from page_text import table

from measured.results import number, results


def link_codes() -> str:
    """Bits of each code, and what the chain makes of the decoded clusters."""
    body = []
    for name, r in results("bench-link")["codes"].items():
        if name != "float-unsplit":
            bits = [number(r.get(f"{kind}bits_per_cluster"), ".1f") for kind in ("", "arithmetic_")]
            sent = [number(r.get(key), form) for key, form in (("gbit_per_s_cm2", ".1f"), ("emd", ".1f"))]
            tracks = [f"{r['reduction']:.2f}", f"{r['track_efficiency']:.4f}", f"{r['fake_rate']:.4f}"]
            body.append([f"`{name}`", *bits, *sent, *tracks, f"{r['resolution_d0_um']:.1f}"])
    head = ["code", "bits", "arithmetic", "Gb/s/cm²", "EMD, µm", "reduction", "efficiency", "fakes", "d0, µm"]
    return table(head, body)


def link_differs() -> str:
    """Particles that each code gains and loses against no code, and edges that the cones keep."""
    body = []
    codes = results("bench-link")["codes"]
    for name, r in codes.items():
        if "differs" in r and name != "raw-bitmap":
            d = r["differs"]
            body.append(
                [
                    f"`{name}`",
                    f"{r['edge_efficiency']:.4f}",
                    str(d["gained"]),
                    str(d["lost"]),
                    _chance(d["p_value"]),
                ]
            )
    whole = [["`float`", f"{codes['float']['edge_efficiency']:.4f}", "", "", ""]]
    return table(["code", "true edges kept", "gained", "lost", "p"], whole + body)


def _chance(p: float) -> str:
    return "< 0.0001" if p < 1e-4 else f"{p:.2g}" if p < 0.1 else f"{p:.2f}"


def link_encoders() -> str:
    """Size of the learned codes' encoders beside the estimates' networks."""
    chip = (r for r in results("bench-export").values() if "luts" in r)
    rows = {r["weights"]: r for r in chip} | results("link-encoder")
    body = []
    for name, r in rows.items():
        if isinstance(r, dict):
            sizes = [number(r.get(key), ",d") for key in ("parameters", "da4ml_luts", "luts", "ffs")]
            times = [number(r.get("latency_ns"), ".0f"), number(r.get("ii_cycles"), "d")]
            body.append([f"`{name}`", *sizes, *times, number(r.get("rtl_mismatches"), "d")])
    head = [
        "network",
        "parameters",
        "LUTs by da4ml",
        "LUTs",
        "FFs",
        "latency, ns",
        "cycles a cluster",
        "mismatches",
    ]
    return table(head, body)


def link_scan() -> str:
    """Distance of the charge and resolutions of the estimates, by numbers and bits of the code."""
    found = results("link-scan")
    body = [["no code", "", "0.0", *_widths(found["raw"])]]
    for name, r in found["codes"].items():
        body.append(
            [
                f"`{name}`",
                f"{r['bits_per_cluster']:.1f}",
                f"{r['emd']:.1f} ± {r['emd_error']:.1f}",
                *_widths(r),
            ]
        )
    return table(["code", "bits", "EMD, µm", "x, µm", "y, µm", "cot alpha", "cot beta"], body)


def _widths(row: dict[str, float]) -> list[str]:
    forms = {"x_um": ".1f", "y_um": ".2f", "cot_alpha": ".3f", "cot_beta": ".4f"}
    return [format(row[key], form) for key, form in forms.items()]


def link_retrained() -> str:
    """What the chain makes of estimates that were trained again, by region."""
    body = []
    for name, r in results("link-retrained").items():
        if isinstance(r, dict):
            tracks = [f"{r[key]:.4f}" for key in ("edge_efficiency", "track_efficiency", "fake_rate")]
            wide = [f"{r[key]:.1f}" for key in ("resolution_d0_um", "resolution_z0_um")]
            body.append([name, f"{r['reduction']:.2f}", *tracks, *wide])
    head = ["trained again", "reduction", "true edges kept", "efficiency", "fakes", "d0, µm", "z0, µm"]
    return table(head, body)
