"""Which particles the chain loses: behind dead modules, below 0.5 GeV, and electrons; writes
benchmarks/results/lost.json.

    python benchmarks/lost.py [--folder FOLDER] [--json] [PART ...]

Events that are not in the folder are simulated, each sample with a seed of its own that no training has.

``dead``: at pile-up 200 each module is dead with a probability of 2 or 5 %, by a seed of its own; its clusters are
taken away. Counted are particles that were findable before (docs/numbers.md), with clusters on four layers of the
whole detector, and those with a track of what is left. Fakes are of all tracks above 0.5 GeV. ``unknown``: nobody
knows of the dead modules; ``known``: the header does; ``found``: they are found in the same events. ``whole`` is
without dead modules, with both networks.

``soft``: the same definition of findable with another range of pT, for several ``cone.min_pt``.

``skips``: with the same dead modules, of which nobody knows, pairs of hits past any layer (``cone.skips``) with the
network that knows such edges. ``search``: processor time of the search for edges in one event, the least of several.

``electrons``, ``pions`` and ``protons``: of a gun, alone in the detector; efficiency, and the pulls of q/p of found
ones. Those of ``-own`` went through our own propagator, the others through Fatras.

``loopers``: the same collisions through our own propagator, where particles stop after half a turn, and where they
stop after two. A track is pure where one particle made more than half of its clusters; a pure track is a fake all the
same if it has less than half of the particle's.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
from lost_samples import SAMPLES, fitted_pt, reconstructed, sample

from seeding.hits import Hits
from smartpix.dead_modules import find_dead_modules, without_modules
from smartpix.geometry import Detector
from smartpix.io.events import iterate, open_events
from tracking.bench.conditions import DEAD_SEED, alive_modules
from tracking.chain import Chain
from tracking.finders.gnn.finder import GraphSearch
from tracking.fit.resolution import pull_width, residuals_and_pulls, resolution
from tracking.metrics import MAX_ETA, MIN_LAYERS, MIN_PT, event_truth
from tracking.options import RunOptions

RESULTS = Path(__file__).resolve().parent / "results" / "lost.json"
LEAST_PT = 0.5
"""GeV: fitted pT of tracks that count among the fakes beside dead modules."""
BINS = ((0.1, 0.2), (0.2, 0.3), (0.3, 0.5), (0.5, 0.9), (0.9, 2.0))
REGIONS = ((0.0, MAX_ETA), (MAX_ETA, 4.0))
SHARES = (0.02, 0.05, 0.1)
"""Of dead modules."""
REPEATS = 5


def dead_part(folder: Path) -> dict[str, Any]:
    """Particles behind dead modules."""
    path = sample("pu200-test", folder)
    detector = open_events(path).header.detector
    result: dict[str, Any] = {
        "sample": "pu200-test",
        "seed": SAMPLES["pu200-test"][2],
        "dead_seed": DEAD_SEED,
    }
    result["whole"] = {gnn: _behind(path, {"gnn": gnn}, detector, ()) for gnn in ("gnn", "gnn-holes")}
    for share in SHARES:
        dead = np.flatnonzero(~alive_modules(len(detector), share))
        counts = np.zeros(len(detector), dtype=np.int64)
        for _, batch in iterate(path, step=1):
            module = ak.to_numpy(without_modules(batch[0]["clusters"], dead)["module_index"])
            counts += np.bincount(module, minlength=len(detector))
        found = find_dead_modules(counts, detector, RunOptions().dead.chance)
        of_share = {
            "n_dead": len(dead), "n_found": len(found), "n_found_alive": len(set(found) - set(dead.tolist())),
            "unknown": _behind(path, {}, detector, dead),
            "known": _behind(path, {}, detector.with_dead(dead), dead),
        }  # fmt: skip
        if share == 0.02:
            of_share["found"] = _behind(path, {}, detector.with_dead(found), dead)
            of_share["known_with_gnn"] = _behind(
                path, {"cone": {"skips": False}}, detector.with_dead(dead), dead, "gnn"
            )
        result[f"{share:g}"] = of_share
    return result


def _behind(
    path: Path, options: dict[str, Any], detector: Detector, dead: Any, keep: str = ""
) -> dict[str, Any]:
    """Counts of one way to look at events with dead modules; ``keep``: a network that stays though modules are dead."""
    if keep:
        from tracking.finders.gnn import network

        kept, network.OVER_HOLES = network.OVER_HOLES, {}
        try:
            return _behind(path, options, detector, dead)
        finally:
            network.OVER_HOLES = kept
    before = found = findable = found_left = tracks = fakes = short = short_fakes = edges = 0
    for record, result, truth, score in reconstructed(path, options, detector, dead):
        clusters = record["clusters"]
        whole = event_truth(
            clusters, record["particles"], detector.layer_index[ak.to_numpy(clusters["module_index"])]
        )
        counted = fitted_pt(result) > LEAST_PT
        n_layers = np.array([len(np.unique(result.hits.layer[rows])) for rows in result.tracks.rows()])
        before += int(whole.findable.sum())
        found += int((whole.findable & score.found).sum())
        findable += int(truth.findable.sum())
        found_left += int((truth.findable & score.found).sum())
        tracks += int(counted.sum())
        fakes += int((counted & (score.particle < 0)).sum())
        short += int((counted & (n_layers < MIN_LAYERS)).sum())
        short_fakes += int((counted & (n_layers < MIN_LAYERS) & (score.particle < 0)).sum())
        edges += len(result.edges)
    return {
        "efficiency_of_before": found / before, "n_before": before, "efficiency": found_left / findable,
        "n_findable": findable, "fake_rate": fakes / tracks, "n_tracks": tracks, "n_short": short,
        "n_short_fakes": short_fakes, "n_edges": edges / SAMPLES["pu200-test"][1],
    }  # fmt: skip


def skips_part(folder: Path) -> dict[str, Any]:
    """Particles behind dead modules that nobody knows of, with pairs of hits past any layer."""
    path = sample("pu200-test", folder)
    detector = open_events(path).header.detector
    options = {"gnn": "gnn-holes", "cone": {"skips": True}}
    result: dict[str, Any] = {
        "sample": "pu200-test",
        "seed": SAMPLES["pu200-test"][2],
        "dead_seed": DEAD_SEED,
    }
    for share in (0.0, *SHARES):
        dead = np.flatnonzero(~alive_modules(len(detector), share))
        result[f"{share:g}"] = _behind(path, options, detector, dead)
    return result


def search_part(folder: Path) -> dict[str, Any]:
    """Milliseconds of processor time that the search for edges takes in an event, with and without that over dead
    modules, and past any layer.
    """
    path = sample("pu200-test", folder)
    header = open_events(path).header
    clusters = next(iterate(path, step=1))[1][0]["clusters"]
    result: dict[str, Any] = {"sample": "pu200-test", "seed": SAMPLES["pu200-test"][2], "repeats": REPEATS}
    for share in (0.0, *SHARES):
        dead = np.flatnonzero(~alive_modules(len(header.detector), share))
        chain = Chain.for_header(replace(header, detector=header.detector.with_dead(dead)), RunOptions())
        left = without_modules(clusters, dead)
        search = chain.finder.search
        skips = GraphSearch.for_detector(
            header.detector, header.field, replace(RunOptions(), cone=replace(RunOptions().cone, skips=True)),
            search.seed,
        )  # fmt: skip
        hits = chain.event(0, left).hits
        ways = {"over_dead": search, "without": replace(search, holes=None), "skips": skips}
        result[f"{share:g}"] = {
            name: {"ms": _least_ms(way, hits), "n_edges": len(way.edges(hits))} for name, way in ways.items()
        }
    return result


def _least_ms(search: GraphSearch, hits: Hits) -> float:
    times = []
    for _ in range(REPEATS):
        start = time.process_time()
        search.edges(hits)
        times.append(1e3 * (time.process_time() - start))
    return min(times)


def loopers_part(folder: Path) -> dict[str, Any]:
    """Particles by pT and pseudorapidity, where they stop after half a turn and where they come back."""
    result: dict[str, Any] = {"seed": SAMPLES["half-turn-test"][2], "min_layers": MIN_LAYERS}
    for name in ("half-turn-test", "two-turns-test"):
        path = sample(name, folder)
        detector = open_events(path).header.detector
        for min_pt in (RunOptions().cone.min_pt, 0.2):
            counts = {key: np.zeros(6, dtype=np.int64) for key in _cells()}
            for _, event, truth, score in reconstructed(path, {"cone": {"min_pt": min_pt}}, detector):
                seen = (truth.charge != 0) & (truth.n_layers >= MIN_LAYERS)
                pt, eta = fitted_pt(event), np.abs(np.arctanh(np.cos(event.helices.theta)))
                pure, fake = score.hit_fraction > 0.5, score.particle < 0
                for key, (low, high, first, last) in _cells().items():
                    here = (truth.pt > low) & (truth.pt <= high) & (np.abs(truth.eta) >= first)
                    chosen = seen & here & (np.abs(truth.eta) < last)
                    tracks = (pt > low) & (pt <= high) & (eta >= first) & (eta < last)
                    counts[key] += [
                        (chosen & score.found).sum(), chosen.sum(), (tracks & fake & pure).sum(),
                        (tracks & fake & ~pure).sum(), (tracks & score.duplicate).sum(), tracks.sum(),
                    ]  # fmt: skip
            result[f"{name.removesuffix('-test')}, min_pt={min_pt:g}"] = {
                key: {
                    "efficiency": a / b, "n_findable": int(b), "n_fakes_pure": int(c), "n_fakes_mixed": int(d),
                    "n_duplicates": int(e), "n_tracks": int(f),
                }
                for key, (a, b, c, d, e, f) in counts.items() if b
            }  # fmt: skip
    return result


def _cells() -> dict[str, tuple[float, float, float, float]]:
    """Ranges of pT and absolute pseudorapidity by name."""
    return {
        f"pt {low:g}-{high:g}, eta {first:g}-{last:g}": (low, high, first, last)
        for low, high in BINS
        for first, last in REGIONS
    }


def soft_part(folder: Path) -> dict[str, Any]:
    """Particles by pT, for several softest tracks of the cones."""
    path = sample("pu200-test", folder)
    detector = open_events(path).header.detector
    result: dict[str, Any] = {
        "sample": "pu200-test",
        "seed": SAMPLES["pu200-test"][2],
        "min_layers": MIN_LAYERS,
    }
    for min_pt in (RunOptions().cone.min_pt, 0.3, 0.2):
        counts: dict[str, list[int]] = {}
        n_edges, ms = 0, 0.0
        for _, event, truth, score in reconstructed(path, {"cone": {"min_pt": min_pt}}, detector):
            n_edges += len(event.edges)
            ms += sum(event.ms[stage] for stage in ("cone", "seed", "graph", "build"))
            seen = (truth.charge != 0) & (truth.n_layers >= MIN_LAYERS)
            pt, eta = fitted_pt(event), np.abs(np.arctanh(np.cos(event.helices.theta)))
            for low, high in BINS:
                for first, last in REGIONS:
                    inside = (truth.pt > low) & (truth.pt <= high) & (np.abs(truth.eta) < last)
                    chosen = seen & inside & (np.abs(truth.eta) >= first)
                    of_tracks = (pt > low) & (pt <= high) & (eta >= first) & (eta < last)
                    more = (
                        (chosen & score.found).sum(), chosen.sum(), (of_tracks & (score.particle < 0)).sum(),
                        of_tracks.sum(),
                    )  # fmt: skip
                    name = f"pt {low:g}-{high:g}, eta {first:g}-{last:g}"
                    counts[name] = [a + int(b) for a, b in zip(counts.get(name, [0] * 4), more, strict=True)]
        result[f"min_pt={min_pt:g}"] = {
            "n_edges": n_edges / SAMPLES["pu200-test"][1],
            **{
                name: {"efficiency": a / b, "n_findable": b, "fake_rate": c / max(d, 1), "n_tracks": d}
                for name, (a, b, c, d) in counts.items() if b
            },
        }  # fmt: skip
    return result


def gun_part(kind: str, folder: Path, variants: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Particles of a gun: efficiency, and their q/p."""
    name = f"{kind}-test"
    path = sample(name, folder)
    header = open_events(path).header
    generate, _, seed = SAMPLES[name]
    low, high = generate.gun_pt
    result: dict[str, Any] = {"sample": name, "seed": seed, "pt": [low, high], "min_layers": MIN_LAYERS}
    for variant, options in variants.items():
        n_found = n = fakes = tracks = 0
        pulls, relative = [], []
        for _, event, truth, score in reconstructed(path, options, header.detector):
            chosen = (
                (truth.charge != 0) & (truth.n_layers >= MIN_LAYERS) & (truth.pt > low) & (truth.pt <= high)
            )
            n, n_found = n + int(chosen.sum()), n_found + int((chosen & score.found).sum())
            fakes, tracks = fakes + int((score.particle < 0).sum()), tracks + len(event.tracks)
            good = np.flatnonzero((score.particle >= 0) & ~score.duplicate)
            residual, pull = residuals_and_pulls(
                event.helices, good, truth, score.particle[good], header.field
            )
            # Positive: too much momentum is taken away.
            sign = truth.charge[score.particle[good]]
            pulls.append(pull[:, 4] * sign)
            relative.append(residual[:, 4])
        pull, qop = np.concatenate(pulls), np.concatenate(relative)
        mean, width = pull_width(pull) or (None, None)
        result[variant] = {
            "efficiency": n_found / n, "n_findable": n, "fake_rate": fakes / tracks, "n_tracks": tracks,
            "qop_pull_mean": mean, "qop_pull_width": width, "qop_pull_median": float(np.median(pull)),
            "qop_relative_median": float(np.median(qop)), "qop_resolution": resolution(qop),
        }  # fmt: skip
    return result


LOSING = {"energy_loss": True}
RADIATING = {"build": {"radiated_pt": 0.1}}
SOFT = {"cone": {"min_pt": 0.2}}
GUNS: dict[str, dict[str, dict[str, Any]]] = {
    "electrons": {
        "default": {}, "radiated_pt": RADIATING, "min_pt=0.3, radiated_pt": {"cone": {"min_pt": 0.3}, **RADIATING},
        "particle=electron": {"fit": {"particle": "electron", **LOSING}, **RADIATING},
    },
    "pions": {"min_pt=0.2": SOFT, "energy_loss": {**SOFT, "fit": LOSING}},
    "electrons-own": {
        "default": {}, "radiated_pt": RADIATING,
        "particle=electron": {"fit": {"particle": "electron", **LOSING}, **RADIATING},
    },
    "pions-own": {"min_pt=0.2": SOFT, "energy_loss": {**SOFT, "fit": LOSING}},
    "protons-own": {
        "min_pt=0.2": SOFT, "energy_loss": {**SOFT, "fit": LOSING},
        "particle=proton": {**SOFT, "fit": {"particle": "proton", **LOSING}},
    },
}  # fmt: skip
"""Options by the name of a variant, of each sample of a gun."""
PARTS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "dead": dead_part,
    "skips": skips_part,
    "search": search_part,
    "soft": soft_part,
    "loopers": loopers_part,
    **{name: partial(gun_part, name, variants=variants) for name, variants in GUNS.items()},
}


def main() -> None:
    """Measure, keep and print."""
    parser = argparse.ArgumentParser(description="which particles the chain loses")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; default: all")
    parser.add_argument("--folder", type=Path, help="of the events; default: one for this run alone")
    parser.add_argument("--output", type=Path, default=RESULTS, metavar="F.json")
    parser.add_argument("--json", action="store_true", help="print exactly one JSON object on stdout")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"unknown parts {sorted(unknown)}; there are {list(PARTS)}")
    logging.getLogger("tracking").setLevel(logging.ERROR)
    kept = json.loads(options.output.read_text(encoding="utf-8")) if options.output.exists() else {}
    result = {
        **kept,
        "findable": {"min_layers": MIN_LAYERS, "min_pt": MIN_PT, "max_eta": MAX_ETA},
        "samples": {
            name: {"events": n, "seed": seed, "generate": asdict(generate)}
            for name, (generate, n, seed) in SAMPLES.items()
        },
    }
    with tempfile.TemporaryDirectory(prefix="lost-") as own:
        folder = options.folder or Path(own)
        for name in options.parts or PARTS:
            result[name] = PARTS[name](folder)
            print(f"{name}: {json.dumps(result[name])}", file=sys.stderr, flush=True)
            options.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if options.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
