"""Small detectors and events that several tests use."""

from __future__ import annotations

import dataclasses
import os
import sys
from pathlib import Path

import awkward as ak
import numpy as np
import uproot

from smartpix import schema, staging
from smartpix.convert.formats import ConvertOptions, convert, detect
from smartpix.geometry import Detector, read_detector
from smartpix.io.events import iterate, open_events
from smartpix.io.write import write_events
from smartpix.physics import PION_MASS, SPEED_OF_LIGHT
from smartpix.simulate.particles import Particles
from smartpix.simulate.transport import Crossings


def module_row(center, u, v, w, layer, module, volume=8):
    """One row of the detector table: centre and axes as 3-vectors."""
    rotation = {
        f"rot_{g}{a}": axis[i] for a, axis in zip("uvw", (u, v, w), strict=True) for i, g in enumerate("xyz")
    }
    return {
        "volume_id": volume, "layer_id": layer, "module_id": module,
        "cx": center[0], "cy": center[1], "cz": center[2], **rotation,
        "module_t": 0.05, "module_minhu": 8.4, "module_maxhu": 8.4, "module_hv": 36.0, "pitch_u": 0.0125,
        "pitch_v": 0.05,
    }  # fmt: skip


def detector_of(rows) -> Detector:
    """A detector from rows of :func:`module_row`."""
    return Detector({k: np.array([r[k] for r in rows]) for k in rows[0]})


def one_module_detector() -> Detector:
    """One barrel module at x = 32 mm."""
    return detector_of([module_row((32.0, 0, 0), (0, 1.0, 0), (0, 0, 1.0), (1.0, 0, 0), 2, 1)])


REPOSITORY = Path(__file__).parents[1]
SHARED_DATA = REPOSITORY / "../shared/data"
SENSOR = {"pitch_x": 0.05, "pitch_y": 0.0125, "thickness": 0.1, "field": 3.8}
"""Of the embedded detector and of the data sets of type 2."""


def embedded_detector() -> Detector:
    """The module table that ships with the package."""
    return read_detector(REPOSITORY / "data" / "detector.csv")


def part_of(detector: Detector, rows) -> Detector:
    """A detector of some rows of another one."""
    return Detector({name: np.asarray(values)[rows] for name, values in detector.columns.items()})


def crossings_at(detector, module, local, cots, p=5.0, particle=None) -> Crossings:
    """Pions that cross the modules at ``local`` (N, 2), going outwards with ``cots`` (N, 2).

    They come when particles of their speed from the origin would.
    """
    module = np.asarray(module, dtype=np.int32)
    n = len(module)
    local, cots = np.asarray(local, dtype=float).reshape(n, 2), np.asarray(cots, dtype=float).reshape(n, 2)
    direction = detector.direction_to_global(module, np.column_stack([cots, np.ones(n)]))
    momentum = p * direction / np.linalg.norm(direction, axis=1)[:, None]
    particle = np.arange(n) if particle is None else np.asarray(particle)
    point = detector.to_global(module, local)
    n_particles = int(particle.max()) + 1 if n else 0
    particles = Particles(
        np.ones(n_particles, dtype=np.int32), np.full(n_particles, 211, dtype=np.int32), np.ones(n_particles),
        np.zeros((n_particles, 3)), np.tile([p, 0.0, 0.0], (n_particles, 1)),
        np.zeros(n_particles),
    )  # fmt: skip
    beta = np.full(n, p / np.hypot(p, PION_MASS))
    return Crossings(
        module,
        particle.astype(np.int32),
        np.zeros(n, dtype=np.int32),
        point,
        momentum,
        beta,
        np.linalg.norm(point, axis=1) / beta / SPEED_OF_LIGHT,
        particles,
    )


def random_events(seed, clusters_per_event, slices=(0, 19)) -> ak.Array:
    """Events of random numbers in the layout of event files, on the module of :func:`one_module_detector`."""
    rng = np.random.default_rng(seed)
    detector = one_module_detector()

    def column(dtype, n):
        if dtype == "?":
            return rng.random(n) < 0.5
        return (
            rng.normal(0, 100, n).astype(dtype) if dtype[0] == "f" else rng.integers(0, 1000, n).astype(dtype)
        )

    def columns(table, n):
        return {name: column(c.dtype, n) for name, c in table.items() if not c.optional}

    def unique(sizes, highest):
        """Ids from 1, in any order, none twice in an event."""
        return np.concatenate(
            [np.zeros(0, dtype=np.int64), *(1 + rng.permutation(highest)[:k] for k in sizes)]
        )

    sizes = np.asarray(clusters_per_event, dtype=np.int64)
    n = int(sizes.sum())
    n_particles = rng.integers(0, 4, len(sizes))
    n_pixels, n_truth = (
        rng.integers(1, 6, n),
        np.where(np.repeat(n_particles, sizes) > 0, rng.integers(0, 3, n), 0),
    )
    particles = columns(schema.PARTICLES, int(n_particles.sum()))
    particles["particle_id"] = unique(n_particles, 1000)
    truth = columns(schema.TRUTH, int(n_truth.sum()))
    of_truth = np.repeat(np.repeat(np.arange(len(sizes)), sizes), n_truth)
    first = np.cumsum(n_particles) - n_particles
    chosen = first[of_truth] + rng.integers(0, 12, len(of_truth)) % np.maximum(n_particles[of_truth], 1)
    truth["particle_id"] = particles["particle_id"][chosen]
    truth["share"] = rng.random(len(of_truth)).astype(np.float32)
    truth["pt"] = np.abs(truth["pt"])
    truth |= {
        name: rng.uniform(-half, half, len(of_truth)).astype(np.float32)
        for name, half in (("x", 36.0), ("y", 8.4))
    }
    particles["charge"] = rng.choice([-1, 1], len(particles["charge"])).astype(np.float32)
    clusters = columns(schema.CLUSTERS, n)
    clusters["hit_id"] = unique(sizes, 1000)
    clusters["module_index"] = np.zeros(n, dtype=np.int32)
    for name, value in (("volume_id", 8), ("layer_id", 2), ("module_id", 1)):
        clusters[name] = np.full(n, value, dtype=np.int32)
    local = rng.uniform(-1, 1, (n, 2)) * [36.0, 8.4]
    point = detector.to_global(np.zeros(n, dtype=int), local)
    clusters |= {axis: point[:, k].astype(np.float32) for k, axis in enumerate("xyz")}
    clusters |= {f"local_{axis}": local[:, k].astype(np.float32) for k, axis in enumerate("xy")}
    clusters |= {f"sigma_{axis}": rng.uniform(0.001, 0.02, n).astype(np.float32) for axis in "xy"}
    pixels = columns(
        schema.PIXELS | {f"charge_{s:02d}": schema.Column("f4", "e", "") for s in slices}, int(n_pixels.sum())
    )
    # Some of the 3 x 3 pixels about the position, in any order.
    of_pixel = np.repeat(np.arange(n), n_pixels)
    chosen = np.concatenate([np.zeros(0, dtype=np.int64), *(rng.permutation(9)[:k] for k in n_pixels)])
    for name, k, half, pitch, last, step in (
        ("row", 1, 8.4, 0.0125, 1343, chosen // 3),
        ("column", 0, 36.0, 0.05, 1439, chosen % 3),
    ):
        middle = np.clip((local[:, k] + half) // pitch, 1, last - 1).astype(np.int16)
        pixels[name] = (middle[of_pixel] + step - 1).astype(np.int16)
    charges = pixels[f"charge_{max(slices):02d}"]
    clusters["charge"] = np.bincount(of_pixel, np.maximum(charges, 0), n).astype(np.float32)
    clusters["pixels"] = ak.unflatten(ak.zip(pixels), n_pixels)
    clusters["truth"] = ak.unflatten(ak.zip(truth), n_truth)
    return ak.zip(
        {
            "event": np.arange(len(sizes)) + 10 * seed,
            "clusters": ak.unflatten(ak.zip(clusters, depth_limit=1), sizes),
            "particles": ak.unflatten(ak.zip(particles), n_particles),
        },
        depth_limit=1,
    )


def convert_folder(path, output, kind=None, **options):
    """What ``smartpix convert`` does: its result; in the field of ACTS's files here, which do not tell it."""
    found = detect(path, kind)
    if found.kind.startswith("acts"):
        options = {"field": 3.8, **options}
    return convert(found, output, ConvertOptions(**options))


BOUND = """
import ctypes, os, sys
for capability in (1, 2):  # to write and to read whatever permissions say
    if ctypes.CDLL(None, use_errno=True).prctl(24, capability, 0, 0, 0):  # PR_CAPBSET_DROP
        raise OSError(ctypes.get_errno(), "prctl")
os.execv(sys.argv[1], sys.argv[1:])
"""


def bound_by_permissions(command):
    """The command as a process that may not write where permissions forbid it, also for root."""
    return [sys.executable, "-c", BOUND, *command] if os.geteuid() == 0 else list(command)


def mark_of_the_dead() -> bytes:
    """The mark of a staging folder whose maker is dead: its number was given again, to this process."""
    return staging._content(dataclasses.replace(staging._this_process(), started="0"))


def install(folder, package, modules, group, entries):
    """Put a package with entry points into a folder, as its installation leaves it on ``sys.path``."""
    about = folder / f"{package.replace('-', '_')}-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    lines = [f"[{group}]", *(f"{name} = {value}" for name, value in entries.items())]
    (about / "entry_points.txt").write_text("\n".join(lines) + "\n")
    for name, code in modules.items():
        (folder / name).write_text(code)


def damaged(source, path):
    """A copy of an event file whose third event cannot be read."""
    parted = path.with_suffix(".parted")
    write_events(
        parted,
        open_events(source).header,
        (events for _, events in iterate(source, step=1)),
        events_per_chunk=1,
    )
    with uproot.open(parted) as file:
        seek = int(file["events"]["cluster_x"].member("fBasketSeek")[2])
    content = bytearray(parted.read_bytes())
    content[seek : seek + 60] = bytes(60)
    path.write_bytes(bytes(content))
    parted.unlink()
