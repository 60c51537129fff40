"""Tables of dense environments: finders, places in merged clusters, networks that tell one particle from two,
and anomaly scores.
"""

from page_text import table

from measured.results import results, with_error
from tracking.bench.dense_plots import STYLES

PUBLISHED_TOY = {"ecal-cnn": "0.915", "tmva-cnn": "0.908", "ecal-dnn": "0.86-0.92", "ecal-shape": ""}
"""AUC of a run of ROOT's tutorial itself."""
TARGETS = ("x", "y", "cot_alpha", "cot_beta")
IN_UM = ("x", "y")
KINDS = {
    ("lone", "lone"): "one particle",
    ("lone", "as_one"): "merged, one estimate",
    ("split", "split"): "merged, split",
}
"""Hits of the chain without and with splitting, and the clusters they are of."""
WAYS = ("from scratch", "copies", "after simple", "after simple, copies")


def merged_toy() -> str:
    """ROOT's toy: the networks' parameters and what they reach."""
    body = []
    for name, r in results("merged-front")["toy"].items():
        aucs = sorted(r["auc"])
        ours = f"{aucs[0]:.3f}" + (f"-{aucs[-1]:.3f}" if len(aucs) > 1 else "")
        body.append([f"`{name}`", f"{r['trained']:,}", f"{r['moving']}", ours, PUBLISHED_TOY[name]])
    return table(["network", "trained parameters", "moving averages", "AUC", "ROOT's tutorial"], body)


def merged_front() -> str:
    """One particle against two: all networks on the same clusters."""
    result = results("merged-front")
    networks = {**result["front"]["networks"], **result.get("counts", {"networks": {}})["networks"]}
    body = [
        [
            f"`{name}`",
            f"{r['trained']:,}",
            f"{r['auc']:.4f}",
            f"{100 * r['efficiency']:.1f}",
            f"{r['us_inputs'] + r['us_network']:.2f}",
        ]
        for name, r in sorted(networks.items(), key=lambda item: -item[1]["trained"])
    ]
    return table(["network", "trained parameters", "AUC", "pairs found, %", "µs per cluster"], body)


def merged_transfer() -> str:
    """Few clusters of events: from scratch, after simple windows, with shifted copies."""
    body = [
        [f"`{name}`", f"{int(n):,}", *(f"{100 * own[n][way]['efficiency']:.1f}" for way in WAYS)]
        for name, own in results("merged-front")["transfer"]["networks"].items()
        for n in own
        if n != "0"
    ]
    return table(["network", "clusters", *WAYS], body)


def merged_anomaly() -> str:
    """Scores of the autoencoders: AUC and true rate at the two false rates."""
    result = results("merged-front")["anomaly"]
    questions = list(result["questions"])

    def cell(r: dict) -> str:
        rates = [r["true_rate"][rate] for rate in ("0.01", "1e-05")]
        shown = ["-" if rate is None else f"{100 * rate:.1f}" for rate in rates]
        return f"{r['auc']:.3f} ({', '.join(shown)})"

    body = [
        [f"{name}: {score}", *(cell(values[question]) for question in questions)]
        for name, r in result["networks"].items()
        for score, values in r["scores"].items()
    ]
    return table(["network: score", *questions], body)


def dense_finders() -> str:
    """All finders on the samples of ``bench dense``: rates with their errors, and the chain less each."""
    body = []
    for name, sample in results("bench-dense")["samples"].items():
        first = next(iter(sample["finders"]))
        for who, r in sample["finders"].items():
            apart = sample["differences"].get(who)
            less = with_error(apart["efficiency"], apart["efficiency_error"]) if apart else ""
            size = f"{name}, {sample['n_events']} / {sample['n_findable']:,}"
            body.append(
                [
                    size if who == first else "",
                    who,
                    with_error(r["efficiency"], r["efficiency_error"]),
                    less,
                    with_error(r["fake_rate"], r["fake_rate_error"]),
                    f"{r['fake_rate_central']:.4f}",
                    f"{r['duplicate_rate']:.4f}",
                    f"{r['ms']:.0f}",
                ]
            )
    head = [
        "sample",
        "finder",
        "efficiency",
        "`ours-split` less it",
        "fakes",
        "central fakes",
        "duplicates",
        "ms",
    ]
    return table(head, body)


def _pull_apart(r: dict, target: str) -> str:
    width = (r.get("pull_width_apart") or {}).get(target)
    return "-" if width is None else f"{width:.2f}"


def dense_positions() -> str:
    """Each particle of merged clusters: half widths in those of lone clusters, and pulls, of all clusters and of
    those whose components are told apart.
    """
    body = []
    for region, kinds in results("bench-dense")["merged"]["positions"].items():
        for kind, r in kinds.items():
            if kind == "lone":
                continue
            body.append(
                [
                    f"{region}, {kind}",
                    f"{r['n']:,}",
                    *(
                        f"{r['half_width_ratio'][t]:.2f} ({r['pull_width'][t]:.2f}, {_pull_apart(r, t)})"
                        for t in r["pull_width"]
                    ),
                    f"{100 * r['apart']:.0f}",
                ]
            )
    return table(["clusters", "number", "x", "y", "cot alpha", "cot beta", "told apart, %"], body)


def dense_endcap() -> str:
    """The mixture of the end-caps beside one Gaussian, in bins of pseudorapidity."""
    endcap = results("bench-dense")["endcap"]
    body = []
    for mixture, single in zip(endcap["mixture"], endcap["single"], strict=True):
        for kind, r in (("mixture", mixture), ("one Gaussian", single)):
            if r["n"]:
                widths = (f"{width:.3f}" for width in r["pull_width"].values())
                held = (f"{100 * r[key]:.1f}" for key in ("within_68", "within_95"))
                body.append([r["bin"], kind, f"{r['n']:,}", *widths, *held])
    head = [
        "eta",
        "",
        "clusters",
        "pull of x",
        "y",
        "cot alpha",
        "cot beta",
        "68.3 % region",
        "95.5 % region",
    ]
    return table(head, body)


def dense_edges() -> str:
    """Edges of the mixture's cones where as many true ones are found as with one Gaussian."""
    body = [
        [
            where,
            f"{r['n_found']:,} of {r['n_true']:,}",
            with_error(r["edges_ratio"], r["edges_ratio_error"], 3),
        ]
        for where, r in results("bench-dense")["endcap"]["edges"]["at_equal_share"].items()
    ]
    return table(["edges", "true ones found", "mixture / one Gaussian"], body)


def dense_possibilities() -> str:
    """The chain with two possibilities in the end-caps and without; a file of before has none of it."""
    tracks = results("bench-dense")["endcap"].get("tracks")
    body = []
    for name, kind in (("off", "single"), ("on", "mixture")) if tracks else ():
        r = tracks[kind]
        shares = [with_error(r[rate], r[f"{rate}_error"]) for rate in ("efficiency", "fake_rate")]
        body.append([f"`{name}`", *shares, f"{r['ms']:.0f}"])
    if tracks:
        less = tracks["difference"]
        shares = [with_error(less[rate], less[f"{rate}_error"]) for rate in ("efficiency", "fake_rate")]
        body.append(["`on` less `off`", *shares, ""])
    return table(["`mixture.mode`", "efficiency", "fakes", "ms"], body)


def finders_name(name: str) -> str:
    """A finder as the figures call it."""
    return STYLES[name][0]


def dense_beside() -> str:
    """All finders on both samples with jets, for the README."""
    samples = results("bench-dense")["samples"]
    body = []
    for name, core in samples["cores"]["finders"].items():
        jets = samples["jets"]["finders"][name]
        rates = [
            with_error(jets["efficiency"], jets["efficiency_error"]),
            with_error(core["efficiency"], core["efficiency_error"]),
        ]
        rates.append(with_error(core["efficiency_in_jets"], core["efficiency_in_jets_error"]))
        body.append([finders_name(name), *rates, f"{core['fake_rate']:.4f}", f"{core['ms']:.0f}"])
    return table(["finder", "`jets`", "`cores`", "jets of `cores`", "fakes there", "ms there"], body)


def dense_resolutions() -> str:
    """Tracks of particles with merged clusters in cores that all finders found; and our width over another's, on
    all those that both of them found.
    """
    body = []
    for name, numbers in results("bench-dense")["samples"]["cores"]["finders"].items():
        r = numbers["with_merged"]
        body.append(
            [
                finders_name(name), f"{r['resolution_d0_um']:.1f}", f"{r['resolution_phi_mrad']:.3f}",
                f"{r['resolution_theta_mrad']:.3f}", f"{r['pull_half_width_d0']:.2f}",
            ]
        )  # fmt: skip
    return table(["finder", "d0, um", "phi, mrad", "theta, mrad", "pull of d0"], body)


def dense_estimates() -> str:
    """Residuals and pulls of each particle in the barrel, by what its cluster became."""
    found = results("bench-dense")["estimates"]
    body = []
    for (hits, kind), words in KINDS.items():
        r = found[hits]["barrel"][kind]
        cells = [
            f"{r[t]['half_width']:.{1 if t in IN_UM else 3}f} ({r[t]['pull_half_width']:.2f})"
            for t in TARGETS
        ]
        body.append([words, f"{r['n']:,}", *cells])
    return table(["cluster", "particles", "x, um", "y, um", "cot alpha", "cot beta"], body)


def dense_counting() -> str:
    """The networks that count, on fresh groups of crossings."""
    merged = results("bench-dense")["merged"]
    names = {"float": "count-barrel", "chip": "fixed-count-barrel", "endcap": "count-endcap"}
    body = []
    for key, name in names.items():
        r = merged[key]
        cells = [f"{r['auc']:.4f}", f"{100 * r['found']:.1f}", f"{100 * r['found_separable']:.1f}"]
        body.append([f"`{name}`", f"{r['n']:,}", *cells, f"{100 * r['miscalibration']:.1f}"])
    header = ["network", "clusters", "AUC", "pairs found, %", "separable pairs, %", "worst bin, %"]
    return table(header, body)
