"""The RAMP tracking challenge of 2017: its events, its score, its starting kit, and three finders of ours."""

from typing import TYPE_CHECKING

from smartpix.lazy import public_names

if TYPE_CHECKING:
    from tracking.finders.trkx.ramp.events import RampEvents, RampHits, make_ramp
    from tracking.finders.trkx.ramp.finders import ramp_finder
    from tracking.finders.trkx.ramp.options import (
        KalmanOptions,
        NearestOptions,
        RampOptions,
        TrainRampOptions,
    )
    from tracking.finders.trkx.ramp.score import RampFinder, clusters_of, event_scores, mean_score
    from tracking.finders.trkx.ramp.train import train_ramp

__all__ = [
    "KalmanOptions",
    "NearestOptions",
    "RampEvents",
    "RampFinder",
    "RampHits",
    "RampOptions",
    "TrainRampOptions",
    "clusters_of",
    "event_scores",
    "make_ramp",
    "mean_score",
    "ramp_finder",
    "train_ramp",
]

__getattr__ = public_names(
    __name__,
    events="RampEvents RampHits make_ramp",
    finders="ramp_finder",
    options="KalmanOptions NearestOptions RampOptions TrainRampOptions",
    score="RampFinder clusters_of event_scores mean_score",
    train="train_ramp",
)
