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

__all__ = [
    "N_FREE",
    "Alignment",
    "curvature_of",
    "derivatives",
    "find_alignment",
    "gradient_of",
    "layer_motion",
]

Floats = npt.NDArray[np.float64]

N_FREE = 6
"""Parameters of a body: shifts in mm and rotations in rad along and about three axes."""
ENOUGH, ROUNDING = 1e-6, 1e-12
"""Of what chi2 may still fall by, as a share of that at first: below, further steps change nothing; and below
rounding."""
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
            the global frame, see :func:`layer_motion`.
        error: (M, 2) mm, standard deviations of x and y of what is left.
        width: (6,) how far modules are off their layers, from a first search; it draws them to 0 in the last.
        layer_width: (6,) the same of the layers, never less than the options say.
        n_hits: (M,) that it is found from.
        chi2: of all tracks before and after each step.
    """

    motion: Floats
    own: Floats
    layers: Floats
    error: Floats
    width: Floats
    layer_width: Floats
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
    """(M, 6, 6) a module's motion in its frame from its layer's, which shifts by (T_x, T_y, T_z) and turns by a
    vector about the middle of the layer on the z axis.
    """
    at_rest = detector.at_beam(CENTRED)
    turn, (x, y, z) = at_rest.axes.swapaxes(1, 2), at_rest.center.T
    z = z - at_rest.layers.z[at_rest.layer_index]
    zero = np.zeros_like(x)
    # Turned by a vector, the centre moves by the vector times the centre.
    cross = np.stack([zero, z, -y, -z, zero, x, y, -x, zero], axis=1).reshape(-1, 3, 3)
    result = np.zeros((len(detector), N_FREE, N_FREE))
    result[:, :3, :3], result[:, :3, 3:], result[:, 3:, 3:] = turn, turn @ cross, turn
    return result


def find_alignment(
    look: Callable[[Floats], Seen],
    detector: Detector,
    options: CalibrateOptions,
    start: Alignment | None = None,
) -> Alignment:
    """Find where the modules are.

    Args:
        look: fits all tracks with modules moved by (M, 6) from their places in the table.
        detector: the table; start: what an earlier search found, None: modules are where the table says.
    """
    layer, n = detector.layer_index, len(detector)
    bodies = _Bodies(layer_motion(detector), layer, len(detector.layers))
    width = _widths(options.module_shift, options.module_rotation) if start is None else start.width
    least = _widths(options.layer_shift, options.layer_rotation)
    layer_width = least if start is None else start.layer_width
    motions = np.zeros((n + bodies.n_layers, N_FREE))
    if start is not None:
        motions = np.concatenate([start.own, start.layers])
    now = look(bodies.of_modules(motions))
    n_hits = np.bincount(now.module, minlength=n)
    error_of_layers = np.zeros((bodies.n_layers, N_FREE))
    free, chi2 = n_hits >= options.module_hits, [now.chi2]
    of_all = np.bincount(layer, n_hits, bodies.n_layers)
    error, inverse = np.zeros((n, N_FREE)), np.zeros((n + bodies.n_layers, N_FREE, N_FREE))
    for search in range(2):
        if search:
            width = _found_widths(motions[:n][free], error[free], width)
            layer_width = np.maximum(_found_widths(motions[n:], error_of_layers, layer_width), least)
        drawn = np.repeat(layer_width[None], len(motions), axis=0)
        drawn[:n] = width
        curvature = bodies.of_curvatures(curvature_of(now, n)) + np.eye(N_FREE) / drawn[:, None, :] ** 2
        inverse = np.asarray(np.linalg.inv(curvature), dtype=np.float64)
        error_of_layers = np.sqrt(np.diagonal(inverse[n:], axis1=1, axis2=2))
        inverse[:n][~free] = 0.0
        motions = _conjugate(
            lambda at: bodies.of_gradients(gradient_of(look(bodies.of_modules(at)), n)),
            motions, bodies.of_gradients(gradient_of(now, n)), 1 / drawn**2, inverse, options.steps,
        )  # fmt: skip
        # Tracks do not see the whole detector move: the mean of all layers stays where it is.
        motions[n:] -= (of_all @ motions[n:]) / max(of_all.sum(), 1.0)
        # Fitted again: the tracks' chi2 is a parabola only nearly.
        now = look(bodies.of_modules(motions))
        chi2.append(now.chi2)
        left = np.linalg.inv(curvature_of(now, n) + np.diag(1 / width**2))
        error = np.sqrt(np.diagonal(left, axis1=1, axis2=2))
    # Of a module that was left where its layer has it, only how far others are off theirs is known.
    error = np.where(free[:, None], error, width if np.any(free) else 0.0)
    of_layers = bodies.of_layer @ inverse[n:][layer] @ bodies.of_layer.swapaxes(1, 2)
    error = np.sqrt(error**2 + np.diagonal(of_layers, axis1=1, axis2=2))
    own, layers = motions[:n], motions[n:]
    return Alignment(
        bodies.of_modules(motions), own, layers, error[:, :2], width, layer_width, n_hits, tuple(chi2)
    )


@dataclass(frozen=True)
class _Bodies:
    """Modules and layers, whose motions (M + L, 6) stand one after the other.

    Attributes:
        of_layer: (M, 6, 6), see :func:`layer_motion`; layer: (M,) of each module; n_layers: how many.
    """

    of_layer: Floats
    layer: npt.NDArray[np.int32]
    n_layers: int

    def of_modules(self, motions: Floats) -> Floats:
        """(M, 6) each module's own motion and its layer's."""
        n = len(self.layer)
        return np.asarray(motions[:n] + np.einsum("mij,mj->mi", self.of_layer, motions[n:][self.layer]))

    def of_gradients(self, gradient: Floats) -> Floats:
        """(M + L, 6) derivatives by all bodies' motions, from those by the modules'."""
        of_layers = _sums(np.einsum("mji,mj->mi", self.of_layer, gradient), self.layer, self.n_layers)
        return np.concatenate([gradient, of_layers])

    def of_curvatures(self, curvature: Floats) -> Floats:
        """(M + L, 6, 6) second derivatives by each body's motion, from those by the modules'."""
        turned = self.of_layer.swapaxes(1, 2) @ curvature @ self.of_layer
        return np.concatenate([curvature, _sums(turned, self.layer, self.n_layers)])


def _conjugate(
    gradient_at: Callable[[Floats], Floats], motions: Floats, gradient: Floats, weak: Floats, inverse: Floats,
    steps: int,
) -> Floats:  # fmt: skip
    """Motions (B, 6) for which half of chi2 and of the pull to 0 is least, by conjugate gradients.

    Second derivatives are not needed: along each direction the change of the gradient tells them.

    Args:
        gradient_at: derivatives of half the chi2 at some motions; gradient: at the first ones.
        weak: (B, 6) inverse squares of the widths that draw to 0.
        inverse: (B, 6, 6) inverse second derivatives by each body alone; 0 for one that stays.
    """

    def eased(force: Floats) -> Floats:
        return np.asarray(np.einsum("bij,bj->bi", inverse, force))

    force = -(gradient + weak * motions)
    direction = step = eased(force)
    size = first = float(np.sum(force * step))
    for _ in range(steps):
        if size <= max(ENOUGH * first, ROUNDING):
            break
        curved = gradient_at(motions + direction) - gradient + weak * direction
        bend = float(np.sum(direction * curved))
        if not bend > 0:
            break
        along = size / bend
        motions = motions + along * direction
        force = force - along * curved
        gradient = -force - weak * motions
        step, before = eased(force), size
        size = float(np.sum(force * step))
        direction = step + size / before * direction
    return motions


def _widths(shift: float, rotation: float) -> Floats:
    return np.array([shift] * 3 + [rotation] * 3)


def _sums(values: Floats, of: npt.NDArray[np.int32], n: int) -> Floats:
    """(n, ...) sums of rows by number."""
    flat = values.reshape(len(values), -1)
    sums = np.stack([np.bincount(of, column, n) for column in flat.T], axis=1)
    return np.asarray(sums, dtype=np.float64).reshape(n, *values.shape[1:])


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


def gradient_of(of: Seen, n: int) -> Floats:
    """(M, 6) gradients of half the chi2 by each module's motion."""
    force = np.einsum("kij,kj->ki", of.weight, of.residual)
    return _sums(np.einsum("kij,ki->kj", derivatives(of.cot, of.place), force), of.module, n)


def curvature_of(of: Seen, n: int) -> Floats:
    """(M, 6, 6) second derivatives of half the chi2 by each module's motion alone.

    What the tracks take up of a module's motion lessens them: of a residual's variance the share of the
    measurement's that is left.
    """
    moves = derivatives(of.cot, of.place)
    left = of.variance * np.diagonal(of.weight, axis1=1, axis2=2) ** 2
    return _sums((moves * left[:, :, None]).swapaxes(1, 2) @ moves, of.module, n)
