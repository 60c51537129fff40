"""Tables of irradiated sensors: the sensor itself, the estimates and the chain."""

from page_text import table

from measured.results import results


def irradiated_sensor() -> str:
    """Trapping, field, charge and drift by fluence."""
    body = []
    for name, r in results("irradiation")["sensor"].items():
        times = r["trapping_ns"]
        field = r["field_kv_cm"]
        body.append(
            [
                name,
                f"{r['bias']:.0f}",
                " / ".join("-" if t is None else f"{t:.2f}" for t in times.values()),
                " / ".join(f"{field[key]:.0f}" for key in ("far_side", "lowest", "pixels")),
                f"{r['collected']:.2f}",
                " / ".join(f"{t:.2f}" for t in r["drift_ns"].values()),
                f"{r['lorentz_tangent']:.2f}",
                f"{r['lorentz_shift_um']:.1f}",
            ]
        )
    head = [
        "neq/cm²", "V", "trapped e / h, ns", "field, kV/cm",
        "collected", "drift e / h, ns", "Lorentz", "shift",
    ]  # fmt: skip
    return table(head, body)


def irradiated_estimates() -> str:
    """Half widths and pulls of three networks by fluence."""
    estimates = results("irradiation")["estimates"]
    nominal = {region: estimates[f"{region} 0"]["unaware"] for region in ("barrel", "endcap")}
    body = []
    for point in sorted(estimates, key=lambda name: (name.split()[0], float(name.split()[1].split("-")[0]))):
        region, fluence = point.split()
        for way, r in estimates[point].items():
            half, width = r["half_width_68_central"], sorted(r["pull_width"].values())
            alpha = half["cot_alpha"]
            body.append(
                [
                    f"{region}, {fluence.replace('-', ' at ')}",
                    way,
                    f"{half['x_um']:.1f}",
                    f"{half['y_um']:.1f}",
                    f"{alpha:.3f}",
                    f"{alpha / nominal[region]['half_width_68_central']['cot_alpha']:.2f}",
                    f"{half['cot_beta']:.3f}",
                    f"{width[0]:.2f} to {width[-1]:.2f}",
                    f"{max(map(abs, r['pull_mean'].values())):.2f}",
                    f"{r['coverage68']:.3f}",
                ]
            )
    head = ["region, fluence", "network", "x µm", "y µm", "cot alpha", "ratio", "cot beta", "pulls"]
    return table([*head, "pull mean", "68 % holds"], body)


def irradiated_chain() -> str:
    """The chain by fluence and network."""
    body = [
        [
            point.replace("-", " at "),
            way,
            f"{r['track_efficiency']:.4f}",
            f"{r['n_findable']:,}",
            f"{r['fake_rate_central']:.4f}",
            f"{r['fake_rate']:.4f}",
            f"{r['edges']:,.0f}",
            f"{r['reduction']:.2f}",
        ]
        for point, ways in results("irradiation")["chain"].items()
        for way, r in ways.items()
    ]
    head = ["fluence", "network", "efficiency", "findable", "central fakes", "all fakes", "edges an event"]
    return table([*head, "reduction"], body)


def radiation_sentences() -> dict[str, tuple[str, ...]]:
    """Numbers in sentences of docs/sensor.md on irradiated sensors."""
    sensor = results("irradiation")["sensor"]
    by_bias = sensor["5e15"]["collected_by_bias"]
    return {
        "After 5e15 it collects {} % at 450 V and {} % at 600 V": (
            f"{100 * by_bias['450']:.0f}",
            f"{100 * by_bias['600']:.0f}",
        ),
    }
