"""Flags of the commands that train or calibrate: files, weights to write, region, slices and sensor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from smartpix.files import check_writable
from smartpix.networks.weights import weights_path
from smartpix.schema import REGIONS
from smartpix.simulate.dataset_options import DatasetOptions, sensor_of_type
from tracking.cli.parser import named_path

__all__ = [
    "EVENT_FILES",
    "check_kept",
    "data_flags",
    "files_flags",
    "output_flag",
    "region_flag",
    "sensor_flag",
    "type_flag",
    "weights_flags",
]

EVENT_FILES = "simulated event files (ROOT)"
EITHER_FILES = "event files (ROOT), or data sets in the public layout (parquet, files or folders)"


def files_flags(parser: Any, files: str = EITHER_FILES, nargs: str = "+") -> None:
    """Add the files, of which ``files`` says what they are, and ``-o`` for the weights."""
    parser.add_argument("files", nargs=nargs, type=named_path, metavar="FILE", help=files)
    output_flag(parser)


def output_flag(parser: Any) -> None:
    """Add ``-o`` for the weights."""
    parser.add_argument(
        "-o", "--output", type=named_path, required=True, metavar="W.safetensors",
        help="file that the trained weights are written to, with their description beside it (.json)",
    )  # fmt: skip


def region_flag(parser: Any, required: bool = True) -> None:
    """Add ``--region``, without which nothing is trained."""
    parser.add_argument("--region", choices=REGIONS, required=required, help="where the clusters are")


def weights_flags(parser: Any, own: bool = False) -> None:
    """Add what every training of an estimates' network takes: files, output and region.

    Args:
        own: it may be given a detector in the files' place.
    """
    files_flags(parser, nargs="*" if own else "+")
    region_flag(parser, required=not own)


def data_flags(parser: Any) -> None:
    """Add ``--slices`` and ``--type``, of data sets."""
    parser.add_argument("--slices", type=int, nargs="+", metavar="S", help=(
        "slices that the network sees (default: the first and the last, 0 and 19 of data sets)"
    ))  # fmt: skip
    type_flag(parser)


def type_flag(parser: Any) -> None:
    """Add ``--type``, of data sets."""
    parser.add_argument("--type", type=int, metavar="1..7", help="sensor of data sets whose files do not say")


def sensor_flag(number: int | None) -> dict[str, float] | None:
    """What ``--type`` says of the sensor, in the field of the data sets."""
    return None if number is None else DatasetOptions(sensor=sensor_of_type(number)).described()


def check_kept(output: Path, *weights: str | None) -> None:
    """Check that a training does not replace the weights that it is made from, by name or path; None: there
    are none.

    Raises:
        InputError: it would.
    """
    check_writable(output, [weights_path(name) for name in weights if name is not None])
