"""Settings of ACTS's chain, measured on events: several of them in one sequencer, in processor time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from acts_settings import Setting, algorithm_of_cuts, seeding_cuts

from seeding.acts import algorithm_of, run_timed, space_points
from seeding.acts_gbts import gbts_seeding
from seeding.acts_reference import ALGORITHMS, seed_rows, seeder
from smartpix.beam import CENTRED
from smartpix.extras import import_acts
from tracking.acts.event import fitted_tracks, measurement_sources, point_source
from tracking.acts.reference import FOLLOWERS, ActsOptions, followers
from tracking.acts.seeds import seeding_algorithms
from tracking.acts.setup import acts_setup
from tracking.bench.events import Sample
from tracking.bench.judgement import judge, rates
from tracking.metrics import seed_efficiency

__all__ = ["Bench", "Measured"]

MS_PER_SEED = 0.02
"""What a seed costs afterwards, in parameters and filter: the seeding's share in the time of the chain."""
SOFT = (0.5, 0.9)
"""Range of pT in GeV of the particles that tell how far down a setting reaches."""


@dataclass(frozen=True)
class Measured:
    """A setting and what it does to an event, on the mean.

    Attributes:
        ms: CPU time of ACTS's algorithms; of the seeding alone it holds :data:`MS_PER_SEED` for each seed.
        ms_seeding: CPU time of the seeding.
        efficiency: of findable particles (of seeds, where the seeding is measured alone);
            efficiency_soft: the same of 0.5 < pT < 0.9 GeV.
        fakes: share of central tracks that are nobody's; duplicates: of all tracks.
        fakes_of_all: share of all tracks that are nobody's.
    """

    setting: Setting
    ms: float
    ms_seeding: float
    seeds: float
    efficiency: float
    efficiency_soft: float
    fakes: float = 0.0
    duplicates: float = 0.0
    fakes_of_all: float = 0.0

    def costs(self) -> tuple[float, float, float]:
        """What is to be small. A duplicate is no better than a fake: neither is a particle of its own."""
        return self.ms, 1 - self.efficiency, self.fakes + self.duplicates


class Bench:
    """Measures settings on the events of a sample, several in one sequencer."""

    def __init__(self, sample: Sample) -> None:
        self.acts = import_acts()
        self.sample, self.field = sample, sample.header.field
        self.hits = [event.hits for event in sample.events]
        # The search needs many settings more than it needs many events: it is made up for at its end.
        self.few = min(2, len(sample.events))
        self.setup = acts_setup(self.acts, sample.header.detector, self.field, pixels_alone=True)
        truths = [event.truth for event in sample.events]
        self.soft = [
            (t.pt > SOFT[0])
            & (t.pt < SOFT[1])
            & (np.abs(t.eta) < 2.5)
            & (t.n_layers >= t.min_layers)
            & (t.charge != 0)
            for t in truths
        ]

    def seedings(self, settings: Sequence[Setting], n_events: int) -> list[Measured]:
        """The seeding alone, on the first events."""
        acts, made = self.acts, {}
        elements: list[Any] = [
            algorithm_of(
                acts,
                "Source",
                lambda event: (space_points(acts, self.hits[event]),),
                writes=[("points", acts.SpacePointContainer)],
            )
        ]
        for k, setting in enumerate(settings):
            algorithm, cuts = algorithm_of_cuts(setting["seeding"]), seeding_cuts(setting["seeding"])
            rows_of, key = seed_rows, f"{k}-seeds"
            if algorithm == "acts-gbts":
                gbts = gbts_seeding(acts, self.hits, self.field, cuts, key)
                rows_of = gbts.rows
                elements += gbts.algorithms
            else:
                elements.append(seeder(acts, self.field, algorithm, cuts, seeds=key))

            def take(event: int, seeds: Any, k: int = k, rows_of: Any = rows_of) -> tuple[()]:
                made[k, event] = rows_of(event, seeds)[0].astype(np.int32)
                return ()

            elements.append(algorithm_of(acts, f"Sink {k}", take, reads=[(key, acts.SeedContainer)]))
        spent = run_timed(acts, n_events, elements, clock=time.process_time)
        ms = self._seeding_ms(spent, settings, n_events)
        results = []
        for k, setting in enumerate(settings):
            found, wanted = np.zeros(2), np.zeros(2)
            for e in range(n_events):
                truth = self.sample.events[e].truth
                seeded = seed_efficiency(truth, made[k, e])
                for row, chosen in enumerate((truth.findable, self.soft[e])):
                    found[row] += np.sum(seeded & chosen)
                    wanted[row] += np.sum(chosen)
            n_seeds = float(np.mean([len(made[k, e]) for e in range(n_events)]))
            efficiency = found / np.maximum(wanted, 1)
            results.append(
                Measured(
                    setting, float(ms[k]) + MS_PER_SEED * n_seeds, float(ms[k]), n_seeds, *efficiency.tolist()
                )
            )
        return results

    def chains(self, settings: Sequence[Setting], n_events: int) -> list[Measured]:
        """The whole chain, on the first events."""
        acts, tracks, n_seeds = self.acts, {}, {}

        def sink(k: int) -> Any:
            def take(event: int, seeds: Any, found: Any) -> tuple[()]:
                n_seeds[k, event] = len(seeds)
                tracks[k, event] = fitted_tracks(acts, found, self.hits[event])
                return ()

            reads = [(f"{k}-seeds", acts.SeedContainer), (f"{k}-resolved", acts.examples.ConstTrackContainer)]
            return algorithm_of(acts, f"Sink {k}", take, reads=reads)

        elements = [
            *measurement_sources(acts, self.hits, self.sample.header.detector, self.setup),
            point_source(acts, self.hits, self.setup),
        ]
        for k, setting in enumerate(settings):
            options = ActsOptions(**setting["chain"])
            algorithm, cuts = algorithm_of_cuts(setting["seeding"]), seeding_cuts(setting["seeding"])
            elements += [
                *seeding_algorithms(acts, self.hits, CENTRED, self.field, algorithm, cuts, f"{k}-"),
                *followers(acts, self.setup, options, f"{k}-"),
                sink(k),
            ]
        spent = run_timed(acts, n_events, elements, clock=time.process_time)
        by_stage = np.stack(
            [
                self._seeding_ms(spent, settings, n_events),
                *(spent[of].reshape(n_events, len(settings)).mean(axis=0) for of in FOLLOWERS.values()),
            ]
        )
        results = []
        for k, setting in enumerate(settings):
            events = self.sample.events[:n_events]
            judged = judge(events, [tracks[k, e] for e in range(n_events)])
            quality = rates(judged)
            n_soft = sum(int(np.sum(self.soft[e])) for e in range(n_events))
            soft = sum(int(np.sum(j.score.found & self.soft[e])) for e, j in enumerate(judged))
            results.append(
                Measured(
                    setting, float(by_stage[:, k].sum()), float(by_stage[0, k]),
                    float(np.mean([n_seeds[k, e] for e in range(n_events)])), quality["efficiency"],
                    soft / max(n_soft, 1), quality["fake_rate_central"], quality["duplicate_rate"],
                    quality["fake_rate"],
                )
            )  # fmt: skip
        return results

    def _seeding_ms(
        self, spent: dict[str, npt.NDArray[np.float64]], settings: Sequence[Setting], n_events: int
    ) -> npt.NDArray[np.float64]:
        """Mean time of each setting's seeding. Those of one algorithm share a name in the sequencer."""
        ms = np.zeros(len(settings))
        kinds = np.array([ALGORITHMS[algorithm_of_cuts(s["seeding"])] for s in settings])
        for name in set(kinds.tolist()):
            ms[kinds == name] = spent[name].reshape(n_events, -1).mean(axis=0)
        return ms
