"""ACTS's whole chain with seeds from cones, and with its own seeding beside it, on the same events.

    python examples/acts_chain.py --events 5 --pileup 200 --json

Simulation (Pythia 6, Fatras), digitisation (smart pixels), estimates; then, in ACTS's sequencer on one
thread, seeding, parameters from seeds, combinatorial Kalman filter and greedy ambiguity resolution. Times are
CPU times, so that other work on the machine does not count. Needs ``smartpix[acts]``.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from seeding.acts import algorithm_of, run_timed
from seeding.acts_reference import ALGORITHMS, seeder
from seeding.hits import Hits, make_hits
from smartpix.estimate.base import estimate
from smartpix.estimate.choose import choose_estimator
from smartpix.extras import import_acts
from smartpix.geometry import read_detector
from smartpix.io.events import Header
from smartpix.schema import check
from smartpix.shipped import data_path
from smartpix.simulate.events import SimulateOptions, header, simulate
from smartpix.simulate.options import GenerateOptions
from tracking.acts.event import fitted_tracks, fitting_algorithm, measurement_sources
from tracking.acts.reference import WORKING_POINTS, ActsOptions
from tracking.acts.seeder import ESTIMATES, SEEDER, SeederOptions, cone_seeder
from tracking.acts.setup import ActsSetup, acts_setup
from tracking.bench.events import Event, make_event
from tracking.bench.judgement import judge, rates
from tracking.finders.tracks import Tracks

WITH_CONES = ActsOptions(
    outlier_chi2=30.0, stay_on_seed=False, max_holes=1, shared_hits=2, max_d0=math.inf, sigma_position=0.1
)
"""Settings after our seeds. A track has one or two of them and not seven, so that each has to get over a
hole; pure as they are, tracks may share two hits. ACTS's own seeds pay for these settings with time and
fakes: ``acts_same_options``.
"""
STAGES = {
    "parameters": "TrackParamsEstimationAlgorithm", "ckf": "TrackFindingAlgorithm",
    "ambiguity": "GreedyAmbiguityResolutionAlgorithm",
}  # fmt: skip
FIT = "TrackFittingAlgorithm"
CLOCK = ("seeding_ms", "parameters_ms", "ckf_ms", "fit_ms")


@dataclass(frozen=True)
class Way:
    """One way to seed: what ``addSeeding`` is given, the names of its algorithms in the sequencer, settings
    of what follows.
    """

    custom_seeder: Callable[..., str]
    algorithms: tuple[str, ...]
    options: ActsOptions


@dataclass(frozen=True)
class Outcome:
    """Of all events: tracks, mean ms by stage, seeds."""

    found: list[Tracks]
    ms: dict[str, float]
    n_seeds: int


def simulate_events(n_events: int, pileup: int, seed: int) -> tuple[Header, list[Event], float]:
    """Events with estimates and truth, and the median ms of the estimates."""
    options = SimulateOptions(generate=GenerateOptions(pileup=pileup))
    head = header(read_detector(data_path("detector.csv")), options, n_events, seed)
    estimator = choose_estimator(head)
    records = simulate(head.detector, options, n_events, seed)
    events = [make_event(record[0], head, estimator) for record in records]
    spent = []
    # Once more for the clock: the first event has compiled what the estimates need.
    for event in events:
        begin = time.process_time()
        estimate(event.clusters, head, estimator)
        spent.append(1e3 * (time.process_time() - begin))
    return head, events, float(np.median(spent))


def own_seeding(acts: Any, field: float) -> Callable[..., str]:
    """ACTS's grid seeding as a ``customSeeder``, so that the rest is the same."""

    def add(s: Any, spacePoints: str, outputSeeds: str, **others: Any) -> str:  # noqa: N803 (ACTS calls them so)
        s.addAlgorithm(seeder(acts, field, "acts-grid", {}, spacePoints, outputSeeds))
        return outputSeeds

    return add


def reconstruct(acts: Any, head: Header, place: ActsSetup, events: Sequence[Event], way: Way) -> Outcome:
    """ACTS's chain from measurements to tracks."""
    from acts.examples import reconstruction as chain

    examples, options = acts.examples, way.options
    hits = [event.hits for event in events]
    found: list[Tracks] = []
    n_seeds: list[int] = []

    def no_truth(event: int) -> tuple[Any, ...]:
        # addSeeding and addCKFTracks match tracks to particles; here that is done by tracking.metrics, for
        # both alike.
        return (
            examples.SimParticleContainer(),
            examples.SimParticleContainer(),
            examples.MeasurementParticlesMap(),
        )

    def take(event: int, seeds: Any, tracks: Any) -> tuple[()]:
        n_seeds.append(len(seeds))
        found.append(fitted_tracks(acts, tracks, hits[event]))
        return ()

    def add(s: Any) -> None:
        position, angle = options.sigma_position, options.sigma_angle
        chain.addSeeding(
            s, place.geometry, place.field, geoSelectionConfigFile=selection,
            seedingAlgorithm=chain.SeedingAlgorithm.PythonCallable, customSeeder=way.custom_seeder,
            initialSigmas=[position, position, angle, angle, 0.0, acts.UnitConstants.ns],
            initialSigmaQoverPt=options.sigma_qopt, initialSigmaPtRel=options.sigma_pt,
        )  # fmt: skip
        chain.addCKFTracks(
            s, place.geometry, place.field,
            chain.TrackSelectorConfig(
                pt=(options.min_pt, None), nMeasurementsMin=options.min_hits, maxHoles=options.max_holes
            ),
            chain.CkfConfig(
                chi2CutOffMeasurement=options.chi2, chi2CutOffOutlier=options.outlier_chi2,
                numMeasurementsCutOff=options.branches, seedDeduplication=options.deduplicate,
                stayOnSeed=options.stay_on_seed,
                pixelVolumes=list(options.volumes), constrainToVolumes=list(options.volumes),
                maxPixelHoles=options.max_holes,
                recordMaterialStates=options.record_material,
            ),
            twoWay=options.two_way, logLevel=acts.logging.FATAL,
        )  # fmt: skip
        chain.addAmbiguityResolution(
            s,
            chain.AmbiguityResolutionConfig(
                maximumSharedHits=options.shared_hits, nMeasurementsMin=options.min_hits
            ),
        )
        reads = [("estimatedseeds", acts.SeedContainer), ("ambi_tracks", examples.ConstTrackContainer)]
        s.addAlgorithm(algorithm_of(acts, "Sink", take, reads=reads))

    truth = [
        ("particles", examples.SimParticleContainer), ("particles_selected", examples.SimParticleContainer),
        ("measurement_particles_map", examples.MeasurementParticlesMap),
    ]  # fmt: skip
    sources = [
        *measurement_sources(acts, hits, head.detector, place), algorithm_of(acts, "NoTruth", no_truth,
        writes=truth)
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        selection = Path(folder) / "space-points.json"
        selection.write_text(json.dumps([{"volume": volume} for volume in options.volumes]), encoding="utf-8")
        times = run_timed(acts, len(events), sources, add_more=add, clock=time.process_time)
    spent = {name: float(of_events.mean()) for name, of_events in times.items()}
    ms = {"seeding": sum(spent[name] for name in way.algorithms)} | {
        stage: spent[name] for stage, name in STAGES.items()
    }
    return Outcome(found, ms, sum(n_seeds) // len(n_seeds))


def fit(
    acts: Any, head: Header, place: ActsSetup, events: Sequence[Event], propose: Callable[..., str]
) -> Outcome:
    """The graph network's tracks, fitted by ACTS: seeds and proto tracks, parameters from the seeds, Kalman
    filter.
    """
    examples, level = acts.examples, acts.logging.FATAL
    hits = [event.hits for event in events]
    found: list[Tracks] = []
    n_seeds: list[int] = []

    def take(event: int, seeds: Any, tracks: Any) -> tuple[()]:
        n_seeds.append(len(seeds))
        found.append(fitted_tracks(acts, tracks, hits[event]))
        return ()

    def add(s: Any) -> None:
        s.addAlgorithm(
            examples.SpacePointMaker(
                level=level, inputMeasurements="measurement_subset", outputSpacePoints="points",
                trackingGeometry=place.geometry,
                geometrySelection=[acts.GeometryIdentifier(volume=volume) for volume in WITH_CONES.volumes],
            )
        )  # fmt: skip
        propose(s=s, spacePoints="points", outputSeeds="seeds")
        s.addAlgorithm(
            examples.TrackParamsEstimationAlgorithm(
                level=level, inputSeeds="seeds", outputSeeds="estimated", outputTrackParameters="parameters",
                inputProtoTracks="proposed", outputProtoTracks="kept", trackingGeometry=place.geometry,
                magneticField=place.field,
                initialSigmas=[1.0, 1.0, 0.1, 0.1, 0.0, acts.UnitConstants.ns], initialSigmaQoverPt=0.1,
                initialSigmaPtRel=0.1,
            )
        )  # fmt: skip
        s.addAlgorithm(fitting_algorithm(acts, place, "kept", "parameters"))
        reads = [("seeds", acts.SeedContainer), ("fitted", examples.ConstTrackContainer)]
        s.addAlgorithm(algorithm_of(acts, "Sink", take, reads=reads))

    times = run_timed(
        acts,
        len(events),
        measurement_sources(acts, hits, head.detector, place),
        add_more=add,
        clock=time.process_time,
    )
    spent = {name: float(of_events.mean()) for name, of_events in times.items()}
    ms = {
        "seeding": spent[ESTIMATES] + spent[SEEDER],
        "parameters": spent[STAGES["parameters"]],
        "fit": spent[FIT],
    }
    return Outcome(found, ms, sum(n_seeds) // len(n_seeds))


def compared(
    chains: Mapping[str, Callable[[Sequence[Event]], Outcome]], events: Sequence[Event], repeats: int,
    report: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:  # fmt: skip
    """By way the median ms of each stage, seeds an event and the rates: in turn, after one event of
    warm-up.
    """
    for chain in chains.values():
        chain(events[:1])
    outcomes: dict[str, list[Outcome]] = {name: [] for name in chains}
    for repeat in range(repeats):
        report(f"run {repeat + 1} of {repeats}")
        for name, chain in chains.items():
            outcomes[name].append(chain(events))
    result: dict[str, Any] = {}
    for name, of_way in outcomes.items():
        first = of_way[0]
        result[name] = {f"{stage}_ms": float(np.median([o.ms[stage] for o in of_way])) for stage in first.ms}
        result[name] |= {"n_seeds": first.n_seeds} | rates(judge(events, first.found))
    return result


def run(
    n_events: int, pileup: int, seed: int, repeats: int, report: Callable[[str], None] = print
) -> dict[str, Any]:
    """All ways on the same events, in turn.

    Returns:
        By way of seeding ``seeding_ms``, ``parameters_ms``, ``ckf_ms``, ``ambiguity_ms`` an event (CPU time,
        medians of the repeats; of ours from clusters with estimates to seeds), ``n_seeds`` an event, and of
        all tracks with at least four layers and pT > 0.5 GeV ``efficiency``, ``fake_rate``,
        ``duplicate_rate``, ``n_tracks``. The ways are ``ours`` (cones), ``ours_tracks`` (the graph network's
        tracks), ``acts`` (its own, tuned), ``acts_same_options`` (its own, then with the
        settings of ours) and ``ours_fitted``: the graph network's tracks in ACTS's Kalman fitter, with
            ``fit_ms`` in place of the
        search. ``ratio_time``: seeding, parameters and CKF of ``ours`` over ``acts``; ``ratio_time_tracks``
        and ``ratio_time_fitted`` of the other two; ``ratio_time_with_estimates`` of ``ours`` if the CPU makes
        the estimates, which takes ``estimates_ms``.
    """
    check("acts_chain", "events", n_events, n_events >= 1, "at least 1")
    check("acts_chain", "repeats", repeats, repeats >= 1, "at least 1")
    acts = import_acts()
    report(f"simulating {n_events} events of pile-up {pileup}")
    head, events, ms_estimates = simulate_events(n_events, pileup, seed)
    place = acts_setup(acts, head.detector, head.field)

    def hits(event: int) -> Hits:
        # Made again, so that what comes after the estimates is in the time.
        return make_hits(events[event].clusters, events[event].hits.estimate, head.detector)

    def cones(seeds: str, **more: Any) -> Callable[..., str]:
        return cone_seeder(hits, head.detector, head.field, SeederOptions(seeds=seeds), **more)

    acts_seeds = own_seeding(acts, head.field), (ALGORITHMS["acts-grid"],)
    ours = (ESTIMATES, SEEDER)
    ways = {
        "ours": Way(cones("cones"), ours, WITH_CONES), "ours_tracks": Way(cones("tracks"), ours, WITH_CONES),
        "acts": Way(*acts_seeds, WORKING_POINTS["balanced"].options), "acts_same_options": Way(*acts_seeds, WITH_CONES),
    }  # fmt: skip
    chains: dict[str, Callable[[Sequence[Event]], Outcome]] = {
        name: partial(reconstruct, acts, head, place, way=way) for name, way in ways.items()
    }
    chains["ours_fitted"] = partial(
        fit, acts, head, place, propose=cones("tracks", proto_track_key="proposed")
    )
    result: dict[str, Any] = {
        "n_events": n_events, "pileup": pileup, "seed": seed, "repeats": repeats,
        "n_hits": sum(len(e.hits) for e in events) // n_events, "estimates_ms": ms_estimates,
    }  # fmt: skip
    result |= compared(chains, events, repeats, report)
    clock = {name: sum(result[name].get(stage, 0.0) for stage in CLOCK) for name in chains}
    result["ratio_time"] = clock["ours"] / clock["acts"]
    result["ratio_time_tracks"] = clock["ours_tracks"] / clock["acts"]
    result["ratio_time_fitted"] = clock["ours_fitted"] / clock["acts"]
    result["ratio_time_with_estimates"] = (clock["ours"] + ms_estimates) / clock["acts"]
    return result


def table(result: dict[str, Any]) -> str:
    """As lines of text."""
    columns = (
        "seeding_ms",
        "parameters_ms",
        "ckf_ms",
        "ambiguity_ms",
        "fit_ms",
        "n_seeds",
        "efficiency",
        "fake_rate",
    )
    names = [name for name, value in result.items() if isinstance(value, dict)]
    lines = [" " * 20 + "".join(f"{column:>14s}" for column in columns)]
    for name in names:
        numbers = [
            format(result[name][column], ".4g") if column in result[name] else "" for column in columns
        ]
        lines.append(f"{name:20s}" + "".join(f"{number:>14s}" for number in numbers))
    lines.append(
        f"seeding, parameters and CKF with our seeds over those with ACTS's: {result['ratio_time']:.3f}"
    )
    with_estimates = f"{result['estimates_ms']:.0f} ms; with them {result['ratio_time_with_estimates']:.3f}"
    lines.append(f"estimates made on the CPU: {with_estimates}")
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=2, help="(default: %(default)s)")
    parser.add_argument("--pileup", type=int, default=20, help="(default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the simulation (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=3, help="of the timing (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    result = run(
        options.events,
        options.pileup,
        options.seed,
        options.repeats,
        lambda line: print(line, file=sys.stderr),
    )
    print(json.dumps(result) if options.json else table(result))


if __name__ == "__main__":
    main(sys.argv[1:])
