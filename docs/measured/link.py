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


def link_encoders() -> str:
    """Size of the learned codes' encoders beside the estimates' networks."""
    rows = results("link-encoder")
    body = [
        [f"`{name}`", number(r.get("parameters"), ",d"), f"{r['da4ml_luts']:,}"]
        for name, r in rows.items()
        if isinstance(r, dict)
    ]
    return table(["network", "parameters", "LUTs"], body)
