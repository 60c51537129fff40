"""Options of the chip's networks and of what makes them smaller. Importing them needs no torch."""

from __future__ import annotations

from dataclasses import dataclass

from smartpix.chip.fixed_point import ACTIVATIONS, FixedPoint
from smartpix.networks.options import CONV_FILTERS, NETWORKS, WIDEST, WIDTHS
from smartpix.schema import N_COLUMNS, N_ROWS, InputError, check, check_types, nearest, quoted
from smartpix.simulate.options import ReadoutOptions, adc_levels

__all__ = ["METHODS", "SCOPES", "SURROGATES", "CompressOptions", "QuantizedOptions"]

METHODS = ("none", "l1", "l2", "bdmm", "mdmm", "bits")
SCOPES = ("global", "layer")
SURROGATES = ("step", "smooth")


@dataclass(frozen=True)
class QuantizedOptions:
    """What network the chip runs, and with how many bits.

    Attributes:
        kind: ``"conv"``, ``"mlp"`` or ``"columns"``.
        n_slices, n_rows, n_columns: of its input.
        filters: of the first and second layer of the convolution; of the column network's first; 0: 5 and 5,
            or 4.
        hidden: widths of the two dense layers; 0: the kind's own (16, 14 or 21).
        conv_bits, dense_bits, last_bits: of the weights of the convolutions, of the two hidden dense layers,
            and of the last one, whose outputs are of different sizes.
        activation_bits: of the results between layers.
        activation: ``"tanh"`` (hard: what saturates at 1) or ``"relu"``.
        output_bits, output_fraction: of the 14 outputs.
        data_bits: of the ADC, see :func:`smartpix.simulate.readout.adc_levels`.
        threshold, adc_max: its ends in e.
        edges: its edges in e, if not those.
        learn_edges: let the training move them (without negative ones: 2 bits).
        learn_bits: let it choose each weight's bits, up to those given.
    """

    kind: str = "conv"
    n_slices: int = 2
    n_rows: int = N_ROWS
    n_columns: int = N_COLUMNS
    filters: tuple[int, int] = (0, 0)
    hidden: tuple[int, int] = (0, 0)
    conv_bits: int = 8
    dense_bits: int = 4
    last_bits: int = 8
    activation_bits: int = 8
    activation: str = "tanh"
    output_bits: int = 16
    output_fraction: int = 11
    data_bits: int = 4
    threshold: float = 300.0
    adc_max: float = 16_000.0
    edges: tuple[float, ...] = ()
    learn_edges: bool = False
    learn_bits: bool = False

    def __post_init__(self) -> None:
        check_types("quantize", self)
        if self.kind not in NETWORKS:
            raise InputError(
                f"network {quoted(self.kind)} is unknown.{nearest(self.kind, NETWORKS)} There are "
                f"{', '.join(NETWORKS)}"
            )
        check(
            "quantize",
            "activation",
            self.activation,
            self.activation in ACTIVATIONS,
            f"one of {', '.join(ACTIVATIONS)}",
        )
        limits = dict.fromkeys(("conv_bits", "dense_bits", "last_bits", "activation_bits"), (2, 12))
        for name, (low, high) in (limits | {"output_bits": (6, 20), "data_bits": (2, 8)}).items():
            check(
                "quantize",
                name,
                getattr(self, name),
                low <= getattr(self, name) <= high,
                f"between {low} and {high}",
            )
        for name in ("filters", "hidden"):
            good = all(isinstance(n, int) and 0 <= n <= WIDEST for n in getattr(self, name))
            check(
                "quantize",
                name,
                getattr(self, name),
                good,
                f"two whole numbers up to {WIDEST}, 0 for the network's own",
            )
        # What a kind does not have is not asked for.
        absent = {"conv": (), "columns": (1,), "mlp": (0, 1)}[self.kind]
        good = not any(self.filters[k] for k in absent)
        check("quantize", "filters", self.filters, good, f"0 where the network {self.kind} has none")
        check(
            "quantize",
            "output_fraction",
            self.output_fraction,
            0 <= self.output_fraction < 20,
            "between 0 and 19",
        )
        check(
            "quantize",
            "threshold",
            self.threshold,
            0 < self.threshold < self.adc_max,
            "positive and below adc_max",
        )
        own = {"conv": (CONV_FILTERS, CONV_FILTERS), "columns": (4, 0), "mlp": (0, 0)}[self.kind]
        width = WIDTHS[self.kind]
        object.__setattr__(
            self, "filters", tuple(n or default for n, default in zip(self.filters, own, strict=True))
        )
        object.__setattr__(self, "hidden", tuple(n or width for n in self.hidden))
        if not self.edges:
            readout = ReadoutOptions(threshold=self.threshold, adc_max=self.adc_max, adc_bits=self.data_bits)
            object.__setattr__(self, "edges", tuple(float(e) for e in adc_levels(readout)[0]))
        check(
            "quantize",
            "edges",
            self.edges,
            len(self.edges) == 2**self.data_bits - 1,
            f"{2**self.data_bits - 1} for the bits",
        )
        good = list(self.edges) == sorted(self.edges) and (not self.learn_edges or self.edges[0] > 0)
        check("quantize", "edges", self.edges, good, "ascending, and positive if they are learned")

    @property
    def data(self) -> FixedPoint:
        """Format of the codes: about one at the top."""
        negative = any(e < 0 for e in self.edges)
        return FixedPoint(negative, self.data_bits + negative, self.data_bits - 1)

    @property
    def between(self) -> FixedPoint:
        """Format of the results between layers: up to 1, relu up to 4."""
        bits = self.activation_bits
        return (
            FixedPoint(True, bits, bits - 1)
            if self.activation == "tanh"
            else FixedPoint(False, bits, bits - 2)
        )

    @property
    def output(self) -> FixedPoint:
        """Format of the outputs."""
        return FixedPoint(True, self.output_bits, self.output_fraction)


@dataclass(frozen=True)
class CompressOptions:
    """How a network is made smaller.

    Attributes:
        method: ``"l1"`` or ``"l2"``: a penalty on the weights; ``"bdmm"`` or ``"mdmm"``: a share of zeros as
            a constraint; ``"bits"``: a price on each weight's bits, with bits that are learned (HGQ, arXiv
            2405.00645); ``"none"``.
        target: share of weights that shall be exactly zero (bdmm, mdmm).
        scope: the target holds for all kernels together (``"global"``) or for each (``"layer"``).
        surrogate: what the constraint counts: ``"step"``: the exact zeros, with the slope of a smooth count;
            ``"smooth"``: a smooth count, which narrows to the exact one as the training goes on.
        strength: of the penalty or the price.
        damping: c of the modified method: c / 2 (target - share)^2.
        rate: of the multipliers' ascent, per step.
        approach: share of the training in which the target moves in a straight line from the share at the
            start to its value. A target far away from the start makes the multipliers climb until the weights
            have followed, too far to come back soon.
        keep_zeros: weights that are zero in the network started from stay zero.
    """

    method: str = "none"
    target: float = 0.67
    scope: str = "global"
    surrogate: str = "step"
    strength: float = 1e-3
    damping: float = 800.0
    rate: float = 0.4
    approach: float = 0.4
    keep_zeros: bool = False

    def __post_init__(self) -> None:
        check_types("compress", self)
        check("compress", "method", self.method, self.method in METHODS, f"one of {', '.join(METHODS)}")
        check("compress", "target", self.target, 0 < self.target < 1, "between 0 and 1")
        check("compress", "scope", self.scope, self.scope in SCOPES, f"one of {', '.join(SCOPES)}")
        check(
            "compress",
            "surrogate",
            self.surrogate,
            self.surrogate in SURROGATES,
            f"one of {', '.join(SURROGATES)}",
        )
        for name in ("strength", "damping", "rate"):
            check("compress", name, getattr(self, name), getattr(self, name) > 0, "positive")
        check("compress", "approach", self.approach, 0 <= self.approach < 1, "at least 0 and below 1")
