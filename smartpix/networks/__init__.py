"""The chip's networks in floating point: their plan, torch modules, fused loops and weights."""

from typing import TYPE_CHECKING

from smartpix.lazy import public_names

if TYPE_CHECKING:
    from smartpix.networks.fused import FusedNetwork, fuse
    from smartpix.networks.modules import build, encode, negative_log_likelihood
    from smartpix.networks.options import NetworkOptions
    from smartpix.networks.plan import KINDS, Kind, Plan
    from smartpix.networks.weights import load_weights, save_weights, weights_path

__all__ = [
    "KINDS",
    "FusedNetwork",
    "Kind",
    "NetworkOptions",
    "Plan",
    "build",
    "encode",
    "fuse",
    "load_weights",
    "negative_log_likelihood",
    "save_weights",
    "weights_path",
]

__getattr__ = public_names(
    __name__,
    fused="FusedNetwork fuse",
    modules="build encode negative_log_likelihood",
    options="NetworkOptions",
    plan="KINDS Kind Plan",
    weights="load_weights save_weights weights_path",
)
