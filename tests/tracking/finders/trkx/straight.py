"""The toys again, in plain Python: its own random numbers, one event, one pixel at a time."""

import math

import numpy as np

MASK = 2**64 - 1


class Numbers:
    """SplitMix64 in whole numbers of Python."""

    def __init__(self, seed, event):
        self.state = seed
        self.state = (self.bits() * 2**11 + event) & MASK
        self.state = (self.bits() * 2**11 + event % 2**11) & MASK

    def bits(self):
        """53 random bits."""
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return (z ^ (z >> 31)) >> 11

    def uniform(self, low=0, high=1):
        return low + (high - low) * self.bits() / 2**53


def poisson(mean, u):
    """The smallest number whose cumulative probability is above ``u``."""
    n = 0
    while u >= sum(math.exp(-mean) * mean**k / math.factorial(k) for k in range(n + 1)):
        n += 1
    return n


def plane_sides(options):
    """First and last + 1 pixel of each plane, in whole numbers: l / 1.7 is 10 l / 17."""
    widths = [options.width] * options.n_planes
    if options.kind == "variable":
        widths = [min(options.width, 2 * (10 * k // 17 + 1)) for k in range(1, options.n_planes + 1)]
    return [((options.width - w) // 2, (options.width - w) // 2 + w) for w in widths]


def one_track(options, numbers, ends):
    """Pixel of a track on each plane."""
    steps = options.n_planes - 1 if options.kind == "3d" else options.n_planes
    first, last = numbers.uniform(*ends[0]), numbers.uniform(*ends[-1])
    pixels = [int(first + (last - first) / steps * k) for k in range(options.n_planes)]
    if options.kind != "3d":
        return pixels
    first, last = numbers.uniform(0, options.width), numbers.uniform(0, options.width)
    return [x * options.width + int(first + (last - first) / steps * k) for k, x in enumerate(pixels)]


def one_event(options, seed, event):
    """Image, pixels of the wanted track and hits of all: (P, pixels), (P,), (P, pixels)."""
    numbers = Numbers(seed, event)
    exact = options.background_exact
    n_others = int(options.background) if exact else poisson(options.background, numbers.uniform())
    sides = plane_sides(options)
    full = [(0, options.width)] * options.n_planes
    hits = np.zeros((options.n_planes, math.prod(options.plane_shape)), dtype=np.uint8)
    wanted = one_track(options, numbers, sides)
    for pixels in (wanted, *(one_track(options, numbers, full) for _ in range(n_others))):
        for plane, pixel in enumerate(pixels):
            low, high = sides[plane] if options.kind != "3d" else (0, hits.shape[1])
            if low <= pixel < high:
                hits[plane, pixel] = 1
    for plane in range(options.n_planes if options.noise else 0):
        low, high = sides[plane] if options.kind != "3d" else (0, hits.shape[1])
        for pixel in range(low, high):
            if numbers.uniform() < options.noise:
                hits[plane, pixel] = 1
    image = hits.copy()
    for plane in range(options.seed_planes):
        image[plane] = 0
        image[plane, wanted[plane]] = 1
    return image, np.array(wanted), hits


def one_image(options, seed, event):
    """Image of lines, and their (intercept, slope W / 2) in the order of the intercepts."""
    numbers = Numbers(seed, event)
    exact = options.background_exact
    n_lines = int(options.background) if exact else poisson(options.background, numbers.uniform())
    image = np.zeros((options.n_planes, options.width), dtype=np.uint8)
    lines = []
    for _ in range(min(n_lines, options.max_tracks)):
        start, end = numbers.uniform(0, options.width), numbers.uniform(0, options.width)
        slope = (end - start) / options.n_planes
        lines.append((start, slope * options.width / 2))
        for plane in range(options.n_planes):
            pixel = int(start + slope * plane)
            # The published code has "hits > 0".
            if pixel > 0:
                image[plane, pixel] = 1
    return image, sorted(lines)
