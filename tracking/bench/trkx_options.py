"""Options of ``smartpix study trkx``. Importing them needs no torch."""

from __future__ import annotations

from dataclasses import dataclass

from smartpix.networks.options import LARGEST_SEED
from smartpix.schema import InputError, check_ranges, check_types, nearest, quoted, ranged

__all__ = ["PARTS", "TrkxStudyOptions"]

PARTS = ("models", "ramp", "next-layer")
"""Of the study: the networks on their toys, the finders of the RAMP challenge, and the learned cone."""


@dataclass(frozen=True)
class TrkxStudyOptions:
    """What is measured, on how many events.

    Attributes:
        parts: parts of the study that are measured: ``models``, ``ramp``, ``next-layer``.
        events: number of toys that each network that finds a track is measured on, and a quarter of them for
            each number of background tracks.
        caption_events: number of toys that each network of captions is measured on.
        ramp_events: number of events of the RAMP challenge, with 10 and with 20 tracks on average.
        pileup_events: number of events of pile-up 200 that are simulated for the learned cone where no file
            is given, and as many with single pions on top.
        steps: steps of the gradient ascent to the input that a filter responds most to; 0 leaves the filters
            out.
        seed: seed of all toys and events, and the next one of those with pions or 20 tracks; nothing may have
            been trained on them.
    """

    parts: tuple[str, ...] = PARTS
    events: int = ranged(10_240, 4, 10_000_000)
    caption_events: int = ranged(40_960, 4, 10_000_000)
    ramp_events: int = ranged(1000, 2, 1_000_000)
    pileup_events: int = ranged(2, 1, 1000)
    steps: int = ranged(60, 0, 100_000)
    seed: int = ranged(650_001, 0, LARGEST_SEED)

    def __post_init__(self) -> None:
        check_types("study trkx", self)
        check_ranges("study trkx", self)
        for part in self.parts:
            if part not in PARTS:
                raise InputError(
                    f"study trkx: part {quoted(part)} is none of {', '.join(PARTS)}.{nearest(part, PARTS)}"
                )
        if not self.parts:
            raise InputError(f"study trkx: no part is asked for; give some of {', '.join(PARTS)}")
