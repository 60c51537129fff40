"""Options of the calibration from tracks. Importing them compiles nothing."""

from __future__ import annotations

from dataclasses import dataclass

from smartpix.schema import check_ranges, check_types, ranged

__all__ = ["CalibrateOptions"]


@dataclass(frozen=True)
class CalibrateOptions:
    """Which tracks calibrate, and how far off modules may be.

    Attributes:
        events: largest number of events in all.
        passes: times that the chain is run, each with what the ones before found.
        min_pt: least fitted pT of a track in GeV; softer ones scatter too much.
        min_hits: least number of a track's hits.
        max_chi2: largest chi2 over the degrees of freedom of a track's fit.
        keep_modules: leave modules where the table has them, and correct the estimates and charges alone.
        module_shift: largest width in mm of how far modules are off, along each axis; taken at first.
        module_rotation: the same of their rotations in rad.
        layer_shift: width in mm of how far whole layers are off. It limits what tracks hardly see. Where
            layers are seen to be off by more, it grows in the search.
        layer_rotation: the same of their rotations in rad about their own middle.
        module_hits: hits of a module from which it is moved on its own; one with fewer follows its layer, and
            its tracks are taken to be where it is.
        steps: largest number of steps of conjugate gradients in each search for the least chi2.
        samples: of the motions, from which their errors are found.
        fewest: hits of a layer from which its biases and errors are found. Layers with fewer have those of
            all layers of the barrel, or of the end-caps.
    """

    events: int = ranged(20, 1, 100_000)
    passes: int = ranged(3, 1, 20)
    min_pt: float = ranged(0.5, 0.05, 1000.0, "GeV")
    min_hits: int = ranged(4, 3, 100)
    max_chi2: float = ranged(3.0, 0.1, 1e6)
    keep_modules: bool = False
    module_shift: float = ranged(0.1, 1e-4, 10.0, "mm")
    module_rotation: float = ranged(0.003, 1e-6, 0.2, "rad")
    layer_shift: float = ranged(0.001, 1e-5, 10.0, "mm")
    layer_rotation: float = ranged(4e-6, 1e-8, 0.2, "rad")
    module_hits: int = ranged(1, 1, 1_000_000)
    steps: int = ranged(300, 1, 10_000)
    samples: int = ranged(32, 4, 1000)
    fewest: int = ranged(300, 20, 1_000_000)

    def __post_init__(self) -> None:
        check_types("calibrate", self)
        check_ranges("calibrate", self)
