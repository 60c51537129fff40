"""Tables of tracks beside ACTS: efficiency, fakes, times, resolutions, the fit, the graphs, working points."""

from page_text import table

from measured.results import number, results


def samples() -> dict[str, dict]:
    """Of the bench of tracks, by what they are."""
    result = results("bench-tracking")
    both = {int(p): r for p, r in result["pileup"].items()} | {200: result}
    return {f"pile-up {p}": both[p] for p in sorted(both)} | {"20 jets at 60": result["jets"]}


def pair(sample: dict, key: str, form: str, factor: float = 1) -> str:
    """A number of ours and of ACTS's."""
    return " / ".join(f"{factor * sample[who][key]:{form}}" for who in ("ours", "acts"))


def tracks() -> str:
    """Beside ACTS: efficiency, fakes, times."""
    body = [
        [
            name,
            str(sample["n_events"]),
            f"{sample['ours']['n_findable']:,}",
            pair(sample, "efficiency", ".4f"),
            pair(sample, "fake_rate", ".4f"),
            f"{sample['ratio_time']:.2f}",
            number(sample.get("ratio_time_to_best_acts"), ".2f"),
            number(sample["ratio_time_with_estimates"], ".2f"),
        ]
        for name, sample in samples().items()
    ]
    head = ["sample", "events", "findable", "efficiency", "fakes", "balanced", "best", "with estimates"]
    return table(head, body)


def resolutions() -> str:
    """Beside ACTS: numbers of tracks and resolutions."""
    body = [
        [
            name,
            pair(sample, "n_tracks", ",d"),
            pair(sample, "duplicate_rate", ".4f"),
            pair(sample, "resolution_d0_um", ".1f"),
            pair(sample, "resolution_z0_um", ".1f"),
            pair(sample, "resolution_qop_rel", ".2f", 100),
        ]
        for name, sample in samples().items()
    ]
    return table(["sample", "tracks", "duplicates", "d0 µm", "z0 µm", "q/p %"], body)


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
    return table(
        ["sample", "efficiency", "fakes", "central fakes", "time of efficient / balanced"],
        body,
    )


def fits() -> str:
    """The fit beside ACTS's Kalman fitter."""
    fit = results("bench-tracking")["fit"]
    units = {
        "d0_um": "d0, µm", "z0_um": "z0, µm", "phi_mrad": "φ, mrad", "theta_mrad": "θ, mrad", "qop_rel": "q/p",
    }  # fmt: skip
    body = [
        [
            title,
            *(f"{fit[who][f'resolution_{key}']:.4g}" for who in ("ours", "acts")),
            *(f"{fit[who]['pull_' + key.split('_')[0]]:.3f}" for who in ("ours", "acts")),
        ]
        for key, title in units.items()
    ]
    return table(["", "smartpix", "ACTS", "pull, smartpix", "pull, ACTS"], body)


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
    return table(
        ["graph", "edges / event", "MB / event", "time / that of the cones", "track efficiency", "fakes"],
        body,
    )


def points() -> str:
    """Working points of both, and what is as good as each."""
    result = results("bench-tracking")
    body = []
    for side, other in (("ours", "acts"), ("acts", "ours")):
        for name, beside in result["matched"][side].items():
            # The front has many more.
            if name not in result[side]:
                continue
            r = result[side][name]
            best = "none" if beside[other] is None else f"{other} {beside[other]}: {beside['ratio_time']:.2f}"
            body.append(
                [
                    f"{side} {name}",
                    f"{r['efficiency']:.4f}",
                    f"{r['fake_rate_central']:.4f}",
                    f"{r['ms']:.0f}",
                    best,
                ]
            )
    text = """Points of each at pile-up 200. The last column has the fastest one of the other side with at
least this efficiency and at most these central fakes, and our time over ACTS's:"""
    head = ["point", "efficiency", "central fakes", "ms", "as good, and time ratio"]
    return f"\n{text}\n\n{table(head, body)}\n"
