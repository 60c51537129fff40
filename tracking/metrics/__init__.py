"""The one definition of every quality number: truth, edges, tracks, and histograms of them.

Definitions:
    made: a particle made a cluster if at least 10 % of the cluster's true charge is the particle's.
    accepted: a charged particle of pT > 0.9 GeV and |eta| < 2.5, wherever it was produced.
    findable: an accepted particle that made clusters on at least 4 distinct pixel layers. For detectors with
        fewer layers the number is an option.
    efficiency: the share of particles that have a matched track. The technical efficiency is that of findable
        particles, the physics efficiency that of accepted ones.
    true edge: an ordered pair of hits on two layers. The same particle made both, and crossed nothing in
        between. Of the hits of a split cluster each is of the particle that it fits best.
    matched track: more than half of the track's clusters are the particle's, and at least half of the
        particle's clusters are on the track (double majority).
    merged cluster: one that two or more particles made.
    fake: a track that matches no particle. duplicate: a further track of the same particle.
"""

from typing import TYPE_CHECKING

from smartpix.lazy import public_names

if TYPE_CHECKING:
    from tracking.metrics.counts import (
        BINS,
        TRACK_BINS,
        clopper_pearson,
        efficiency_counts,
        share_interval,
        track_counts,
    )
    from tracking.metrics.edges import (
        EdgeScore,
        Ends,
        edge_labels,
        edge_rows,
        score_edges,
        seed_efficiency,
        seed_labels,
    )
    from tracking.metrics.findable import MAX_ETA, MIN_LAYERS, MIN_PT, MIN_SHARE
    from tracking.metrics.merged import is_merged, merged_of_particles, merged_rates
    from tracking.metrics.tracks import TrackScore, match_tracks, score_tracks
    from tracking.metrics.truth import (
        EventTruth,
        Particles,
        event_truth,
        nearest_distance,
        particles_of,
        pileup_of,
        pseudorapidity,
        truth_of_hits,
    )

__all__ = [
    "BINS",
    "MAX_ETA",
    "MIN_LAYERS",
    "MIN_PT",
    "MIN_SHARE",
    "TRACK_BINS",
    "EdgeScore",
    "Ends",
    "EventTruth",
    "Particles",
    "TrackScore",
    "clopper_pearson",
    "edge_labels",
    "edge_rows",
    "efficiency_counts",
    "event_truth",
    "is_merged",
    "match_tracks",
    "merged_of_particles",
    "merged_rates",
    "nearest_distance",
    "particles_of",
    "pileup_of",
    "pseudorapidity",
    "score_edges",
    "score_tracks",
    "seed_efficiency",
    "seed_labels",
    "share_interval",
    "track_counts",
    "truth_of_hits",
]

__getattr__ = public_names(
    __name__,
    counts="BINS TRACK_BINS clopper_pearson efficiency_counts share_interval track_counts",
    findable="MAX_ETA MIN_LAYERS MIN_PT MIN_SHARE",
    edges="EdgeScore Ends edge_labels edge_rows score_edges seed_efficiency seed_labels",
    merged="is_merged merged_of_particles merged_rates",
    tracks="TrackScore match_tracks score_tracks",
    truth="EventTruth Particles event_truth nearest_distance particles_of pileup_of pseudorapidity truth_of_hits",
)
