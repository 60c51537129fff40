"""Options of the networks in floating point, and the limits of all options of trainings. Without torch."""

from __future__ import annotations

from dataclasses import dataclass

from smartpix.networks.plan import ACTIVATIONS, KINDS, N_OUTPUTS, Plan, check_kind
from smartpix.schema import N_COLUMNS, N_ROWS, check, check_types, one_of

__all__ = [
    "LARGEST_BATCH",
    "LARGEST_IMAGE",
    "LARGEST_SEED",
    "MOST_EPOCHS",
    "MOST_LAYERS",
    "MOST_SLICES",
    "WIDEST",
    "NetworkOptions",
]

WIDEST = 1000
"""Units or filters of a layer: far above any network here, and its weights still fit into memory."""
MOST_LAYERS = 20
MOST_SLICES = 1000
LARGEST_IMAGE = 1000
"""Rows or columns of the input."""
MOST_EPOCHS = 1_000_000
LARGEST_BATCH = 10_000_000
"""Far above any training here."""
LARGEST_SEED = 2**32 - 1
"""That NumPy, torch and scikit-learn all take."""


@dataclass(frozen=True)
class NetworkOptions:
    """Network of the estimates, and how charge enters it.

    The input is sign * log2(1 + abs(q) / reference) / compression, with the charge q in e.

    Attributes:
        kind: ``columns`` (2,178 parameters), ``conv`` (the talk's network of 2,029) or ``mlp`` (2,219, on
            projections).
        n_slices: slices of its input.
        n_rows: rows of its input.
        n_columns: columns of its input.
        hidden: width of the dense layers; 0 takes the kind's own: 14 (columns), 16 (conv) or 21 (mlp).
        filters: filters of the column network. The convolution has 5.
        n_outputs: numbers that come out: 14 of the estimates. What is learned sets it.
        activation: ``tanh``, or ``relu``, with which large networks learn faster.
        batch_norm: normalise each layer's input over the batch during training.
        reference: charge in e at which the input leaves its linear range.
        compression: factor that scales the logarithm of the charge.
    """

    kind: str = "columns"
    n_slices: int = 2
    n_rows: int = N_ROWS
    n_columns: int = N_COLUMNS
    hidden: int = 0
    filters: int = 4
    n_outputs: int = N_OUTPUTS
    activation: str = one_of("tanh", ACTIVATIONS)
    batch_norm: bool = False
    # The threshold of the readout: the published choice of 1 e spends most of its range on charge that is
    # never read. Divided by 3, the ADC's largest charge of 16,000 e comes to 1.9.
    reference: float = 300.0
    compression: float = 3.0

    @property
    def width(self) -> int:
        """Of the dense layers."""
        return self.hidden or KINDS[self.kind].width

    @property
    def plan(self) -> Plan:
        """The network's layers and their shapes."""
        kind = KINDS[self.kind]
        # The convolution's loops are compiled for one number of filters.
        filters = (self.filters, 0) if kind.front == "columns" else kind.filters
        shape = (self.n_slices, self.n_rows, self.n_columns)
        return Plan(self.kind, shape, filters, (self.width, self.width), self.n_outputs)

    def __post_init__(self) -> None:
        check_types("network", self)
        check_kind(self.kind)
        limits = {
            "n_slices": (1, MOST_SLICES), "n_rows": (5, LARGEST_IMAGE), "n_columns": (5, LARGEST_IMAGE),
            "hidden": (0, WIDEST),
            "filters": (1, WIDEST), "n_outputs": (1, WIDEST),
        }  # fmt: skip
        for name, (low, high) in limits.items():
            check(
                "network",
                name,
                getattr(self, name),
                low <= getattr(self, name) <= high,
                f"at least {low} and at most {high}",
            )
        for name in ("reference", "compression"):
            check("network", name, getattr(self, name), getattr(self, name) > 0, "positive")
