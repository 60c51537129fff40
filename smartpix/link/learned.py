"""The learned code, ready to run: the encoder in whole numbers, the decoder in floating point."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from smartpix.clusters import FlatClusters
from smartpix.link.autoencoders import LinkAutoencoder, side_information
from smartpix.link.codes import CodedClusters, Sent
from smartpix.link.encoder import FixedEncoder, encode_clusters, encoder_from_arrays
from smartpix.link.images import Adc, with_charge
from smartpix.link.options import LinkOptions
from smartpix.link.pca import NumberTables, count_number_tables, number_bits
from smartpix.networks.weights import REPAIR, load_arrays, load_weights
from smartpix.schema import InputError

__all__ = ["ARCHITECTURE", "LearnedCode", "load_link", "with_tables"]

ARCHITECTURE = "link"
AT_A_TIME = 4096


@dataclass(frozen=True)
class LearnedCode:
    """The learned code.

    Attributes:
        encoder: of whole numbers; decoder: the network whose decoder runs.
        description: what is known of its training.
        name: of the weights.
        tables: of the arithmetic code; None: not counted yet.
    """

    encoder: FixedEncoder
    decoder: LinkAutoencoder
    description: Mapping[str, Any]
    name: str
    tables: NumberTables | None = None

    @property
    def options(self) -> LinkOptions:
        """Of the code."""
        return self.encoder.options

    @torch.inference_mode()
    def decode(self, seen: CodedClusters, sent: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Charge (N, S, rows, columns) in e of sent numbers (N, K)."""
        known = self.description
        reference, compression = (float(known["input"][key]) for key in ("reference", "compression"))
        side, mask = side_information(seen.boxes, seen.barrel), seen.boxes.mask()
        latent = torch.from_numpy((sent * 2.0**-self.options.sent.fraction).astype(np.float32))
        parts = [
            self.decoder.decode(latent[k : k + AT_A_TIME], side[k : k + AT_A_TIME]).numpy()
            for k in range(0, len(sent), AT_A_TIME)
        ]
        found = (
            np.concatenate([*parts, np.zeros((0, *seen.codes.shape[1:]), dtype=np.float32)]) * mask[:, None]
        )
        found[np.abs(found) < float(known["smallest"])] = 0
        charge = np.sign(found) * (np.exp2(np.abs(found) * compression) - 1) * reference
        return np.asarray(charge, dtype=np.float32)

    def decoded(self, seen: CodedClusters) -> FlatClusters:
        """Clusters as the host has them.

        Raises:
            InputError: the charges had another ADC than those of the training.
        """
        return with_charge(seen.clusters, self.decode(seen, self.numbers(seen)))

    def __call__(self, seen: CodedClusters) -> Sent:
        """Send clusters.

        Raises:
            InputError: the tables are not counted, or the charges had another ADC than those of the training.
        """
        if self.tables is None:
            raise InputError(
                f"{self.name}: the tables of its arithmetic code are not counted; use with_tables"
            )
        sent = self.numbers(seen)
        bits = seen.boxes.bits + self.options.latent * self.options.bits
        return Sent(
            self.decode(seen, sent), bits, number_bits(seen.boxes, sent - self.options.sent.low, self.tables)
        )

    def numbers(self, seen: CodedClusters) -> npt.NDArray[np.int64]:
        """What is sent (N, K), whole numbers in the format ``sent``.

        Raises:
            InputError: as :meth:`check_adc`.
        """
        self.check_adc(seen.adc)
        return encode_clusters(self.encoder, seen.codes)

    def check_adc(self, adc: Adc) -> None:
        """Check that charges have the ADC of the training.

        Raises:
            InputError: they have another one.
        """
        edges = np.array(self.description["adc"]["edges"])
        if len(edges) != len(adc.edges) or not np.allclose(edges, adc.edges, rtol=1e-3):
            raise InputError(
                f"{self.name}: was trained with the ADC's edges {edges.round().tolist()} e and the file has "
                f"{adc.edges.round().tolist()}; train a code for these (smartpix train link)"
            )


def load_link(name: str) -> LearnedCode:
    """Load shipped weights by name, or others by path.

    Raises:
        InputError: missing or damaged weights, or of something else.
    """
    arrays, description = load_weights(name, ARCHITECTURE)
    try:
        options = LinkOptions(**description["options"]["network"])
        _ = [description[key] for key in ("adc", "input", "smallest")]
    except (KeyError, TypeError) as error:
        raise InputError(f"{name}: its description lacks {error}; {REPAIR}") from error
    network = LinkAutoencoder(options)
    begin = "decoder."
    decoder = {key.removeprefix(begin): values for key, values in arrays.items() if key.startswith(begin)}
    load_arrays(network.decoder, decoder, name)
    encoder = {key: values for key, values in arrays.items() if not key.startswith(begin)}
    return LearnedCode(encoder_from_arrays(encoder, options, name), network.eval(), description, name)


def with_tables(code: LearnedCode, seen: CodedClusters) -> LearnedCode:
    """The code with the tables of its arithmetic code counted on clusters of a training."""
    sent = code.numbers(seen) - code.options.sent.low
    return replace(code, tables=count_number_tables(seen.boxes, sent, 2**code.options.bits))
