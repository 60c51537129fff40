"""Options of the chip's networks and of what makes them smaller. Importing them needs no torch."""

from __future__ import annotations

from dataclasses import dataclass

from smartpix.chip.fixed_point import FixedPoint
from smartpix.networks.options import WIDEST
from smartpix.networks.plan import ACTIVATIONS, KINDS, N_OUTPUTS, Plan, check_kind
from smartpix.schema import N_COLUMNS, N_ROWS, check, check_types, one_of
from smartpix.simulate.options import ReadoutOptions, adc_levels

__all__ = ["METHODS", "PRICED", "SCOPES", "SURROGATES", "CompressOptions", "QuantizedOptions"]

METHODS = ("none", "l1", "l2", "bdmm", "mdmm", "bits", "luts")
PRICED = ("bits", "luts")
"""Methods that put a price on weights whose bits are learned."""
SCOPES = ("global", "layer")
SURROGATES = ("step", "smooth")


@dataclass(frozen=True)
class QuantizedOptions:
    """Network of the chip, and its numbers of bits.

    Attributes:
        kind: ``conv`` (2,029 parameters), ``mlp`` or ``columns``.
        n_slices: slices of its input.
        n_rows: rows of its input.
        n_columns: columns of its input.
        filters: filters of the first and second layer of conv; those of columns and 0. A 0 takes the
            kind's own: 5 and 5, or 4.
        hidden: widths of the two dense layers; 0 takes the kind's own: 14 (columns), 16 (conv) or 21
            (mlp).
        conv_bits: bits of the convolutions' weights, 2 to 12.
        dense_bits: bits of the weights of the two hidden dense layers, 2 to 12.
        last_bits: bits of the last layer's weights, 2 to 12. Its outputs differ in size, so that it needs
            more.
        activation_bits: bits of the results between layers, 2 to 12.
        activation: ``tanh`` (hard tanh, saturates at 1) or ``relu``.
        output_bits: bits of each output, 6 to 20.
        output_fraction: bits of each output behind the binary point.
        data_bits: bits of the ADC, 2 to 8 (:func:`smartpix.simulate.options.adc_levels`).
        threshold: lowest edge of the ADC in e.
        adc_max: charge in e at which the ADC saturates.
        edges: edges of the ADC in e; none takes those that threshold, adc_max and data_bits give.
        learn_edges: let the training move the edges of an ADC that has no negative ones, as one of 2 bits.
        learn_bits: let the training choose each weight's bits, up to those given.
        n_outputs: numbers that come out: 14 of the estimates. What is learned sets it.
    """

    kind: str = "conv"
    n_slices: int = 2
    n_rows: int = N_ROWS
    n_columns: int = N_COLUMNS
    filters: tuple[int, int] = (0, 0)
    hidden: tuple[int, int] = (0, 0)
    conv_bits: int = 8
    # The first dense layer has 1,440 of the convolution network's 2,029 parameters: bits saved there count
    # most.
    dense_bits: int = 4
    last_bits: int = 8
    activation_bits: int = 8
    activation: str = one_of("tanh", ACTIVATIONS)
    output_bits: int = 16
    # 16 bits with 11 behind the point: up to 16 public scales, in steps that are 0.04 um of x.
    output_fraction: int = 11
    data_bits: int = 4
    threshold: float = 300.0
    adc_max: float = 16_000.0
    edges: tuple[float, ...] = ()
    learn_edges: bool = False
    learn_bits: bool = False
    n_outputs: int = N_OUTPUTS

    def __post_init__(self) -> None:
        check_types("quantize", self)
        check_kind(self.kind)
        kind = KINDS[self.kind]
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
        check(
            "quantize",
            "n_outputs",
            self.n_outputs,
            1 <= self.n_outputs <= WIDEST,
            f"at least 1 and at most {WIDEST}",
        )
        # What a kind does not have is not asked for.
        good = not any(self.filters[kind.filter_layers :])
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
        object.__setattr__(
            self,
            "filters",
            tuple(n or default for n, default in zip(self.filters, kind.filters, strict=True)),
        )
        object.__setattr__(self, "hidden", tuple(n or kind.width for n in self.hidden))
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
    def plan(self) -> Plan:
        """The network's layers and their shapes."""
        shape = (self.n_slices, self.n_rows, self.n_columns)
        return Plan(self.kind, shape, self.filters, self.hidden, self.n_outputs)

    def weight_bits(self, layer: str) -> int:
        """Bits of a layer's weights."""
        return {"dense1": self.dense_bits, "dense2": self.dense_bits, "dense3": self.last_bits}.get(
            layer, self.conv_bits
        )

    def result(self, name: str) -> FixedPoint:
        """Format of a rounded result."""
        return self.output if name == "dense3" else self.between

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
        method: ``none``; ``l1`` or ``l2``, a penalty on the weights; ``bdmm`` or ``mdmm``, a share of
            zeros as a constraint; ``bits``, a price on each weight's bits, which are learned (HGQ, arXiv
            2405.00645). ``luts`` is such a price by the look-up tables of the adders that the bits take.
        target: share of weights that the constraint makes exactly zero, between 0 and 1 (bdmm, mdmm).
        scope: kernels that the target holds for: ``global`` (all together) or ``layer`` (each).
        surrogate: zeros that the constraint counts: ``step`` (exact zeros, with the slope of a smooth
            count) or ``smooth`` (a smooth count that narrows to the exact one during the training).
        strength: factor of the penalty, or price of a thousand bit operations or look-up tables (l1, l2,
            bits, luts).
        damping: damping c of the modified method, which adds c / 2 (target - share)^2 to the loss (mdmm).
        rate: rate of the multipliers' ascent in each step (bdmm, mdmm).
        approach: share of the epochs in which the target moves in a straight line from the share at the
            start to its value (bdmm, mdmm). If the target were far away at once, the multipliers would
            climb too far to come back soon.
        keep_zeros: keep those weights at zero that are zero in the network started from.
    """

    method: str = one_of("none", METHODS)
    target: float = 0.67
    scope: str = one_of("global", SCOPES)
    surrogate: str = one_of("step", SURROGATES)
    strength: float = 1e-3
    damping: float = 800.0
    rate: float = 0.4
    approach: float = 0.4
    keep_zeros: bool = False

    def __post_init__(self) -> None:
        check_types("compress", self)
        check("compress", "target", self.target, 0 < self.target < 1, "between 0 and 1")
        for name in ("strength", "damping", "rate"):
            check("compress", name, getattr(self, name), getattr(self, name) > 0, "positive")
        check("compress", "approach", self.approach, 0 <= self.approach < 1, "at least 0 and below 1")
