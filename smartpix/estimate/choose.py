"""The choice of estimates for a file: they must be trained for its sensor, its slices and its conditions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from smartpix.chip.fused import FusedFixedNetwork
from smartpix.estimate.base import Estimator, same_sensor, sensor_of, sensor_words
from smartpix.estimate.conditions import check_conditions
from smartpix.estimate.mdn import MdnEstimator
from smartpix.estimate.options import CONDITION_CHECKS, SHIPPED, EstimateWeights
from smartpix.estimate.positions import PositionEstimator
from smartpix.estimate.shape import ShapeEstimator
from smartpix.io.events import Header
from smartpix.schema import ESTIMATES, InputError, check, nearest, quoted
from smartpix.shipped import data_path
from smartpix.simulate.readout import check_adc

__all__ = ["Chosen", "choose_estimator", "kind_of", "trained_on_others"]

Chosen = MdnEstimator | ShapeEstimator | PositionEstimator

OF_ACTS = "smartpix convert acts"
"""How files of ACTS's clusters say that they were made."""


def choose_estimator(
    header: Header,
    kind: str = "auto",
    weights: EstimateWeights = SHIPPED,
    link_bits: int = 0,
    conditions: str = CONDITION_CHECKS[0],
) -> Chosen:
    """The estimator for a file: ``"mdn"``, ``"quantised"``, ``"shape"``, ``"positions"`` (no pixel is looked
    at), or ``"auto"`` (the MDN where it was trained for the file's sensor, else cluster shapes; positions
    where hits come without pixels).

    Args:
        header: of the file.
        kind: which.
        weights: of all kinds; those of the chosen one are loaded.
        link_bits: of each of the 14 outputs of a quantised network on the link; 0: all they have.
        conditions: ``check`` refuses a file whose conditions are far from the training's; ``ignore`` does not
            (:mod:`smartpix.estimate.conditions`).

    Raises:
        InputError: unknown kind, unusable weights, none trained for this sensor (lists those there are), or
            conditions far from the training's.
    """
    if kind not in ESTIMATES:
        raise InputError(
            f"estimates {quoted(kind)} are unknown.{nearest(kind, ESTIMATES)} Use {', '.join(ESTIMATES)}"
        )
    check(
        "estimates", "conditions", conditions, conditions in CONDITION_CHECKS, " or ".join(CONDITION_CHECKS)
    )
    if link_bits and kind != "quantised":
        raise InputError(
            f"link_bits: {link_bits} were asked for with estimates '{kind}', which no chip sends; use "
            f"quantised"
        )
    if kind == "positions" or (kind == "auto" and not header.has_pixels):
        return PositionEstimator(header.field, header.slices[-1:])
    if not header.has_pixels:
        raise InputError(
            f"estimates '{kind}': the hits of this file come without pixels, which tell no direction; set "
            "estimates=positions (or auto)"
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
            if conditions != "ignore":
                check_conditions(header, candidate)
            return candidate
    raise InputError(
        f"no {'estimates' if kind == 'auto' else kind} trained for the sensor, "
        f"{_words(sensor, header.slices)}; "
        f"there are {'; '.join(choices)}. Train one: `smartpix train shape` on a simulated file of that "
        "sensor"
    )


def kind_of(estimator: Estimator) -> str:
    """Kind of an estimator that was chosen: ``mdn``, ``quantised``, ``shape`` or ``positions``."""
    if isinstance(estimator, PositionEstimator):
        return "positions"
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
