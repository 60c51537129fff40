"""What to cite: one table, for ``smartpix --cite``, for the summary of a run and for docs/cite.md."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from importlib.metadata import version

__all__ = ["PARTS", "REFERENCES", "Reference", "cited_by_run", "itself", "lines"]

PARTS = {
    "related": "Close relatives",
    "estimates": "Estimates by networks",
    "chip": "Networks on the chip",
    "merged": "Merged clusters",
    "graph": "Graph network",
    "jets": "Cores of jets",
    "fit": "Track fit",
    "simulation": "Simulation",
    "export": "Export to firmware",
    "trackml": "TrackML events",
}
"""Parts of the work that have references, with their titles."""


@dataclass(frozen=True)
class Reference:
    """A work to cite.

    Attributes:
        part: key of :data:`PARTS`.
        topic: what it is cited for.
        authors: its authors or collaboration.
        identifier: ``arXiv:NUMBER``, ``doi:NAME`` or an address.
        journal: where it was published, if it is known by that.
    """

    part: str
    topic: str
    authors: str
    identifier: str
    journal: str = ""

    @property
    def address(self) -> str:
        """Its page."""
        kind, _, name = self.identifier.partition(":")
        return {"arXiv": f"https://arxiv.org/abs/{name}", "doi": f"https://doi.org/{name}"}.get(
            kind, self.identifier
        )

    def __str__(self) -> str:
        where = f"{self.journal}, {self.identifier}" if self.journal else self.identifier
        return f"{self.topic}: {self.authors}, {where}"


REFERENCES = (
    Reference(
        "related",
        "a filter of hit pairs by the shapes of their clusters",
        "CMS",
        "https://github.com/cms-sw/cmssw/pull/17891",
    ),
    Reference(
        "related",
        "a table of cluster widths in the seeding",
        "ACTS's GBTS",
        "https://github.com/acts-project/acts/pull/4908",
    ),
    Reference(
        "related", "networks on cluster shapes of up to three hits", "P. J. Fox et al.", "arXiv:2012.04533"
    ),
    Reference(
        "estimates",
        "the sensor's networks, with covariance",
        "Smart Pixels collaboration",
        "arXiv:2602.15946",
    ),
    Reference(
        "estimates", "position and angles from one cluster", "Smart Pixels collaboration", "arXiv:2312.11676"
    ),
    Reference("chip", "learned bits", "HGQ", "arXiv:2405.00645"),
    Reference("chip", "gradients through rounding", "Y. Bengio et al.", "arXiv:1308.3432"),
    Reference(
        "merged",
        "networks on images and their toy (TMVA_CNN_Classification)",
        "ROOT",
        "doi:10.1016/S0168-9002(97)00048-X",
        "NIM A 389 (1997) 81",
    ),
    Reference("merged", "variables of a shower's shape", "CMS", "arXiv:1502.02702"),
    Reference("merged", "anomaly scores of autoencoders", "E. Govorkova et al.", "arXiv:2108.03986"),
    Reference("graph", "interaction networks", "P. Battaglia et al.", "arXiv:1612.00222"),
    Reference("graph", "their use for tracks", "G. DeZoort et al.", "arXiv:2103.16701"),
    Reference("jets", "seeds in the cores of jets", "DeepCore, CMS", "arXiv:1910.08058"),
    Reference(
        "jets",
        "the later thresholds of the same",
        "CMS software",
        "https://github.com/cms-sw/cmssw/pull/42851",
    ),
    Reference(
        "fit",
        "the Kalman filter in track fits",
        "R. Frühwirth",
        "doi:10.1016/0168-9002(87)90887-4",
        "NIM A 262 (1987) 444",
    ),
    Reference(
        "fit",
        "the start of the fit, a circle without iteration",
        "V. Karimäki",
        "doi:10.1016/0168-9002(91)90533-V",
        "NIM A 305 (1991) 187",
    ),
    Reference(
        "simulation",
        "detector and transport, and the tracks beside ours",
        "ACTS, X. Ai et al.",
        "doi:10.1007/s41781-021-00078-8",
        "Comput. Softw. Big Sci. 6 (2022) 8",
    ),
    Reference(
        "export",
        "from quantised networks to firmware",
        "hls4ml, J. Duarte et al.",
        "doi:10.1088/1748-0221/13/07/P07027",
        "JINST 13 (2018) P07027",
    ),
    Reference("trackml", "the event we did not make ourselves", "S. Amrouche et al.", "arXiv:1904.06778"),
)
"""In the order of the work: relatives first, then from the cluster to the track, then tools and data."""


def itself() -> str:
    """The line that cites smartpix."""
    return f"this software: smartpix {version('smartpix')}, as its CITATION.cff says"


def cited_by_run(estimates: str) -> list[str]:
    """What a run of the chain uses, one line for each reference.

    Args:
        estimates: kind of the estimates that were used: ``mdn``, ``shape``, ``quantised`` or ``positions``.
            Cluster shapes and positions have no reference of their own.
    """
    parts = {"graph", "fit"}
    if estimates not in ("shape", "positions"):
        parts.add("estimates")
    if estimates == "quantised":
        parts.add("chip")
    return [itself(), *map(str, _of(parts))]


def lines() -> list[str]:
    """All references, by part."""
    text = [itself(), ""]
    for part, title in PARTS.items():
        text += [title, *(f"  {reference}" for reference in _of({part})), ""]
    return text[:-1]


def _of(parts: Collection[str]) -> list[Reference]:
    return [reference for reference in REFERENCES if reference.part in parts]
