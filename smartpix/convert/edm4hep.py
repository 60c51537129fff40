"""Format ``edm4hep``, podio's ROOT files of EDM4hep events (arXiv 2312.08152), as a TTree or an RNTuple:
collections of SimTrackerHit or TrackerHitPlane, and MCParticle.

Hits come without pixels. Which module a hit is on is found from its place, since a cell's number says it in
words that each geometry has of its own; :mod:`smartpix.convert.cell_ids` decodes them. Hits of one cell
number must be on one module. Measured hits have the crossings of the simulated hits that they are linked to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from smartpix.archives import is_folder
from smartpix.convert.cell_ids import CellFields, sensors_of
from smartpix.convert.format import ConvertOptions, Format, Found, Source
from smartpix.convert.hit_tables import Columns, Crossed, HitTables, Unmatched
from smartpix.convert.locate import hits_on_modules
from smartpix.convert.podio import Collection, PodioFile, events_of, is_podio, open_podio, read_collection
from smartpix.convert.podio_links import Link, links_between, read_pairs
from smartpix.geometry import Detector, read_detector
from smartpix.schema import InputError

__all__ = ["FORMAT", "EdmHits", "find", "read", "read_edm4hep_event", "read_hits"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

POSITION = tuple(f"position.{a}" for a in "xyz")
MOMENTUM = tuple(f"momentum.{a}" for a in "xyz")
SIM = ("cellID", "time", *POSITION, *MOMENTUM)
"""Of a SimTrackerHit: cell, ns, mm, GeV."""
SIMULATED = ("cellID", "pathLength", "momentum.x", "position.x")
"""By which a collection of SimTrackerHit is known."""
PLANE = ("cellID", "time", *POSITION, "u.a", "u.b", "v.a", "v.b", "du", "dv")
"""Of a TrackerHitPlane: cell, ns, mm; polar angle and azimuth of both measured directions (rad), and their
uncertainties (mm)."""
PARTICLE = ("PDG", "charge", *(f"vertex.{a}" for a in "xyz"), *MOMENTUM)


@dataclass(frozen=True)
class EdmHits:
    """Hits of all collections of one event, one collection after the other.

    Attributes:
        hit_id: (N,) numbers from 0; group: (N,) of the collection in ``names``.
        cell: (N,) cell numbers.
        position: (N, 3) mm; time: (N,) ns.
        momentum: (N, 3) GeV, of simulated hits; none (0, 3) of measured ones.
        axes: (N, 2, 3) measured directions, and sigma: (N, 2) their uncertainties in mm; none (0) of
            simulated hits.
        particle: (N,) rows of the particles, -1 for none.
        names: of the collections; encodings: how each counts its cells, None where the file does not say.
    """

    hit_id: Ints
    group: Ints
    cell: npt.NDArray[np.uint64]
    position: Floats
    time: Floats
    momentum: Floats
    axes: Floats
    sigma: Floats
    particle: Ints
    names: tuple[str, ...]
    encodings: tuple[CellFields | None, ...]


def find(path: Path) -> Found | None:
    """A ROOT file of podio; whether it has hits is seen when it is read."""
    return Found(FORMAT, path) if not is_folder(path) and is_podio(path) else None


def read(found: Found, options: ConvertOptions) -> Source:
    """The events' detector, which must be given; the events when they are asked for.

    Raises:
        InputError: no detector table, or no collection of hits.
    """
    if options.detector is None:
        raise InputError(
            f"{found.path}: EDM4hep files do not tell where modules are; give their table with --detector, as "
            "`smartpix detector OpenDataDetector.xml -o odd.csv` makes one of the Open Data Detector's DD4hep files"
        )
    detector = options.detector if isinstance(options.detector, Detector) else read_detector(options.detector)
    file = open_podio(found.path)
    chosen, particles = _collections(file)
    has_particles = options.truth and particles is not None
    links: tuple[Link, ...] = ()
    if has_particles and _measured(chosen):
        with events_of(file) as tree:
            links = links_between(file, tree, chosen, file.having(SIMULATED))
    truth = has_particles and (bool(links) or not _measured(chosen))
    return Source(
        detector,
        tuple(range(file.n_events)),
        lambda number: read_edm4hep_event(file, number, detector, has_particles, links),
        truth,
        has_cells=False,
        has_particles=has_particles,
        has_times=True,
    )


FORMAT = Format("edm4hep", "EDM4hep events (ROOT)", "a podio file (ROOT)", find, read)


def _collections(file: PodioFile) -> tuple[tuple[Collection, ...], Collection | None]:
    """Collections of measured hits or, where there are none, of simulated hits; and of the particles."""
    chosen = file.having(("cellID", "u.a", "du")) or file.having(SIMULATED)
    if not chosen:
        raise InputError(
            f"{file.path}: has no collection of TrackerHitPlane or SimTrackerHit among "
            f"{', '.join(sorted(c.name for c in file.collections)[:8])}; keep the tracker's hits in the output"
        )
    particles = file.having(("PDG", "momentumAtEndpoint.x"))
    if len(particles) > 1:
        names = ", ".join(c.name for c in particles)
        raise InputError(
            f"{file.path}: has several collections of MCParticle ({names}); keep the one of the hits"
        )
    return chosen, particles[0] if particles else None


def _measured(chosen: Sequence[Collection]) -> bool:
    return "du" in chosen[0].fields


def read_hits(file: PodioFile, event: int, of: Sequence[Collection] = ()) -> EdmHits:
    """The hits of one event, wherever they are.

    Args:
        of: collections of one type; none: measured hits or, where there are none, simulated ones.

    Raises:
        InputError: as :func:`read_collection`, or links to particles that are not there.
    """
    chosen, particles = _collections(file)
    chosen = tuple(of) or chosen
    measured = _measured(chosen)
    parts: list[dict[str, npt.NDArray[np.generic]]] = []
    with events_of(file) as tree:
        n_particles = 0
        if particles is not None:
            n_particles = len(read_collection(file, tree, particles, ("PDG",), event)["PDG"])
        for collection in chosen:
            columns = read_collection(file, tree, collection, PLANE if measured else SIM, event)
            n_hits = len(columns["cellID"])
            columns["particle"] = _particles_of_hits(file, tree, collection, n_particles, event, n_hits)
            parts.append(columns)
    counts = [len(part["cellID"]) for part in parts]
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    n = sum(counts)

    def vectors(names: tuple[str, ...]) -> Floats:
        return np.stack([joined[name].astype(np.float64) for name in names], axis=1)

    axes, sigma, momentum = np.zeros((0, 2, 3)), np.zeros((0, 2)), np.zeros((0, 3))
    if measured:
        axes = np.stack([_direction(joined[f"{a}.a"], joined[f"{a}.b"]) for a in "uv"], axis=1)
        sigma = vectors(("du", "dv"))
    else:
        momentum = vectors(MOMENTUM)
    return EdmHits(
        np.arange(n), np.repeat(np.arange(len(parts)), counts), joined["cellID"].astype(np.uint64),
        vectors(POSITION), joined["time"].astype(np.float64), momentum, axes, sigma,
        joined["particle"].astype(np.int64), tuple(c.name for c in chosen),
        tuple(file.encodings.get(c.name) for c in chosen),
    )  # fmt: skip


def _direction(theta: npt.NDArray[np.generic], phi: npt.NDArray[np.generic]) -> Floats:
    """(N, 3) unit vectors of polar angles and azimuths."""
    polar, azimuth = theta.astype(np.float64), phi.astype(np.float64)
    return np.stack([np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar)], axis=1)


def _particles_of_hits(
    file: PodioFile, tree: Any, collection: Collection, n_particles: int, event: int, n: int
) -> Ints:
    """(n,) rows of the particles that a collection's hits link to, -1 for none."""
    link = next((c for c in file.collections if c.name in (f"_{collection.name}_{a}" for a in LINKS)), None)
    if link is None or n_particles == 0:
        return np.full(n, -1, dtype=np.int64)
    index = read_collection(file, tree, link, ("index",), event)["index"].astype(np.int64)
    where = f"{file.path}: event {event}: {link.name}"
    if len(index) != n:
        raise InputError(f"{where} has {len(index)} links for {n} hits; the file was written inconsistently")
    if np.any(index >= n_particles):
        raise InputError(
            f"{where} links to particle {index.max()}, and the event has {n_particles}; keep the particles "
            "that hits are of"
        )
    return np.maximum(index, -1)


LINKS = ("particle", "MCParticle")
"""What the link of a SimTrackerHit to its particle is called, now and before EDM4hep 0.99."""


def read_edm4hep_event(
    file: PodioFile, event: int, detector: Detector, has_particles: bool, links: Sequence[Link] = ()
) -> HitTables:
    """The hits of one event that are on modules of the table. Simulated hits come with their crossings.

    Args:
        has_particles: whether the particles are wanted.
        links: of measured hits to simulated ones, whose crossings are theirs.

    Raises:
        InputError: as :func:`read_hits`, hits beside the modules, or hits of one sensor on several modules.
    """
    hits = read_hits(file, event)
    where = f"{file.path}: event {event}"
    names = dict(enumerate(hits.names))
    rows, module, position = hits_on_modules(detector, hits.position, hits.group, hits.hit_id, names, where)
    _check_sensors(hits, rows, module, where)
    sigma = _sigma(hits, rows, detector, module) if len(hits.axes) else None
    crossed, particles = None, None
    if has_particles:
        particles = _particles(file, event)
        if len(hits.momentum) or links:
            made, by, simulated = (
                _linked(file, event, hits, links) if links else (hits.hit_id, hits.hit_id, hits)
            )
            kept = (simulated.particle[by] >= 0) & np.isin(made, rows)
            made, by = made[kept], by[kept]
            who = simulated.particle[by]
            crossed = Crossed(
                hit_id=made,
                particle_id=who + 1,
                point=simulated.position[by],
                momentum=simulated.momentum[by],
                order=_ranks_in_time(who, simulated.time[by]),
                particles=particles,
                where=(where, where),
            )
    n_without = int(np.sum(~np.isin(hits.hit_id[rows], crossed.hit_id))) if crossed else 0
    return HitTables(
        event=event, hit_id=hits.hit_id[rows], module=module, position=position, cells=None, truth=crossed,
        where=where, n_others=len(hits.hit_id) - len(rows),
        unmatched=Unmatched(n_hits_without_truth=n_without),
        sigma=sigma, particles=particles, time=hits.time[rows],
    )  # fmt: skip


def _linked(file: PodioFile, event: int, hits: EdmHits, links: Sequence[Link]) -> tuple[Ints, Ints, EdmHits]:
    """Rows of measured hits and of the simulated ones that they are linked to, and these."""
    simulated = read_hits(file, event, file.having(SIMULATED))
    sides = (hits, simulated)
    sizes = [np.bincount(side.group, minlength=len(side.names)) for side in sides]
    with events_of(file) as tree:
        pairs = read_pairs(
            file, tree, links, event, (hits.names, simulated.names), (sizes[0].tolist(), sizes[1].tolist())
        )
    first = [np.cumsum(size) - size for size in sizes]
    begin, end = (first[k][pairs.group[:, k]] + pairs.row[:, k] for k in (0, 1))
    return begin, end, simulated


def _sigma(hits: EdmHits, rows: Ints, detector: Detector, module: npt.NDArray[np.int32]) -> Floats:
    """(H, 2) mm: the uncertainties of both measured directions, seen along x and y of the module.

    Where one is not measured (0, negative, or more than the module), the hit is anywhere along the module.
    """
    frame = np.stack([detector.axes[module][:, :, k] for k in (0, 1)], axis=1)
    seen = np.abs(np.einsum("hij,hkj->hki", hits.axes[rows], frame))
    size = 2 * np.stack([detector.half_x, detector.half_y], axis=1)[module] / np.sqrt(12.0)
    anywhere = np.einsum("hki,hk->hi", seen, size)
    told = hits.sigma[rows]
    sigma = np.where(told > 0, told, anywhere)
    return np.asarray(np.minimum(np.sqrt(np.einsum("hki,hi->hk", seen**2, sigma**2)), size))


def _check_sensors(hits: EdmHits, rows: Ints, module: npt.NDArray[np.int32], where: str) -> None:
    """Check that hits of one sensor, by their cells' numbers, are on one module."""
    for group, encoding in enumerate(hits.encodings):
        chosen = hits.group[rows] == group
        if encoding is None or not np.any(chosen):
            continue
        sensor = sensors_of(hits.cell[rows][chosen], encoding)
        pairs = np.unique(np.stack([sensor, module[chosen].astype(np.uint64)], axis=1), axis=0)
        both, times = np.unique(pairs[:, 0], return_counts=True)
        if np.any(times > 1):
            raise InputError(
                f"{where}: hits of one sensor of {hits.names[group]} (cellID {int(both[times > 1][0])} without its "
                "pixel) lie on several modules of the table; give the table of the detector that was simulated"
            )


def _particles(file: PodioFile, event: int) -> Columns:
    _, collection = _collections(file)
    if collection is None:
        raise InputError(f"{file.path}: has no collection of MCParticle")
    with events_of(file) as tree:
        columns = read_collection(file, tree, collection, PARTICLE, event)
    start = {f"v{a}": columns[f"vertex.{a}"].astype(np.float64) for a in "xyz"}
    momentum = {f"p{a}": columns[f"momentum.{a}"].astype(np.float64) for a in "xyz"}
    return {
        "particle_id": np.arange(1, len(columns["PDG"]) + 1), "pdg_id": columns["PDG"].astype(np.int32),
        "charge": columns["charge"].astype(np.float64), **start, **momentum,
    }  # fmt: skip


def _ranks_in_time(particle: Ints, time: Floats) -> Ints:
    """(N,) number of each hit along its particle's path, from 0."""
    order = np.lexsort((time, particle))
    first = np.searchsorted(particle[order], particle[order])
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order)) - first
    return rank
