"""Small detectors and events that several tests use."""

from __future__ import annotations

import numpy as np

from smartpix.geometry import Detector


def module_row(center, u, v, w, layer, module, volume=8):
    """One row of the detector table: centre and axes as 3-vectors."""
    rotation = {f"rot_{g}{a}": axis[i] for a, axis in zip("uvw", (u, v, w), strict=True) for i, g in enumerate("xyz")}
    return {
        "volume_id": volume, "layer_id": layer, "module_id": module,
        "cx": center[0], "cy": center[1], "cz": center[2], **rotation,
        "module_t": 0.05, "module_minhu": 8.4, "module_maxhu": 8.4, "module_hv": 36.0, "pitch_u": 0.0125, "pitch_v": 0.05,
    }  # fmt: skip


def detector_of(rows) -> Detector:
    """A detector from rows of :func:`module_row`."""
    return Detector({k: np.array([r[k] for r in rows]) for k in rows[0]})


def one_module_detector() -> Detector:
    """One barrel module at x = 32 mm."""
    return detector_of([module_row((32.0, 0, 0), (0, 1.0, 0), (0, 0, 1.0), (1.0, 0, 0), 2, 1)])
