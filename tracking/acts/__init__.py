"""ACTS: our cones as its seeder, our estimates as its measurements, its chain as our reference."""

from typing import TYPE_CHECKING

from smartpix.lazy import public_names

if TYPE_CHECKING:
    from tracking.acts.clusters import cluster_hits
    from tracking.acts.event import (
        fitted_tracks,
        fitting_algorithm,
        measurement_sources,
        point_source,
        proto_tracks,
        track_rows,
    )
    from tracking.acts.fits import acts_fits
    from tracking.acts.reference import ActsFinder, ActsOptions, acts_tracks
    from tracking.acts.seeder import SeederOptions, cone_seeder, seed_container, track_triplets
    from tracking.acts.setup import ActsSetup, acts_setup
    from tracking.acts.widths import TauTableOptions, export_tau_table, tau_table

__all__ = [
    "ActsFinder",
    "ActsOptions",
    "ActsSetup",
    "SeederOptions",
    "TauTableOptions",
    "acts_fits",
    "acts_setup",
    "acts_tracks",
    "cluster_hits",
    "cone_seeder",
    "export_tau_table",
    "fitted_tracks",
    "fitting_algorithm",
    "measurement_sources",
    "point_source",
    "proto_tracks",
    "seed_container",
    "tau_table",
    "track_rows",
    "track_triplets",
]

__getattr__ = public_names(
    __name__,
    clusters="cluster_hits",
    event="fitted_tracks fitting_algorithm measurement_sources point_source proto_tracks track_rows",
    fits="acts_fits",
    reference="ActsFinder ActsOptions acts_tracks",
    seeder="SeederOptions cone_seeder seed_container track_triplets",
    setup="ActsSetup acts_setup",
    widths="TauTableOptions export_tau_table tau_table",
)
