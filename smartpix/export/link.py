"""The encoder of the learned code of the link as adders and multiplexers, and as pipelined Verilog."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy.typing as npt

from smartpix.export.logic import range_bits
from smartpix.export.rtl import RtlOptions, measure, write_wiring
from smartpix.export.wires import Matrices, cut_wires, input_wires, logic_of
from smartpix.files import replace_folder_when_done
from smartpix.link.encoder import N_SLICES, FixedEncoder, encode_clusters, patches
from smartpix.link.images import adc_of, code_images
from smartpix.link.learned import load_link
from smartpix.link.samples import link_clusters
from smartpix.schema import N_COLUMNS, N_ROWS, InputError

__all__ = ["encoder_luts", "export_encoder", "trace_encoder", "write_encoder"]

log = logging.getLogger(__name__)


def trace_encoder(encoder: FixedEncoder, codes: tuple[int, int], adders_per_stage: int = -1) -> Any:
    """The encoder as da4ml's ``CombLogic``: codes (2 * 13 * 21,) of the ADC to whole numbers (latent,).

    Follows :func:`smartpix.link.encoder.encode_clusters` step by step.

    Args:
        encoder: what to trace.
        codes: smallest and largest code of the ADC.
        adders_per_stage: as of :func:`smartpix.export.wires.input_wires`.

    Raises:
        InputError: no number that is sent depends on the cluster.
    """
    options, shape = encoder.options, (N_SLICES, N_ROWS, N_COLUMNS)
    wires = input_wires([codes] * math.prod(shape), adders_per_stage)
    linear = Matrices().linear
    seen = patches(wires.reshape(1, *shape))[0]
    sums = linear(encoder.conv.reshape(len(encoder.conv), -1), seen.reshape(*seen.shape[:2], -1))
    hidden = cut_wires(options.results, sums + encoder.conv_bias, encoder.conv_fraction)
    hidden = hidden.transpose(2, 0, 1).reshape(-1)
    found = cut_wires(
        options.sent, linear(encoder.dense, hidden) + encoder.dense_bias, encoder.dense_fraction
    )
    if all(wire.low == wire.high for wire in found):
        raise InputError("link: no number that the encoder sends depends on the cluster; train it again")
    return logic_of(wires, found)


def encoder_luts(encoder: FixedEncoder, codes: tuple[int, int]) -> int:
    """Look-up tables of the fully unrolled encoder by da4ml's count."""
    return int(round(trace_encoder(encoder, codes).cost))


def write_encoder(
    encoder: FixedEncoder,
    folder: str | Path,
    codes: npt.NDArray[Any],
    ends: tuple[int, int],
    options: RtlOptions | None = None,
    report: Callable[[str], object] = log.info,
) -> dict[str, Any]:
    """Write the Verilog of an encoder, simulate it on clusters, and measure its size and speed.

    The ports are those of :func:`smartpix.export.rtl.write_rtl`: all codes of the window, whatever stands
    behind them, come in at one edge of the clock.

    Args:
        encoder: what to write.
        folder: replaced if it is empty or an earlier one of these.
        codes: (N, 2, 13, 21) of the clusters of the test bench.
        ends: smallest and largest code of the ADC.
        options: what is measured.
        report: told what comes next.

    Returns:
        What is in ``report.json``, as of :func:`smartpix.export.rtl.write_rtl`, with the encoder's
        ``parameters``.

    Raises:
        InputError: no codes or ones beyond the ends, weights to be reloaded, another folder, a simulation
            that differs from whole numbers, or a tool that failed.
    """
    options = options or RtlOptions()
    if options.reloadable:
        raise InputError("link: the encoder's weights are in the wiring; leave out --reloadable")
    if len(codes) == 0 or codes.min() < ends[0] or codes.max() > ends[1]:
        found = f"they go from {codes.min()} to {codes.max()}" if len(codes) else "there are none"
        raise InputError(
            f"link: codes of the test bench must lie from {ends[0]} to {ends[1]} and {found}; give clusters of "
            f"the ADC that the code was trained with"
        )
    expected = encode_clusters(encoder, codes)
    sent = encoder.options.sent
    with replace_folder_when_done(folder) as new:
        report("tracing the encoder")
        logic = trace_encoder(encoder, ends, options.depth)
        bits = range_bits(*ends), sent.bits
        made = write_wiring(logic, new, codes, expected, bits, sent.fraction, options.depth)
        facts = {"kind": "encoder", "parameters": encoder.parameters, **made}
        return measure(new, facts, len(codes), options, report)


def export_encoder(
    weights: str,
    folder: str | Path,
    file: str | Path,
    most: int,
    options: RtlOptions,
    report: Callable[[str], object] = log.info,
) -> dict[str, Any]:
    """Write the encoder of a learned code as Verilog, proven bit for bit on clusters of simulated events.

    Args:
        weights: of the code, by name or path.
        folder: with ``rtl``; replaced if it is one of ours.
        file: of the events; most: clusters of the test bench, drawn from them.
        options: what is measured.
        report: told what comes next.

    Returns:
        What is in ``report.json``: ``weights``, ``parameters`` and ``rtl`` with what :func:`write_encoder`
            found.

    Raises:
        InputError: unusable files or weights, clusters of another ADC than the code's, or as
            :func:`write_encoder`.
    """
    code = load_link(weights)
    clusters, header = link_clusters([Path(file)], tuple(code.description["slices"]), most)
    adc = adc_of(header)
    code.check_adc(adc)
    codes = code_images(clusters, adc)
    with replace_folder_when_done(folder) as new:
        rtl = write_encoder(code.encoder, new / "rtl", codes, (adc.lowest, adc.highest), options, report)
        result = {"weights": weights, "parameters": code.encoder.parameters, "rtl": rtl}
        (new / "report.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return result
