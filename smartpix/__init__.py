"""Pixel clusters in, tracks out: what most studies need, and the rooms where the rest is.

Start at :func:`smartpix.run` (files to tracks), or at :func:`smartpix.open_events` and
:class:`smartpix.Chain` (one event after another). ``dir(smartpix)`` lists all public names; they are imported
at first use.
"""

from typing import TYPE_CHECKING

from smartpix.lazy import public_names
from smartpix.siblings import import_siblings

if TYPE_CHECKING:
    from seeding.cones import make_cones
    from seeding.edges import Edges, find_edges
    from seeding.hits import Hits, estimated_hits, make_hits
    from seeding.options import ConeOptions, SeedOptions, WindowOptions
    from seeding.references import window
    from seeding.seeds import Seeds, find_seeds
    from smartpix import (
        chip,
        convert,
        estimate,
        export,
        io,
        layouts,
        link,
        merged,
        networks,
        simulate,
        train,
    )
    from smartpix.beam import BeamSpot
    from smartpix.estimate.base import Estimate
    from smartpix.estimate.choose import choose_estimator
    from smartpix.geometry import Detector, read_detector, write_detector
    from smartpix.io.event_header import EventFile, Header
    from smartpix.io.events import iterate, open_events, read_events
    from smartpix.io.parquet import read_clusters, write_clusters
    from smartpix.io.write import write_events
    from smartpix.layers import layer_pairs
    from smartpix.samples import load_samples
    from smartpix.schema import InputError
    from smartpix.shipped import data_path
    from smartpix.shots import Shot, shoot
    from smartpix.version import __version__
    from tracking import metrics
    from tracking.chain import Chain, EventResult
    from tracking.finder_table import finder_names, make_finder
    from tracking.finders.tracks import Tracks
    from tracking.fit.options import FitOptions
    from tracking.fit.tracks import Helices, fit_tracks
    from tracking.fit.vertices import Vertices, find_vertices
    from tracking.metrics.edges import score_edges
    from tracking.metrics.tracks import TrackScore, score_tracks
    from tracking.metrics.truth import EventTruth, truth_of_hits
    from tracking.options import RunOptions
    from tracking.runs.driver import run
    from tracking.show.display import display_event

__all__ = [
    "BeamSpot",
    "Chain",
    "ConeOptions",
    "Detector",
    "Edges",
    "Estimate",
    "EventFile",
    "EventResult",
    "EventTruth",
    "FitOptions",
    "Header",
    "Helices",
    "Hits",
    "InputError",
    "RunOptions",
    "SeedOptions",
    "Seeds",
    "Shot",
    "TrackScore",
    "Tracks",
    "Vertices",
    "WindowOptions",
    "__version__",
    "chip",
    "choose_estimator",
    "convert",
    "data_path",
    "display_event",
    "estimate",
    "estimated_hits",
    "export",
    "find_edges",
    "find_seeds",
    "find_vertices",
    "finder_names",
    "fit_tracks",
    "io",
    "iterate",
    "layer_pairs",
    "layouts",
    "link",
    "load_samples",
    "make_cones",
    "make_finder",
    "make_hits",
    "merged",
    "metrics",
    "networks",
    "open_events",
    "read_clusters",
    "read_detector",
    "read_events",
    "run",
    "score_edges",
    "score_tracks",
    "shoot",
    "simulate",
    "train",
    "truth_of_hits",
    "window",
    "write_clusters",
    "write_detector",
    "write_events",
]

# Else type checkers would take every name for one of ours.
if not TYPE_CHECKING:
    __getattr__ = public_names(
        __name__,
        beam="BeamSpot",
        geometry="Detector read_detector write_detector",
        layers="layer_pairs",
        samples="load_samples",
        schema="InputError",
        shipped="data_path",
        shots="Shot shoot",
        version="__version__",
        rooms=(
            "smartpix.chip",
            "smartpix.convert",
            "smartpix.estimate",
            "smartpix.export",
            "smartpix.io",
            "smartpix.layouts",
            "smartpix.link",
            "smartpix.merged",
            "smartpix.networks",
            "smartpix.simulate",
            "smartpix.train",
            "tracking.metrics",
        ),
        elsewhere={
            "seeding.cones": "make_cones",
            "seeding.edges": "Edges find_edges",
            "seeding.hits": "Hits estimated_hits make_hits",
            "seeding.options": "ConeOptions SeedOptions WindowOptions",
            "seeding.references": "window",
            "seeding.seeds": "Seeds find_seeds",
            "smartpix.estimate.base": "Estimate",
            "smartpix.estimate.choose": "choose_estimator",
            "smartpix.io.event_header": "EventFile Header",
            "smartpix.io.events": "iterate open_events read_events",
            "smartpix.io.parquet": "read_clusters write_clusters",
            "smartpix.io.write": "write_events",
            "tracking.chain": "Chain EventResult",
            "tracking.finder_table": "finder_names make_finder",
            "tracking.finders.tracks": "Tracks",
            "tracking.fit.options": "FitOptions",
            "tracking.fit.tracks": "Helices fit_tracks",
            "tracking.fit.vertices": "Vertices find_vertices",
            "tracking.metrics.edges": "score_edges",
            "tracking.metrics.tracks": "TrackScore score_tracks",
            "tracking.metrics.truth": "EventTruth truth_of_hits",
            "tracking.options": "RunOptions",
            "tracking.runs.driver": "run",
            "tracking.show.display": "display_event",
        },
    )


def __dir__() -> list[str]:
    return sorted(__all__)


import_siblings()
