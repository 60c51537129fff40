"""Particles of one's own through any detector, in one line: a toy for questions and tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import awkward as ak
import numpy as np
import numpy.typing as npt

from smartpix.geometry import Detector
from smartpix.io.events import Header
from smartpix.layouts.named import NamedDetector, named_detector, through
from smartpix.schema import InputError, check
from smartpix.simulate.engines import carried, chosen
from smartpix.simulate.events import header, simulate_event
from smartpix.simulate.generate import along
from smartpix.simulate.options import PT_RANGE, GenerateOptions, SimulateOptions
from smartpix.simulate.particle_beam import PDG, of_kind
from smartpix.simulate.particles import Particles
from smartpix.simulate.transport import Crossings

__all__ = ["Shot", "shoot"]

Values = float | Sequence[float] | npt.NDArray[np.float64]
COMMAND = "smartpix.shoot"
LARGEST_ETA = 20.0
"""Of a particle along the beam line; far beyond, its momentum along z is no number."""


@dataclass(frozen=True)
class Shot:
    """What particles left in a detector.

    Attributes:
        header: as of an event file, for a chain or for :func:`smartpix.io.write.write_events`.
        crossings: where the particles crossed sensors.
        events: one event with its clusters and their truth, in the layout of :mod:`smartpix.io.events`;
            ``particle_id`` is the particle's place in the arguments, from 1 on.
    """

    header: Header
    crossings: Crossings
    events: ak.Array

    @property
    def clusters(self) -> ak.Array:
        """(N,) the event's cluster records."""
        return self.events["clusters"][0]

    def __repr__(self) -> str:
        n = len(self.crossings.particles.pdg_id)
        return (
            f"Shot({n} particles, {len(self.crossings.module)} crossings, {len(self.clusters)} clusters, "
            f"{len(self.header.detector)} modules, {self.header.field:g} T)"
        )


def shoot(
    detector: Detector | str | Path,
    pt: Values,
    eta: Values = 0.0,
    phi: Values = 0.0,
    *,
    vertex: Sequence[float] | npt.NDArray[np.float64] = (0.0, 0.0, 0.0),
    charge: Values = 1.0,
    kind: str = "pion",
    field: float | None = None,
    options: SimulateOptions | None = None,
    event: int = 0,
    seed: int = 1,
) -> Shot:
    """Shoot a few particles through a detector and read it out.

    Each of ``pt``, ``eta``, ``phi``, ``vertex`` and ``charge`` is one value for all particles, or one for
    each.

    Args:
        detector: modules, or a detector by its name or from a file as of ``smartpix detector``, which brings
            its field and material.
        pt: transverse momenta in GeV; eta: pseudorapidities; phi: azimuths in rad at the vertex.
        vertex: (3,) or (N, 3) where they start, mm.
        charge: their signs, 1 or -1.
        kind: ``pion``, ``electron``, ``muon``, ``kaon`` or ``proton``.
        field: solenoid field along z in T; None: that of the options, or else the detector's own, or 3.8 T.
        options: of field, transport with its material, sensor and readout, all of which they then decide.
            Those of the particles are not used. None: the defaults, with the detector's own field and
                material.
        event: its number, by which events of several shots that go into one file are told apart.
        seed: of scattering, energy loss, charge and noise.

    Returns:
        Crossings, clusters with truth, and the header.

    Raises:
        InputError: arguments of different lengths or out of range, an unknown kind or detector, or pyacts is
            missing for the generic one.
    """
    for name, number in (("event", event), ("seed", seed)):
        good = isinstance(number, int | np.integer) and number >= 0
        check("shoot", name, number, good, "a whole number from 0 on")
    particles = _particles(pt, eta, phi, vertex, charge, kind)
    base = options or SimulateOptions()
    base = replace(base, generate=GenerateOptions(pileup=0))
    made = NamedDetector("", detector) if isinstance(detector, Detector) else named_detector(detector)
    if options is None:
        base = through(made, base)
    if field is not None:
        base = replace(base, field=field)
    base, _ = chosen(base, made.detector)
    crossings = carried([particles], made.detector, base, seed)[0]
    events = simulate_event(crossings, made.detector, base, int(event), seed)
    return Shot(header(made.detector, base, 1, seed, COMMAND), crossings, events)


def _particles(
    pt: Values, eta: Values, phi: Values, vertex: Sequence[float] | npt.NDArray[np.float64], charge: Values,
    kind: str,
) -> Particles:  # fmt: skip
    """The particles of the arguments of :func:`shoot`."""
    check("shoot", "kind", kind, kind in PDG, f"one of {', '.join(PDG)}")
    given = {"pt": pt, "eta": eta, "phi": phi, "charge": charge}
    columns = {name: _numbers(name, values) for name, values in given.items()}
    start = _numbers("vertex", vertex)
    if start.shape[-1:] != (3,) or start.ndim > 2:
        raise InputError(f"shoot: vertex has the shape {start.shape}; give (3,) or (N, 3) in mm")
    shapes = {name: column.shape for name, column in columns.items()} | {"vertex": start.shape[:-1]}
    try:
        shape = np.broadcast_shapes((1,), *shapes.values())
    except ValueError as error:
        said = ", ".join(f"{name} {shape}" for name, shape in shapes.items() if shape)
        raise InputError(
            f"shoot: the arguments have different lengths ({said}); give one value, or one for each particle"
        ) from error
    if len(shape) > 1:
        raise InputError(f"shoot: arguments have the shape {shape}; give one value, or one for each particle")
    if shape == (0,):
        raise InputError("shoot: there is no particle; give one value, or one for each particle")
    values = {name: np.broadcast_to(column, shape).copy() for name, column in columns.items()}
    start = np.broadcast_to(start, (*shape, 3)).copy()
    for name, column in {**values, "vertex": start}.items():
        if not np.isfinite(column).all():
            raise InputError(f"shoot: {name} has values that are not finite; give numbers")
    low, high = PT_RANGE
    worst = values["pt"][np.argmax(np.abs(np.log(np.maximum(values["pt"], 1e-300) / np.sqrt(low * high))))]
    check("shoot", "pt", float(worst), low <= worst <= high, f"{low:g} to {high:g} GeV")
    steepest = values["eta"][np.argmax(np.abs(values["eta"]))]
    check(
        "shoot", "eta", float(steepest), abs(steepest) <= LARGEST_ETA, f"-{LARGEST_ETA:g} to {LARGEST_ETA:g}"
    )
    signs = values["charge"]
    if not np.isin(signs, (-1.0, 1.0)).all():
        raise InputError("shoot: charge has other values than 1 and -1; give these")
    n = shape[0]
    return Particles(
        vertex_id=np.arange(1, n + 1, dtype=np.int32),
        pdg_id=of_kind(kind, signs),
        charge=signs,
        vertex=start,
        momentum=values["pt"][:, None] * along(values["phi"], values["eta"]),
        time=np.zeros(n),
    )


def _numbers(name: str, values: Values) -> npt.NDArray[np.float64]:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"shoot: {name} is no number and no list of numbers; give these") from error
