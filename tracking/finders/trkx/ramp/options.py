"""Options of the RAMP tracking challenge: its toy detector, the finders, and their training. Without
torch.
"""

from __future__ import annotations

from dataclasses import dataclass

from smartpix.networks.options import LARGEST_SEED, MOST_EPOCHS
from smartpix.schema import InputError, check, check_ranges, check_types, one_of, ranged

__all__ = [
    "FINDERS",
    "HELD_OUT_SEED",
    "LEARNED",
    "MOST_PASSES",
    "KalmanOptions",
    "NearestOptions",
    "RampOptions",
    "TrainRampOptions",
]

HELD_OUT_SEED = 620_000
"""Of the events of a training's report, which no training sees; the next ones where it has several numbers of
tracks.
"""
MOST_PASSES = 20
"""Of messages, in the graph network."""
FINDERS = ("nearest", "kalman", "phi-lstm", "graph")
"""Finders of the challenge by name."""
LEARNED = ("phi-lstm", "graph")
"""Those that are trained."""


@dataclass(frozen=True)
class RampOptions:
    """Events of the challenge (ramp-kits/HEP_tracking, ``simulation/``).

    Attributes:
        tracks: mean number of tracks of an event.
        poisson: whether the number follows Poisson's law, an event without tracks being made again; else
            every event has ``tracks``, rounded.
        min_pt: least pT of a track in GeV; it is uniform.
        max_pt: largest pT of a track in GeV.
        sigma_vertex: standard deviation of a track's origin in mm, in x and in y.
        radiation: thickness of a layer in radiation lengths; 0 switches scattering off.
        inefficiency: probability that a crossing leaves no hit.
        stop: probability that a track ends at a layer, after its hit there.
        inner_pitch: size of a pixel along the first five circles in mm.
        outer_pitch: size of a pixel along the other four in mm.
    """

    tracks: float = ranged(10.0, 0.1, 1000.0)
    poisson: bool = True
    min_pt: float = ranged(0.3, 0.05, 1000.0, "GeV")
    max_pt: float = ranged(10.0, 0.05, 1000.0, "GeV")
    sigma_vertex: float = ranged(2 / 3, 0.0, 10.0, "mm")
    radiation: float = ranged(0.02, 0.0, 1.0)
    inefficiency: float = ranged(0.03, 0.0, 0.9)
    stop: float = ranged(0.01, 0.0, 0.9)
    inner_pitch: float = ranged(0.025, 0.001, 10.0, "mm")
    outer_pitch: float = ranged(0.05, 0.001, 10.0, "mm")

    def __post_init__(self) -> None:
        check_types("ramp", self)
        check_ranges("ramp", self)
        check("ramp", "max_pt", self.max_pt, self.max_pt > self.min_pt, f"above min_pt, {self.min_pt:g} GeV")


@dataclass(frozen=True)
class NearestOptions:
    """The starting kit: from a hit of the first circle to the nearest free hit of the next, and so on.

    Attributes:
        min_cosine: least cosine of the angle between two segments of a track.
    """

    min_cosine: float = ranged(0.8, -1.0, 1.0)

    def __post_init__(self) -> None:
        check_types("nearest", self)
        check_ranges("nearest", self)


@dataclass(frozen=True)
class KalmanOptions:
    """The Kalman filter with several hypotheses of momentum, and the assignment of hits.

    Attributes:
        events: law of the events, whose momenta, vertices, scattering and losses the filter knows; the number
            of tracks is taken from the hits.
        bins: momenta of the hypotheses for each charge, even in the logarithm of pT.
        branches: candidates that are followed at once from one hit.
        max_chi2: largest chi2 of a hit that a candidate takes.
    """

    events: RampOptions = RampOptions()
    bins: int = ranged(7, 1, 30)
    branches: int = ranged(12, 1, 200)
    max_chi2: float = ranged(30.0, 1.0, 1000.0)

    def __post_init__(self) -> None:
        check_types("kalman", self)
        check_ranges("kalman", self)


@dataclass(frozen=True)
class TrainRampOptions:
    """Training of a finder of the challenge, on events that are made anew for each epoch.

    Attributes:
        finder: name of the finder that is trained, ``graph`` or ``phi-lstm``.
        epochs: epochs of the training, each on events of its own.
        events: number of events of an epoch, rounded down to whole steps.
        batch_size: number of events of a step.
        learning_rate: largest learning rate of Adam. It falls to 1 % along a cosine.
        hidden: number of units of each layer.
        passes: how often the graph network exchanges messages; the LSTM has none.
        seed: seed of the initial weights and of the events.
        tracks: mean numbers of tracks of an event; the events of a batch take turns.
    """

    finder: str = one_of("graph", LEARNED)
    epochs: int = ranged(20, 1, MOST_EPOCHS)
    events: int = ranged(2000, 1, 1_000_000)
    batch_size: int = ranged(20, 1, 100_000)
    learning_rate: float = ranged(3e-3, 1e-8, 1.0)
    hidden: int = ranged(32, 1, 1000)
    passes: int = ranged(3, 1, MOST_PASSES)
    seed: int = ranged(610_000, 0, LARGEST_SEED)
    tracks: tuple[float, ...] = (10.0, 20.0)

    def __post_init__(self) -> None:
        check_types("train ramp", self)
        check_ranges("train ramp", self)
        good = bool(self.tracks) and all(0.1 <= n <= 1000 for n in self.tracks)
        check("train ramp", "tracks", self.tracks, good, "one or more numbers from 0.1 to 1000")
        if self.batch_size > self.events:
            raise InputError(
                f"train ramp: batch_size must be at most the {self.events} events of an epoch and is "
                f"{self.batch_size}; lower --batch-size, or give more --events"
            )
