"""Simulated events: collisions, transport, sensor response, readout, clusters with their truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, fields, replace
from importlib.util import find_spec
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from smartpix.cluster_records import Pixels, Truth, cluster_records, one_event
from smartpix.dead_modules import draw_dead_modules, without_modules
from smartpix.extras import import_acts, missing_package
from smartpix.field_map import FieldMap
from smartpix.geometry import Detector
from smartpix.io.events import Header
from smartpix.physics import SPEED_OF_LIGHT
from smartpix.records import records_of
from smartpix.schema import InputError, check
from smartpix.simulate.crossings import broad_crossings
from smartpix.simulate.domains import drawn_conditions
from smartpix.simulate.drift import Sensor, drift_tables
from smartpix.simulate.engines import carried, chosen, field_of
from smartpix.simulate.generate import collisions, conversions, displaced, gun
from smartpix.simulate.induction import SLICE_NS, forget_tables
from smartpix.simulate.jets import jets
from smartpix.simulate.matrix import Signals, read_out
from smartpix.simulate.options import (
    AngleOptions,
    GenerateOptions,
    GroupOptions,
    ReadoutOptions,
    SimulateOptions,
)
from smartpix.simulate.particle_beam import beam_of_particles, particle_beam
from smartpix.simulate.particles import Particles, together
from smartpix.simulate.passages import Passages
from smartpix.simulate.response import induced_charge
from smartpix.simulate.transport import Crossings

Floats = npt.NDArray[np.float64]

__all__ = ["SimulateOptions", "header", "need_extras", "simulate", "simulate_crossings", "simulate_event"]

BATCH = 10
"""Events transported together; bounds the memory."""
MOST_EVENTS = 1_000_000
"""In a file, and crossings in an event."""

GUN, RESPONSE, CROSSINGS, BEAM, TIMES = 2, 3, 4, 9, 11
"""Streams of random numbers; those of :mod:`smartpix.simulate.generate` and ``domains`` are 1 and 7."""
ADDED = {"jets": (5, jets), "displaced": (6, displaced), "conversions": (8, conversions)}
"""What comes on top of the collisions, by the option that says how many: a stream, and what makes them."""
BUNCH_SPACING = 25.0
"""ns, of the LHC."""
NOTHING = Particles(
    np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.int32), np.zeros(0), np.zeros((0, 3)), np.zeros((0, 3)),
    np.zeros(0),
)  # fmt: skip


def header(
    detector: Detector,
    options: SimulateOptions,
    n_events: int,
    seed: int,
    command: str = "smartpix simulate events",
) -> Header:
    """The file header for a simulation."""
    made_by = {"command": command, "events": n_events, "seed": seed, "options": asdict(options)}
    dead = draw_dead_modules(len(detector), options.readout.dead_modules, seed)
    if options.readout.time_resolution:
        made_by["times"] = True
    table = field_of(options)
    return Header(
        detector=detector.with_dead(dead),
        field=options.field,
        slices=options.readout.slices,
        made_by=made_by,
        beam_spot=beam_of_particles(options),
        field_map=table if isinstance(table, FieldMap) else None,
    )


def simulate(detector: Detector, options: SimulateOptions, n_events: int, seed: int) -> Iterator[ak.Array]:
    """Simulate events one after another; the same arguments give the same events.

    Args:
        detector: any; ``options.transport`` says with what particles go through it.
        n_events: how many.
        seed: of everything.

    Returns:
        An iterator over arrays of one event each, in the layout of :mod:`smartpix.io.events`.

    Raises:
        InputError: an option is out of range or for crossings alone, nothing is to be simulated, Fatras is
            asked for and the detector is not the generic one, or chromo or pyacts is missing; all before the
            first event.
    """
    _check_counts(n_events, seed)
    generate = options.generate
    made = generate.pileup or generate.gun or any(getattr(generate, name) for name in ADDED)
    if not (made or generate.beam.particles):
        raise InputError(
            f"simulate: pileup, gun, {', '.join(ADDED)}, beam.particles are all 0, so that there are no "
            f"particles; give one of them"
        )
    if options.randomise.sigma_t:
        raise InputError(
            f"simulate: randomise.sigma_t is {options.randomise.sigma_t}, which only single crossings can "
            f"draw; leave it out, or use `smartpix simulate crossings`"
        )
    if options.groups != GroupOptions():
        raise InputError(
            "simulate: groups.together and groups.distance are of single crossings; leave them out, or use "
            "`smartpix simulate crossings`"
        )
    if options.angles != AngleOptions():
        raise InputError(
            "simulate: angles are of single crossings; leave them out, or use `smartpix simulate crossings`"
        )
    options, _ = chosen(options, detector)
    need_extras(generate, options.transport.engine == "fatras")
    return _simulated(detector, options, n_events, seed)


def need_extras(options: GenerateOptions, fatras: bool = True) -> None:
    """Check that what such events are simulated with is installed.

    Args:
        fatras: whether particles go through the detector with ACTS's Fatras.

    Raises:
        InputError: chromo or pyacts is missing.
    """
    if fatras:
        import_acts()
    if options.gun == 0 and options.pileup > 0 and find_spec("chromo") is None:
        raise missing_package("chromo", "acts", ImportError("collisions are simulated with it"))


def _simulated(detector: Detector, options: SimulateOptions, n_events: int, seed: int) -> Iterator[ak.Array]:
    for first in range(0, n_events, BATCH):
        count = min(BATCH, n_events - first)
        seeds = np.random.SeedSequence([seed, first]).generate_state(2)
        if options.generate.gun > 0:
            rng = np.random.default_rng([seed, first, GUN])
            particles = [gun(options.generate, options.beam_spot, rng) for _ in range(count)]
        elif options.generate.pileup > 0:
            particles = collisions(options.generate, options.beam_spot, count, int(seeds[0]))
        else:
            particles = [NOTHING] * count
        for name, (stream, make) in ADDED.items():
            if getattr(options.generate, name) > 0:
                rng = np.random.default_rng([seed, first, stream])
                particles = [together(e, make(options.generate, options.beam_spot, rng)) for e in particles]
        if options.generate.beam.particles > 0:
            rng = np.random.default_rng([seed, first, BEAM])
            particles = [
                together(e, particle_beam(options.generate, options.beam_spot, rng)) for e in particles
            ]
        crossings = carried(particles, detector, options, int(seeds[1]))
        for i, event in enumerate(crossings):
            conditions = drawn_conditions(options, first + i, seed)
            yield simulate_event(event, detector, conditions, first + i, seed)
            if conditions is not options:
                # No other event has these.
                forget_tables()


def _check_counts(n_events: int, seed: int, per_event: int = 1) -> None:
    check("simulate", "events", n_events, 1 <= n_events <= MOST_EVENTS, f"1 to {MOST_EVENTS}")
    check("simulate", "seed", seed, 0 <= seed < 2**63, "from 0 to 2^63 - 1")
    check("simulate", "per_event", per_event, 1 <= per_event <= MOST_EVENTS, f"1 to {MOST_EVENTS}")


def simulate_crossings(
    detector: Detector, options: SimulateOptions, n_events: int, per_event: int, seed: int
) -> Iterator[ak.Array]:
    """Events of single crossings with broad angles, to train estimates on; see
    :mod:`smartpix.simulate.crossings`.

    Returns:
        An iterator over arrays of one event each.

    Raises:
        InputError: a number out of range, before the first event.
    """
    _check_counts(n_events, seed, per_event)
    return _simulated_crossings(detector, options, n_events, per_event, seed)


def _simulated_crossings(
    detector: Detector, options: SimulateOptions, n_events: int, per_event: int, seed: int
) -> Iterator[ak.Array]:
    for event in range(n_events):
        rng = np.random.default_rng([seed, event, CROSSINGS])
        conditions = drawn_conditions(options, event, seed)
        crossings = broad_crossings(
            detector, per_event, rng, conditions.beam_spot, conditions.groups, conditions.angles
        )
        yield simulate_event(crossings, detector, conditions, event, seed)
        if conditions is not options:
            forget_tables()


def simulate_event(
    crossings: Crossings, detector: Detector, options: SimulateOptions, event: int, seed: int
) -> ak.Array:
    """Sensor response, readout and clustering of one event's crossings (array of one event)."""
    # One stream of random numbers goes through the steps: their order makes the event.
    rng = np.random.default_rng([seed, event, RESPONSE])
    local = detector.to_local(crossings.module, crossings.point)
    direction = detector.direction_to_local(crossings.module, crossings.momentum)
    late = _lateness(crossings, detector, options.readout, rng)
    signals, shift = _sensor_response(crossings, local, direction, late, detector, options, rng)
    if options.charge_scale != 1:
        signals = replace(signals, charge=np.float32(options.charge_scale) * signals.charge)
    pixels, pixel_of_signal = read_out(signals, crossings.module, detector, options.readout, rng)
    cluster_of_signal = pixels.cluster[pixel_of_signal]
    particle_id = np.arange(1, len(crossings.particles.pdg_id) + 1, dtype=np.int64)
    last = len(options.readout.slices) - 1
    cluster, crossing, share = _shares(cluster_of_signal, signals, len(crossings.module), last)
    in_cluster = pixels.cluster >= 0
    clusters = cluster_records(
        detector,
        Pixels(*(getattr(pixels, column.name)[in_cluster] for column in fields(Pixels))),
        Truth(
            cluster=cluster,
            particle_id=particle_id[crossings.particle[crossing]],
            share=share,
            order=crossings.order[crossing],
            x=local[crossing, 0],
            y=local[crossing, 1],
            cot_alpha=direction[crossing, 0] / direction[crossing, 2],
            cot_beta=direction[crossing, 1] / direction[crossing, 2],
            pt=np.hypot(crossings.momentum[crossing, 0], crossings.momentum[crossing, 1]),
        ),
        options.readout.slices,
        shift,
    )
    if resolution := options.readout.time_resolution:
        # With random numbers of its own, so that all else is as it is without times.
        other = np.random.default_rng([seed, event, TIMES])
        clusters["time"] = _cluster_times(
            len(clusters), cluster, share, crossings.time[crossing], resolution, other
        )
    # Last, so that all else is as it is without dead modules.
    if dead := draw_dead_modules(len(detector), options.readout.dead_modules, seed):
        clusters = without_modules(clusters, dead)
        clusters["hit_id"] = np.arange(len(clusters), dtype=np.int64)
    return one_event(event, clusters, _particle_records(crossings.particles, particle_id))


def _lateness(
    crossings: Crossings, detector: Detector, readout: ReadoutOptions, rng: np.random.Generator
) -> Floats | None:
    """(N,) how long after 0 of its module's clock each crossing happens, ns; None where each has its own."""
    if readout.clock == "crossing":
        return None
    clock = np.linalg.norm(detector.center, axis=1) / SPEED_OF_LIGHT
    clock = clock + 1e-3 * readout.phase + 1e-3 * readout.jitter * rng.standard_normal(len(detector))
    return np.asarray(crossings.time - clock[crossings.module])


def _sensor_response(
    crossings: Crossings, local: Floats, direction: Floats, late: Floats | None, detector: Detector,
    options: SimulateOptions, rng: np.random.Generator,
) -> tuple[Signals, Floats]:  # fmt: skip
    """Signals of all crossings, in the readout's slices and, with slow pixels, in those that these take; and
    (M, 2) the mean Lorentz displacement on each module in mm.
    """
    magnetic = _field_in_sensors(detector, options)
    slices = _slices_taken(options.readout)
    parts = []
    shift = np.zeros((len(detector), 2))
    for (sensor, b), modules in _sensor_groups(detector, magnetic, options).items():
        # Who corrects for the drift knows the nominal one.
        shift[modules] = drift_tables(replace(sensor, lorentz_scale=1.0), b).lorentz_shift()
        in_group = np.zeros(len(detector), dtype=bool)
        in_group[modules] = True
        hits = np.flatnonzero(in_group[crossings.module])
        if len(hits) == 0:
            continue
        half = np.stack([detector.half_x, detector.half_y], axis=1)[crossings.module[hits]]
        passages = Passages(
            local[hits, :2],
            direction[hits],
            crossings.beta[hits],
            half,
            late=None if late is None else late[hits],
        )
        crossing, row, column, charge, _ = induced_charge(
            passages, sensor, b, slices, int(rng.integers(2**31))
        )
        parts.append((hits[crossing], row, column, charge))
    if not parts:
        empty = np.zeros(0, dtype=np.int32)
        return Signals(empty, empty, empty, np.zeros((0, len(slices)), dtype=np.float32)), shift
    return Signals(*(np.concatenate(columns) for columns in zip(*parts, strict=True))), shift


def _slices_taken(readout: ReadoutOptions) -> tuple[float, ...]:
    """The readout's slices, and after them those that slow pixels take instead."""
    if readout.slow_pixels == 0:
        return readout.slices
    early = 1e-3 * readout.slow_delay / SLICE_NS
    return (*readout.slices, *(s - early for s in readout.slices))


def _shares(
    cluster: npt.NDArray[np.int64], signals: Signals, n_crossings: int, last: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Floats]:
    """Cluster, crossing and share (T,) of all crossings that left charge in clusters; ``cluster``: (K,) of
    each signal; last: column of the last slice, after which there may be those of slow pixels.
    """
    inside = cluster >= 0
    pair = cluster[inside] * (n_crossings + 1) + signals.crossing[inside]
    pairs, where = np.unique(pair, return_inverse=True)
    # Negative lobes are induced by charge that goes elsewhere, and are no share of this cluster.
    amount = np.bincount(where, np.maximum(signals.charge[inside, last], 0), len(pairs))
    pairs, amount = pairs[amount > 0], amount[amount > 0]
    clusters = pairs // (n_crossings + 1)
    in_cluster = np.bincount(clusters, amount)
    return clusters, (pairs % (n_crossings + 1)).astype(np.int64), amount / in_cluster[clusters]


def _cluster_times(
    n: int, cluster: npt.NDArray[np.int64], share: Floats, time: Floats, resolution: float,
    rng: np.random.Generator,
) -> npt.NDArray[np.float32]:  # fmt: skip
    """(C,) measured times of n clusters in ns; those of noise are anywhere between two bunches.

    Args:
        cluster, share, time: (T,) cluster of each crossing, share of the charge, and true time in ns.
        resolution: ps.
    """
    times = rng.uniform(-0.5 * BUNCH_SPACING, 0.5 * BUNCH_SPACING, n)
    # The largest share comes last.
    order = np.argsort(share, kind="stable")
    times[cluster[order]] = time[order]
    return (times + 1e-3 * resolution * rng.standard_normal(n)).astype(np.float32)


def _particle_records(particles: Particles, particle_id: npt.NDArray[np.int64]) -> ak.Array:
    columns: dict[str, npt.NDArray[Any]] = {
        "particle_id": particle_id,
        "pdg_id": particles.pdg_id,
        "charge": particles.charge.astype(np.float32),
    }
    for i, axis in enumerate("xyz"):
        columns[f"v{axis}"] = particles.vertex[:, i].astype(np.float32)
        columns[f"p{axis}"] = particles.momentum[:, i].astype(np.float32)
    return records_of(columns)


def _field_in_sensors(detector: Detector, options: SimulateOptions) -> npt.NDArray[np.float64]:
    """(M, 3) field in each module's sensor frame, rounded so that equal modules share their tables."""
    field, digits = field_of(options), 6
    along = np.tile([0.0, 0.0, options.field], (len(detector), 1))
    if isinstance(field, FieldMap):
        # 0.05 T more or less shift charge in 100 um of silicon by less than half a micrometre.
        along, digits = field.at(detector.center), 1
    # Adding 0 makes -0 and 0 one.
    local = detector.direction_to_local(np.arange(len(detector)), along)
    return np.asarray(np.round(local, digits) + 0.0)


def _sensor_groups(
    detector: Detector, magnetic: npt.NDArray[np.float64], options: SimulateOptions
) -> dict[tuple[Sensor, tuple[float, float, float]], npt.NDArray[np.int64]]:
    """Modules with the same sensor in the same local field."""
    table = np.stack([detector.pitch_x, detector.pitch_y, detector.thickness], axis=1).round(9)
    kinds, kind = np.unique(np.concatenate([table, magnetic], axis=1), axis=0, return_inverse=True)
    groups = {}
    for i, row in enumerate(kinds):
        # The same doping, which depletes with the square of the thickness, and the same mean field.
        depletion = options.depletion * (row[2] / 0.1) ** 2
        bias = options.bias * row[2] / 0.1
        sensor = Sensor(
            row[0],
            row[1],
            row[2],
            bias,
            depletion,
            options.temperature,
            options.lorentz_scale,
            options.fluence,
        )
        groups[(sensor, (float(row[3]), float(row[4]), float(row[5])))] = np.flatnonzero(
            kind.reshape(-1) == i
        )
    return groups
