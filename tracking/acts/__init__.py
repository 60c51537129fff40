"""ACTS: our cones as its seeder, our estimates as its measurements, its chain as our reference."""

from typing import TYPE_CHECKING

from smartpix.lazy import public_names

if TYPE_CHECKING:
    from tracking.acts.clusters import cluster_hits
    from tracking.acts.event import (
        acts_detector,
        as_tracks,
        fitting_algorithm,
        measurement_sources,
        point_source,
        track_rows,
    )
    from tracking.acts.reference import ActsOptions, acts_fits, acts_tracks
    from tracking.acts.seeder import SeederOptions, cone_seeder, proto_tracks, seed_container, track_triplets

__all__ = [
    "ActsOptions",
    "SeederOptions",
    "acts_detector",
    "acts_fits",
    "acts_tracks",
    "as_tracks",
    "cluster_hits",
    "cone_seeder",
    "fitting_algorithm",
    "measurement_sources",
    "point_source",
    "proto_tracks",
    "seed_container",
    "track_rows",
    "track_triplets",
]

__getattr__ = public_names(
    __name__,
    clusters="cluster_hits",
    event="acts_detector as_tracks fitting_algorithm measurement_sources point_source track_rows",
    reference="ActsOptions acts_fits acts_tracks",
    seeder="SeederOptions cone_seeder proto_tracks seed_container track_triplets",
)
