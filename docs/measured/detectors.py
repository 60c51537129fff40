"""Tables and numbers of other detectors: layouts, the chain in them, and our own propagator."""

from page_text import table

from measured.results import number, results

WHAT = {
    "barrel3": "three barrel layers at CMS's first radii",
    "itk": "after ATLAS's ITk, with inclined ends",
    "muon-collider": "double layers and double disks",
    "odd": "Open Data Detector's pixels, without its files",
    "telescope": "six EUDET planes across the beam",
}
MANY = 100
"""Tracks below which a row says nothing."""
CASES = {
    "telescope": "telescope, 30 parallel tracks",
    "telescope, direction unknown": "the same, `cone.prior=none`",
    "telescope, from a spot": "telescope, 30 tracks from a spot",
    "barrel3, shipped network": "`barrel3`, pile-up 20, shipped graph network",
    "barrel3": "`barrel3`, pile-up 20, its own graph network",
    "odd": "Open Data Detector, its own networks",
    "itk": "`itk`, pile-up 40, cluster shapes",
    "itk, shipped sensor": "`itk`, pile-up 60, shipped sensor",
    "itk, five hits": "the same, `build.min_hits=5`",
    "muon-collider": "`muon-collider`, pile-up 40, cluster shapes",
    "muon-collider, shipped sensor": "`muon-collider`, pile-up 60, shipped sensor",
}


def layouts() -> str:
    """The detectors by name."""
    body = []
    for name, r in results("layouts")["layouts"].items():
        (sensor,) = r["sensors"]
        size = " x ".join(f"{1000 * sensor[key]:g}" for key in ("pitch_v", "pitch_u", "thickness"))
        enough = f"{r['enough_from']:g} to {r['enough_to']:g}" if r["enough_to"] else "nowhere"
        body.append(
            [
                f"`{name}`",
                WHAT[name],
                f"{r['n_modules']:,}",
                str(r["n_layers"]),
                size,
                enough,
                f"{r['field']:g}",
            ]
        )
    head = ["name", "what", "modules", "layers", "sensor, µm", "four layers", "field, T"]
    return table(head, body)


def detector_chain() -> str:
    """The chain from nothing to tracks in other detectors."""
    cases = results("detectors")["cases"]
    body = [
        [
            words,
            str(r["n_events"]),
            str(r["findable"]["layers"]),
            f"{r['n_findable']:,}",
            f"{r['edge_efficiency']:.4f}",
            f"{r['track_efficiency']:.4f}",
            f"{r['fake_rate']:.4f}",
            f"{r['duplicate_rate']:.4f}",
            number(r["reduction"], ".2f"),
        ]
        for name, words in CASES.items()
        for r in (cases[name],)
    ]
    odd = results("odd-chain")
    body.insert(
        list(CASES).index("odd") + 1,
        [
            "its modules, shipped sensor and weights",
            str(odd["n_events"]),
            "4",
            f"{odd['n_findable']:,}",
            f"{odd['edge_efficiency']:.4f}",
            f"{odd['track_efficiency']:.4f}",
            f"{odd['fake_rate']:.4f}",
            f"{odd['duplicate_rate']:.4f}",
            number(odd["reduction"], ".2f"),
        ],
    )
    head = ["detector", "events", "layers", "findable", "edges", "efficiency", "fakes", "duplicates"]
    return table([*head, "reduction"], body)


def propagators() -> str:
    """Our own propagator beside Fatras."""
    found = results("own-propagator")
    ways = ("own", "fatras")
    body = [["crossings", *(f"{found['crossings'][way]:,}" for way in ways)]]
    for pt, r in found["scattering"].items():
        body.append([f"off the bare helix, {pt} GeV, µm", *(f"{r[way]['rms_um']:.0f}" for way in ways)])
    for pt, r in found["scattering"].items():
        body.append([f"momentum lost, {pt} GeV, MeV", *(f"{r[way]['median_loss_MeV']:.2f}" for way in ways)])
    body.append(["s of a core an event", *(f"{found['seconds_per_event'][way]:.2f}" for way in ways)])
    return table(["", "own", "Fatras"], body)


def odd_events() -> str:
    """Events of pile-up 200 in the Open Data Detector."""
    body = [
        [
            str(r["seed"]),
            str(r["events"]),
            f"{r['clusters_per_event']:,.0f}",
            f"{r['pixels_per_cluster']:.1f}",
            f"{r['findable_per_event']:.0f}",
            f"{r['bytes'] / r['events'] / 1e6:.1f}",
        ]
        for r in results("odd-events")["files"]
    ]
    return table(
        ["seed", "events", "clusters an event", "pixels a cluster", "findable an event", "MB an event"], body
    )


def helix() -> str:
    """Hits without pixels, with tracks matched by helices and by truth."""
    found = results("helix")
    rows = {
        "simulated, no pixel looked at": found["simulated"]["positions"],
        "the same, with its pixels": found["simulated"]["clusters"],
        "TrackML, full events": found["others"]["positions"],
    }
    body = [
        [
            words,
            str(r["n_events"]),
            f"{r['n_hits'] / r['n_events']:,.0f}",
            f"{r['efficiency']:.4f}",
            number(r.get("truth", {}).get("efficiency"), ".4f"),
            f"{r['unmatched_rate']:.4f}",
            number(r.get("truth", {}).get("fake_rate"), ".4f"),
            f"{r['ms_per_event']:,.0f}",
        ]
        for words, r in rows.items()
    ]
    head = ["sample", "events", "hits an event", "found, by helix", "by truth", "on none"]
    return table([*head, "fakes", "ms an event"], body)


def strips() -> str:
    """The resolution of pT before and after tracks are followed into the strips."""
    body = [
        [
            words,
            "{:g} to {:g}".format(*row["eta"]),
            "{:g} to {:g}".format(*row["pt_GeV"]),
            f"{row['n']:,}",
            f"{row['strip_hits']:.1f}",
            *(f"{100 * row[k]['half_width']:.1f}" for k in ("before", "after")),
            *(f"{100 * row[k]['median']:+.1f}" for k in ("before", "after")),
        ]
        for kind, words in (("trackml", "TrackML, full events"), ("simulated", "simulated, uniform field"))
        for row in results("strips")[kind]["followed"]["pt"]
        if row["n"] >= MANY
    ]
    head = ["sample", "abs(eta)", "pT, GeV", "tracks", "strip hits", "off, %: pixels", "all hits"]
    return table([*head, "median: pixels", "all hits"], body)


def detector_sentences() -> dict[str, tuple[str, ...]]:
    """Numbers in sentences of docs/detectors.md."""
    cases, odd = results("detectors")["cases"], results("odd-chain")
    generic, own = odd["with_the_generic_material"], cases["odd"]
    widths = sorted(odd["pull_sigma"].values())
    twice = sorted(generic["pull_sigma"].values())
    telescope = sorted(w for w in cases["telescope"]["pull_half_width"].values() if w is not None)
    lost = own["n_findable"] - round(own["n_findable"] * own["track_efficiency"])
    found = results("own-propagator")
    layers = sorted(found["ratio_by_layer"].values())
    strips_right = results("strips")["simulated"]["followed"]
    return {
        "{} of the strip hits that tracks get are their particle's": (f"{strips_right['right']:.4f}",),
        "get {} of the strip hits that their particles made": (f"{strips_right['found']:.2f}",),
        "its pulls are {} to {} wide": (f"{widths[0]:.2f}", f"{widths[-1]:.2f}"),
        "With the default material they are {} to {} wide": (f"{twice[0]:.2f}", f"{twice[-1]:.2f}"),
        "half widths of its pulls are {} to {}": (f"{telescope[0]:.2f}", f"{telescope[-1]:.2f}"),
        "{} of {} findable particles are lost": (str(lost), f"{own['n_findable']:,}"),
        "is {} with the detector's own sensor": (f"{own['reduction']:.1f}",),
        "by layer its crossings are {} to {} times those of Fatras": (
            f"{layers[0]:.3f}",
            f"{layers[-1]:.3f}",
        ),
    }
