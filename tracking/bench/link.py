"""What should leave the chip: bits of a cluster against what the host makes of it.

Each code sends the clusters of the same events. The host decodes them, runs the estimates of floating point
on what it decoded, and the chain on these. The estimates' own numbers are sent instead of pixels by the
quantised networks.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from smartpix.clusters import FlatClusters, flatten
from smartpix.estimate.base import window_center
from smartpix.estimate.mdn import MdnEstimator
from smartpix.geometry import Detector
from smartpix.io.events import Header, open_events
from smartpix.link.codes import PLACE_BITS, Code, CodedClusters, coded
from smartpix.link.distances import image_distances, line_images
from smartpix.link.estimates import count_estimate_tables, estimate_bits, estimate_numbers
from smartpix.link.images import adc_of, with_charge
from smartpix.link.learned import load_link, with_tables
from smartpix.link.pca import fit_pca
from smartpix.link.raw import count_pixel_tables, raw_code
from smartpix.link.samples import link_clusters
from smartpix.networks.weights import describe_weights
from smartpix.schema import InputError, check, quoted
from tracking.bench.events import records_with_truth, simulated
from tracking.bench.finding import check_fresh
from tracking.bench.link_chain import Judged, decoded_records, differs, judged_chain, less
from tracking.chain import Chain
from tracking.finders.training import event_seed
from tracking.options import RunOptions
from tracking.show.numbers import share

__all__ = ["LEARNED", "bench_link", "drawn_clusters", "link_table", "mean_distance"]

Ints = npt.NDArray[np.int64]
Report = Callable[[str], None]

CROSSINGS_PER_S = 40e6
"""Bunch crossings of the LHC."""
PILEUP = 200
LEARNED = ("link-8x5", "link-4x6")
"""Shipped weights of learned codes."""
RAW_BITS = (4, 3, 2)
PCA = ((4, 6), (8, 5), (16, 5))
"""Numbers and bits of each."""
TABLE_CLUSTERS = 60_000
"""Clusters that tables and components are taken from."""
LINK_BITS = (8, 6, 5, 4, 3)
RETRAINED = {"link-4x6": ("mdn-barrel-link-4x6", "mdn-endcap")}
"""Shipped estimates of barrel and end-caps of which one or both were trained on what a code brings."""
FLOAT, UNSPLIT = "float", "float-unsplit"
WHOLE = {"raw-bitmap": "raw-address"}
"""Codes that bring the same clusters as another one before them."""


@dataclass(frozen=True)
class _Events:
    """Events of the test: records, and their clusters as the chip has them."""

    records: Sequence[ak.Record]
    seen: Sequence[CodedClusters]
    header: Header

    def innermost(self) -> list[npt.NDArray[np.bool_]]:
        """Of each event, (N,) clusters on the innermost barrel layer."""
        detector = self.header.detector
        inner = _innermost(detector)
        return [inner[seen.clusters.module] for seen in self.seen]


def bench_link(
    path: str | Path | None = None,
    training: Sequence[str | Path] = (),
    learned: Sequence[str] = LEARNED,
    n_events: int = 4,
    distances: int = 300,
    seed: int = 642_001,
    report: Report = lambda line: None,
    retrained: Mapping[str, tuple[str, str]] | None = None,
) -> dict[str, Any]:
    """All codes on the same events.

    Args:
        path: event file with truth; None: events of pile-up 200 are simulated with ``seed``.
        training: event files that tables and components are counted on; none: two events are simulated with
            the seed before.
        learned: weights of learned codes, by name or path.
        n_events: most to use; distances: clusters that the earth mover's distance is measured on, with at
            least three pixels.
        report: told what comes next.
        retrained: by a learned code, or ``float``, weights of barrel and end-caps that were trained on what
            it brings: a row ``CODE-retrained`` more. None: the shipped ones of those learned codes.

    Returns:
        ``codes`` by name: ``bits_per_cluster`` in fixed fields and ``arithmetic_bits_per_cluster``, both
            without the place on
        the module; ``bits_innermost``, ``arithmetic_bits_innermost``, ``gbit_per_s_cm2`` and
        ``arithmetic_gbit_per_s_cm2`` of the innermost layer with the place; ``emd`` in um, ``emd_error``;
        what :meth:`tracking.bench.link_chain.Judged.numbers` gives; ``less_float`` and
        ``less_float_unsplit``, the difference to the chains that no code stands before; ``differs``, what the
        float chain finds and this one does not and the other way round
        (:func:`tracking.bench.link_chain.differs`); ``encoder_parameters`` of learned ones. Where no pixels
        come back, ``emd`` is that of a line of charge along the estimated way of the track. ``float`` and
        ``float-unsplit`` are these chains themselves. ``occupancy`` of the innermost layer in clusters per
        cm2 and crossing.

    Raises:
        InputError: unusable files or weights, or events that something was trained on.
    """
    check("bench link", "events", n_events, n_events >= 1, "at least 1")
    check("bench link", "distances", distances, distances >= 1, "at least 1")
    with tempfile.TemporaryDirectory() as folder:
        if path is None:
            report(f"simulating {n_events} events of pile-up {PILEUP}")
            path = simulated(PILEUP, n_events, seed, Path(folder))
        if not training:
            report("simulating events that the tables are counted on")
            inside = Path(folder) / "tables"
            inside.mkdir()
            training = [simulated(PILEUP, 2, seed - 1, inside)]
        if retrained is None:
            retrained = {name: weights for name, weights in RETRAINED.items() if name in learned}
        files = [Path(f) for f in training]
        return _bench(Path(path), files, learned, retrained, n_events, distances, report)


def _bench(
    path: Path,
    training: Sequence[Path],
    learned: Sequence[str],
    retrained: Mapping[str, tuple[str, str]],
    n_events: int,
    n_distances: int,
    report: Report,
) -> dict[str, Any]:
    loaded = {name: load_link(name) for name in learned}
    hosts = {name: _host(name, weights, [FLOAT, *loaded]) for name, weights in retrained.items()}
    seeds = {event_seed(file) for file in training}
    seeds |= {int(made["seed"]) for code in loaded.values() for made in code.description["data"]}
    seeds |= {seed for _, own in hosts.values() for seed in own}
    if event_seed(path) in seeds:
        raise InputError(
            f"{path}: its events, of seed {event_seed(path)}, are those that a code or a table was made of; give events of "
            f"another seed"
        )
    header = open_events(path).header
    chain = Chain.for_header(header, RunOptions(), report)
    check_fresh("bench link", event_seed(path), {"chain": chain.finder.training_seeds})
    adc, slices, detector = adc_of(header), chain.estimator.slices, chain.header.detector
    records = list(records_with_truth([path], n_events))
    flat = [flatten(record["clusters"], slices) for record in records]
    events = _Events(records, [coded(clusters, detector, adc) for clusters in flat], chain.header)
    report("counting the tables")
    seen = coded(link_clusters(training, slices, TABLE_CLUSTERS)[0], detector, adc)
    rows = drawn_clusters(events.seen[0], n_distances)
    off = replace(RunOptions(), split=replace(RunOptions().split, mode="off"))
    references = {FLOAT: chain, UNSPLIT: Chain.for_header(header, off, report)}
    judged = {name: judged_chain(own, records, _as_they_are) for name, own in references.items()}
    codes = {name: own.numbers(header.field) for name, own in judged.items()}
    if FLOAT in hosts:
        report(f"{FLOAT}, estimates trained again")
        own = Chain.for_header(header, hosts[FLOAT][0], report)
        judged[f"{FLOAT}-retrained"] = judged_chain(own, records, _as_they_are)
        codes[f"{FLOAT}-retrained"] = _against(judged, f"{FLOAT}-retrained", header.field)
    for name, makes in _codes(seen, loaded).items():
        report(f"code {name}")
        sent = [makes(own) for own in events.seen]
        decoded = [with_charge(own.clusters, s.charge) for own, s in zip(events.seen, sent, strict=True)]
        seen_as = _as_decoded(decoded, slices)
        # All formats of the whole codes bring the same clusters.
        judged[name] = judged.get(WHOLE.get(name, "")) or judged_chain(chain, records, seen_as)
        facts = _bits(events, [s.bits for s in sent], [s.arithmetic_bits for s in sent])
        facts |= mean_distance(events.seen[0], sent[0].charge[:, -1], rows, detector)
        if name in loaded:
            facts["encoder_parameters"] = loaded[name].encoder.parameters
        codes[name] = facts | _against(judged, name, header.field)
        if name in hosts:
            again = f"{name}-retrained"
            report(f"code {name}, estimates trained again")
            own = Chain.for_header(header, hosts[name][0], report)
            judged[again] = judged_chain(own, records, seen_as)
            codes[again] = facts | _against(judged, again, header.field)
    for bits in LINK_BITS:
        name = f"mdn-{bits}"
        report(f"code {name}")
        own = Chain.for_header(
            header, replace(RunOptions(), estimates="quantised", link_bits=bits), lambda line: None
        )
        assert isinstance(own.estimator, MdnEstimator)
        judged[name] = judged_chain(own, records, _as_they_are)
        tables = count_estimate_tables(seen, estimate_numbers(seen, own.estimator), bits)
        pairs = [estimate_bits(e, estimate_numbers(e, own.estimator), bits, tables) for e in events.seen]
        codes[name] = _bits(events, [pair[0] for pair in pairs], [pair[1] for pair in pairs])
        lines = _lines(events.seen[0], own.estimator, detector)
        codes[name] |= mean_distance(events.seen[0], lines, rows, detector)
        codes[name] |= _against(judged, name, header.field)
    return {
        "date": date.today().isoformat(), "seed": event_seed(path), "training_seeds": sorted(seeds),
        "n_events": len(records), "n_clusters": sum(map(len, events.seen)), "place_bits": PLACE_BITS,
        "occupancy": _occupancy(events), "codes": codes,
    }  # fmt: skip


def _host(code: str, weights: tuple[str, str], codes: Sequence[str]) -> tuple[RunOptions, set[int]]:
    """Options of a chain with estimates that were trained again, and the seeds of the events of that
    training.

    Raises:
        InputError: unusable weights, ones of another code, or a code that is not measured.
    """
    if code not in codes:
        raise InputError(
            f"bench link: nothing is sent by {quoted(code)}; estimates are for {', '.join(codes)}"
        )
    seeds: set[int] = set()
    own = FLOAT if code == FLOAT else Path(code).stem
    for name in weights:
        data = describe_weights(name)["data"]
        before = data.get("code", FLOAT)
        # Those of one region may be the ones of the chain.
        if before not in (FLOAT, own):
            raise InputError(
                f"{name}: was trained on clusters of {quoted(before)} and is given for {quoted(code)}; give weights of "
                f"smartpix train mdn --code {code}"
            )
        seeds |= set(data.get("seeds", []))
    return replace(RunOptions(), mdn_barrel=weights[0], mdn_endcap=weights[1]), seeds


def _as_they_are(_: int, clusters: ak.Array) -> ak.Array:
    """Cluster records that nothing stands before."""
    return clusters


def _as_decoded(
    decoded: Sequence[FlatClusters], slices: Sequence[int]
) -> Callable[[int, ak.Array], ak.Array]:
    """What gives an event's cluster records as they were decoded."""
    return lambda k, clusters: decoded_records(clusters, decoded[k], slices)


def _codes(seen: CodedClusters, loaded: Mapping[str, Any]) -> dict[str, Code]:
    """Codes that send pixels, by name, with tables of the clusters of a training."""
    codes: dict[str, Code] = {}
    for bits in RAW_BITS:
        tables = count_pixel_tables(seen, bits)
        forms = ("address", "bitmap") if bits == max(RAW_BITS) else ("bitmap",)
        codes |= {
            f"raw-{form}" if bits == max(RAW_BITS) else f"raw-{form}-{bits}": partial(
                raw_code, tables=tables, form=form, bits=bits
            )
            for form in forms
        }
    codes |= {f"pca-{latent}x{bits}": fit_pca(seen, latent, bits) for latent, bits in PCA}
    return codes | {name: with_tables(code, seen) for name, code in loaded.items()}


def _against(judged: Mapping[str, Judged], name: str, field: float) -> dict[str, Any]:
    own = judged[name]
    return own.numbers(field) | {
        "less_float": less(own, judged[FLOAT]),
        "less_float_unsplit": less(own, judged[UNSPLIT]),
        "differs": differs(own, judged[FLOAT]),
    }


def _bits(events: _Events, fixed: Sequence[Ints], arithmetic: Sequence[Ints]) -> dict[str, Any]:
    """Means over all clusters and over those of the innermost layer, and the rate of its link."""
    inner, per_s = events.innermost(), 1e-9 * CROSSINGS_PER_S * _occupancy(events)
    found: dict[str, Any] = {}
    for begin, bits in (("", fixed), ("arithmetic_", arithmetic)):
        of_inner = float(np.mean(np.concatenate([b[i] for b, i in zip(bits, inner, strict=True)])))
        found |= {
            f"{begin}bits_per_cluster": float(np.mean(np.concatenate(list(bits)))),
            f"{begin}bits_innermost": of_inner, f"{begin}gbit_per_s_cm2": per_s * (of_inner + PLACE_BITS),
        }  # fmt: skip
    return found


def _innermost(detector: Detector) -> npt.NDArray[np.bool_]:
    """(M,) modules of the innermost barrel layer."""
    layers = detector.layers
    first = int(np.flatnonzero(layers.barrel)[np.argmin(layers.radius[layers.barrel])])
    return np.asarray(detector.layer_index == first)


def _occupancy(events: _Events) -> float:
    """Clusters per cm2 of the innermost layer and crossing."""
    detector = events.header.detector
    inner = _innermost(detector)
    area = float(np.sum(4 * detector.half_x[inner] * detector.half_y[inner])) / 100
    return sum(int(own.sum()) for own in events.innermost()) / (area * len(events.records))


def drawn_clusters(seen: CodedClusters, n: int, least: int = 3) -> Ints:
    """Clusters of an event, drawn from those with enough pixels with positive charge in the last slice."""
    candidates = np.flatnonzero(np.sum(seen.codes[:, -1] > 0, axis=(1, 2)) >= least)
    return np.sort(np.random.default_rng(0).permutation(candidates)[:n])


def mean_distance(
    seen: CodedClusters, charge: npt.NDArray[np.float32], rows: Ints, detector: Detector
) -> dict[str, float]:
    """Mean earth mover's distance in um of the last slice of some clusters, and its error.

    Args:
        charge: (N, rows, columns) of all clusters, as the host has it.
        rows: which clusters.
    """
    true = seen.adc.charge(seen.codes[rows, -1])
    found = image_distances(true, charge[rows], 1e3 * _pitch(seen, detector)[rows])
    return {"emd": float(found.mean()), "emd_error": float(found.std() / np.sqrt(len(found)))}


def _pitch(seen: CodedClusters, detector: Detector) -> npt.NDArray[np.float64]:
    """(N, 2) of rows and of columns in mm."""
    module = seen.clusters.module
    return np.stack([detector.pitch_y[module], detector.pitch_x[module]], axis=1)


def _lines(seen: CodedClusters, estimator: MdnEstimator, detector: Detector) -> npt.NDArray[np.float32]:
    """Charge (N, rows, columns) along the estimated ways of the tracks."""
    clusters = seen.clusters
    mean = estimator.predict(clusters, detector).mean
    mean[:, :2] -= window_center(clusters.outlines.origin, clusters.module, detector)
    return line_images(mean, _pitch(seen, detector), detector.thickness[clusters.module])


SHARES = {"track_efficiency": "n_findable", "fake_rate": "n_tracks"}
"""What the shares of the table are of."""


def link_table(result: Mapping[str, Any]) -> str:
    """Of :func:`bench_link`, as lines of text."""
    columns = {
        "bits": ("bits_per_cluster", "8.1f"), "arithm.": ("arithmetic_bits_per_cluster", "8.1f"),
        "Gb/s/cm2": ("gbit_per_s_cm2", "9.2f"), "EMD um": ("emd", "8.2f"), "reduction": ("reduction", "10.2f"),
        "efficiency": ("track_efficiency", "30.4f"), "fakes": ("fake_rate", "30.4f"), "d0 um": ("resolution_d0_um", "8.2f"),
    }  # fmt: skip
    wide = max(map(len, result["codes"])) + 2
    lines = [
        f"{'':{wide}s}"
        + "".join(f"{title:>{int(form.split('.')[0])}s}" for title, (_, form) in columns.items())
    ]
    for name, row in result["codes"].items():
        values = [
            share(row.get(key), row.get(SHARES[key]), 30)
            if key in SHARES
            else f"{'-':>{int(form.split('.')[0])}s}"
            if row.get(key) is None
            else format(row[key], form)
            for key, form in columns.values()
        ]
        lines.append(f"{name:{wide}s}" + "".join(values))
    lines.append(
        f"{result['occupancy']:.2f} clusters/cm2 and crossing on the innermost layer; place: {PLACE_BITS} bits more each"
    )
    return "\n".join(lines)
