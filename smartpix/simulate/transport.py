"""Particles through the detector: ACTS's Fatras on the generic detector, material on, constant solenoid
field.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.extras import import_acts
from smartpix.geometry import PIXEL_VOLUMES, Detector
from smartpix.schema import DETECTOR, InputError
from smartpix.simulate.particles import Particles

__all__ = ["Crossings", "check_generic", "generic_detector", "transport"]

AT_PLACE = 1e-3
"""Difference of positions (mm) and axes that is none."""
P_MIN = 0.05
"""Fatras drops particles below this momentum (GeV)."""
GENERATED, SIMULATED_HITS = "particles_generated", "simhits"
"""Names in ACTS's event store."""


@dataclass(frozen=True)
class Crossings:
    """Where particles crossed sensors in one event.

    Attributes:
        module: (N,) rows of the detector table.
        particle: (N,) rows of :attr:`particles`.
        order: (N,) running number along the particle's path.
        point: (N, 3) global crossing of the midplane in mm.
        momentum: (N, 3) in GeV, mean of before and after.
        beta: (N,) v / c.
        time: (N,) ns, from the mean of the collisions' times.
        particles: the generated particles of the event.
    """

    module: npt.NDArray[np.int32]
    particle: npt.NDArray[np.int32]
    order: npt.NDArray[np.int32]
    point: npt.NDArray[np.float64]
    momentum: npt.NDArray[np.float64]
    beta: npt.NDArray[np.float64]
    time: npt.NDArray[np.float64]
    particles: Particles


def generic_detector(
    pitch_u: float = 0.0125,
    pitch_v: float = 0.05,
    thickness: float = 0.1,
    endcap_thickness: float | None = None,
    volumes: Sequence[int] = PIXEL_VOLUMES,
) -> Detector:
    """The pixel modules of ACTS's generic (TrackML) detector with the given sensor on them.

    Args:
        pitch_u, pitch_v: pixel pitch along r-phi and along the other side of the module, mm.
        thickness: of the sensor in mm; endcap_thickness: of those on the disks, if they differ.
        volumes: geometry volumes to keep.

    Raises:
        InputError: pyacts is missing or a size is not positive.
    """
    acts = import_acts()
    geometry = acts.examples.GenericDetector(
        acts.examples.GenericDetector.Config(logLevel=acts.logging.WARNING)
    )
    context = acts.GeometryContext.dangerouslyDefaultConstruct()
    surfaces: list[Any] = []
    geometry.trackingGeometry().visitSurfaces(surfaces.append)
    rows = []
    for surface in surfaces:
        ids = surface.geometryId
        if ids.volume not in volumes:
            continue
        pose = surface.localToGlobalTransform(context)
        center = pose.translation
        rotation = np.array([[pose.rotation[i, j] for j in range(3)] for i in range(3)])
        bounds = surface.bounds.values()
        if len(bounds) != 4 or not np.allclose([bounds[0], bounds[1]], [-bounds[2], -bounds[3]]):
            raise InputError(
                f"generic detector: {surface.bounds} in volume {ids.volume} is no centred rectangle"
            )
        disk = abs(rotation[2, 2]) > 0.5 and endcap_thickness is not None
        half_thickness = (endcap_thickness if disk else thickness) / 2  # type: ignore[operator]
        rows.append(
            (ids.volume, ids.layer, ids.sensitive, center[0], center[1], center[2], *rotation.ravel())
            + (half_thickness, bounds[2], bounds[2], bounds[3], pitch_u, pitch_v)
        )
    rows.sort()
    table = np.array(rows)
    return Detector({name: table[:, i].astype(c.dtype) for i, (name, c) in enumerate(DETECTOR.items())})


def check_generic(detector: Detector) -> None:
    """Check that all modules are where the generic detector has them, through which alone Fatras transports
    particles.

    Raises:
        InputError: one is not, or pyacts is missing.
    """
    ids = _ids(detector)
    generic = generic_detector(volumes=sorted({*PIXEL_VOLUMES, *ids[:, 0].tolist()}))
    row_of = {tuple(row): k for k, row in enumerate(_ids(generic).tolist())}
    rows = np.array([row_of.get(tuple(row), -1) for row in ids.tolist()])
    misplaced = rows < 0
    for name in ("center", "axes", "half_x", "half_y"):
        apart = np.abs(getattr(detector, name) - getattr(generic, name)[rows]).reshape(len(rows), -1)
        misplaced |= apart.max(axis=1) > AT_PLACE
    if misplaced.any():
        volume, layer, module = ids[np.argmax(misplaced)].tolist()
        raise InputError(
            f"detector table: module {module} of layer {layer} in volume {volume} is not one of ACTS's "
            f"generic detector ({misplaced.sum()} of {len(misplaced)} are not), which Fatras knows alone; set "
            "transport.engine=own for our own propagator, or leave it out; `smartpix detector` makes its table"
        )


def _ids(detector: Detector) -> npt.NDArray[np.int64]:
    """(M, 3) volume, layer and module of each module."""
    names = ("volume_id", "layer_id", "module_id")
    return np.stack([np.asarray(detector.columns[name]).astype(np.int64) for name in names], axis=1)


def transport(events: Sequence[Particles], detector: Detector, field: float, seed: int) -> list[Crossings]:
    """Carry the particles of each event through the generic detector's material and field.

    Args:
        detector: module table of the generic detector; hits elsewhere (strips) are dropped.
        field: solenoid field along z in T.
        seed: of Fatras.

    Raises:
        InputError: pyacts is missing.
    """
    acts = import_acts()
    ex = acts.examples
    unit = acts.UnitConstants
    collected: list[Crossings] = []
    # numThreads=1 keeps the events in order.
    sequencer = ex.Sequencer(events=len(events), numThreads=1, logLevel=acts.logging.WARNING, trackFpes=False)
    geometry = ex.GenericDetector(ex.GenericDetector.Config(logLevel=acts.logging.WARNING))
    sequencer.addReader(_particle_source(acts, events))
    sequencer.addAlgorithm(
        ex.FatrasSimulation(
            level=acts.logging.WARNING,
            inputParticles=GENERATED,
            outputParticles="particles_simulated",
            outputSimHits=SIMULATED_HITS,
            randomNumbers=ex.RandomNumbers(seed=seed),
            trackingGeometry=geometry.trackingGeometry(),
            magneticField=acts.ConstantBField(acts.Vector3(0, 0, field * unit.T)),
            generateHitsOnSensitive=True,
            emScattering=True,
            emEnergyLossIonisation=True,
            emEnergyLossRadiation=True,
            emPhotonConversion=True,
            pMin=P_MIN * unit.GeV,
        )
    )
    sequencer.addAlgorithm(_hit_collector(acts, events, detector, collected))
    sequencer.run()
    return collected


def _particle_source(acts: Any, events: Sequence[Particles]) -> Any:
    """A reader of ACTS that hands our particles to the event store."""
    ex, unit = acts.examples, acts.UnitConstants

    class Feed(ex.IReader):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            ex.IReader.__init__(self, "Feed", acts.logging.WARNING)
            self.handle = ex.WriteDataHandle(self, ex.SimParticleContainer, "OutputParticles")
            self.handle.initialize(GENERATED)

        def availableEvents(self) -> tuple[int, int]:  # noqa: N802 (ACTS calls it so)
            return (0, len(events))

        def read(self, context: Any) -> Any:
            container = ex.SimParticleContainer()
            event = events[context.eventNumber]
            for i in range(len(event.pdg_id)):
                barcode = ex.SimBarcode()
                barcode.vertexPrimary = int(event.vertex_id[i])
                barcode.particle = i + 1
                particle = ex.SimParticle(barcode, acts.PdgParticle(int(event.pdg_id[i])))
                particle.fourPosition = acts.Vector4(
                    *(float(v) * unit.mm for v in event.vertex[i]), float(event.time[i]) * unit.ns
                )
                particle.direction = acts.Vector3(*(float(p) for p in event.momentum[i]))
                particle.absoluteMomentum = float(np.linalg.norm(event.momentum[i])) * unit.GeV
                container.insert(particle)
            self.handle(context, container)
            return ex.ProcessCode.SUCCESS

    return Feed()


def _hit_collector(
    acts: Any, events: Sequence[Particles], detector: Detector, collected: list[Crossings]
) -> Any:
    """An algorithm of ACTS that takes the crossings out of the event store into ``collected``."""
    ex, unit = acts.examples, acts.UnitConstants
    volumes = {int(v) for v in np.unique(detector.columns["volume_id"])}

    class Collect(ex.IAlgorithm):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            ex.IAlgorithm.__init__(self, "Collect", acts.logging.WARNING)
            self.handle = ex.ReadDataHandle(self, ex.SimHitContainer, "InputHits")
            self.handle.initialize(SIMULATED_HITS)

        def execute(self, context: Any) -> Any:
            rows = []
            for hit in self.handle(context.eventStore):
                ids = hit.geometryId
                if ids.volume not in volumes:
                    continue
                point, before, after = hit.fourPosition, hit.momentum4Before, hit.momentum4After
                code = hit.particleId
                primary = code.generation == 0 and code.subParticle == 0
                rows.append(
                    (ids.volume, ids.layer, ids.sensitive, code.particle - 1 if primary else -1, hit.index)
                    + (point[0], point[1], point[2], point[3] / unit.ns)
                    # The direction at the midplane: half of the module's scattering is before it.
                    + tuple(0.5 * (before[k] + after[k]) / unit.GeV for k in range(4))
                )
            table = np.array(rows, dtype=np.float64).reshape(-1, 13)
            collected.append(_crossings(table, events[context.eventNumber], detector))
            return ex.ProcessCode.SUCCESS

    return Collect()


def _crossings(table: npt.NDArray[np.float64], particles: Particles, detector: Detector) -> Crossings:
    """Crossings of one event from the columns (N, 13) volume, layer, module, particle, order, point (3),
    time, momentum (3) and energy.
    """
    # Secondaries of Fatras have no entry among the generated particles; their crossings (1 in 10,000) are
    # left out.
    table = table[table[:, 3] >= 0]
    # A stable order makes the file a function of the seed alone.
    table = table[np.lexsort((table[:, 4], table[:, 3]))]
    return Crossings(
        module=detector.find_modules(table[:, 0], table[:, 1], table[:, 2]),
        particle=table[:, 3].astype(np.int32),
        order=table[:, 4].astype(np.int32),
        point=table[:, 5:8],
        momentum=table[:, 9:12],
        beta=np.linalg.norm(table[:, 9:12], axis=1) / table[:, 12],
        time=table[:, 8],
        particles=particles,
    )
