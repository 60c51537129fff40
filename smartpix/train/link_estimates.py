"""The estimates' networks behind the code of the link: what the host makes of a decoded cluster, with
gradients.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from smartpix.estimate.mdn import MdnEstimator
from smartpix.io.events import Header
from smartpix.networks.modules import Mdn, build, expected_negative_log_likelihood
from smartpix.networks.options import NetworkOptions
from smartpix.networks.weights import load_arrays
from smartpix.schema import REGIONS, SMALLEST_SIGMA, InputError

__all__ = ["HostEstimates", "host_estimates"]

_MEANS, _DIAGONAL = [0, 2, 4, 6], [1, 3, 5, 7]


@dataclass(frozen=True)
class HostEstimates:
    """Frozen networks by region, which take the same compressed charge.

    Attributes:
        networks: of floating point.
        input: how charge enters them.
    """

    networks: Mapping[str, Mdn]
    input: NetworkOptions

    def raw(self, charge: Tensor, barrel: Tensor) -> Tensor:
        """Outputs (N, 14) of compressed charge (N, 2, 13, 21)."""
        found = torch.empty(len(charge), 14)
        for region, chosen in zip(REGIONS, (barrel, ~barrel), strict=True):
            rows = torch.nonzero(chosen)[:, 0]
            found = found.index_copy(0, rows, self.networks[region](charge[rows]))
        return found

    def losses(self, charge: Tensor, barrel: Tensor, teacher: Tensor) -> Tensor:
        """(N,) how unlikely the estimates of the clusters as they were are to those of decoded ones: the
        divergence of Kullback and Leibler.

        Args:
            teacher: (N, 14) outputs of the clusters as they were.
        """
        return expected_negative_log_likelihood(
            self.raw(charge, barrel), teacher[:, _MEANS], _factors(teacher)
        ) - (expected_negative_log_likelihood(teacher, teacher[:, _MEANS], _factors(teacher)))


def _factors(raw: Tensor) -> Tensor:
    """(N, 4, 4) lower-triangular factors of outputs (N, 14)."""
    factors = torch.diag_embed(torch.nn.functional.softplus(raw[:, _DIAGONAL]) + SMALLEST_SIGMA)
    row, column = np.tril_indices(4, -1)
    factors[:, row, column] = raw[:, 8:]
    return factors


def host_estimates(estimator: MdnEstimator, header: Header) -> HostEstimates:
    """The networks of an estimator, frozen.

    Raises:
        InputError: they differ in how charge enters them, or were trained in a field of the opposite sign.
    """
    networks, options = {}, []
    for region, network in estimator.networks.items():
        described = NetworkOptions(**network.description["network"])
        module = build(described)
        load_arrays(module, network.arrays, network.name)
        networks[region] = module.eval().requires_grad_(False)
        options.append((described.reference, described.compression))
        if network.description["sensor"]["field"] * header.field < 0:
            raise InputError(
                f"train link: {network.name} was trained in a field of the opposite sign to the file's; give a file in "
                f"the field of the estimates"
            )
    if len(set(options)) > 1:
        raise InputError(
            "train link: charge enters the estimates of barrel and end-caps differently; give a pair of alike"
        )
    return HostEstimates(networks, described)
