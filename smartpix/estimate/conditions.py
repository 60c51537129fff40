"""Conditions that clusters were made in, a file's against those that its estimates were trained in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from smartpix.beam import BeamSpot
from smartpix.estimate.base import ALIKE, sensor_of
from smartpix.io.events import Header
from smartpix.schema import InputError
from smartpix.simulate.options import CLOCKS, N_SLICES, ReadoutOptions, SimulateOptions

__all__ = [
    "CONDITIONS",
    "Trained",
    "calibrated_elsewhere",
    "check_conditions",
    "readout_untold",
    "training_differs",
]


class Trained(Protocol):
    """Anything that was trained on clusters: estimates, networks that count particles."""

    @property
    def descriptions(self) -> Mapping[str, Mapping[str, Any]]:
        """What is known of its training, by region."""
        ...

    @property
    def names(self) -> Mapping[str, str]:
        """Of the weights, by region."""
        ...

    @property
    def slices(self) -> Sequence[int]:
        """Time slices it was trained on."""
        ...


@dataclass(frozen=True)
class Condition:
    """A condition in which clusters of one sensor may differ.

    Attributes:
        words: for messages, with a place for the value or the range.
        tolerance: absolute difference that counts as none, where it is more than :data:`ALIKE` of the value.
        names: of the values, where they are no numbers.
    """

    words: str
    tolerance: float = 0.0
    names: tuple[str, ...] = ()

    def told(self, low: float, high: float) -> str:
        """The condition with its value or range."""
        values = [self.names[int(v)] if self.names else f"{v:g}" for v in (low, high)]
        return self.words.format(values[0] if low == high else " to ".join(values))


# A tolerance of 0 leaves the relative one. The others are of conditions that may be 0 or that hardly move
# an estimate by as much: charges are a tenth of the noise or add to it in quadrature, times are well below a
# slice of 200 ps.
CONDITIONS: Mapping[str, Condition] = {
    "noise": Condition("noise {} e", 5.0),
    "threshold": Condition("threshold {} e", 5.0),
    "threshold_dispersion": Condition("its dispersion {} e", 10.0),
    "adc_bits": Condition("ADC of {} bits (0: analogue)"),
    "adc_max": Condition("ADC up to {} e"),
    "bias": Condition("bias {} V for 100 um"),
    "depletion": Condition("depletion {} V for 100 um"),
    "temperature": Condition("{} K"),
    "charge_scale": Condition("charge scale {}"),
    "lorentz_scale": Condition("Lorentz scale {}"),
    # A fluence that traps 1 to 2 % of the charge.
    "fluence": Condition("{} neq/cm2", 5e13),
    "common_mode": Condition("common mode {} e", 5.0),
    "clock": Condition("clock '{}'", names=CLOCKS),
    "phase": Condition("its phase {} ps", 20.0),
    "jitter": Condition("its jitter {} ps", 30.0),
    "sigma_t": Condition("collisions spread over {} ps", 20.0),
}  # fmt: skip
"""Conditions in which clusters of one sensor may differ; their order is that of messages."""

WARNED = 0.2
"""Relative difference from the middle of a training's range, up to which a file is warned of: one of 10 % is,
one of 50 % is refused.
"""
OF_ADC = ("adc_bits", "adc_max")
OF_CLOCK = ("clock", "phase", "jitter", "sigma_t")

RANDOMISED = {
    "bias": "bias", "temperature": "temperature", "lorentz": "lorentz_scale", "charge": "charge_scale",
    "noise": "noise", "threshold": "threshold", "sigma_t": "sigma_t",
}  # fmt: skip
"""Conditions by the name of their relative half width in :class:`RandomiseOptions`."""

SECTIONS = ("beam_spot", "sensor", "readout")
"""Parts of a simulation's options that hold conditions, besides the options themselves."""

Range = tuple[float, float]
"""Lowest and highest value."""


def training_differs(header: Header, estimator: Trained, least: int = 1) -> list[str]:
    """In what conditions a file lies outside of those that the estimates were trained in, as far as both say.

    Pulls are then no longer of unit width. A quantised network's ADC that differs is refused by
    :func:`smartpix.estimate.choose.choose_estimator`.

    Args:
        least: 1 tells all differences, 2 those that are too large for a warning (see :func:`excess`).

    Returns:
        A line for each of the estimates' weights that differ, with the file's values and the trained ranges.
    """
    if not estimator.descriptions:
        return []
    in_file = conditions(header.made_by)
    lines: dict[str, list[str]] = {}
    for region in sensor_of(header.detector, header.field):
        # There are networks of one region alone.
        if region not in estimator.descriptions:
            continue
        description = estimator.descriptions[region]
        trained = conditions(description.get("data", {}))
        calibrated = conditions(description.get("calibrated_on", {}))
        skipped = _not_compared(in_file, trained, estimator.slices, "fixed" in description)
        differs = [
            name for name in CONDITIONS
            if name in in_file and name in trained and name not in skipped
            and excess(name, in_file[name], trained[name]) >= least
            # In conditions that the sigmas were calibrated in, pulls are of unit width all the same.
            and (name not in calibrated or excess(name, in_file[name], calibrated[name]) > 0)
        ]  # fmt: skip
        if differs:
            texts = [
                ", ".join(CONDITIONS[k].told(*ranges[k]) for k in differs) for ranges in (trained, in_file)
            ]
            line = f"{estimator.names[region]} was trained with {texts[0]}; the file has {texts[1]}"
            lines.setdefault(line, []).append(region)
    return [f"{line} ({' and '.join(regions)})" for line, regions in lines.items()]


def check_conditions(header: Header, estimator: Trained) -> None:
    """Refuse a file whose conditions are far from those that the estimates were trained in.

    Raises:
        InputError: one is; says both, and how to go on.
    """
    lines = training_differs(header, estimator, 2)
    if lines:
        raise InputError(
            f"estimates: {'; '.join(lines)}. Estimates would be wrong by that. Simulate the file in the training's "
            "conditions, or take weights trained in the file's (smartpix train). To go on all the same, set "
            "conditions=ignore"
        )


def calibrated_elsewhere(made_by: Mapping[str, Any], description: Mapping[str, Any]) -> str:
    """In what the conditions of clusters are too far from a network's training to calibrate it with them, as
    far as both say. Empty: in nothing.
    """
    here, trained = conditions(made_by), conditions(description.get("data", {}))
    skipped = _not_compared(here, trained, description["slices"], "fixed" in description)
    differs = [
        name for name in CONDITIONS
        if name in here and name in trained and name not in skipped
        and excess(name, here[name], trained[name]) == 2
    ]  # fmt: skip
    if not differs:
        return ""
    told = [", ".join(CONDITIONS[k].told(*ranges[k]) for k in differs) for ranges in (trained, here)]
    return f"trained with {told[0]}, calibrated with {told[1]}"


def excess(name: str, in_file: Range, trained: Range) -> int:
    """How far a file lies outside of a training's range: 0 not, 1 to be warned of, 2 too far.

    Within the tolerance there is no difference. A warning goes to twice the training's half width about its
    middle, to :data:`WARNED` of the middle, or to twice the absolute tolerance, whichever is farthest.
    """
    low, high = trained
    middle, half = abs(low + high) / 2, (high - low) / 2
    tolerance = CONDITIONS[name].tolerance
    outside = max(low - in_file[0], in_file[1] - high)
    # Sums of floats: a file at the very end is inside.
    rounding = 1e-9 * (middle + half)
    if outside <= max(ALIKE * middle, tolerance) + rounding:
        return 0
    return 1 if outside <= max(half, WARNED * middle - half, 2 * tolerance) + rounding else 2


def _not_compared(
    in_file: Mapping[str, Range],
    trained: Mapping[str, Range],
    slices: Sequence[int],
    quantised: bool,
) -> set[str]:
    """Conditions that do not touch such estimates, or mean nothing in one of the two."""
    names: set[str] = set()
    # Networks of whole numbers digitise what is not, with their own ADC.
    if quantised:
        names.update(OF_ADC)
    # Analogue charge has no largest level.
    if any(not ranges.get("adc_bits", (0, 0))[0] for ranges in (in_file, trained)):
        names.add("adc_max")
    # Each crossing with a clock of its own has neither phase nor spread.
    if any(ranges.get("clock") == (0, 0) for ranges in (in_file, trained)):
        names.update(OF_CLOCK[1:])
    # When the last slice ends, all charge has been collected, by whichever clock.
    if tuple(slices) == (N_SLICES - 1,):
        names.update(OF_CLOCK)
    return names


def readout_untold(header: Header) -> list[str]:
    """What of a file's words on its readout and sensor cannot be read, so that :func:`training_differs` is
    silent of it.

    Returns:
        A line if there is anything. A file that says nothing is none: others' files do not.
    """
    options = header.made_by.get("options")
    parts = {"options": options, "readout": header.made_by.get("readout")}
    if isinstance(options, Mapping):
        parts |= {f"options.{name}": options.get(name) for name in (*SECTIONS, "randomise")}
    wrong = [name for name, part in parts.items() if part is not None and not isinstance(part, Mapping)]
    for name, part in parts.items():
        keys = RANDOMISED if name.endswith("randomise") else (*CONDITIONS, "threshold_scale")
        wrong += [
            f"{name}.{key}" for key in keys
            if isinstance(part, Mapping) and key in part and _number(key, part[key]) is None
        ]  # fmt: skip
    if not wrong:
        return []
    names = ", ".join(f"'made_by.{name}'" for name in wrong)
    return [
        f"the file does not tell its readout: in its metadata {names} cannot be read. Nothing tells whether "
        f"the estimates were "
        "trained on such clusters"
    ]


def _number(key: str, value: object) -> float | None:
    """A condition as a number, a clock as its place in ``CLOCKS``; None if it cannot be read."""
    if key == "clock":
        return float(CLOCKS.index(value)) if isinstance(value, str) and value in CLOCKS else None
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not abs(value) < float("inf"):
        return None
    return float(value)


def conditions(made_by: Mapping[str, Any]) -> dict[str, Range]:
    """Ranges of the conditions that a file's or weights' clusters were made in, as far as it is said.

    Voltages are those for 100 um of thickness; thresholds are the true ones.
    """
    options = made_by.get("options")
    options = options if isinstance(options, Mapping) else {}
    readout = made_by.get("readout", options.get("readout"))
    if "readout" in made_by and readout is None:
        # Clusters of data sets as they are.
        readout = {"noise": 0.0, "threshold": 0.0, "threshold_dispersion": 0.0, "adc_bits": 0}
    sensor = options.get("sensor")
    found: dict[str, Any] = {}
    for part in (_defaults(made_by), options, options.get("beam_spot"), sensor, readout):
        found |= part if isinstance(part, Mapping) else {}
    numbers = {k: n for k in (*CONDITIONS, "threshold_scale") if (n := _number(k, found.get(k))) is not None}
    if isinstance(sensor, Mapping) and (thickness := _number("", sensor.get("thickness"))):
        # Data sets say the voltages of their own sensor.
        for name, power in (("bias", 1), ("depletion", 2)):
            if name in sensor and name in numbers:
                numbers[name] *= (0.1 / thickness) ** power
    if "threshold" in numbers:
        numbers["threshold"] *= numbers.get("threshold_scale", 1.0)
    ranges = {name: (value, value) for name, value in numbers.items() if name in CONDITIONS}
    return ranges | _drawn(options.get("randomise"), numbers)


def _defaults(made_by: Mapping[str, Any]) -> Mapping[str, Any]:
    """Conditions of an ideal simulation: older files do not say those that came later, and had none of
    them.
    """
    if not (
        str(made_by.get("command", "")).startswith("smartpix simulate")
        and isinstance(made_by.get("options"), Mapping)
    ):
        return {}
    options: dict[str, Any] = asdict(SimulateOptions(beam_spot=BeamSpot(), readout=ReadoutOptions()))
    options |= options["beam_spot"] | options["readout"]
    return options


def _drawn(randomise: object, nominal: Mapping[str, float]) -> dict[str, Range]:
    """Ranges of the conditions that events drew for themselves, about the nominal ones."""
    if not isinstance(randomise, Mapping):
        return {}
    half = {
        RANDOMISED[k]: part * abs(nominal[RANDOMISED[k]])
        for k in RANDOMISED
        if (part := _number(k, randomise.get(k))) is not None and RANDOMISED[k] in nominal
    }
    if (phase := _number("phase", randomise.get("phase"))) is not None and "phase" in nominal:
        half["phase"] = phase
    return {k: (nominal[k] - width, nominal[k] + width) for k, width in half.items() if width > 0}
