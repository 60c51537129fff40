"""Clusters that several particles made: how many they are, and where each crossed."""

from typing import TYPE_CHECKING

from smartpix.lazy import public_names

if TYPE_CHECKING:
    from smartpix.merged.anomaly import AutoencoderOptions
    from smartpix.merged.autoencoders import anomaly_scores, build_autoencoder
    from smartpix.merged.count import CountNetwork, CountNetworks
    from smartpix.merged.directions import Directions, choose_directions
    from smartpix.merged.ecal import build_front, load_front
    from smartpix.merged.front import FrontOptions
    from smartpix.merged.mixture import MixtureNetwork, ParticleNetworks
    from smartpix.merged.quality import count_quality, pair_distances, separable
    from smartpix.merged.samples import MOST_PARTICLES, MergedSamples, load_merged, true_particles
    from smartpix.merged.split import Splitter, with_parts
    from smartpix.merged.suspects import SuspectOptions
    from smartpix.merged.toy import ToyOptions, toy_images
    from smartpix.merged.variables import shape_variables

__all__ = [
    "MOST_PARTICLES",
    "AutoencoderOptions",
    "CountNetwork",
    "CountNetworks",
    "Directions",
    "FrontOptions",
    "MergedSamples",
    "MixtureNetwork",
    "ParticleNetworks",
    "Splitter",
    "SuspectOptions",
    "ToyOptions",
    "anomaly_scores",
    "build_autoencoder",
    "build_front",
    "choose_directions",
    "count_quality",
    "load_front",
    "load_merged",
    "pair_distances",
    "separable",
    "shape_variables",
    "toy_images",
    "true_particles",
    "with_parts",
]

__getattr__ = public_names(
    __name__,
    anomaly="AutoencoderOptions",
    autoencoders="anomaly_scores build_autoencoder",
    count="CountNetwork CountNetworks",
    directions="Directions choose_directions",
    ecal="build_front load_front",
    front="FrontOptions",
    mixture="MixtureNetwork ParticleNetworks",
    quality="count_quality pair_distances separable",
    samples="MOST_PARTICLES MergedSamples load_merged true_particles",
    split="Splitter with_parts",
    suspects="SuspectOptions",
    toy="ToyOptions toy_images",
    variables="shape_variables",
)
