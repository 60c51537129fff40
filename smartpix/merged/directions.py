"""The network that gives hits of the end-caps several possibilities of their direction, chosen for a file."""

from __future__ import annotations

from dataclasses import dataclass

from smartpix.estimate.base import Estimator
from smartpix.estimate.mixture import MIXTURE, MixtureNetwork, load_mixture_weights
from smartpix.estimate.options import MixtureOptions
from smartpix.io.events import Header
from smartpix.merged.descriptions import check_alike
from smartpix.merged.splitter import NOT_ALL_PIXELS, misfit, reads_all_pixels
from smartpix.schema import InputError

__all__ = ["REGION", "Directions", "choose_directions"]

REGION = "endcap"
"""Where clusters leave the sign of a slope open. In the barrel, drift in the field shows it."""


@dataclass(frozen=True)
class Directions:
    """Several possibilities for the direction of hits of the end-caps.

    Attributes:
        network: gives them; quantile: of :class:`smartpix.estimate.options.MixtureOptions`.
    """

    network: MixtureNetwork
    quantile: float


def choose_directions(header: Header, estimator: Estimator, options: MixtureOptions) -> Directions | None:
    """Those for a file whose clusters an estimator estimates; None: the mode is ``off``.

    Raises:
        InputError: the mode is ``on`` and the network does not fit the file or the estimates; or weights that
            cannot be used.
    """
    if options.mode == "off":
        return None
    if not reads_all_pixels(estimator):
        raise _unfit(NOT_ALL_PIXELS)
    network = MixtureNetwork.from_arrays(*load_mixture_weights(options.endcap, MIXTURE), options.endcap)
    if (trained := network.description["region"]) != REGION:
        raise _unfit(f"{network.name} was trained on clusters of the {trained}")
    check_alike({REGION: network})
    if why := misfit({REGION: network}, header, estimator.slices):
        raise _unfit(why)
    return Directions(network, options.quantile)


def _unfit(why: str) -> InputError:
    return InputError(
        f"mixture: hits of the end-caps cannot be searched from several possibilities: {why}. Set "
        "mixture.mode=off, or train such a network (smartpix train mixture --components 2 --region endcap)"
    )
