"""Options of the toys of HEP.TrkX (HEPTrkX/heptrkx-ctd; EPJ Web Conf. 150, 00003). Importing them needs
neither Numba nor torch.

Where the published text and the published code differ, the code is followed.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from smartpix.schema import InputError, check, check_ranges, check_types, nearest, one_of, quoted, ranged

__all__ = ["KINDS", "LINE_KINDS", "WIDENING", "ToyOptions", "changed_options", "plane_ranges", "toy_options"]

KINDS = {
    "2d-noise": "one track, and a fifth of all other pixels are noise (50 planes of 50 pixels)",
    "2d-tracks": "one track and exactly 5 others (50 planes of 50 pixels)",
    "2d-conv": "the same for the convolutions, which halve planes four times (48 planes of 48 pixels)",
    "3d": "one track, 3 others on average and noise of 1 % (10 planes of 32 x 32 pixels)",
    "variable": "one track and exactly 5 others on planes that widen from 2 to 48 pixels (48 planes)",
    "lines-1": "image of one line, whose intercept and slope are asked for (50 x 50 pixels)",
    "lines-3": "image of exactly 3 lines",
    "lines-poisson": "image of 3 lines on average, 6 at most",
}
"""The kinds of toys, and what each holds."""

LINE_KINDS = ("lines-1", "lines-3", "lines-poisson")
"""Images without a wanted track: all their tracks are asked for."""

WIDENING = 1.7
"""Planes per pair of pixels by which the planes of ``variable`` widen."""

_SETTINGS: dict[str, dict[str, Any]] = {
    "2d-noise": {},
    "2d-tracks": {"noise": 0.0, "background": 5.0},
    "2d-conv": {"n_planes": 48, "width": 48, "noise": 0.0, "background": 5.0},
    "3d": {
        "n_planes": 10, "width": 32, "seed_planes": 3, "noise": 0.01, "background": 3.0,
        "background_exact": False,
    },
    "variable": {"n_planes": 48, "width": 48, "noise": 0.0, "background": 5.0},
    "lines-1": {"seed_planes": 0, "noise": 0.0, "background": 1.0, "max_tracks": 1},
    "lines-3": {"seed_planes": 0, "noise": 0.0, "background": 3.0, "max_tracks": 3},
    "lines-poisson": {
        "seed_planes": 0, "noise": 0.0, "background": 3.0, "background_exact": False, "max_tracks": 6,
    },
}  # fmt: skip
"""Where a kind differs from the defaults of :class:`ToyOptions`."""


@dataclass(frozen=True)
class ToyOptions:
    """Toy events: straight tracks through planes of pixels.

    The defaults are those of ``2d-noise``; :func:`toy_options` gives the published ones of each kind.

    Attributes:
        kind: ``2d-noise``, ``2d-tracks`` and ``2d-conv`` have planes of one direction, ``3d`` square ones,
            and ``variable`` planes that widen; ``lines-1``, ``lines-3`` and ``lines-poisson`` are images of
            lines, without a wanted track.
        n_planes: planes that a track crosses, one behind the other at equal distances.
        width: pixels of a plane, or to a side of a square one; of ``variable``, of the widest.
        seed_planes: first planes on which the image shows the wanted track alone.
        noise: probability that a pixel is on by itself.
        background: mean number of tracks beside the wanted one; of the kinds ``lines``, of all tracks.
        background_exact: every event has exactly that many, instead of a Poisson distribution's.
        max_tracks: most lines of an image, and rows of its parameters; 0 where a track is wanted.
    """

    kind: str = one_of("2d-noise", KINDS)
    n_planes: int = ranged(50, 2, 200)
    width: int = ranged(50, 2, 200)
    seed_planes: int = ranged(5, 0, 199)
    noise: float = ranged(0.2, 0.0, 1.0)
    background: float = ranged(0.0, 0.0, 50.0)
    background_exact: bool = True
    max_tracks: int = ranged(0, 0, 100)

    def __post_init__(self) -> None:
        check_types("toys", self)
        check_ranges("toys", self)
        most = self.n_planes - 1
        check("toys", "seed_planes", self.seed_planes, self.seed_planes <= most, f"{most} or fewer "
              f"of the {self.n_planes} planes")  # fmt: skip
        whole = not self.background_exact or float(self.background).is_integer()
        check("toys", "background", self.background, whole, "a whole number where background_exact is true")
        if self.has_lines:
            self._check_lines()
        else:
            check("toys", "max_tracks", self.max_tracks, self.max_tracks == 0, f"0 for {self.kind}")
        if self.kind == "variable":
            self._check_wedge()

    def _check_lines(self) -> None:
        check("toys", "max_tracks", self.max_tracks, self.max_tracks > 0, f"1 or more for {self.kind}")
        for name in ("seed_planes", "noise"):
            value = getattr(self, name)
            check("toys", name, value, value == 0, f"0 for {self.kind}, which asks for all tracks")
        fits = not self.background_exact or self.background <= self.max_tracks
        check("toys", "background", self.background, fits, f"at most max_tracks ({self.max_tracks})")

    def _check_wedge(self) -> None:
        """No wanted track may leave the wedge: neither along its edges nor in between."""
        ranges = plane_ranges(self)
        for k, (low, high) in enumerate(ranges):
            share = k / self.n_planes
            lowest, highest = ((1 - share) * ranges[0][side] + share * ranges[-1][side] for side in (0, 1))
            if lowest < low or highest > high:
                raise InputError(
                    f"toys: width {self.width} with n_planes {self.n_planes} lets the wanted track leave plane "
                    f"{k} of {self.kind}, which has {high - low} pixels; give a smaller width or more planes"
                )

    @property
    def has_lines(self) -> bool:
        """Whether all tracks of the image are asked for, and none is the wanted one."""
        return self.kind in LINE_KINDS

    @property
    def plane_shape(self) -> tuple[int, ...]:
        """Pixels of a plane in each of its directions."""
        return (self.width, self.width) if self.kind == "3d" else (self.width,)


def toy_options(kind: str) -> ToyOptions:
    """The published options of a kind of toys.

    Raises:
        InputError: there is no such kind.
    """
    if kind not in _SETTINGS:
        raise InputError(
            f"toys: kind must be one of {', '.join(KINDS)} and is {quoted(kind)}.{nearest(kind, KINDS)}"
        )
    return ToyOptions(kind=kind, **_SETTINGS[kind])


def changed_options(toy: ToyOptions) -> dict[str, Any]:
    """Those options of toys that are not the published ones of their kind."""
    published = asdict(toy_options(toy.kind))
    return {name: value for name, value in asdict(toy).items() if value != published[name]}


def plane_ranges(options: ToyOptions) -> list[tuple[int, int]]:
    """First pixel of each plane and the one behind its last, in each direction of the plane.

    All planes are ``width`` wide but those of ``variable``: plane l, counted from 1, has 2 int(l / 1.7 + 1)
    pixels in the middle of ``width``.
    """
    ranges = []
    for plane in range(1, options.n_planes + 1):
        n_pixels = options.width
        if options.kind == "variable":
            n_pixels = min(n_pixels, 2 * int(plane / WIDENING + 1))
        low = (options.width - n_pixels) // 2
        ranges.append((low, low + n_pixels))
    return ranges
