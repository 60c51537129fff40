"""What the simulation of signals is asked for: particles that pass through sensors, and how finely."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from smartpix.simulate.dataset_options import FULL, Induction

__all__ = ["FINE", "Passages", "SignalPrecision"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Passages:
    """Particles that pass through pixel arrays.

    Attributes:
        position: (N, 2) crossing of the midplane in the sensor frame, mm from the centre of the pixel array.
        direction: (N, 3) direction of flight in the sensor frame, any length, z component not 0 and of either
            sign.
        beta: (N,) v / c.
        half_size: (N, 2) half lengths of the pixel array along x and y, mm.
        ends_at_array: the silicon ends where the pixels end (a module), so tracks may enter and leave through
            the side; otherwise it goes on and only the pixels end (the public data sets).
        late: (N,) how long after 0 of the slices' clock each passes, ns; None: all at 0.
    """

    position: Floats
    direction: Floats
    beta: Floats
    half_size: Floats
    ends_at_array: bool = True
    late: Floats | None = None

    def __len__(self) -> int:
        return len(self.beta)

    def take(self, rows: npt.NDArray[np.int64]) -> Passages:
        """Some of them."""
        late = None if self.late is None else self.late[rows]
        return Passages(
            self.position[rows], self.direction[rows], self.beta[rows], self.half_size[rows],
            self.ends_at_array, late,
        )  # fmt: skip


@dataclass(frozen=True)
class SignalPrecision:
    """How finely the signals are followed.

    Attributes:
        induction: neighbours and periods.
        smallest: pixels whose signal never exceeds this many electrons are not kept.
    """

    induction: Induction = FULL
    smallest: float = 5.0


FINE = SignalPrecision()
