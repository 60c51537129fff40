"""Tables of who is lost: behind dead modules, below 0.5 GeV, and electrons."""

from page_text import table

from measured.results import results

KNOWN = {
    "unknown": "nothing",
    "known_with_gnn": "all, `gnn` stays",
    "known": "all, `gnn-holes`",
    "found": "found in the same events, `gnn-holes`",
}
SOFT = {"0.2-0.3": ("0-2.5",), "0.3-0.5": ("0-2.5", "2.5-4"), "0.5-0.9": ("0-2.5",), "0.9-2": ("0-2.5",)}
PARTICLES = {
    ("electrons", "default"): "electrons, default",
    ("electrons", "radiated_pt"): "electrons, `build.radiated_pt=0.1`",
    ("electrons", "min_pt=0.3, radiated_pt"): "the same, and `cone.min_pt=0.3`",
    ("electrons", "particle=electron"): "electrons, `radiated_pt=0.1`, taken for electrons",
    ("pions", "min_pt=0.2"): "pions",
    ("pions", "energy_loss"): "pions, with energy loss",
    ("electrons-own", "default"): "electrons, own propagator, default",
    ("electrons-own", "radiated_pt"): "electrons, own propagator, `build.radiated_pt=0.1`",
    (
        "electrons-own",
        "particle=electron",
    ): "electrons, own propagator, `radiated_pt=0.1`, taken for electrons",
    ("pions-own", "min_pt=0.2"): "pions, own propagator",
    ("pions-own", "energy_loss"): "pions, own propagator, with energy loss",
    ("protons-own", "min_pt=0.2"): "protons, own propagator",
    ("protons-own", "energy_loss"): "protons, own propagator, with energy loss of pions",
    ("protons-own", "particle=proton"): "protons, own propagator, taken for protons",
}
WAYS = {"half-turn": "half a turn", "two-turns": "two turns"}


def dead_modules() -> str:
    """Efficiency of what was findable before modules died."""
    dead = results("lost")["dead"]
    rows = [("none", f"`{name}`", r) for name, r in dead["whole"].items()]
    for share in ("0.02", "0.05", "0.1"):
        found = dead[share]
        modules = f"{100 * float(share):g} % ({found['n_dead']})"
        rows += [(modules, words, found[key]) for key, words in KNOWN.items() if key in found]
    body = [
        [
            modules,
            words,
            f"{r['efficiency_of_before']:.4f}",
            f"{r['fake_rate']:.4f}",
            f"{r['n_short']} ({r['n_short_fakes']})",
            f"{r['n_edges']:,.0f}",
        ]
        for modules, words, r in rows
    ]
    head = ["dead modules", "known", "found of those before", "fakes", "of three clusters (fakes)", "edges"]
    return table(head, body)


def soft_particles() -> str:
    """Efficiency by pT for cones of softer tracks."""
    soft = results("lost")["soft"]
    bins = [(pt, eta) for pt, etas in SOFT.items() for eta in etas]
    body = [
        [
            name.removeprefix("min_pt="),
            f"{r['n_edges']:,.0f}",
            *(f"{r[f'pt {pt}, eta {eta}']['efficiency']:.4f}" for pt, eta in bins),
        ]
        for name, r in soft.items()
        if name.startswith("min_pt=")
    ]
    return table(["`cone.min_pt`", "edges", *(f"{pt}, {eta}" for pt, eta in bins)], body)


def lone_particles() -> str:
    """Electrons and pions alone in the detector."""
    lost = results("lost")
    body = []
    for (kind, way), words in PARTICLES.items():
        r, pt = lost[kind][way], lost[kind]["pt"]
        body.append(
            [
                words,
                f"{pt[0]:g}-{pt[1]:g}",
                f"{r['n_findable']:,}",
                f"{r['efficiency']:.4f}",
                f"{r['qop_pull_mean']:.2f}",
                f"{r['qop_pull_width']:.2f}",
                f"{100 * r['qop_relative_median']:.2f} %",
            ]
        )
    head = ["particles", "pT, GeV", "findable", "efficiency", "pull of q/p", "its width"]
    return table([*head, "q/p too large by"], body)


def dead_search() -> str:
    """Processor time of the search over dead modules, and efficiency past any layer."""
    lost = results("lost")
    body = []
    for share in ("0", "0.02", "0.05", "0.1"):
        search, skips = lost["search"][share], lost["skips"][share]
        known = lost["dead"]["whole"]["gnn-holes"] if share == "0" else lost["dead"][share]["known"]
        body.append(
            [
                f"{100 * float(share):g} %",
                *(f"{search[way]['ms']:.0f}" for way in ("without", "over_dead", "skips")),
                f"{skips['n_edges']:,.0f}",
                f"{skips['efficiency_of_before']:.4f}",
                f"{known['efficiency_of_before']:.4f}",
            ]
        )
    head = ["dead", "search, ms", "over dead, ms", "past any, ms", "edges", "found past any"]
    return table([*head, "found over dead"], body)


def loopers() -> str:
    """Soft particles that stop after half a turn, and that come back."""
    found = results("lost")["loopers"]
    bins = [(pt, eta) for pt in ("0.1-0.2", "0.2-0.3", "0.3-0.5", "0.5-0.9") for eta in ("0-2.5", "2.5-4")]
    body = []
    for pt, eta in bins:
        row = [pt, eta]
        for min_pt in ("0.48", "0.2"):
            row += [
                f"{found[f'{way}, min_pt={min_pt}'][f'pt {pt}, eta {eta}']['efficiency']:.3f}" for way in WAYS
            ]
        for way in WAYS:
            r = found[f"{way}, min_pt=0.2"][f"pt {pt}, eta {eta}"]
            row.append(f"{r['n_fakes_pure']} + {r['n_fakes_mixed']} of {r['n_tracks']}")
        body.append(row)
    head = [f"{min_pt}: {words}" for min_pt in ("0.48", "0.2") for words in ("1/2", "2")]
    return table(["pT", "abs(eta)", *head, "fakes: 1/2", "fakes: 2"], body)


def lost_sentences() -> dict[str, tuple[str, ...]]:
    """Numbers in sentences of docs/robustness.md and of docs/limits.md."""
    dead = results("lost")["dead"]["0.02"]
    return {"found {} of {} and no live one": (str(dead["n_found"]), str(dead["n_dead"]))}
