"""The choice of estimates for a file: they must be trained for its sensor and slices.

Other differences between file and training are reported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from smartpix.chip.fused import FusedFixedNetwork
from smartpix.estimate.base import ALIKE, Estimator, same_sensor, sensor_of, sensor_words
from smartpix.estimate.mdn import MdnEstimator
from smartpix.estimate.options import SHIPPED, EstimateWeights
from smartpix.estimate.shape import ShapeEstimator
from smartpix.io.events import Header
from smartpix.schema import ESTIMATES, InputError, nearest, quoted
from smartpix.shipped import data_path
from smartpix.simulate.readout import check_adc

__all__ = ["choose_estimator", "kind_of", "readout_untold", "trained_on_others", "training_differs"]

OF_ACTS = "smartpix convert acts"
"""How files of ACTS's clusters say that they were made."""
CONDITIONS = {
    "noise": "noise {:g} e", "threshold": "threshold {:g} e", "threshold_dispersion": "its dispersion {:g} e",
    "adc_bits": "ADC of {:g} bits (0: analogue)", "adc_max": "ADC up to {:g} e", "bias": "bias {:g} V",
    "depletion": "depletion {:g} V", "temperature": "{:g} K",
}  # fmt: skip
"""Conditions in which clusters of one sensor may differ, and their words in messages."""
OF_ADC = ("adc_bits", "adc_max")


def choose_estimator(
    header: Header,
    kind: str = "auto",
    weights: EstimateWeights = SHIPPED,
    link_bits: int = 0,
) -> MdnEstimator | ShapeEstimator:
    """The estimator for a file: ``"mdn"``, ``"quantised"``, ``"shape"``, or ``"auto"`` (the MDN where it was
    trained for the file's sensor, else cluster shapes).

    Args:
        header: of the file.
        kind: which.
        weights: of all kinds; those of the chosen one are loaded.
        link_bits: of each of the 14 outputs of a quantised network on the link; 0: all they have.

    Raises:
        InputError: unknown kind, unusable weights, or none trained for this sensor (lists those there are).
    """
    if kind not in ESTIMATES:
        raise InputError(
            f"estimates {quoted(kind)} are unknown.{nearest(kind, ESTIMATES)} Use {', '.join(ESTIMATES)}"
        )
    if link_bits and kind != "quantised":
        raise InputError(
            f"link_bits: {link_bits} were asked for with estimates '{kind}', which no chip sends; use "
            f"quantised"
        )
    sensor = sensor_of(header.detector, header.field)
    candidates: list[MdnEstimator | ShapeEstimator] = []
    if kind == "quantised":
        quantised = MdnEstimator.load(weights.fixed_barrel, weights.fixed_endcap, link_bits)
        for network in quantised.networks.values():
            if not network.on_chip:
                raise InputError(
                    f"estimates 'quantised': {network.name} is of floating point; give one made by compress"
                )
        candidates.append(quantised)
    if kind in ("auto", "mdn"):
        candidates.append(MdnEstimator.load(weights.mdn_barrel, weights.mdn_endcap))
    if kind in ("auto", "shape"):
        names = (
            [p.stem for p in sorted(data_path("weights").glob("shape-*.json"))]
            if weights.shape == "auto"
            else [weights.shape]
        )
        candidates += [ShapeEstimator.load(name) for name in names]
    choices = []
    for candidate in candidates:
        for network in candidate.networks.values() if isinstance(candidate, MdnEstimator) else ():
            if isinstance(network.fused, FusedFixedNetwork):
                check_adc(header.made_by, network.fused.network.edges, network.name)
        trained = {region: description["sensor"] for region, description in candidate.descriptions.items()}
        names = sorted(set(candidate.names.values()))
        choices.append(f"{' with '.join(names)} for {_words(trained, candidate.slices)}")
        # In the opposite field, clusters are mirror images.
        fits = any(
            all(
                r in trained and same_sensor(trained[r], sensor[r] | {"field": sign * header.field})
                for r in sensor
            )
            for sign in (1, -1)
        )
        if fits and set(candidate.slices) <= set(header.slices):
            return candidate
    raise InputError(
        f"no {'estimates' if kind == 'auto' else kind} trained for the sensor, "
        f"{_words(sensor, header.slices)}; "
        f"there are {'; '.join(choices)}. Train one: `smartpix train shape` on a simulated file of that "
        "sensor"
    )


def kind_of(estimator: Estimator) -> str:
    """Kind of an estimator that was chosen: ``mdn``, ``quantised`` or ``shape``."""
    if not isinstance(estimator, MdnEstimator):
        return "shape"
    return "quantised" if all(network.on_chip for network in estimator.networks.values()) else "mdn"


def _words(sensors: Mapping[str, Mapping[str, float]], slices: Sequence[int]) -> str:
    """Sensors by region, and slices, for people."""
    texts = {region: sensor_words(sensor) for region, sensor in sensors.items()}
    alike = len(set(texts.values())) == 1 and len(texts) > 1
    words = (
        next(iter(texts.values()))
        if alike
        else ", ".join(f"{region} {text}" for region, text in texts.items())
    )
    *others, last = map(str, slices)
    return f"{words}, slice{'s' if others else ''} {', '.join(others)}{' and ' if others else ''}{last}"


def trained_on_others(header: Header, estimator: Estimator) -> bool:
    """Whether the clusters are of ACTS's own digitisation and the estimates were trained on clusters of
    another.

    ACTS's geometric digitisation has neither the Lorentz drift nor the diffusion of a sensor, by which such
    estimates are off.
    """
    made = [d.get("data", {}).get("command", "") for d in estimator.descriptions.values()]
    return str(header.made_by.get("command", "")).startswith(OF_ACTS) and not all(
        str(m).startswith(OF_ACTS) for m in made
    )


def training_differs(header: Header, estimator: MdnEstimator | ShapeEstimator) -> list[str]:
    """In what readout and sensor conditions differ between a file and what the estimates were trained on, as
    far as both say.

    Pulls are then no longer of unit width; a network's ADC that differs is refused by
    :func:`choose_estimator`.

    Returns:
        A line for each of the estimates' weights that differ, with the numbers.
    """
    in_file = _conditions(header.made_by)
    regions: dict[str, list[str]] = {}
    for region in sensor_of(header.detector, header.field):
        description = estimator.descriptions[region]
        trained = _conditions(description.get("data", {}))
        # Networks of whole numbers digitise what is not, with their own ADC.
        skipped = OF_ADC if "fixed" in description else ()
        # Analogue charge has no largest level.
        if not trained.get("adc_bits") or not in_file.get("adc_bits"):
            skipped = (*skipped, "adc_max")
        differs = [
            k for k in CONDITIONS
            if k in in_file and k in trained and k not in skipped
            and abs(in_file[k] - trained[k]) > ALIKE * abs(trained[k])
        ]  # fmt: skip
        if differs:
            texts = [
                ", ".join(CONDITIONS[k].format(values[k]) for k in differs) for values in (trained, in_file)
            ]
            regions.setdefault(
                f"{estimator.names[region]} was trained with {texts[0]}; the file has {texts[1]}", []
            ).append(region)
    return [f"{line} ({' and '.join(names)})" for line, names in regions.items()]


def readout_untold(header: Header) -> list[str]:
    """What of a file's words on its readout and sensor cannot be read, so that :func:`training_differs` is
    silent of it.

    Returns:
        A line if there is anything. A file that says nothing is none: others' files do not.
    """
    options = header.made_by.get("options")
    parts = {"options": options, "readout": header.made_by.get("readout")}
    if isinstance(options, Mapping):
        parts |= {f"options.{name}": options.get(name) for name in ("sensor", "readout")}
    wrong = [name for name, part in parts.items() if part is not None and not isinstance(part, Mapping)]
    wrong += [
        f"{name}.{key}" for name, part in parts.items() if isinstance(part, Mapping)
        for key in CONDITIONS if key in part and not _is_number(part[key])
    ]  # fmt: skip
    if not wrong:
        return []
    names = ", ".join(f"'made_by.{name}'" for name in wrong)
    return [
        f"the file does not tell its readout: in its metadata {names} cannot be read. Nothing tells whether "
        f"the estimates were "
        "trained on such clusters"
    ]


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < float("inf")


def _conditions(made_by: Mapping[str, Any]) -> dict[str, float]:
    """What a file or weights say of the readout and the sensor their clusters were made with."""
    options = made_by.get("options")
    options = options if isinstance(options, Mapping) else {}
    sensor = options.get("sensor")
    readout = made_by.get("readout", options.get("readout"))
    if "readout" in made_by and readout is None:
        # Clusters of data sets as they are.
        readout = {"noise": 0.0, "threshold": 0.0, "threshold_dispersion": 0.0, "adc_bits": 0}
    found: dict[str, Any] = {}
    for part in (options, sensor, readout):
        found |= part if isinstance(part, Mapping) else {}
    return {k: found[k] for k in CONDITIONS if _is_number(found.get(k))}
