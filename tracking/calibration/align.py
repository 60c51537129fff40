"""Alignment: modules and layers moved until the tracks' chi2 is least.

Parameters are those of every module, three shifts and three rotations in its own frame, and those of every layer
as a rigid body. All are drawn to 0 by their widths (A. N. Tikhonov's regularisation), so that a module with few
tracks follows its layer, and what tracks do not see stays. The gradient of the whole chi2 follows from each
module's own residuals, as in the HIP algorithm (V. Karimaki et al., CMS CR-2003/022): once the tracks are fitted,
they do not change it. The second derivatives, with the tracks eliminated, tie modules together
(:mod:`tracking.calibration.response`); two steps of Newton's with all of them are made, and the tracks fitted anew.

What is left of a module's error has the same ties: tracks hardly see layers that move or turn together. It is taken
from samples of the motions' distribution after the fit (G. Papandreou and A. Yuille, NIPS 2010: the solution for
random forces of the covariance of the second derivatives has their inverse as covariance).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from smartpix.geometry import Detector
from tracking.calibration.moves import N_FREE, derivatives, layer_motion
from tracking.calibration.options import CalibrateOptions
from tracking.calibration.sample import Seen
from tracking.calibration.solve import Bodies, Normal, sums

__all__ = ["Alignment", "find_alignment", "gradient_of"]

Floats = npt.NDArray[np.float64]

SMALLEST = 1e-5, 1e-7
"""Widths in mm and rad below which none is taken for the modules' own: they would lie still for good."""
ROUNDS = 50
"""Of the search for the widths of motions."""
ROUGH = 1e-4
"""Of samples: as ``ENOUGH`` of the solution."""
OF_LAYER = 16
"""Samples that the ratio of a layer's errors to those of its modules alone counts as, beside a module's own."""
SEED = 23_005
"""Of the samples: whatever the events."""


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
        n_freedoms: measurements less parameters of tracks, and less what modules and layers took of them.
    """

    motion: Floats
    own: Floats
    layers: Floats
    error: Floats
    width: Floats
    layer_width: Floats
    n_hits: npt.NDArray[np.int64]
    chi2: tuple[float, ...]
    n_freedoms: float


def find_alignment(
    look: Callable[[Floats], Seen],
    respond: Callable[[Floats], sparse.csr_array],
    detector: Detector,
    options: CalibrateOptions,
    start: Alignment | None = None,
) -> Alignment:
    """Find where the modules are.

    Args:
        look: fits all tracks with modules moved by (M, 6) from their places in the table; respond: how their chi2
            answers there, see :func:`tracking.calibration.response.response`.
        detector: the table; start: what an earlier search found, None: modules are where the table says.
    """
    layer, n = detector.layer_index, len(detector)
    bodies = Bodies(layer_motion(detector), layer, len(detector.layers))
    width = _widths(options.module_shift, options.module_rotation) if start is None else start.width
    least = _widths(options.layer_shift, options.layer_rotation)
    layer_width = least if start is None else start.layer_width
    motions = np.zeros((n + bodies.n_layers, N_FREE))
    if start is not None:
        motions = np.concatenate([start.own, start.layers])
    now = look(bodies.of_modules(motions))
    n_hits = np.bincount(now.module, minlength=n)
    of_all = np.bincount(layer, n_hits, bodies.n_layers)
    free, chi2 = np.ones(len(motions), dtype=np.bool_), [now.chi2]
    free[:n] = n_hits >= options.module_hits
    drawn = np.concatenate([np.tile(width, (n, 1)), np.tile(layer_width, (bodies.n_layers, 1))])
    normal = Normal(respond(bodies.of_modules(motions)), bodies)
    for search in range(2):
        if search:
            error = np.sqrt(np.diagonal(normal.alone(drawn), axis1=1, axis2=2))
            width = _found_widths(motions[:n][free[:n]], error[:n][free[:n]], width)
            layer_width = np.maximum(_found_widths(motions[n:], error[n:], layer_width), least)
            drawn[:n], drawn[n:] = width, layer_width
            normal = Normal(respond(bodies.of_modules(motions)), bodies)
        force = -bodies.of_gradients(gradient_of(now, n)) - motions / drawn**2
        motions = motions + normal.solved(force[:, :, None], drawn, free, options.steps)[0][:, :, 0]
        # Tracks do not see the whole detector move: the mean of all layers stays where it is.
        motions[n:] -= (of_all @ motions[n:]) / max(of_all.sum(), 1.0)
        # Fitted again: the tracks' chi2 is a parabola only nearly.
        now = look(bodies.of_modules(motions))
        chi2.append(now.chi2)
    square, taken = _left(normal, bodies, drawn, free, options)
    n_freedoms = normal.n_rows - taken
    # Residuals are wider than the hits' and tracks' stated errors, and so are the motions they tell.
    square *= max(now.chi2 / max(n_freedoms, 1.0), 1.0)
    # Of a module that was left where its layer has it, only how far others are off theirs is known.
    if np.any(free[:n]):
        square[~free[:n]] += width[:2] ** 2
    own, layers = motions[:n], motions[n:]
    return Alignment(
        bodies.of_modules(motions), own, layers, np.sqrt(square), width, layer_width, n_hits, tuple(chi2), n_freedoms
    )  # fmt: skip


def _left(
    normal: Normal, bodies: Bodies, drawn: Floats, free: npt.NDArray[np.bool_], options: CalibrateOptions
) -> tuple[Floats, float]:
    """(M, 2) variances of x and y of the modules that the tracks leave, and parameters that these determine.

    A module's own samples tell its variance roughly. They are joined with the ratio that all samples of its layer
    have to the variance of each module alone.

    Args:
        drawn: (M + L, 6) widths; free: (M + L,) bodies that were moved.
    """
    rng, n, s = np.random.default_rng(SEED), len(bodies.layer), options.samples
    force = normal.random_force(rng, s) + rng.normal(size=(*drawn.shape, s)) / drawn[:, :, None]
    motions, _ = normal.solved(force, drawn, free, options.steps, ROUGH)
    moved = (bodies.of_modules(motions) ** 2).mean(axis=2)[:, :2]
    alone = np.diagonal(normal.alone(drawn)[:n], axis1=1, axis2=2)[:, :2]
    of_modules = sums(np.where(free[:n, None], alone, moved), bodies.layer, bodies.n_layers)
    ratio = sums(moved, bodies.layer, bodies.n_layers) / np.maximum(of_modules, 1e-300)
    joined = (s * moved + OF_LAYER * ratio[bodies.layer] * alone) / (s + OF_LAYER)
    return np.where(free[:n, None], joined, moved), normal.determined(motions)


def _widths(shift: float, rotation: float) -> Floats:
    return np.array([shift] * 3 + [rotation] * 3)


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
    return sums(np.einsum("kij,ki->kj", derivatives(of.cot, of.place), force), of.module, n)
