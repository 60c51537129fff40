"""The images that networks of the front and autoencoders see."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from smartpix.schema import InputError

__all__ = ["check_seen"]


def check_seen(images: npt.NDArray[np.floating], shape: tuple[int, int, int], where: str, who: str) -> None:
    """Check that images (N, S, R, C) are of a network's shape, and finite.

    Args:
        where, who: the command and the network, for the message.

    Raises:
        InputError: they are not.
    """
    if images.shape[1:] != shape:
        raise InputError(
            f"{where}: {who} sees images of (slices, rows, columns) {shape}, and these are "
            f"{images.shape[1:]}; name their shape in the options"
        )
    if not np.isfinite(images).all():
        raise InputError(f"{where}: some images are not finite; leave them out, or make the file again")
