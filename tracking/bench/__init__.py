"""Benchmarks and studies: what is compared with what, on which events, and the figures of it."""

from typing import TYPE_CHECKING

from smartpix.lazy import public_names

if TYPE_CHECKING:
    from tracking.bench.export import bench_export
    from tracking.bench.front import front_study
    from tracking.bench.levers import StudyOptions, angle_pt_study, lever_study, pull_study
    from tracking.bench.mdn import bench_mdn
    from tracking.bench.seeding import bench_seeding
    from tracking.bench.tracks import bench_tracking

__all__ = [
    "StudyOptions",
    "angle_pt_study",
    "bench_export",
    "bench_mdn",
    "bench_seeding",
    "bench_tracking",
    "front_study",
    "lever_study",
    "pull_study",
]

__getattr__ = public_names(
    __name__,
    export="bench_export",
    front="front_study",
    levers="StudyOptions angle_pt_study lever_study pull_study",
    mdn="bench_mdn",
    seeding="bench_seeding",
    tracks="bench_tracking",
)
