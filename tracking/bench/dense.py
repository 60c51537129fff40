"""Behind ``smartpix bench dense``: finders beside each other where clusters merge."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from smartpix.export.hls import check_tools
from smartpix.merged.split import Splitter
from smartpix.schema import InputError, check, nearest, quoted
from tracking.bench.deepcore import PUBLISHED, deepcore_seeds
from tracking.bench.dense_comparison import SPLIT, compare_dense
from tracking.bench.dense_components import (
    EDGES_ON,
    MIXTURE,
    endcap_comparison,
    networks_seeds,
    position_numbers,
)
from tracking.bench.dense_counting import (
    WEIGHTS,
    count_numbers,
    group_samples,
    have_weights,
    simulated_crossings,
)
from tracking.bench.dense_estimates import (
    CrossingResiduals,
    crossing_residuals,
    estimate_numbers,
    samples_by_hits,
)
from tracking.bench.events import SAMPLES, load_sample, simulated_sample
from tracking.bench.finding import check_fresh
from tracking.bench.split_cost import split_cost
from tracking.finder_table import finder_maker, finder_names
from tracking.finders.deepcore.finder import DeepCoreFinder
from tracking.finders.finder import Finder, training_seeds
from tracking.split_finder import SplitFinder

__all__ = ["FINDERS", "LEAST_FINDABLE", "bench_dense"]

log = logging.getLogger(__name__)

Report = Callable[[str], None]


FINDERS: Mapping[str, str] = {
    "ours": "chain-unsplit",
    "ours-split": "chain",
    "kmeans": "kmeans",
    "deepcore": "deepcore",
    "acts": "acts-balanced",
    "acts-gbts": "acts-gbts",
    "acts-loose": "acts-efficient",
    "acts-dense": "acts-dense",
    "acts-dense-loose": "acts-dense-loose",
    "acts-split": "acts-split",
}
"""Names in :mod:`tracking.finder_table`: the chain with one hit of each cluster, with several of merged ones
and with those of K-means in jets, DeepCore's seeds after the chain, and ACTS: at its balanced points and its
loosest of pile-up 200, at those for cores, and with our splitting.
"""

LEAST_FINDABLE = 1000
"""Findable particles of a sample, that its rates mean something."""
CORES = "cores"
"""The sample that DeepCore's seeds are judged on."""
GROUP_EVENTS = 30
"""Of groups of crossings, for the networks that count particles and for pairs and triples."""
EDGE_EVENTS = 8
"""Of collisions alone, whose edges are counted with mixtures in the end-caps; finders run on fewer."""


def bench_dense(
    n_events: int,
    seed: int,
    names: Sequence[str] = tuple(SAMPLES),
    finders: Sequence[str] = (),
    report: Report = log.info,
) -> dict[str, Any]:
    """Everything behind ``smartpix bench dense``: samples are simulated with seeds that nothing was trained
    on.

    Args:
        n_events: of each sample with jets; of collisions alone, half as many.
        names: of the samples, of :data:`tracking.bench.events.SAMPLES`.
        finders: of :data:`FINDERS`; none: all.

    Returns:
        ``samples``: by name :func:`tracking.bench.dense_comparison.compare_dense`; ``estimates``: of all of
        them together by what clusters become, :func:`tracking.bench.dense_estimates.estimate_numbers`;
        ``merged``: of :func:`tracking.bench.dense_counting.count_numbers`, and ``positions``:
        :func:`tracking.bench.dense_components.position_numbers`; ``endcap``:
        :func:`tracking.bench.dense_components.endcap_comparison`; ``splitting``: of
        :func:`tracking.bench.split_cost.split_cost` on collisions alone; ``deepcore``: of
        :func:`tracking.bench.deepcore.deepcore_seeds` on the cores, beside what is ``published``; all four
        None without weights or the sample; and ``arrays`` (not for JSON).

    Raises:
        InputError: a sample or finder that is unknown, a finder or network that was trained on these events,
            or ACTS, hls4ml or g++ is not installed.
    """
    check("bench dense", "events", n_events, n_events >= 1, "at least 1")
    for name in names:
        if name not in SAMPLES:
            words = f"sample must be one of {', '.join(SAMPLES)} and is {quoted(name)}"
            raise InputError(f"bench dense: {words}.{nearest(name, SAMPLES)}")
    with_counts = have_weights(WEIGHTS.values())
    if with_counts:
        # Before hours of finding.
        check_tools()
    makers = {who: finder_maker(FINDERS[who]) for who in _chosen(finders, report)}
    for fresh in (seed + len(SAMPLES), seed + len(SAMPLES) + 1):
        check_fresh("bench dense", fresh, networks_seeds(), "network")
    result: dict[str, Any] = {"seed": seed, "date": date.today().isoformat(), "samples": {}, "deepcore": None}
    residuals: dict[str, list[CrossingResiduals]] = {}
    arrays: dict[str, Any] = {}
    collisions: tuple[Path, int] | None = None
    with tempfile.TemporaryDirectory() as name_of_folder:
        folder = Path(name_of_folder)
        for name in names:
            # By its name, so that it has the same events whatever others are asked for.
            own_seed = seed + list(SAMPLES).index(name)
            n = n_events if SAMPLES[name].jets else max(n_events // 2, 1)
            report(f"simulating {n} events of {name}")
            n_made = max(n, EDGE_EVENTS) if name == EDGES_ON and have_weights([MIXTURE]) else n
            path = simulated_sample(name, n_made, own_seed, folder)
            if name == EDGES_ON:
                collisions = path, min(n_made, EDGE_EVENTS)
            sample = load_sample(path, n)
            made = {who: maker(sample.header) for who, maker in makers.items()}
            trained_on = {who: training_seeds(finder) for who, finder in made.items()}
            check_fresh("bench dense", own_seed, trained_on)
            compared = compare_dense(sample, made, report)
            arrays[name] = compared.pop("arrays")
            core_finder = made.get("deepcore")
            if name == CORES and isinstance(core_finder, DeepCoreFinder):
                seeds = deepcore_seeds(core_finder, sample.events)
                result["deepcore"] = seeds | {"published": PUBLISHED}
            result["samples"][name] = compared
            for kind, own in samples_by_hits(sample, _splitter(name, made, report)).items():
                residuals.setdefault(kind, []).append(crossing_residuals(own))
            if compared["n_findable"] < LEAST_FINDABLE:
                report(
                    f"{name}: only {compared['n_findable']} findable particles; rates of fewer than "
                    f"{LEAST_FINDABLE} say little. Give more --events"
                )
        crossings = {kind: CrossingResiduals.of_all(parts) for kind, parts in residuals.items()}
        result["estimates"] = {kind: estimate_numbers(found) for kind, found in crossings.items()}
        result["merged"] = None
        if with_counts:
            report("networks that count particles, and pairs and triples, on groups of crossings")
            path = simulated_crossings(folder / "groups.root", GROUP_EVENTS, seed + len(SAMPLES))
            result["merged"] = count_numbers(group_samples(path), report)
            result["merged"]["positions"] = position_numbers(path)
        result["endcap"] = endcap_comparison(folder, seed + len(SAMPLES) + 1, collisions, report)
        result["splitting"] = None
        if collisions:
            report("what splitting costs where hardly any cluster is merged")
            result["splitting"] = split_cost(*collisions)
    result["arrays"] = {"tracks": arrays, "crossings": crossings}
    return result


def _splitter(name: str, made: Mapping[str, Finder], report: Report) -> Splitter | None:
    """That of the chain that splits clusters, where it takes part in a sample."""
    finder = made.get(SPLIT)
    if isinstance(finder, SplitFinder):
        return finder.splitter
    if finder is not None:
        report(f"{name}: ours-split does not split, for want of networks that fit; both are one chain")
    return None


def _chosen(names: Sequence[str], report: Report) -> list[str]:
    """The finders that were asked for, or all that there are: trained ones may have no weights here."""
    for name in names:
        if name not in FINDERS:
            raise InputError(
                f"bench dense: finder {quoted(name)} is none of {', '.join(FINDERS)}.{nearest(name, FINDERS)}"
            )
    known = set(finder_names())
    for name, finder in FINDERS.items():
        if not names and finder not in known:
            report(f"without {name}: there is no finder {finder}")
    return [name for name in FINDERS if name in names or (not names and FINDERS[name] in known)]
