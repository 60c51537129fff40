"""Particles through any detector: our own propagator.

A particle goes on a helix, from one surface to the next. In every sensor, support and the beam pipe it
scatters (Highland), loses energy by ionisation (Bethe, Landau) and, if it is an electron, by bremsstrahlung
(Bethe, Heitler). Electrons that it knocks out may be followed, too. Particles neither decay nor interact with
nuclei.

Where nothing is near, a piece of the way is as long as a map of distances allows. Else it is 10 mm long, and
all modules whose bin its middle lies in are tried. In a uniform field the helix is exact; in a table of the
field a piece has the field of its middle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from smartpix.field_map import FieldMap, uniform_field
from smartpix.geometry import Detector
from smartpix.physics import ELECTRON_MASS, PION_MASS, PROTON_MASS
from smartpix.simulate.knock_on import COLUMNS as ELECTRON_COLUMNS
from smartpix.simulate.particles import Particles, together
from smartpix.simulate.propagate_kernels import COLUMNS, follow
from smartpix.simulate.surface_index import Surfaces, surface_index
from smartpix.simulate.transport import Crossings
from smartpix.simulate.transport_options import TransportOptions

__all__ = ["MASSES", "masses", "propagate"]

Floats = npt.NDArray[np.float64]

MASSES = {
    11: ELECTRON_MASS, 13: 0.1056583755, 211: PION_MASS, 321: 0.493677, 2212: PROTON_MASS, 3112: 1.197449,
    3222: 1.18937, 3312: 1.32171, 3334: 1.67245, 15: 1.77693, 411: 1.86966, 431: 1.96835, 521: 5.27941,
    1000010020: 1.875613,
}  # fmt: skip
"""GeV, of charged particles (PDG) by the absolute PDG number; all others are taken for pions."""


def masses(pdg_id: npt.NDArray[np.int32]) -> Floats:
    """(N,) masses in GeV."""
    mass = np.full(len(pdg_id), PION_MASS)
    for number, value in MASSES.items():
        mass[np.abs(pdg_id) == number] = value
    return mass


def propagate(
    events: Sequence[Particles], detector: Detector, field: FieldMap | float, seed: int,
    options: TransportOptions | None = None,
) -> list[Crossings]:  # fmt: skip
    """Carry the particles of each event through a detector.

    Each particle has random numbers of its own: what happens to it does not depend on the others.

    Args:
        field: T, along z, or a table.
        seed: of the random numbers.

    Raises:
        InputError: the material has another number of layers than the detector.
    """
    options = options or TransportOptions()
    table = field if isinstance(field, FieldMap) else uniform_field(field)
    starts = np.concatenate([np.zeros((1, 3)), *(event.vertex for event in events)])
    farthest = (float(np.hypot(*starts[:, :2].T).max()), float(np.abs(starts[:, 2]).max()))
    index = surface_index(detector, options.material, farthest, options.turns > 0.5)
    crossings = []
    for number, event in enumerate(events):
        rng = np.random.default_rng([seed, number])
        start = np.column_stack(
            [event.vertex, event.momentum, event.time, event.charge, masses(event.pdg_id)]
        )
        rows, electrons = _followed(start, index, table.arrays, options, options.min_momentum, rng)
        if len(electrons):
            follow_electrons = replace(options, knock_on=0.0)
            least = min(options.min_momentum, options.knock_on)
            knocked = np.ascontiguousarray(electrons[:, :9])
            more, _ = _followed(knocked, index, table.arrays, follow_electrons, least, rng)
            more[:, 1] += len(start)
            rows, event = np.concatenate([rows, more]), together(event, _particles(electrons, event))
        rows = rows[rows[:, 11] > 0]
        crossings.append(
            Crossings(
                module=rows[:, 0].astype(np.int32),
                particle=rows[:, 1].astype(np.int32),
                order=rows[:, 2].astype(np.int32),
                point=rows[:, 3:6].copy(),
                momentum=rows[:, 6:9].copy(),
                beta=rows[:, 9].copy(),
                time=rows[:, 10].copy(),
                particles=event,
            )
        )
    return crossings


def _followed(
    start: Floats, index: Surfaces, table: tuple[Floats, Floats], options: TransportOptions, least: float,
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:  # fmt: skip
    """Crossings of particles and the electrons that they knock out, see
    :func:`smartpix.simulate.propagate_kernels.follow`.
    """
    effects = np.array([options.scattering, options.ionisation, options.bremsstrahlung])
    states = rng.integers(0, 2**64, len(start), dtype=np.uint64)
    rows, used, electrons, n_electrons = follow(
        start, index, table, options.efficiency, options.turns, least, effects, options.knock_on, states,
        np.empty((1024, COLUMNS)), np.empty((64, ELECTRON_COLUMNS)),
    )  # fmt: skip
    return rows[:used], electrons[:n_electrons]


def _particles(electrons: Floats, event: Particles) -> Particles:
    """Electrons as particles, with the vertex numbers of those that knocked them out."""
    n = len(electrons)
    return Particles(
        vertex_id=event.vertex_id[electrons[:, 9].astype(np.int64)], pdg_id=np.full(n, 11, dtype=np.int32),
        charge=np.full(n, -1.0), vertex=electrons[:, :3], momentum=electrons[:, 3:6], time=electrons[:, 6],
    )  # fmt: skip
