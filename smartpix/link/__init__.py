"""Codes of a cluster on the link: what leaves the chip, in how many bits, and what the host makes of it.

Raw pixels (:mod:`smartpix.link.raw`), principal components (:mod:`smartpix.link.pca`), learned numbers
(:mod:`smartpix.link.learned`), and the estimates' own (:mod:`smartpix.link.estimates`).
"""

from typing import TYPE_CHECKING

from smartpix.lazy import public_names

if TYPE_CHECKING:
    from smartpix.link.autoencoders import EconAutoencoder, LinkAutoencoder
    from smartpix.link.codes import Code, CodedClusters, Sent, coded
    from smartpix.link.distances import earth_movers_distance, image_distances, line_images
    from smartpix.link.encoder import FixedEncoder, encode_clusters
    from smartpix.link.images import Adc, adc_of, with_charge
    from smartpix.link.learned import LearnedCode, load_link, with_tables
    from smartpix.link.options import LinkOptions
    from smartpix.link.pca import fit_pca
    from smartpix.link.raw import count_pixel_tables, raw_code

__all__ = [
    "Adc",
    "Code",
    "CodedClusters",
    "EconAutoencoder",
    "FixedEncoder",
    "LearnedCode",
    "LinkAutoencoder",
    "LinkOptions",
    "Sent",
    "adc_of",
    "coded",
    "count_pixel_tables",
    "earth_movers_distance",
    "encode_clusters",
    "fit_pca",
    "image_distances",
    "line_images",
    "load_link",
    "raw_code",
    "with_charge",
    "with_tables",
]

__getattr__ = public_names(
    __name__,
    autoencoders="EconAutoencoder LinkAutoencoder",
    codes="Code CodedClusters Sent coded",
    distances="earth_movers_distance image_distances line_images",
    encoder="FixedEncoder encode_clusters",
    images="Adc adc_of with_charge",
    learned="LearnedCode load_link with_tables",
    options="LinkOptions",
    pca="fit_pca",
    raw="count_pixel_tables raw_code",
)
