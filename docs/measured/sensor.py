"""Tables of the estimates: resolution, calibration, and what the sensor's settings buy."""

from page_text import table

from measured.results import results

BASE = {
    "which two slices": "0 and 19", "number of slices": "2 (0, 19)", "noise [e]": "50",
    "threshold [e]": "300", "input bits": "float", "thickness [um]": "100",
    "geometry": "2: 50 x 12.5 x 100 um", "network": "columns, 2,178",
    "induction followed to": "3 x 3 pixels",
}  # fmt: skip
"""Of each lever the setting that the others keep."""


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


def working_point() -> str:
    """Threshold and slices, judged by the search at pile-up 200."""
    found = results("working-point")
    edges = found["points"]["400/2,19"]["n_edges"]
    body = [
        [
            f"**{name}**" if name == "400/2,19" else name,
            f"{r['half_width_cot_alpha']:.3f}",
            f"{r['half_width_cot_beta']:.3f}",
            f"{r['nll_endcap']:.2f}",
            f"{r['n_edges'] / edges:.2f}",
            f"{r['edge_efficiency']:.4f}",
        ]
        for name, r in found["points"].items()
    ]
    return table(
        ["threshold / slices", "cot alpha", "cot beta", "NLL, end-caps", "edges", "edge efficiency"], body
    )


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
