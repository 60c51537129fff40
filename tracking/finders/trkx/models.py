"""The networks of HEP.TrkX by name: how large each is, and which toys it reads. Without torch."""

from __future__ import annotations

from dataclasses import dataclass

from smartpix.schema import InputError, check
from tracking.finders.trkx.options import LINE_KINDS, ToyOptions

__all__ = ["MODELS", "Model", "check_model", "scaled"]

FLAT = ("2d-noise", "2d-tracks", "2d-conv")
"""Kinds of toys whose planes are rows of pixels, all of the same width."""


@dataclass(frozen=True)
class Model:
    """A published network.

    Attributes:
        parameters: of the network as published, on its own toys; of ``lstm-variable``, whose number was not
            published, from its published code.
        toy: kind of the toys that it was published on.
        kinds: kinds of toys that it can read.
        hidden: units of its LSTM and of the dense layers about it; of convolutions, filters of the first.
        halvings: times that it halves a plane, whose pixels must be a multiple of two to that power.
        about: what it is.
    """

    parameters: int
    toy: str
    kinds: tuple[str, ...]
    hidden: int
    about: str
    halvings: int = 0


_ROWS = (*FLAT, "3d")
MODELS: dict[str, Model] = {
    "lstm-50": Model(22_750, "2d-noise", _ROWS, 50, "LSTM of 50 units, for planes with noise"),
    "lstm-100": Model(65_450, "2d-tracks", _ROWS, 100, "LSTM of 100 units, for planes with other tracks"),
    "lstm-variable": Model(
        155_758, "variable", ("variable",), 48, "LSTM of 48 units between dense layers for each plane's width"
    ),
    "conv-2d": Model(5_409, "2d-conv", FLAT, 8, "eleven convolutions of a plane of time and pixels"),
    "conv-autoencoder-2d": Model(
        85_633, "2d-conv", FLAT, 8, "convolutions that halve the image four times and double it again", 4
    ),
    "lstm": Model(9_442_304, "3d", _ROWS, 1024, "LSTM of 1,024 units, for square planes"),
    "deep-lstm": Model(11_541_504, "3d", _ROWS, 1024, "the same with a dense layer before and one behind"),
    "bidirectional": Model(19_933_184, "3d", _ROWS, 1024, "LSTMs in both directions"),
    "next-layer": Model(9_442_304, "3d", _ROWS, 1024, "LSTM that predicts the next plane's pixel"),
    "conv": Model(16_065, "3d", ("3d",), 8, "eleven convolutions in three dimensions"),
    "autoencoder": Model(324_488, "3d", ("3d",), 8, "convolutions that halve square planes five times", 5),
    "caption": Model(
        9_295_050, "lines-3", LINE_KINDS, 400, "intercept and slope of each line of an image", 1
    ),
    "caption-covariance": Model(
        18_578_253, "lines-3", LINE_KINDS, 400, "the same, and the covariance of each", 1
    ),
}  # fmt: skip
"""Networks by name."""


def scaled(number: int, width: float) -> int:
    """Units or filters of a layer in a network of another width than the published one; at least one."""
    return max(1, round(number * width))


def check_model(name: str, toy: ToyOptions) -> Model:
    """The model of a name, which must be able to read such toys.

    Raises:
        InputError: it cannot; names the kinds, or the widths, that it can read.
    """
    model = MODELS[name]
    check(
        "train trkx", "toy.kind", toy.kind, toy.kind in model.kinds, f"{' or '.join(model.kinds)} for {name}"
    )
    step = 2**model.halvings
    sides = {"width": toy.width} | ({"n_planes": toy.n_planes} if toy.kind in FLAT else {})
    for side, pixels in sides.items():
        if pixels % step:
            raise InputError(
                f"train trkx: toy.{side} must be a multiple of {step} for {name}, which halves planes "
                f"{model.halvings} times, and is {pixels}; set it to {step * max(1, round(pixels / step))}"
            )
    return model
