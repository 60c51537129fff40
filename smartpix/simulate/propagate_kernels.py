"""The propagator's loop over the pieces of one particle's way, compiled."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from smartpix.compiled import njit
from smartpix.field_kernels import FIELD_STEP, along_helix, field_at
from smartpix.physics import CURVATURE_PER_TESLA, ELECTRON_MASS, SPEED_OF_LIGHT
from smartpix.scattering import theta2_behind
from smartpix.simulate.energy_loss import BERYLLIUM, SILICON, lost, normal, radiated
from smartpix.simulate.ionisation import uniform
from smartpix.simulate.knock_on import knock_out
from smartpix.simulate.surface_index import CELL, PIECE

__all__ = ["COLUMNS", "follow"]

BEYOND = 1e-6
"""mm that a particle is put behind a surface, so that it does not cross it again."""
FLATTEST = 50.0
"""Longest path through a surface, in its thicknesses."""
MOST_PIECES = 1_000_000
COLUMNS = 12
"""Module, particle, order, point (3), momentum (3), beta, time, and whether it was seen."""


@njit(cache=True)
def _to_plane(
    point: Any,
    direction: Any,
    b: Any,
    bend: float,
    center: Any,
    normal_: Any,
    s: float,
    to: Any,
    heading: Any,
) -> float:
    """Path to a plane from a guess, by Newton's method; ``to`` and ``heading`` are filled with where it
    ends.
    """
    for _ in range(8):
        along_helix(point, direction, b, bend, s, to, heading)
        off, slope = 0.0, 0.0
        for k in range(3):
            off += normal_[k] * (to[k] - center[k])
            slope += normal_[k] * heading[k]
        if slope == 0.0:
            return math.inf
        s -= off / slope
        if abs(off) < 1e-9:
            break
    along_helix(point, direction, b, bend, s, to, heading)
    return s


@njit(cache=True)
def _to_radius(
    point: Any, direction: Any, b: Any, bend: float, radius: float, s: float, to: Any, heading: Any
) -> float:
    """Path to a cylinder from a guess, likewise."""
    for _ in range(8):
        along_helix(point, direction, b, bend, s, to, heading)
        off = to[0] * to[0] + to[1] * to[1] - radius * radius
        slope = 2 * (to[0] * heading[0] + to[1] * heading[1])
        if slope == 0.0:
            return math.inf
        s -= off / slope
        if abs(off) < 1e-9 * radius:
            break
    along_helix(point, direction, b, bend, s, to, heading)
    return s


@njit(cache=True)
def _module_crossed(
    surfaces: Any, start: Any, direction: Any, b: Any, bend: float, length: float, middle: Any, end: Any,
    to: Any, heading: Any,
) -> Any:  # fmt: skip
    """First module that a piece of a path crosses, and the path to it; -1 where there is none."""
    best, found = math.inf, -1
    r = math.sqrt(middle[0] * middle[0] + middle[1] * middle[1])
    reach = 0.5 * length
    for g in range(len(surfaces.envelope)):
        r_min, r_max, z_min, z_max = surfaces.envelope[g]
        if r < r_min - reach or r > r_max + reach or middle[2] < z_min - reach or middle[2] > z_max + reach:
            continue
        if surfaces.barrel[g]:
            first, second = math.atan2(middle[1], middle[0]), middle[2]
        else:
            first, second = middle[0], middle[1]
        i = int(math.floor((first - surfaces.low[g, 0]) * surfaces.scale[g, 0]))
        j = int(math.floor((second - surfaces.low[g, 1]) * surfaces.scale[g, 1]))
        if i == surfaces.bins[g, 0] and surfaces.barrel[g]:
            i = 0
        if i < 0 or j < 0 or i >= surfaces.bins[g, 0] or j >= surfaces.bins[g, 1]:
            continue
        cell = surfaces.offset[g] + i * surfaces.bins[g, 1] + j
        for k in range(surfaces.starts[cell], surfaces.starts[cell + 1]):
            m = surfaces.member[k]
            center, normal_, axes = surfaces.center[m], surfaces.normal[m], surfaces.axes[m]
            before, after = 0.0, 0.0
            for a in range(3):
                before += normal_[a] * (start[a] - center[a])
                after += normal_[a] * (end[a] - center[a])
            if before * after > 0 or before == after:
                continue
            s = _to_plane(
                start, direction, b, bend, center, normal_, length * before / (before - after), to, heading
            )
            if not (0 < s <= length) or s >= best:
                continue
            x, y = 0.0, 0.0
            for a in range(3):
                x += axes[a, 0] * (to[a] - center[a])
                y += axes[a, 1] * (to[a] - center[a])
            half_x, low, high, per = surfaces.half[m]
            if abs(x) <= half_x and abs(y) <= low + (high - low) * (x + half_x) * per:
                best, found = s, m
    return found, best


@njit(cache=True)
def _passive_crossed(
    surfaces: Any, start: Any, direction: Any, b: Any, bend: float, length: float, end: Any, best: float, to: Any,
    heading: Any,
) -> Any:  # fmt: skip
    """First passive surface before a path ``best``: cylinders are counted from 0, disks from -2 down; -1:
    none.
    """
    found = -1
    r0, r1 = start[0] * start[0] + start[1] * start[1], end[0] * end[0] + end[1] * end[1]
    for k in range(len(surfaces.cylinders)):
        radius = surfaces.cylinders[k, 0]
        a, c = r0 - radius * radius, r1 - radius * radius
        if a * c > 0 or a == c:
            continue
        s = _to_radius(start, direction, b, bend, radius, length * a / (a - c), to, heading)
        if 0 < s <= length and s < best and surfaces.cylinders[k, 1] <= to[2] <= surfaces.cylinders[k, 2]:
            best, found = s, k
    for k in range(len(surfaces.disks)):
        plane = surfaces.disk_centers[k]
        a, c = start[2] - plane[2], end[2] - plane[2]
        if a * c > 0 or a == c:
            continue
        s = _to_plane(start, direction, b, bend, plane, surfaces.beam, length * a / (a - c), to, heading)
        r = math.sqrt(to[0] * to[0] + to[1] * to[1])
        if 0 < s <= length and s < best and surfaces.disks[k, 1] <= r <= surfaces.disks[k, 2]:
            best, found = s, -2 - k
    return found, best


@njit(cache=True)
def _scattered(heading: Any, theta2: float, state: Any) -> None:
    """Turn a direction by two Gaussian angles of variance ``theta2`` across it."""
    # The axis that is most across.
    k = 0
    for a in range(1, 3):
        if abs(heading[a]) < abs(heading[k]):
            k = a
    ex, ey, ez = -heading[k] * heading[0], -heading[k] * heading[1], -heading[k] * heading[2]
    if k == 0:
        ex += 1.0
    elif k == 1:
        ey += 1.0
    else:
        ez += 1.0
    norm = 1.0 / math.sqrt(ex * ex + ey * ey + ez * ez)
    ex, ey, ez = ex * norm, ey * norm, ez * norm
    fx = heading[1] * ez - heading[2] * ey
    fy = heading[2] * ex - heading[0] * ez
    fz = heading[0] * ey - heading[1] * ex
    sigma = math.sqrt(theta2)
    u, v = sigma * normal(state), sigma * normal(state)
    heading[0] += u * ex + v * fx
    heading[1] += u * ey + v * fy
    heading[2] += u * ez + v * fz
    norm = 1.0 / math.sqrt(heading[0] ** 2 + heading[1] ** 2 + heading[2] ** 2)
    for a in range(3):
        heading[a] *= norm


@njit(cache=True)
def _behind(
    heading: Any, momentum: float, mass: float, thickness: float, matter: Any, effects: Any, state: Any
) -> float:
    """Momentum behind a surface of ``thickness`` radiation lengths along the path; the direction is turned.
    ``effects``: scattering, ionisation, bremsstrahlung.
    """
    if thickness <= 0:
        return momentum
    beta2 = momentum * momentum / (momentum * momentum + mass * mass)
    if effects[0]:
        _scattered(heading, theta2_behind(thickness, 1.0 / (beta2 * momentum * momentum), beta2), state)
    energy = math.sqrt(momentum * momentum + mass * mass)
    if effects[1]:
        energy -= lost(momentum, mass, thickness, matter, state)
    if effects[2] and mass < 1e-3:
        energy -= energy * radiated(thickness, state)
    return math.sqrt(energy * energy - mass * mass) if energy > mass else 0.0


@njit(cache=True)
def _longer(rows: Any) -> Any:
    more = np.empty((2 * len(rows), rows.shape[1]))
    more[: len(rows)] = rows
    return more


@njit(cache=True)
def follow(
    particles: Any, surfaces: Any, table: Any, efficiency: float, turns: float, least: float, effects: Any,
    knock_on: float, states: Any, rows: Any, electrons: Any,
) -> Any:  # fmt: skip
    """Crossings of all particles and electrons that they knock out, each in the rows of a buffer that grows;
    returns both, and how many there are.

    Args:
        particles: (N, 9) point (mm), momentum (GeV), time (ns), charge, mass (GeV).
        table: see :func:`smartpix.field_kernels.field_at`; turns: after which a particle is dropped;
            least: GeV, below which it is.
        effects: (3,) bool; knock_on: GeV, least kinetic energy of the electrons, 0: none.
        states: (N,) of the random numbers, for each particle its own.
    """
    used, n_electrons = 0, 0
    kick = np.empty(3)
    point, heading, to, ahead = np.empty(3), np.empty(3), np.empty(3), np.empty(3)
    middle, end, b = np.empty(3), np.empty(3), np.empty(3)
    for i in range(len(particles)):
        state = states[i : i + 1]
        point[:] = particles[i, :3]
        momentum = math.sqrt(particles[i, 3] ** 2 + particles[i, 4] ** 2 + particles[i, 5] ** 2)
        time, charge, mass = particles[i, 6], particles[i, 7], particles[i, 8]
        if charge == 0 or momentum < least:
            continue
        heading[:] = particles[i, 3:6] / momentum
        angle, order = 0.0, 0
        for _ in range(MOST_PIECES):
            r = math.sqrt(point[0] * point[0] + point[1] * point[1])
            if r > surfaces.world[0] or abs(point[2]) > surfaces.world[1]:
                break
            cell_r = min(int(r / CELL), surfaces.safe.shape[0] - 1)
            cell_z = min(max(int((point[2] - surfaces.z_low) / CELL), 0), surfaces.safe.shape[1] - 1)
            free = surfaces.safe[cell_r, cell_z]
            near = free < 0.5 * PIECE
            length = PIECE if near else free
            if table[0].shape[0] > 1:
                length = min(length, FIELD_STEP)
                for a in range(3):
                    middle[a] = point[a] + 0.5 * length * heading[a]
                strength = field_at(table, middle, b)
            else:
                strength = field_at(table, point, b)
            bend = CURVATURE_PER_TESLA * charge * strength / momentum
            beta = momentum / math.sqrt(momentum * momentum + mass * mass)
            along_helix(point, heading, b, bend, length, end, ahead)
            found, passive = -1, -1
            if near:
                along_helix(point, heading, b, bend, 0.5 * length, middle, ahead)
                found, best = _module_crossed(
                    surfaces, point, heading, b, bend, length, middle, end, to, ahead
                )
                passive, best = _passive_crossed(
                    surfaces, point, heading, b, bend, length, end, best, to, ahead
                )
                if found >= 0 or passive != -1:
                    length = best
            angle += abs(bend) * length
            if angle > 2 * math.pi * turns:
                break
            along_helix(point, heading, b, bend, length, to, ahead)
            time += length / (beta * SPEED_OF_LIGHT)
            for a in range(3):
                point[a], heading[a] = to[a], ahead[a]
            if found < 0 and passive == -1:
                continue
            if passive != -1:
                if passive >= 0:
                    r = math.sqrt(point[0] * point[0] + point[1] * point[1])
                    cosine = abs(point[0] * heading[0] + point[1] * heading[1]) / r
                    thickness = surfaces.cylinders[passive, 3]
                    beryllium = surfaces.cylinders[passive, 2] == math.inf
                else:
                    cosine, thickness, beryllium = abs(heading[2]), surfaces.disks[-2 - passive, 3], False
            else:
                facing = surfaces.normal[found]
                cosine = abs(facing[0] * heading[0] + facing[1] * heading[1] + facing[2] * heading[2])
                thickness, beryllium = surfaces.material[found], False
            thickness /= max(cosine, 1 / FLATTEST)
            matter = BERYLLIUM if beryllium else SILICON
            if knock_on > 0 and knock_out(heading, momentum, mass, thickness, matter, knock_on, state, kick):
                if n_electrons == len(electrons):
                    electrons = _longer(electrons)
                electron = electrons[n_electrons]
                for a in range(3):
                    electron[a] = point[a] + BEYOND * heading[a]
                    electron[3 + a] = kick[a]
                electron[6], electron[7], electron[8], electron[9] = time, -1.0, ELECTRON_MASS, i
                n_electrons += 1
            behind = _behind(ahead, momentum, mass, thickness, matter, effects, state)
            if passive == -1:
                if used == len(rows):
                    rows = _longer(rows)
                row = rows[used]
                row[0], row[1], row[2] = found, i, order
                for a in range(3):
                    row[3 + a] = point[a]
                    row[6 + a] = 0.5 * (momentum * heading[a] + behind * ahead[a])
                mean = math.sqrt(row[6] ** 2 + row[7] ** 2 + row[8] ** 2)
                energy = math.sqrt(momentum**2 + mass**2) + math.sqrt(behind**2 + mass**2)
                row[9], row[10] = 2 * mean / energy, time
                row[11] = uniform(state) < efficiency
                used += 1
                order += 1
            momentum = behind
            if momentum < least:
                break
            for a in range(3):
                heading[a] = ahead[a]
                point[a] += BEYOND * heading[a]
    return rows, used, electrons, n_electrons
