"""Training of the networks on clusters, with checkpoints, teachers and calibration."""

from typing import TYPE_CHECKING

from smartpix.lazy import public_names

if TYPE_CHECKING:
    from smartpix.train.anomaly import train_autoencoder
    from smartpix.train.anomaly_options import TrainAutoencoderOptions
    from smartpix.train.checkpoint import resume, save_checkpoint
    from smartpix.train.count import train_count
    from smartpix.train.fit import fit_mdn
    from smartpix.train.front import front_probabilities, train_front
    from smartpix.train.front_files import train_front_on_files
    from smartpix.train.front_options import TrainFrontOptions
    from smartpix.train.link import train_link
    from smartpix.train.link_options import TrainLinkOptions
    from smartpix.train.loop import train_mdn
    from smartpix.train.mixture import train_mixture
    from smartpix.train.options import TrainCountOptions, TrainMdnOptions
    from smartpix.train.start import Start, start_from
    from smartpix.train.teach import Lesson, lesson_of

__all__ = [
    "Lesson",
    "Start",
    "TrainAutoencoderOptions",
    "TrainCountOptions",
    "TrainFrontOptions",
    "TrainLinkOptions",
    "TrainMdnOptions",
    "fit_mdn",
    "front_probabilities",
    "lesson_of",
    "resume",
    "save_checkpoint",
    "start_from",
    "train_autoencoder",
    "train_count",
    "train_front",
    "train_front_on_files",
    "train_link",
    "train_mdn",
    "train_mixture",
]

__getattr__ = public_names(
    __name__,
    anomaly="train_autoencoder",
    anomaly_options="TrainAutoencoderOptions",
    checkpoint="resume save_checkpoint",
    count="train_count",
    fit="fit_mdn",
    front="front_probabilities train_front",
    front_files="train_front_on_files",
    front_options="TrainFrontOptions",
    link="train_link",
    link_options="TrainLinkOptions",
    loop="train_mdn",
    mixture="train_mixture",
    options="TrainCountOptions TrainMdnOptions",
    start="Start start_from",
    teach="Lesson lesson_of",
)
