"""What the chain loses where the world is not what it takes it to be, and what calibration from tracks
regains.

Each effect is judged ``before`` and ``after``: some events are calibrated on, without their truth, and others
    are
judged with it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from smartpix.calibration import Calibration
from smartpix.cluster_records import one_event
from smartpix.estimate.base import truth_targets
from smartpix.estimate.quality import pull_width
from smartpix.geometry import Detector
from smartpix.io.events import Header, open_events
from smartpix.schema import MIN_SHARE, InputError
from smartpix.simulate.options import GenerateOptions, SimulateOptions
from tracking.bench.conditions import alive_modules, believed_header, targets_in
from tracking.bench.events import Event, records_with_truth, simulated_with
from tracking.bench.judgement import judge, rates, resolutions
from tracking.bench.systematics_acts import acts_judged
from tracking.bench.systematics_effects import EFFECTS, NOMINAL, simulation_of
from tracking.bench.systematics_lost import of_what_is_lost, regained
from tracking.bench.systematics_options import SystematicsOptions
from tracking.calibration.find import find_calibration, reference_offsets
from tracking.calibration.offsets import Offsets
from tracking.calibration.options import CalibrateOptions
from tracking.chain import Chain, EventResult
from tracking.fit.resolution import RESOLUTIONS
from tracking.metrics import score_edges, truth_of_hits
from tracking.options import RunOptions

__all__ = ["JUDGED", "judged", "systematics_study"]

Floats = npt.NDArray[np.float64]

JUDGED = ("edge_efficiency", "reduction", "track_efficiency", "fake_rate")
"""What is judged before and after."""


def systematics_study(
    effects: Mapping[str, Sequence[float]],
    options: SystematicsOptions,
    folder: Path,
    files: Sequence[str | Path] = (),
    calibrate: CalibrateOptions | None = None,
    report: Callable[[str], object] = lambda line: None,
    keep: Callable[[Mapping[str, Any]], object] = lambda result: None,
    acts: bool = False,
) -> dict[str, Any]:
    """Judge the chain in each effect, before and after a calibration from tracks.

    Args:
        effects: sizes by effect, see :mod:`tracking.bench.systematics_effects`.
        folder: simulated events are kept there, and taken from there where they are what is asked for.
        files: simulated event files in place of the nominal ones; effects that need a simulation of their own
            are then refused.
        report: called with a line for each size; keep: called with the result so far.
        acts: also judge ACTS, as it is. Needs ``smartpix[acts]``.

    Raises:
        InputError: too few events, no truth, or an effect that the files cannot show.
    """
    base = SimulateOptions(generate=GenerateOptions(pileup=options.pileup))
    calibrate = calibrate or CalibrateOptions()
    run = RunOptions(conditions="ignore")
    wanted = options.calibrate_events + options.events
    if files and (need := [name for name in effects if EFFECTS[name].simulation is not None]):
        raise InputError(f"study systematics: {need[0]} needs events of its own; leave the files out")

    def sample(name: str, size: float) -> tuple[Header, list[ak.Record]]:
        changed = simulation_of(name, size, base)
        paths = files or [
            simulated_with(changed or base, folder / f"{name if changed else NOMINAL}_{size if changed else 0:g}.root",
                           wanted, options.seed)
        ]  # fmt: skip
        records = list(records_with_truth(paths, wanted))
        if len(records) < wanted:
            raise InputError(
                f"{paths[0]}: there are {len(records)} events and {wanted} are needed; give more"
            )
        return open_events(paths[0]).header, records

    header, records = sample(NOMINAL, 0)
    reference = reference_offsets(header, run, calibrate)
    result: dict[str, Any] = {
        "sample": {"files": [Path(f).name for f in files], "pileup": None if files else options.pileup,
                   "seed": None if files else options.seed, "calibrate_events": options.calibrate_events,
                   "events": options.events},
        "units": {name: EFFECTS[name].unit for name in effects}, "effects": {},
    }  # fmt: skip
    nominal = _both(header, header, records, options, calibrate, reference, run, acts)
    result[NOMINAL] = nominal
    report(_line(NOMINAL, nominal))
    for name, sizes in effects.items():
        for size in sizes:
            own, of_effect = sample(name, size)
            if name == "dead":
                alive = alive_modules(len(own.detector), size / 100)
                of_effect = [_thinned(record, alive) for record in of_effect]
            found = _both(
                own, believed_header(own, name, size), of_effect, options, calibrate, reference, run, acts
            )
            for key in JUDGED:
                found[key]["regained"] = regained(key, nominal, found)
            found["lost"] = of_what_is_lost(nominal, found)
            result["effects"].setdefault(name, {})[f"{size:g}"] = {
                k: v for k, v in found.items() if k != "counts"
            }
            report(_line(f"{name} {size:g}", found))
            keep(result)
    return json.loads(json.dumps(result))  # type: ignore[no-any-return]


def _thinned(record: ak.Record, alive: npt.NDArray[np.bool_]) -> ak.Record:
    """An event without the clusters of dead modules."""
    clusters = record["clusters"]
    kept = clusters[alive[ak.to_numpy(clusters["module_index"])]]
    # A record that gets another field is repeated for each of its values; an array of one event is not.
    return one_event(int(record["event"]), kept, record["particles"])[0]


def _both(
    true: Header, believed: Header, records: Sequence[ak.Record], options: SystematicsOptions,
    calibrate: CalibrateOptions, reference: Offsets | None, run: RunOptions, acts: bool,
) -> dict[str, Any]:  # fmt: skip
    """What is judged, each with ``before`` and ``after``."""
    chain = Chain.for_header(believed, run, report=lambda line: None)
    first, rest = records[: options.calibrate_events], records[options.calibrate_events :]
    found = find_calibration(chain, first, calibrate, reference)
    detector = true.detector.at_beam(chain.header.detector.frame)
    before, after = judged(chain, detector, rest), judged(chain, detector, rest, found.calibration)
    summary = found.summary(believed.detector)
    beside = {"acts": acts_judged(true, believed, chain.estimator, rest)} if acts else {}
    return {
        **{key: {"before": before[key], "after": after[key]} for key in before},
        **beside,
        "found": {k: summary[k] for k in ("n_tracks", "n_hits", "charge_scale", "lorentz_shift_of_tangent")},
    }  # fmt: skip


def judged(
    chain: Chain, true: Detector, records: Sequence[ak.Record], calibration: Calibration | None = None
) -> dict[str, Any]:
    """Edges, tracks and pulls of some events, judged with their truth.

    Args:
        chain: without a calibration; true: the modules where they truly are, in the chain's frame.
    """
    if calibration is not None:
        chain = replace(chain, header=chain.header.calibrated(calibration))
    events, tracks, pulls, barrel = [], [], [], []
    n_edges = n_window = n_wanted = n_found = 0
    for record in records:
        clusters = record["clusters"]
        result = chain.event(int(record["event"]), clusters)
        hits = result.hits
        truth = truth_of_hits(record, hits, chain.header.detector.frame)
        events.append(Event(clusters, hits, truth))
        tracks.append(replace(result.tracks, parameters=result.helices))
        score = score_edges(truth, result.edges)
        n_edges, n_window = n_edges + score.n_edges, n_window + len(chain.reference_edges(result))
        n_wanted, n_found = n_wanted + score.n_wanted, n_found + score.n_found
        of_event, rows = _pulls(chain, true, clusters, result)
        pulls.append(of_event)
        barrel.append(chain.header.detector.barrel[hits.module[rows]])
    judgements = judge(events, tracks)
    of_tracks = rates(judgements)
    fits = resolutions(judgements, [j.matched() for j in judgements], chain.header.field)
    pull, in_barrel = np.concatenate(pulls), np.concatenate(barrel)
    regions = (("barrel", in_barrel), ("endcap", ~in_barrel))
    return {
        "edge_efficiency": n_found / max(n_wanted, 1),
        "reduction": n_window / max(n_edges, 1),
        "track_efficiency": of_tracks["efficiency"],
        "fake_rate": of_tracks["fake_rate_central"],
        "pulls": {
            name: {t: pull_width(pull[c, k]) for k, t in enumerate(("x", "y", "cot_alpha", "cot_beta"))}
            for name, c in regions if np.sum(c) > 1
        },
        "bias_in_sigma": {
            name: {t: float(np.median(pull[c, k])) for k, t in enumerate(("x", "y", "cot_alpha", "cot_beta"))}
            for name, c in regions if np.sum(c) > 1
        },
        "pulls_of_tracks": {k: fits[f"pull_half_width_{k}"] for k in ("d0", "z0", "phi", "theta", "qop")},
        "resolution_of_tracks": {key: fits[f"resolution_{key}"] for key, _ in RESOLUTIONS.values()},
        "counts": {"edges": n_wanted, "tracks": of_tracks["n_findable"]},
    }  # fmt: skip


def _pulls(
    chain: Chain, true: Detector, clusters: ak.Array, result: EventResult
) -> tuple[Floats, npt.NDArray[np.int64]]:
    """(N, 4) pulls of the estimates of whole clusters that one particle made, and their rows among the
    hits.
    """
    targets, shows = truth_targets(clusters, MIN_SHARE)
    hits = result.hits
    rows = np.flatnonzero(shows[hits.cluster] & (hits.n_parts == 1) & ~hits.estimate.flagged)
    there = targets_in(targets[hits.cluster[rows]], hits.module[rows], true, chain.header.detector)
    return (hits.estimate.mean[rows] - there) / hits.estimate.sigma()[rows], rows


def _line(name: str, found: Mapping[str, Any]) -> str:
    values = [f"{key} {found[key]['before']:.4f} -> {found[key]['after']:.4f}" for key in JUDGED]
    return f"{name}: {', '.join(values)}"
