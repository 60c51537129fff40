"""Alignment: modules and layers moved until the tracks' chi2 is least.

Parameters are those of every module, three shifts and three rotations in its own frame, and those of
every layer as a rigid body. All are drawn to 0 by their widths (A. N. Tikhonov's regularisation), so that
a module with few tracks follows its layer, and what tracks do not see stays. The gradient of the whole
chi2 follows from each module's own residuals, as in the HIP algorithm (V. Karimaki et al., CMS
CR-2003/022): once the tracks are fitted, they do not change it. The second derivatives, with the tracks
eliminated, tie modules together (:mod:`tracking.calibration.response`); two steps of Newton's with all of
them are made, and the tracks fitted anew.

What is left of a module's error has the same ties: tracks hardly see layers that move or turn together.
It is taken from samples of the motions' distribution after the fit (G. Papandreou and A. Yuille, NIPS
2010: the solution for random forces of the covariance of the second derivatives has their inverse as
covariance). How far modules are off on the whole is searched for with these as well. Where tracks tell
nothing of a motion, its width stays at what the options say, and never falls to 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from smartpix.geometry import Detector
from tracking.calibration.moves import N_FREE, derivatives, layer_motion, mean_squares, sums
from tracking.calibration.options import CalibrateOptions
from tracking.calibration.response import Response
from tracking.calibration.sample import Seen
from tracking.calibration.solve import Bodies, Normal

__all__ = ["FEW_SAMPLES", "Alignment", "find_alignment", "gradient_of"]

Floats = npt.NDArray[np.float64]

BELIEVED = 3.0
"""Bodies that the width believed so far counts as where another is found."""
FARTHER = 1.5
"""How far the widths of modules go, of the logarithm of a step: steps are short where tracks tell little."""
RESIZED, FEW_SAMPLES = (2, 6), 4
"""Times that widths are found at first and in searches that start from another, and samples for each: all
modules together have many."""
SHORTER, ROUNDING = 8, 1e-3
"""Steps that are tried, each half as long as the one before; and share that chi2 may rise by, as the mean
of all layers is held."""
OF_LAYER = 16
"""Samples that the ratio of a layer's errors to those of its modules alone counts as, beside a module's
own."""
SEED = 23_005
"""Of the samples: whatever the events."""


@dataclass(frozen=True)
class Alignment:
    """Where the modules are.

    Attributes:
        motion: (M, 6) of each module, its own and its layer's, shifts (mm) and rotations (rad) in its
            frame.
        own: (M, 6) the modules' own; layers: (L, 6) of whole layers, shifts along and rotations about the
            axes of the global frame, see :func:`layer_motion`.
        error: (M, 2) mm, standard deviations of what is left of x and y, over a module's face.
        width: (6,) how far modules are off their layers, from a first search; it draws them to 0 in the
            last.
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
    respond: Callable[[Floats], Response],
    detector: Detector,
    options: CalibrateOptions,
    start: Alignment | None = None,
) -> Alignment:
    """Find where the modules are.

    Args:
        look: fits all tracks with modules moved by (M, 6) from their places in the table; respond: how
            their chi2 answers there, see :func:`tracking.calibration.response.response`.
        detector: the table; start: what an earlier search found, None: modules are where the table says.
    """
    layer, n = detector.layer_index, len(detector)
    bodies = Bodies(layer_motion(detector), layer, len(detector.layers))
    most = _widths(options.module_shift, options.module_rotation)
    width = most if start is None else start.width
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
    rng = np.random.default_rng(SEED)
    for last in (False, True):
        normal = Normal(respond(bodies.of_modules(motions)), bodies)
        gradient, at = bodies.of_gradients(gradient_of(now, n)), motions
        for left in reversed(range(1 if last else 1 + RESIZED[start is not None])):
            drawn = np.concatenate([np.tile(width, (n, 1)), np.tile(layer_width, (bodies.n_layers, 1))])
            n_samples = FEW_SAMPLES if left else options.samples if last else 0
            force = np.concatenate(
                [(-gradient - at / drawn**2)[:, :, None], _random_forces(normal, drawn, rng, n_samples)],
                axis=2,
            )
            steps = normal.solved(force, drawn, free, options.steps)[0]
            motions, samples = at + steps[:, :, 0], steps[:, :, 1:]
            if left:
                alone = np.diagonal(normal.alone(drawn), axis1=1, axis2=2)
                square = (samples[:n] ** 2).mean(axis=2)
                error = np.sqrt(_joined(square, alone[:n], n_samples, free[:n], layer))
                told = _found_widths(motions[:n][free[:n]], error[free[:n]], width)
                width = np.minimum(width * (told / width) ** FARTHER, most)
                if left == 1:
                    # Layers are few and tied: found anew from what they drew, their widths would run away.
                    layer_width = np.maximum(
                        _found_widths(motions[n:], np.sqrt(alone[n:]), layer_width), least
                    )
        # Fitted again: the tracks' chi2 is a parabola only nearly. Where it is none, a shorter step makes
        # it less.
        aim, most_chi2 = motions, now.chi2 + ((at / drawn) ** 2).sum()
        for part in 0.5 ** np.arange(SHORTER):
            motions = at + part * (aim - at)
            # Tracks do not see the whole detector move: the mean of all layers stays where it is.
            motions[n:] -= (of_all @ motions[n:]) / max(of_all.sum(), 1.0)
            now = look(bodies.of_modules(motions))
            if now.chi2 + ((motions / drawn) ** 2).sum() <= most_chi2 * (1 + ROUNDING):
                break
        chi2.append(now.chi2)
    # Of a module that was left where its layer has it, only how far others are off theirs is known.
    samples[:n][~free[:n]] = (
        rng.normal(size=(int(np.sum(~free[:n])), N_FREE, options.samples)) * width[:, None]
    )
    if not np.any(free[:n]):
        samples[:n] = 0.0
    steepest = np.zeros((bodies.n_layers, 2))
    np.maximum.at(steepest, layer[now.module], np.abs(now.cot))
    faces, samples_there = mean_squares(detector, steepest), bodies.of_modules(samples)
    square = (
        np.einsum("maij,mis,mjs->ma", faces, samples_there, samples_there, optimize=True) / options.samples
    )
    alone = np.einsum("maij,mij->ma", faces, normal.alone(drawn)[:n])
    square = _joined(square, alone, options.samples, free[:n], layer)
    # What the tracks determined of the motions, and not the widths, they cannot tell of the errors as well.
    n_freedoms = normal.n_rows - normal.determined(samples * free[:, None, None])
    if np.any(free[:n]):
        # Residuals are wider than the hits' and tracks' stated errors, and so are the motions they tell.
        # Where no module moves on its own, they are wider for the modules' places, and tell no more.
        square = square * max(now.chi2 / max(n_freedoms, 1.0), 1.0)
    own, layers = motions[:n], motions[n:]
    return Alignment(
        bodies.of_modules(motions), own, layers, np.sqrt(square), width, layer_width, n_hits, tuple(chi2), n_freedoms
    )  # fmt: skip


def _random_forces(normal: Normal, drawn: Floats, rng: np.random.Generator, n: int) -> Floats:
    """(M + L, 6, n) random forces, of tracks and widths, for which the motions have their covariance."""
    if n == 0:
        return np.zeros((*drawn.shape, 0))
    return normal.random_force(rng, n) + rng.normal(size=(*drawn.shape, n)) / drawn[:, :, None]


def _joined(
    square: Floats, alone: Floats, n: int, free: npt.NDArray[np.bool_], layer: npt.NDArray[np.int32]
) -> Floats:
    """(M, V) variances of what modules' motions do.

    A module's own samples tell its variance roughly. They are joined with the ratio that all samples of
    its layer have to the variance of each module alone.

    Args:
        square: (M, V) mean squares of n samples; alone: (M, V) variances if all other bodies were known;
            free: (M,) modules that moved.
    """
    used, n_layers = free[:, None], int(layer.max()) + 1
    ratio = sums(square * used, layer, n_layers) / np.maximum(sums(alone * used, layer, n_layers), 1e-300)
    return np.asarray(np.where(used, (n * square + OF_LAYER * ratio[layer] * alone) / (n + OF_LAYER), square))


def _widths(shift: float, rotation: float) -> Floats:
    return np.array([shift] * 3 + [rotation] * 3)


def _found_widths(own: Floats, error: Floats, width: Floats) -> Floats:
    """(6,) widths of motions by a step of expectation and maximization (A. P. Dempster et al., J. R. Stat.
    Soc. B 39 (1977) 1): the mean square of what is found and of what is left.

    Bodies count by the share of their variance that the tracks took away, squared. Beside them stand
    ``BELIEVED`` others of the width that is believed so far: where tracks tell nothing, it stays.

    Args:
        own, error: (F, 6) motions as found, drawn to 0 by ``width``, and their standard deviations.
    """
    told = np.clip(1 - (error / width) ** 2, 0.0, 1.0) ** 2
    square = (told * (own**2 + error**2)).sum(axis=0) + BELIEVED * width**2
    return np.asarray(np.sqrt(square / (told.sum(axis=0) + BELIEVED)))


def gradient_of(of: Seen, n: int) -> Floats:
    """(M, 6) gradients of half the chi2 by each module's motion."""
    force = np.einsum("kij,kj->ki", of.weight, of.residual)
    return sums(np.einsum("kij,ki->kj", derivatives(of.cot, of.place), force), of.module, n)
