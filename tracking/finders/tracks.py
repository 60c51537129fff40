"""Tracks of one event, as every finder gives them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from smartpix.notebook import span, words_and_table
from smartpix.rows import Rows
from smartpix.thumbnails import histogram

if TYPE_CHECKING:
    import awkward as ak

__all__ = ["GraphSize", "Parameters", "Tracks"]

Floats = npt.NDArray[np.float64]


@words_and_table
@dataclass(frozen=True)
class Parameters(Rows):
    """Fitted parameters of T tracks at the closest approach to the z axis of the hits' frame: the beam line.

    Attributes:
        d0, z0, phi, theta, qop: (T,) mm, mm, rad, rad, 1/GeV; the point of closest approach is d0 * (-sin
            phi, cos phi), as in ACTS and ATLAS.
        covariance: (T, 5, 5) in that order.
        chi2, ndf: (T,) of the hits in the fit.
    """

    d0: Floats
    z0: Floats
    phi: Floats
    theta: Floats
    qop: Floats
    covariance: Floats
    chi2: Floats
    ndf: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.d0)

    def take(self, rows: npt.NDArray[np.integer[Any]]) -> Self:
        """Those of some of the tracks."""
        return replace(
            self, **{column.name: getattr(self, column.name)[rows] for column in fields(Parameters)}
        )

    @property
    def pt(self) -> Floats:
        """(T,) transverse momentum in GeV, of particles of charge 1; infinite without a field."""
        with np.errstate(divide="ignore"):
            return np.sin(self.theta) / np.abs(self.qop)

    @property
    def eta(self) -> Floats:
        """(T,) pseudorapidity."""
        return np.asarray(-np.log(np.tan(self.theta / 2)))

    def sigma(self) -> Floats:
        """(T, 5) standard deviations of d0, z0, phi, theta, qop."""
        return np.sqrt(np.diagonal(self.covariance, axis1=1, axis2=2))

    def table(self) -> dict[str, npt.NDArray[Any]]:
        """The parameters and their standard deviations, pT (GeV), eta, chi2 and ndf."""
        names = ("d0", "z0", "phi", "theta", "qop")
        sigma = {f"sigma_{name}": column for name, column in zip(names, self.sigma().T, strict=True)}
        columns = {name: getattr(self, name) for name in (*names, "pt", "eta", "chi2", "ndf")}
        return columns | sigma

    def in_words(self) -> dict[str, str]:
        """How many, and the ranges of their parameters."""
        return {
            "tracks": f"{len(self):,} fitted tracks, chi2 per degree of freedom "
            f"{self.chi2.sum() / max(int(self.ndf.sum()), 1):.3g}",
            "pT": span(self.pt, "GeV"),
            "eta": span(self.eta),
            "d0": span(self.d0, "mm"),
            "z0": span(self.z0, "mm"),
        }

    def thumbnails(self) -> str:
        """Histograms of pT and z0."""
        return histogram(np.log10(self.pt), "log10 of pT in GeV") + histogram(self.z0, "z0 in mm")


@dataclass(frozen=True)
class GraphSize:
    """How large the graph is of which a finder made an event's tracks.

    Attributes:
        n_edges: candidate edges; n_bytes: of memory that these take with the features.
        n_scored, n_hits: edges of these that have features and a score, and their hits.
    """

    n_edges: int
    n_bytes: int
    n_scored: int
    n_hits: int


@words_and_table
@dataclass(frozen=True)
class Tracks(Rows):
    """Tracks of one event.

    Attributes:
        hits: (K,) cluster rows, track after track, inner first; start: (T + 1,) where each begins.
        score: (T,) mean edge score; 1 from finders that have none.
        parameters: from a finder that fits its own tracks, as ACTS's Kalman filter does; None: nobody has
            fitted them yet.
        ms: from a finder that keeps its own time: milliseconds by stage; empty: it keeps none.
        graph: from a finder that searches a graph; None: it searches none.
        later: (T,) tracks of a second pass, over the hits that the first one left; None: there was one pass.
    """

    hits: npt.NDArray[np.int64]
    start: npt.NDArray[np.int64]
    score: npt.NDArray[np.float32]
    parameters: Parameters | None = None
    ms: Mapping[str, float] = field(default_factory=dict)
    graph: GraphSize | None = None
    later: npt.NDArray[np.bool_] | None = None

    @classmethod
    def from_rows(
        cls,
        rows: Iterable[npt.ArrayLike],
        score: npt.ArrayLike | None = None,
        parameters: Parameters | None = None,
    ) -> Tracks:
        """Tracks of given cluster rows.

        Args:
            rows: of each track, inner first.
            score: (T,) between 0 and 1; None: 1 for each.
            parameters: of these tracks, where they are fitted.
        """
        parts = [np.zeros(0, dtype=np.int64), *(np.asarray(part, dtype=np.int64) for part in rows)]
        start = np.cumsum([0, *(len(part) for part in parts[1:])], dtype=np.int64)
        scores = np.ones(len(start) - 1) if score is None else score
        return cls(np.concatenate(parts), start, np.asarray(scores, dtype=np.float32), parameters)

    def __len__(self) -> int:
        return len(self.score)

    def take(self, rows: npt.NDArray[np.integer[Any]]) -> Tracks:
        """Some of the tracks."""
        of_track = self.rows()
        parameters = None if self.parameters is None else self.parameters.take(rows)
        chosen = Tracks.from_rows([of_track[row] for row in rows], self.score[rows], parameters)
        later = None if self.later is None else self.later[rows]
        return replace(chosen, ms=self.ms, graph=self.graph, later=later)

    def with_later(self, tracks: Tracks, rows: npt.NDArray[np.int64]) -> Tracks:
        """These tracks and then those of a second pass, whose hits are ``rows`` of the event's; nobody has
        fitted either.
        """
        return replace(
            self,
            hits=np.concatenate([self.hits, rows[tracks.hits]]),
            start=np.concatenate([self.start, self.start[-1] + tracks.start[1:]]),
            score=np.concatenate([self.score, tracks.score]),
            later=np.arange(len(self) + len(tracks)) >= len(self),
        )

    def rows(self) -> list[npt.NDArray[np.int64]]:
        """The tracks' cluster rows, one array each."""
        return [self.hits[a:b] for a, b in zip(self.start[:-1], self.start[1:], strict=True)]

    def nth(self, k: int) -> npt.NDArray[np.int64]:
        """The cluster rows of one track."""
        return self.hits[self.start[k] : self.start[k + 1]]

    def __iter__(self) -> Iterator[npt.NDArray[np.int64]]:
        return iter(self.rows())

    def table(self) -> dict[str, npt.NDArray[Any]]:
        """Hits and score of each track, and its parameters where the finder has fitted it."""
        columns: dict[str, npt.NDArray[Any]] = {"n_hits": np.diff(self.start), "score": self.score}
        return columns if self.parameters is None else columns | self.parameters.table()

    def to_awkward(self) -> ak.Array:
        """Records with the columns of :meth:`table`, and the cluster rows as ``hits``;
        ``Tracks.from_rows(records["hits"], records["score"])`` makes tracks of them.
        """
        import awkward as ak

        return ak.with_field(super().to_awkward(), ak.unflatten(self.hits, np.diff(self.start)), "hits")

    def in_words(self) -> dict[str, str]:
        """How many, their hits and scores."""
        words = {
            "tracks": f"{len(self):,} tracks with {len(self.hits):,} hits",
            "hits": f"{span(np.diff(self.start))} a track",
            "score": span(self.score),
        }
        if self.later is not None:
            words["passes"] = f"{self.later.sum():,} tracks of the second pass"
        return words

    def thumbnails(self) -> str:
        """Histograms of hits and scores."""
        return histogram(np.diff(self.start), "hits of a track") + histogram(self.score, "score")
