"""Alignment: modules and layers moved until the tracks' chi2 is least.

Parameters are those of every module, three shifts and three rotations in its own frame, and those of every layer
as a rigid body. All are drawn to 0 by their widths (A. N. Tikhonov's regularisation), so that a module with few
tracks follows its layer, and what tracks do not see stays. The gradient of the whole chi2 follows from each
module's own residuals, as in the HIP algorithm (V. Karimaki et al., CMS CR-2003/022): once the tracks are fitted,
they do not change it. HIP's steps for one module at a time converge slowly, since the tracks tie modules together.
Here they precondition conjugate gradients (M. R. Hestenes and E. Stiefel, 1952), each step of which is one more fit
of all tracks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from smartpix.beam import CENTRED
from smartpix.geometry import Detector
from tracking.calibration.options import CalibrateOptions
from tracking.calibration.sample import Seen

__all__ = ["N_FREE", "Alignment", "align", "derivatives", "layer_motion"]

Floats = npt.NDArray[np.float64]

N_FREE = 6
"""Parameters of a body: shifts in mm and rotations in rad along and about three axes."""
ENOUGH = 1e-3
"""Of the first gradient, in units of the expected errors: below, further steps change nothing."""
SMALLEST = 1e-5, 1e-7
"""Widths in mm and rad below which none is taken for the modules' own: they would lie still for good."""


ROUNDS = 50
"""Of the search for the widths of motions."""


@dataclass(frozen=True)
class Alignment:
    """Where the modules are.

    Attributes:
        motion: (M, 6) of each module, its own and its layer's, shifts (mm) and rotations (rad) in its frame.
        own: (M, 6) the modules' own; layers: (L, 6) of whole layers, shifts along and rotations about the axes of
            the global frame.
        error: (M, 2) mm, standard deviations of x and y of what is left.
        width: (6,) how far modules are off their layers, as found.
        n_hits: (M,) that it is found from.
        chi2: of all tracks before and after each step.
    """

    motion: Floats
    own: Floats
    layers: Floats
    error: Floats
    width: Floats
    n_hits: npt.NDArray[np.int64]
    chi2: tuple[float, ...]


def derivatives(cot: Floats, place: Floats) -> Floats:
    """(K, 2, 6) change of a hit's residual in x and y with its module's parameters.

    A module that moves by d takes the hit along by d, and meets the track elsewhere by its slope times what d has
    along the normal.

    Args:
        cot: (K, 2) slopes of the track on the module; place: (K, 2) x and y there, mm.
    """
    (a, b), (x, y) = cot.T, place.T
    one, zero = np.ones(len(cot)), np.zeros(len(cot))
    of_x = np.stack([one, zero, -a, -a * y, a * x, -y], axis=1)
    of_y = np.stack([zero, one, -b, -b * y, b * x, x], axis=1)
    return np.stack([of_x, of_y], axis=1)


def layer_motion(detector: Detector) -> Floats:
    """(M, 6, 6) a module's motion in its frame from its layer's, which shifts by (T_x, T_y, T_z) and turns about
    the origin by a vector.
    """
    at_rest = detector.at_beam(CENTRED)
    turn, (x, y, z) = at_rest.axes.swapaxes(1, 2), at_rest.center.T
    zero = np.zeros_like(x)
    # Turned by a vector, the centre moves by the vector times the centre.
    cross = np.stack([zero, z, -y, -z, zero, x, y, -x, zero], axis=1).reshape(-1, 3, 3)
    result = np.zeros((len(detector), N_FREE, N_FREE))
    result[:, :3, :3], result[:, :3, 3:], result[:, 3:, 3:] = turn, turn @ cross, turn
    return result


def align(
    look: Callable[[Floats], Seen], detector: Detector, options: CalibrateOptions, start: Alignment | None = None
) -> Alignment:
    """Find where the modules are.

    Args:
        look: fits all tracks with modules moved by (M, 6) from their places in the table.
        detector: the table; start: what an earlier search found, None: modules are where the table says.
    """
    of_layer, layer = layer_motion(detector), detector.layer_index
    n_layers = len(detector.layers)
    layer_width = _widths(options.layer_shift, options.layer_rotation)
    width = _widths(options.module_shift, options.module_rotation) if start is None else start.width

    def total(own: Floats, layers: Floats) -> Floats:
        return np.asarray(own + np.einsum("mij,mj->mi", of_layer, layers[layer]))

    own, layers = np.zeros((len(detector), N_FREE)), np.zeros((n_layers, N_FREE))
    if start is not None:
        own, layers = start.own, start.layers
    first = look(total(own, layers))
    chi2 = [first.chi2]
    hessian, gradient = _curvature(first, len(detector)), _gradient(first, len(detector))
    n_hits = np.bincount(first.module, minlength=len(detector))
    free = n_hits >= options.module_hits
    error = np.zeros((len(detector), N_FREE))
    for _ in range(2):
        weak_own, weak_layer = 1 / width**2, 1 / layer_width**2
        inverse = np.linalg.inv(hessian + np.diag(weak_own))
        of_layers = _sums(of_layer.swapaxes(1, 2) @ hessian @ of_layer, layer, n_layers)
        inverse_layers = np.linalg.inv(of_layers + np.diag(weak_layer))

        def precondition(force: tuple[Floats, Floats]) -> tuple[Floats, Floats]:
            return free[:, None] * np.einsum("mij,mj->mi", inverse, force[0]), np.einsum("lij,lj->li", inverse_layers, force[1])  # noqa: B023

        def pull_of(gradient: Floats) -> tuple[Floats, Floats]:
            return gradient, _sums(np.einsum("mji,mj->mi", of_layer, gradient), layer, n_layers)

        def dot(a: tuple[Floats, Floats], b: tuple[Floats, Floats]) -> float:
            return float(np.sum(a[0] * b[0]) + np.sum(a[1] * b[1]))

        at = pull_of(gradient)
        force = -(at[0] + weak_own * own), -(at[1] + weak_layer * layers)
        step = precondition(force)
        size = first_size = dot(force, step)
        direction = step
        for _ in range(options.steps):
            if size <= ENOUGH**2 * max(first_size, 1e-30) or size < 1e-12:
                break
            there = look(total(own + direction[0], layers + direction[1]))
            ahead = _gradient(there, len(detector))
            change = pull_of(ahead - gradient)
            curved = change[0] + weak_own * direction[0], change[1] + weak_layer * direction[1]
            bend = dot(direction, curved)
            if not bend > 0:
                break
            along = size / bend
            own, layers = own + along * direction[0], layers + along * direction[1]
            gradient = gradient + along * (ahead - gradient)
            force = force[0] - along * curved[0], force[1] - along * curved[1]
            step, before = precondition(force), size
            size = dot(force, step)
            direction = step[0] + size / before * direction[0], step[1] + size / before * direction[1]
        # Fitted again: the tracks' chi2 is a parabola only nearly.
        now = look(total(own, layers))
        chi2.append(now.chi2)
        hessian, gradient = _curvature(now, len(detector)), _gradient(now, len(detector))
        error = np.sqrt(np.diagonal(np.linalg.inv(hessian + np.diag(weak_own)), axis1=1, axis2=2))
        width = _found_widths(own[free], error[free], width)
    # Of a module that was left where its layer has it, only how far others are off theirs is known.
    error = np.where(free[:, None], error, width if np.any(free) else 0.0)
    return Alignment(total(own, layers), own, layers, error[:, :2], width, n_hits, tuple(chi2))


def _widths(shift: float, rotation: float) -> Floats:
    return np.array([shift] * 3 + [rotation] * 3)


def _sums(values: Floats, of: npt.NDArray[np.integer], n: int) -> Floats:
    """(n, ...) sums of rows by number."""
    flat = values.reshape(len(values), -1)
    sums = [np.bincount(of, column, n) for column in flat.T]
    return np.stack(sums, axis=1).reshape(n, *values.shape[1:])


def _found_widths(own: Floats, error: Floats, width: Floats) -> Floats:
    """(6,) widths of the modules' own motions, where their likelihood is largest.

    Args:
        own, error: (F, 6) motions as found, drawn to 0 by ``width``, and their standard deviations.
    """
    if len(own) == 0:
        return width
    # Without that pull, a motion would be this, with this variance, of which the tracks alone are the cause.
    variance = 1 / np.maximum(1 / error**2 - 1 / width**2, 1e-12)
    square = (own * (1 + variance / width**2)) ** 2
    least = _widths(*SMALLEST) ** 2
    found = np.maximum(width**2, least)
    for _ in range(ROUNDS):
        weight = 1 / (found + variance) ** 2
        found = np.maximum((weight * (square - variance)).sum(axis=0) / weight.sum(axis=0), least)
    return np.asarray(np.sqrt(found))


def _gradient(of: Seen, n: int) -> Floats:
    """(M, 6) gradients of half the chi2 by each module's motion."""
    force = np.einsum("kij,kj->ki", of.weight, of.residual)
    return _sums(np.einsum("kij,ki->kj", derivatives(of.cot, of.place), force), of.module, n)


def _curvature(of: Seen, n: int) -> Floats:
    """(M, 6, 6) second derivatives of half the chi2 by each module's motion alone.

    What the tracks take up of a module's motion lessens them: of a residual's variance the share of the
    measurement's that is left.
    """
    moves = derivatives(of.cot, of.place)
    left = of.variance * np.diagonal(of.weight, axis1=1, axis2=2) ** 2
    return _sums((moves * left[:, :, None]).swapaxes(1, 2) @ moves, of.module, n)
