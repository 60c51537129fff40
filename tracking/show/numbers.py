"""Numbers with their errors, as tables print them."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, log10

__all__ = ["share", "shown"]


def shown(value: float, interval: Sequence[float] | None, sign: bool = False) -> str:
    """A number with the errors of its 68 % interval: as many digits as the smaller of them has in two."""
    plus = "+" if sign else ""
    if interval is None:
        return f"{value:{plus}.4g}"
    below, above = value - interval[0], interval[1] - value
    least = min((error for error in (below, above) if error > 0), default=0.0)
    if least == 0:
        return f"{value:{plus}.4g}"
    digits = max(0, 1 - floor(log10(least)))
    if f"{below:.{digits}f}" == f"{above:.{digits}f}":
        return f"{value:{plus}.{digits}f} ± {above:.{digits}f}"
    return f"{value:{plus}.{digits}f} +{above:.{digits}f} -{below:.{digits}f}"


def share(rate: float | None, total: float | None, width: int = 0) -> str:
    """A share of ``total`` with the errors of its 68 % interval (:func:`tracking.metrics.share_interval`), to
    the right of ``width`` characters; "-" of nothing, and four digits where the total is not known.
    """
    # Not above: commands print numbers that need no interval, and import nothing heavy for it.
    from tracking.metrics import share_interval

    if rate is None:
        text = "-"
    elif not total:
        text = f"{rate:.4f}"
    else:
        text = shown(rate, share_interval(round(rate * total), total))
    return f"{text:>{width}s}"
