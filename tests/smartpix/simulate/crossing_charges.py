"""Charges of crossings, and what is read off their images."""

import numpy as np

from smartpix.simulate.drift import Sensor
from smartpix.simulate.induction import Induction
from smartpix.simulate.passages import Passages, SignalPrecision
from smartpix.simulate.response import induced_charge

SENSOR = Sensor()


BARREL, NONE = (3.8, 0.0, 0.0), (0.0, 0.0, 0.0)


HALF = (36.0, 8.4)


ALL = tuple(range(20))


def induce(
    n, cots=(0.0, 0.0), position=(0.0, 0.0), beta=1.0, sensor=SENSOR, b=NONE, slices=(19,), seed=1,
    half=HALF, sense=1,
    neighbours=(1, 1), period=0, ends_at_array=True, smallest=5.0,
):  # fmt: skip
    direction = np.broadcast_to(sense * np.column_stack([np.broadcast_to(cots, (n, 2)), np.ones(n)]), (n, 3))
    place = np.broadcast_to(np.asarray(position, dtype=float), (n, 2))
    passages = Passages(place, direction, np.full(n, beta), np.tile(half, (n, 1)), ends_at_array)
    precision = SignalPrecision(Induction(*neighbours, period), smallest)
    return induced_charge(passages, sensor, b, slices, seed, precision)


def totals(out, n, s=-1):
    return np.bincount(out[0], out[3][:, s], n)


def image(out, n, shape):
    """(n, S, rows, columns) of a small array."""
    crossing, row, column, charge, _ = out
    pixels = np.zeros((n, charge.shape[1], *shape))
    pixels[crossing, :, row, column] = charge
    return pixels


def centre(out, s=-1, half=HALF, sensor=SENSOR, soft=False):
    """Mean charge-weighted x and y of all crossings, mm; ``soft`` leaves those with a hard delta ray out."""
    crossing, row, column, charge, pairs = out
    usual = pairs[crossing] < 1.3 * np.median(pairs) if soft else 1.0
    q = charge[:, s].astype(float) * usual
    x, y = (column + 0.5) * sensor.pitch_x - half[0], (row + 0.5) * sensor.pitch_y - half[1]
    return np.array([np.sum(q * x), np.sum(q * y)]) / q.sum()


def spread(n, around=(0.0, 0.0)):
    """Places that fill two columns and eight rows evenly, so that the pixels' size averages out."""
    i = np.arange(n)
    return np.asarray(around) + np.stack(
        [0.1 * ((i * 0.618034) % 1 - 0.5), 0.1 * ((i + 0.5) / n - 0.5)], axis=1
    )
