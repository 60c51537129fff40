"""Calibration from data: where modules are, and biases and errors of the estimates, from tracks and without
truth.
"""

from typing import TYPE_CHECKING

from smartpix.lazy import public_names

if TYPE_CHECKING:
    from tracking.calibration.align import Alignment, find_alignment
    from tracking.calibration.find import FoundCalibration, calibration_of_files
    from tracking.calibration.options import CalibrateOptions

__all__ = ["Alignment", "CalibrateOptions", "FoundCalibration", "calibration_of_files", "find_alignment"]

__getattr__ = public_names(
    __name__,
    align="Alignment find_alignment",
    find="FoundCalibration calibration_of_files",
    options="CalibrateOptions",
)
