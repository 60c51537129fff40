"""Training of the mixture density networks, with checkpoints, teachers and calibration."""

from typing import TYPE_CHECKING

from smartpix.lazy import public_names

if TYPE_CHECKING:
    from smartpix.train.checkpoint import resume, save_checkpoint
    from smartpix.train.fit import fit_mdn
    from smartpix.train.loop import train_mdn
    from smartpix.train.options import TrainMdnOptions
    from smartpix.train.start import Start, start_from
    from smartpix.train.teach import Lesson, lesson_of

__all__ = [
    "Lesson",
    "Start",
    "TrainMdnOptions",
    "fit_mdn",
    "lesson_of",
    "resume",
    "save_checkpoint",
    "start_from",
    "train_mdn",
]

__getattr__ = public_names(
    __name__,
    checkpoint="resume save_checkpoint",
    fit="fit_mdn",
    loop="train_mdn",
    options="TrainMdnOptions",
    start="Start start_from",
    teach="Lesson lesson_of",
)
