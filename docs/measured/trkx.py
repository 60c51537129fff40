"""Tables of HEP.TrkX: its networks, what their training took, captions, the RAMP challenge and the learned cone."""

import json

from page_text import table

from measured.results import ROOT, number, results, with_error
from tracking.bench.trkx_table import RAMP_FINDERS
from tracking.finders.trkx.metrics import ACCURACIES

LINE = "straight line"
SMALL = 0.1
"""A squared error below it is shown with two more digits."""
UNSEEDED = "hit_accuracy_unseeded"


def _part(name: str) -> dict:
    """A part of the study; nothing where it was not measured."""
    return results("trkx")[name] or {}


def _short(value: float | None, error: float | None, digits: int = 3) -> str:
    """With the error of the last digit in brackets."""
    if value is None or error is None:
        return "-"
    return f"{value:.{digits}f}({max(1, round(10**digits * error))})"


def _accuracies(r: dict) -> list[str]:
    return [_short(r.get(key), r.get(f"{key}_error")) for key in ACCURACIES]


def trkx_models() -> str:
    """All networks that find a track, and below them the straight line on each kind of toys."""
    body = []
    for name, r in _part("models").items():
        if not r["toy"].startswith("lines"):
            told = r["published"]
            both = [
                cell + ("" if told.get(key) is None else f" / {told[key]:.3f}")
                for cell, key in zip(_accuracies(r), ACCURACIES, strict=True)
            ]
            body.append([f"`{name}`", f"`{r['toy']}`", f"{r['parameters']:,}", *both])
    body += [[LINE, f"`{kind}`", "none", *_accuracies(r)] for kind, r in _part("references").items()]
    head = ["network", "toys", "parameters", "pixels / published", "hits / published", "hits without seed"]
    return table(head, body)


def trkx_trainings() -> str:
    """What each training took, and where the numbers come from."""
    body = []
    for name, r in _part("models").items():
        if r["samples"] is None:
            body.append([f"`{name}`", "-", "-", "-", "not trained here"])
            continue
        minutes = "-" if r["seconds"] is None else f"{r['seconds'] / 60:.1f}"
        source = "at the end of the training" if r["source"].endswith(".json") else "by the study"
        share = r["parameters"] / r["published"]["parameters"] if r["published"]["parameters"] else 1
        size = "as published" if share == 1 else f"{100 * share:.2g} % of the parameters"
        body.append([f"`{name}`", f"{r['samples']:,}", minutes, size, f"{source}, {r['n_events']:,} toys"])
    return table(["network", "toys learned from", "minutes", "size", "measured"], body)


def trkx_multiplicity() -> str:
    """Hit accuracy of the square planes without seed by the number of background tracks."""
    rows = {f"`{name}`": r["multiplicity"] for name, r in _part("models").items() if r["multiplicity"]}
    line = _part("references").get("3d", {}).get("multiplicity")
    if line:
        rows[LINE] = line
    numbers = list(line or next(iter(rows.values()), {}))
    body = [
        [name, *(_short(r[n].get(UNSEEDED), r[n].get(f"{UNSEEDED}_error")) for n in numbers)]
        for name, r in rows.items()
    ]
    return table(["background tracks", *numbers], body)


def trkx_captions() -> str:
    """Captions: squared error, and with covariances what their ellipses hold and how wide pulls are."""
    body = []
    for name, r in _part("models").items():
        if not r["toy"].startswith("lines"):
            continue
        held = [
            "" if r.get(key) is None else _short(r[key], r.get(f"{key}_error"))
            for key in ("coverage_68", "coverage_95")
        ]
        pulls = ", ".join(f"{width:.3f}" for width in r.get("pull_widths") or [])
        told = number(r["published"]["loss"], ".3g")
        body.append(
            [
                f"`{name}`",
                f"`{r['toy']}`",
                f"{r['parameters']:,}",
                _short(r["loss"], r.get("loss_error"), 4 if (r["loss"] or 0) < SMALL else 2),
                told,
                *held,
                pulls,
            ]
        )
    head = ["network", "toys", "parameters", "squared error", "published", "68 %", "95 %", "pulls"]
    return table(head, body)


def trkx_ramp() -> str:
    """Finders of the RAMP challenge; the published starting kit."""
    body = [
        [
            RAMP_FINDERS.get(name, name),
            *(with_error(r[f"score_{n}"], r[f"error_{n}"]) for n in (10, 20)),
            f"{r['ms_per_event']:.2g}",
        ]
        for name, r in _part("ramp").items()
    ]
    told = sorted(_part("ramp_published").values())
    if told:
        body.append(["starting kit, published", f"{told[0]:.3f}-{told[-1]:.3f}", "", ""])
    return table(["finder", "10 tracks", "20 tracks", "ms, 10 tracks"], body)


def trkx_cone() -> str:
    """The learned cone beside the Kalman filter's: next layers in bins of pT, those of particles of
    collisions alone, and overlaps of the same layer.
    """
    body = []
    found = _part("next_layer")
    rows = [(f"{r['pt'][0]:g}-{r['pt'][1]:g}", r) for r in found.get("by_pt", [])]
    rows += [("all", found)] if found else []
    rows += [
        (shown, found[key])
        for key, shown in (("collisions", "collisions"), ("overlaps", "overlaps"))
        if key in found
    ]
    for name, r in rows:
        if r["n"]:
            held = [
                f"{100 * r[f'coverage{key}']:.2f} ({100 * r[f'coverage{key}_kalman']:.2f})"
                for key in ("68", "95", "997")
            ]
            ratios = [f"area_ratio{key}" for key in ("68", "95", "997")]
            areas = [_short(r[key], r.get(f"{key}_error"), 2) for key in ratios]
            body.append([name, f"{r['n']:,}", *held, *areas])
    head = ["pT, GeV", "predictions", "68 %", "95 %", "99.7 %", "area ratio, 68 %", "95 %", "99.7 %"]
    return table(head, body)


def trkx_tracks() -> str:
    """Finders on our own events: the learned cone's, the chain and ACTS."""
    body = []
    for pileup in (20, 200):
        sample = results("trkx-tracks")[f"pileup{pileup}"]
        for k, (name, r) in enumerate(sample["finders"].items()):
            size = "" if k else f"{pileup}: {sample['n_events']} events, {r['n_findable']:,}"
            rates = [f"{r[key]:.4f}" for key in ("efficiency", "fake_rate", "duplicate_rate")]
            body.append([size, f"`{name}`", *rates, f"{r['ms']:.0f}"])
    head = ["pile-up, findable particles", "finder", "efficiency", "fakes", "duplicates", "ms an event"]
    return table(head, body)


def trkx_binned() -> str:
    """Efficiency and fakes of the LSTM in bins along the cut on its probability."""
    body = [
        [
            f"{p['min_probability']:.2f}",
            f"{p['efficiency']:.3f}",
            f"{p['fake_rate']:.3f}",
            f"{p['n_tracks']:,}",
        ]
        for p in results("trkx-tracks")["binned"]["points"][::3]
    ]
    return table(["least mean probability", "efficiency", "fakes", "tracks"], body)


def trkx_sentences() -> dict[str, tuple[str, ...]]:
    """Numbers in sentences of the page, with the words around each."""
    bounds, cone, binned = _part("ramp_bounds"), _part("next_layer"), results("trkx-tracks")["binned"]
    trained = json.loads((ROOT / "data" / "weights" / "path.json").read_text(encoding="utf-8"))["metrics"]
    found, kept = binned["binned"], binned["path"]
    return {
        "only {} % of the crossings": (f"{100 * bounds['shared_10']:.3f}",),
        "differ from the truth in {} % of": (f"{100 * bounds['wrong_10']:.1f}",),
        "In {} % they are likelier": (f"{100 * bounds['ambiguous_10']:.1f}",),
        "In the other {} % its search": (f"{100 * bounds['missed_10']:.1f}",),
        "It has {} parameters, and has learned from {} paths": (f"{cone['parameters']:,}", f"{trained['n_train']:,}"),
        "our barrel at pile-up 20. It has {} parameters, and has learned from {} events": (
            f"{binned['parameters']:,}", f"{binned['n_training']:,}",
        ),
        "chosen on {} other events, by the product": (f"{binned['n_tuning']}",),
        "It finds {} % of them, and {} % of its tracks are fakes": (
            f"{100 * found['efficiency']:.0f}", f"{100 * found['fake_rate']:.0f}",
        ),
        "finder has {} % of the same": (f"{100 * kept['efficiency']:.1f}",),
    }  # fmt: skip
