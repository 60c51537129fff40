"""Column tables of everything that crosses a boundary, and the one error type for bad input.

A table is a mapping ``name -> (dtype, unit, meaning)``; the ROOT branches, the documentation in
``docs/formats.md`` and the checks on reading all come from the tables here.
"""

from __future__ import annotations

import dataclasses
import difflib
import typing
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt

__all__ = [
    "CLUSTERS", "DETECTOR", "EDGES", "ESTIMATES", "MIN_SHARE", "N_COLUMNS", "N_ROWS", "PARAMETERS",
    "PARTICLES", "PIXELS", "REGIONS", "SMALLEST_SIGMA", "STRONGEST_FIELD", "TARGETS", "TARGET_SCALE",
    "TRACKS", "TRACK_HITS", "TRACK_TIMES", "TRUTH", "Column", "Container", "InputError", "check", "check_field",
    "check_ranges", "check_types", "nearest", "one_line", "one_of", "origin_pixel", "quoted", "ranged",
    "ranges_of", "require", "whole_ids",
]  # fmt: skip

Container = Literal["ttree", "rntuple"]
"""How ROOT holds the events of a file."""
Number = TypeVar("Number", int, float)

N_ROWS, N_COLUMNS = 13, 21
"""Window of the network around a cluster: rows along y (r-phi), columns along x (z in the barrel)."""

MIN_SHARE = 0.1
"""A particle made a cluster if at least this share of the true charge is its own. Delta rays leave less."""

ESTIMATES = ("auto", "mdn", "quantised", "shape", "positions")
"""Kinds of estimates that can be asked for."""

REGIONS = ("barrel", "endcap")
"""Each has a network of its own: drift in the magnetic field shears barrel clusters only."""

TARGETS = ("x", "y", "cot_alpha", "cot_beta")
"""What is estimated, in this order."""
TARGET_SCALE = (0.075, 0.01875, 8.0, 0.5)
"""Divisors of the networks' targets x, y (mm, from the window's centre), cot alpha, cot beta: the public data
sets'.
"""
SMALLEST_SIGMA = 1e-3
"""Floor of the networks' Cholesky diagonal in scaled units (0.075 um in x): keeps the likelihood bounded."""

STRONGEST_FIELD = 20.0
"""T, either sign: five times that of today's largest trackers (4 T). Beyond it a field is a slip of units or
of a digit.
"""


class InputError(ValueError):
    """Input that cannot be used: names the file, the field, what was expected and the likely fix."""


@dataclass(frozen=True)
class Column:
    """One column: NumPy dtype, unit and meaning; ``optional`` columns may be missing in a file."""

    dtype: str
    unit: str
    meaning: str
    optional: bool = False


CLUSTERS: dict[str, Column] = {
    "hit_id": Column("i8", "", "identifier, unique in the event; the user's own id where one existed"),
    "module_index": Column("i4", "", "row of the module in the detector table of the file"),
    "volume_id": Column("i4", "", "ACTS / TrackML volume"),
    "layer_id": Column("i4", "", "ACTS / TrackML layer within the volume"),
    "module_id": Column("i4", "", "ACTS / TrackML module within the layer"),
    "x": Column("f4", "mm", "global position, x"),
    "y": Column("f4", "mm", "global position, y"),
    "z": Column("f4", "mm", "global position, z (along the beam)"),
    "local_x": Column("f4", "mm", "sensor frame, from the module centre, Lorentz shift corrected"),
    "local_y": Column("f4", "mm", "sensor frame, from the module centre, Lorentz shift corrected"),
    "sigma_x": Column("f4", "mm", "uncertainty of local_x"),
    "sigma_y": Column("f4", "mm", "uncertainty of local_y"),
    "charge": Column("f4", "e", "sum of the last slice over the pixels"),
    "truncated": Column("?", "", "does not fit the network's 13 x 21 window, or touches the module's edge"),
    "time": Column("f4", "ns", "when it was seen, by the clock of the file", optional=True),
}

PIXELS: dict[str, Column] = {
    "row": Column("i2", "", "row on the module, along y; row 0 at y = -half_y"),
    "column": Column("i2", "", "column on the module, along x; column 0 at x = -half_x"),
}
"""Every slice that was read out adds one branch ``pixel_charge_<slice>`` (float32, e, cumulative)."""

TRUTH: dict[str, Column] = {
    "particle_id": Column("i8", "", "particle that left charge in the cluster"),
    "share": Column("f4", "", "its share of the true charge of the cluster, 0 to 1"),
    "order": Column("i4", "", "running number of the crossing along the particle's path"),
    "x": Column("f4", "mm", "sensor frame: where it crossed the sensor's midplane"),
    "y": Column("f4", "mm", "sensor frame: where it crossed the sensor's midplane"),
    "cot_alpha": Column("f4", "", "n_x / n_z in the sensor frame"),
    "cot_beta": Column("f4", "", "n_y / n_z in the sensor frame (beta bends)"),
    "pt": Column("f4", "GeV", "transverse momentum at the crossing"),
}

PARTICLES: dict[str, Column] = {
    "particle_id": Column("i8", "", "identifier, unique in the event, > 0"),
    "pdg_id": Column("i4", "", "particle type, PDG numbering"),
    "charge": Column("f4", "e", "charge in units of the proton's"),
    "vx": Column("f4", "mm", "production point"),
    "vy": Column("f4", "mm", "production point"),
    "vz": Column("f4", "mm", "production point"),
    "px": Column("f4", "GeV", "momentum at production"),
    "py": Column("f4", "GeV", "momentum at production"),
    "pz": Column("f4", "GeV", "momentum at production"),
}

# The names are those of TrackML's detectors.csv, so that either file reads as the other.
DETECTOR: dict[str, Column] = {
    "volume_id": Column("i4", "", "ACTS / TrackML volume"),
    "layer_id": Column("i4", "", "ACTS / TrackML layer within the volume"),
    "module_id": Column("i4", "", "ACTS / TrackML module within the layer"),
    "cx": Column("f8", "mm", "module centre"),
    "cy": Column("f8", "mm", "module centre"),
    "cz": Column("f8", "mm", "module centre"),
    **{
        f"rot_{g}{a}": Column("f8", "", f"global {g} component of the module axis {a}")
        for g in "xyz"
        for a in "uvw"
    },
    "module_t": Column("f8", "mm", "half of the sensor's thickness"),
    "module_minhu": Column("f8", "mm", "half length along u at the lower v edge"),
    "module_maxhu": Column("f8", "mm", "half length along u at the upper v edge"),
    "module_hv": Column("f8", "mm", "half length along v"),
    "pitch_u": Column("f8", "mm", "pixel pitch along u"),
    "pitch_v": Column("f8", "mm", "pixel pitch along v"),
}

PARAMETERS = ("d0", "z0", "phi", "theta", "qop")
"""Of a track, in the order of its covariance."""

TRACKS: dict[str, Column] = {
    "n_hits": Column("i4", "", "clusters on the track"),
    "d0": Column("f4", "mm", "signed transverse distance of closest approach to the beam line"),
    "z0": Column("f4", "mm", "place of the closest approach along the beam line, from the beam spot"),
    "phi": Column("f4", "rad", "azimuth of the momentum at the closest approach"),
    "theta": Column("f4", "rad", "polar angle of the momentum"),
    "qop": Column("f4", "1/GeV", "charge over momentum"),
    "score": Column("f4", "", "mean score of the track's edges"),
    **{
        f"cov_{a}_{b}": Column("f4", "", f"covariance of {a} and {b}, in their units")
        for i, a in enumerate(PARAMETERS)
        for b in PARAMETERS[i:]
    },
    "chi2": Column("f4", "", "chi square of the track fit"),
    "ndf": Column("i4", "", "degrees of freedom of the track fit, of the hits in it"),
    "particle_id": Column("i8", "", "matched particle (double majority), 0: none", optional=True),
    "hit_fraction": Column("f4", "", "share of the track's hits the best particle made", optional=True),
}

TRACK_TIMES: dict[str, Column] = {
    "time": Column("f4", "ns", "mean of the hits' times less the flight of a pion from the closest approach"),
    "sigma_time": Column("f4", "ns", "its standard deviation, by `cone.time_sigma` or as seen"),
}
"""Of tracks in files with times of clusters; NaN where no hit of a track has one."""

TRACK_HITS: dict[str, Column] = {
    "id": Column("i8", "", "`cluster_hit_id`"),
    "part": Column("i4", "", "number of the hit among those that its cluster gives, from 0"),
    "residual_x": Column("f4", "mm", "measured less fitted x on the module"),
    "residual_y": Column("f4", "mm", "measured less fitted y on the module"),
    "pull_x": Column("f4", "", "residual over its standard deviation; 0 where the fit needs the hit"),
    "pull_y": Column("f4", "", "residual over its standard deviation; 0 where the fit needs the hit"),
    "outlier": Column("?", "", "not in the fit; residual and pull are against the track of the others"),
}


EDGES: dict[str, Column] = {
    "source": Column("i8", "", "`cluster_hit_id` of the inner end"),
    "target": Column("i8", "", "`cluster_hit_id` of the outer end"),
    "source_part": Column("i4", "", "number of the inner end among the hits that its cluster gives, from 0"),
    "target_part": Column("i4", "", "the same of the outer end"),
    "score": Column("f4", "", "of the graph network, 0 to 1"),
    "chi2": Column("f4", "", 'of the joint test of both ends\' cones (0 with `graph = "window"`)'),
    "curvature": Column("f4", "1/mm", "of the circle through the beam line and both ends"),
    "cot_theta": Column("f4", "", "slope of the edge"),
    "z0": Column("f4", "mm", "where it meets the beam line"),
    "true": Column("?", "", "a true edge, docs/concepts.md", optional=True),
}


def one_line(text: str, most: int = 80) -> str:
    """Text for a message: white space as single spaces, and no longer than ``most`` characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 3]}..."


def quoted(value: object) -> str:
    """A user's value for a message, on one line of 80 characters at most; a text in quotes, its control
    characters escaped.
    """
    return one_line(repr(value) if isinstance(value, str) else str(value))


def check(section: str, name: str, value: object, good: bool, expected: str) -> None:
    """Check an option's range.

    Raises:
        InputError: not good; names section, option, what was expected and the value.
    """
    if not good:
        raise InputError(f"{section}: {name} must be {expected} and is {quoted(value)}")


def check_field(section: str, field: object) -> None:
    """Check a solenoid field in T, of either sign.

    Raises:
        InputError: it is no number, or stronger than any tracker's; names section, option, the range and the
            value.
    """
    good = isinstance(field, Real) and not isinstance(field, bool) and abs(float(field)) <= STRONGEST_FIELD
    check(section, "field", field, good, f"a number of T from -{STRONGEST_FIELD:g} to {STRONGEST_FIELD:g}")


def ranged(default: Number, least: float, most: float, unit: str = "") -> Number:
    """Default of an option in a dataclass, with the range that :func:`check_ranges` holds it to."""
    return dataclasses.field(default=default, metadata={"range": (least, most, unit)})


def ranges_of(options: Any) -> dict[str, tuple[float, float, str]]:
    """Least and largest value and unit of the options that :func:`ranged` gave a range; of a dataclass or one
    of its instances.
    """
    return {
        option.name: option.metadata["range"]
        for option in dataclasses.fields(options)
        if "range" in option.metadata
    }


def check_ranges(section: str, options: Any) -> None:
    """Check options against the ranges that their fields were given with :func:`ranged`.

    Raises:
        InputError: one is beyond, or not a number.
    """
    for name, (least, most, unit) in ranges_of(options).items():
        value = getattr(options, name)
        check(
            section, name, value, least <= value <= most, f"from {least:.10g} to {most:.10g} {unit}".rstrip()
        )


def one_of(default: str, values: Iterable[str]) -> str:
    """Default of an option that takes certain words only, as a field of a dataclass.

    :func:`check_types` checks the words; the command line shows and completes them.
    """
    return dataclasses.field(default=default, metadata={"values": tuple(values)})


def check_types(section: str, options: Any) -> None:
    """Check that the values of a dataclass of options are of its fields' types, and words those of
    :func:`one_of`.

    Whole numbers do for others, lists for tuples.

    Raises:
        InputError: one is not; names section, option, the type or the words, and the value.
    """
    for name, hint in typing.get_type_hints(type(options)).items():
        value = getattr(options, name)
        if not _is_of(hint, value):
            kind = hint.__name__ if isinstance(hint, type) else str(hint).replace("typing.", "")
            raise InputError(f"{section}: {name} must be of type {kind} and is {one_line(repr(value))}")
    for option in dataclasses.fields(options):
        if words := option.metadata.get("values"):
            value = getattr(options, option.name)
            if value not in words:
                hint = nearest(value, words)
                raise InputError(
                    f"{section}: {option.name} must be one of {', '.join(words)} and is {quoted(value)}"
                    + (hint and f".{hint}")
                )


def _is_of(hint: Any, value: object) -> bool:
    inner = typing.get_args(hint)
    origin = typing.get_origin(hint)
    if origin is typing.Literal:
        return value in inner
    if origin is tuple:
        if not isinstance(value, (list, tuple)) or (inner[-1] is not Ellipsis and len(inner) != len(value)):
            return False
        types = [inner[0]] * len(value) if inner[-1] is Ellipsis else inner
        return all(_is_of(kind, v) for kind, v in zip(types, value, strict=True))
    if inner:
        return any(_is_of(kind, value) for kind in inner)
    # Python takes True for a whole number.
    if isinstance(value, bool):
        return hint is bool
    return isinstance(value, (int, float) if hint is float else hint)


def origin_pixel(n: int) -> int:
    """Row or column, among ``n``, whose centre positions in an array of pixels are counted from: the middle
    one of an odd number.

    Of an even number it is the lower of the middle two, as in PixelAV, which sets the origin at ``(n + 1) /
    2`` (whole) less half a pixel.
    """
    return (n - 1) // 2


def nearest(name: str, names: Iterable[str], least: float = 0.5) -> str:
    """Return " Did you mean 'x'?" for the closest known name, or "" where none is as similar as ``least`` (0
    to 1).
    """
    close = difflib.get_close_matches(name, list(names), n=1, cutoff=least)
    return f" Did you mean '{close[0]}'?" if close else ""


def require(present: Sequence[str], names: Iterable[str], where: str, fix: str) -> None:
    """Check that all names are present.

    Raises:
        InputError: names the first missing field, its nearest present name and the fix.
    """
    missing = [name for name in names if name not in present]
    if missing:
        raise InputError(
            f"{where}: '{missing[0]}' is missing ({len(missing)} missing in all: "
            f"{', '.join(missing[:6])}).{nearest(missing[0], present)} {fix}"
        )


def whole_ids(
    values: npt.NDArray[Any], dtype: str, where: str, name: str, rows: npt.NDArray[np.int64] | None = None
) -> npt.NDArray[Any]:
    """Identifiers and other whole numbers in the wanted type, from a column of any type.

    Numbers that come as floats are taken where each float stands for one whole number only. From 2^53 on
    (float32: 2^24) neighbours share a float, so that two particles would become one.

    Args:
        values: (N,); dtype: of whole numbers; where: file (and event); name: of the column or branch; rows:
            (N,) numbers that errors call the rows by, None: from 0.

    Raises:
        InputError: values that are no numbers, not whole, beyond the type, or floats that stand for several
            numbers.
    """
    if values.dtype.kind not in "iuf":
        raise InputError(
            f"{where}: column '{name}' must hold whole numbers and is of type {values.dtype}; write it as "
            "int64"
        )
    limits = np.iinfo(dtype)
    kind = np.dtype(dtype)
    beyond = ((values < limits.min) | (values > limits.max), f"is no number of type {kind}")
    wrong = [beyond]
    if values.dtype.kind == "f":
        exact = 2 ** (np.finfo(values.dtype).nmant + 1)
        wrong = [
            (~np.isfinite(values), "is not finite"),
            (values != np.rint(values), "is not a whole number"),
            (
                np.abs(values) >= exact,
                f"a {values.dtype} does not tell from its neighbours (from {exact} on); ids have been "
                "merged, as by a left join of pandas. Write the column as whole numbers",
            ),
        ]
        # Channels and codes of 32 bits are no ids: one that is too large for them is damaged and not merged.
        wrong.insert(2 if kind.itemsize < 8 else 3, beyond)
    for bad, what in wrong:
        if np.any(bad):
            k = int(np.argmax(bad))
            row = k if rows is None else int(rows[k])
            raise InputError(f"{where}: column '{name}' has the value {values[k]} in row {row}, which {what}")
    return values.astype(dtype)
