"""DeepCore as a finder: another finder's tracks, and in their jets those of DeepCore's seeds that are new."""

from __future__ import annotations

from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch

from seeding.hits import Hits
from seeding.options import ConeOptions
from smartpix.clusters import FlatClusters, flatten
from smartpix.geometry import Detector
from tracking.finders.clock import StageClock
from tracking.finders.deepcore.follow import follow_seeds
from tracking.finders.deepcore.jets import Jets, check_field, cone_jets
from tracking.finders.deepcore.network import DeepCoreNetwork, load_network, trained_with
from tracking.finders.deepcore.options import DeepCoreOptions, JetOptions, TargetOptions
from tracking.finders.deepcore.seeds import CoreSeeds, cleaned, make_seeds
from tracking.finders.deepcore.windows import MapLayers, Windows, jet_windows
from tracking.finders.finder import Finder, FinderInput, Fit, training_seeds
from tracking.finders.tracks import Tracks
from tracking.metrics.truth import pseudorapidity

__all__ = ["STAGE", "CoreTracks", "DeepCoreFinder", "new_tracks", "track_jets"]

Ints = npt.NDArray[np.int64]

STAGE = "deepcore"
"""The stage in which the time of all that follows the first pass is told."""


@dataclass(frozen=True)
class CoreTracks:
    """What DeepCore made of one event, step by step.

    Attributes:
        jets: of the first pass's tracks; windows: of these that cross the reference layer.
        seeds: cleaned; hits: (S, 4) rows of the event's hits that each picked on each barrel layer, -1: none.
    """

    jets: Jets
    windows: Windows
    seeds: CoreSeeds
    hits: Ints


@dataclass(frozen=True)
class DeepCoreFinder:
    """A finder: a first pass, and DeepCore in its jets.

    Attributes:
        first: the finder of the first pass; its tracks stay; fit: of these, where they have no parameters.
        network: with the maps that it reads; targets: what it learned.
        layers: of these maps; field: along z in T.
        slice: of the files, whose charge the maps have.
    """

    first: Finder
    fit: Fit
    network: DeepCoreNetwork
    targets: TargetOptions
    layers: MapLayers
    field: float
    slice: int
    options: DeepCoreOptions = dataclass_field(default_factory=DeepCoreOptions)

    @classmethod
    def for_detector(
        cls,
        detector: Detector,
        field: float,
        slice: int,
        first: Finder,
        fit: Fit,
        options: DeepCoreOptions | None = None,
    ) -> DeepCoreFinder:
        """The finder that options ask for.

        Raises:
            InputError: weights that cannot be used, or a detector with too few layers.
        """
        options = options or DeepCoreOptions()
        network = load_network(options.weights)
        targets, _ = trained_with(options.weights)
        layers = MapLayers.of(detector, network.options)
        return cls(first, fit, network, targets, layers, field, slice, options)

    def __post_init__(self) -> None:
        check_field("deepcore", self.field)

    @property
    def training_seeds(self) -> frozenset[int]:
        """Of the simulated events that the network and the first pass were trained on.

        Raises:
            InputError: the weights' files are missing or damaged.
        """
        return trained_with(self.options.weights)[1] | training_seeds(self.first)

    @cached_property
    def cone(self) -> ConeOptions:
        """Of the seeds: as wide as the luminous region of the detector's frame."""
        return ConeOptions().at_beam(self.layers.detector.frame)

    def __call__(self, event: FinderInput) -> Tracks:
        """Tracks of one event: those of the first pass, and the new ones of the seeds."""
        tracks = self.first(event)
        clock = StageClock()
        found = self.find(event, tracks)
        new = new_tracks(tracks, found, self.options)
        clock.lap(STAGE)
        rows = [*tracks.rows(), *(row for row, _ in new)]
        score = np.concatenate([tracks.score, np.array([s for _, s in new], dtype=np.float32)])
        both = Tracks.from_rows(rows, score)
        return replace(both, ms={**tracks.ms, **clock.ms}, graph=tracks.graph)

    def find(self, event: FinderInput, tracks: Tracks) -> CoreTracks:
        """Seeds in the jets of some tracks of an event, and their hits."""
        jets = track_jets(event.hits, tracks, self.layers.detector, self.field, self.fit, self.options.jets)
        # Without jets no pixel is looked at.
        of_none = flatten(event.clusters[:0], [self.slice])
        return self.find_in(jets, event.pixels([self.slice]) if len(jets) else of_none, event.hits)

    def find_in(self, jets: Jets, clusters: FlatClusters, hits: Hits) -> CoreTracks:
        """Seeds in given jets of an event, and their hits."""
        maps, options = self.network.options, self.options
        windows = jet_windows(clusters, jets, self.layers, maps)
        parameters, probability = (v.numpy() for v in self.network.answer(torch.from_numpy(windows.maps)))
        seeds = make_seeds(windows, parameters, probability, maps, self.targets, options.seeds)
        seeds = cleaned(seeds, options.seeds)
        rows = np.flatnonzero(np.isin(hits.module, windows.crossings.module))
        picked = follow_seeds(
            seeds, hits.take(rows), self.layers.barrel, self.layers.detector, self.field, options, self.cone
        )
        return CoreTracks(
            jets, windows, seeds, np.where(picked >= 0, rows[picked], -1) if len(rows) else picked
        )


def track_jets(
    hits: Hits, tracks: Tracks, detector: Detector, field: float, fit: Fit, options: JetOptions
) -> Jets:
    """Jets of the tracks of an event, which are fitted for it if nobody has."""
    helices = tracks.parameters or fit(hits, tracks, detector, field)
    with np.errstate(divide="ignore", invalid="ignore"):
        pt = np.sin(helices.theta) / np.abs(helices.qop)
    eta = pseudorapidity(np.sin(helices.theta), 0.0, np.cos(helices.theta))
    return cone_jets(eta, helices.phi, pt, helices.z0, options)


def new_tracks(tracks: Tracks, found: CoreTracks, options: DeepCoreOptions) -> list[tuple[Ints, float]]:
    """Hits, inner first, and scores of the seeds' tracks that are not there yet.

    The most probable seed comes first. A track is there if one of the others has more than ``max_shared`` of
    its hits.
    """
    # Of the tracks only hits that a seed picked matter.
    on_track = np.repeat(np.arange(len(tracks)), np.diff(tracks.start))
    common = np.flatnonzero(np.isin(tracks.hits, found.hits))
    owners: dict[int, set[int]] = {}
    for row, number in zip(tracks.hits[common].tolist(), on_track[common].tolist(), strict=True):
        owners.setdefault(row, set()).add(number)
    made: list[tuple[Ints, float]] = []
    for k in np.argsort(-found.seeds.probability, kind="stable"):
        rows = found.hits[k][found.hits[k] >= 0]
        if len(rows) < options.min_hits:
            continue
        shared: dict[int, int] = {}
        for row in rows:
            for number in owners.get(int(row), ()):
                shared[number] = shared.get(number, 0) + 1
        if max(shared.values(), default=0) > options.max_shared * len(rows):
            continue
        for row in rows:
            owners.setdefault(int(row), set()).add(len(tracks) + len(made))
        made.append((rows, float(found.seeds.probability[k])))
    return made
