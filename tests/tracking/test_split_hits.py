"""Clusters of several particles through the whole chain, split by the truth (:mod:`tests.tracking.oracle`)."""

import dataclasses

import awkward as ak
import numpy as np
import pytest

from smartpix.io.events import iterate, open_events
from tests.tracking.oracle import crossings_of_clusters, oracle
from tracking.chain import Chain
from tracking.finders.finder import FinderInput
from tracking.metrics import event_truth, score_tracks
from tracking.options import RunOptions
from tracking.runs.outputs import outputs_of
from tracking.runs.totals import Totals
from tracking.runs.units import run_events
from tracking.show.content import event_content


@pytest.fixture(scope="module")
def record(close_pairs):
    return next(iterate(close_pairs, step=1))[1][0]


@pytest.fixture(scope="module")
def chain(close_pairs, weights):
    return Chain.for_header(open_events(close_pairs).header, RunOptions(gnn=str(weights)))


@pytest.fixture(scope="module")
def results(chain, record):
    """By name: without splitting, with the truth's parts, with shared hits."""
    made = {}
    for name, splitter in (
        ("lone", None),
        ("split", oracle(record["clusters"])),
        ("shared", oracle(record["clusters"], shared=True)),
    ):
        made[name] = dataclasses.replace(chain, splitter=splitter).event(0, record["clusters"])
    return made


def truth_of(result, record):
    hits = result.hits
    return event_truth(
        record["clusters"], record["particles"], hits.layer, cluster=hits.cluster, estimate=hits.estimate
    )


def test_split_clusters_give_more_particles_their_tracks(results, record):
    found, n_merged = {}, int(np.sum(results["split"].hits.part > 0))
    assert n_merged > 20
    for name, result in results.items():
        truth = truth_of(result, record)
        score = score_tracks(truth, result.tracks.rows())
        found[name] = int(np.sum(score.found & truth.findable))
        assert not np.any(score.duplicate)
        assert len(result.hits) == len(record["clusters"]) + (n_merged if name != "lone" else 0)
    assert found["split"] > found["lone"]
    assert found["shared"] >= found["lone"]


def test_no_hit_is_on_two_tracks_and_no_track_has_two_hits_of_a_cluster(results):
    for name in ("split", "shared"):
        result = results[name]
        for rows in result.tracks.rows():
            assert len(np.unique(result.hits.cluster[rows])) == len(rows)
        clusters = result.hits.cluster[result.tracks.hits]
        # Both hits of many clusters are used.
        assert len(np.unique(clusters)) < len(clusters)
        assert np.all(result.hits.shared == ((result.hits.n_parts > 1) & (name == "shared")))


def test_the_fit_takes_each_hit_with_its_own_estimate(results, record, chain):
    result = results["split"]
    hits, tracks = result.hits, result.tracks
    rows = np.flatnonzero(hits.n_parts[tracks.hits] > 1)
    assert len(rows) > 10
    truth = truth_of(result, record)
    score = score_tracks(truth, tracks.rows())
    of_track = np.repeat(np.arange(len(tracks)), np.diff(tracks.start))
    own = truth.main[tracks.hits[rows]] == score.particle[of_track[rows]]
    assert own.mean() > 0.6
    pull = result.helices.pull[rows][own & ~result.helices.outlier[rows]]
    assert 0.6 < np.std(pull[np.abs(pull) < 5]) < 1.5


def test_files_tell_the_hits_of_a_cluster_apart(results, record, chain):
    result = results["split"]
    out = outputs_of(result, None, None, ("edges.root", "tracks.csv"))
    hit = out["tracks.root"]["hit"][0]
    named = list(zip(hit["id"].tolist(), hit["part"].tolist(), strict=True))
    assert len(set(named)) == len(named) > len(set(hit["id"].tolist()))
    assert named == [
        (int(result.hits.hit_id[h]), int(result.hits.part[h])) for h in result.tracks.hits.tolist()
    ]
    edge = out["edges.root"]["edge"][0]
    ends = list(
        zip(*(edge[n].tolist() for n in ("source", "source_part", "target", "target_part")), strict=True)
    )
    assert len(set(ends)) == len(ends) > len({(a, c) for a, _, c, _ in ends})
    # Of ACTS's columns, a cluster whose hits are on two tracks is shared.
    (text,) = out["tracks.csv"].values()
    lines = [line.split(",") for line in text.splitlines()]
    column = lines[0].index("nSharedHits")
    clusters = result.hits.cluster[result.tracks.hits]
    twice = np.bincount(clusters)[clusters] > 1
    assert sum(int(line[column]) for line in lines[1:]) == twice.sum()


def test_a_page_has_the_pixels_and_the_particle_of_each_hit(results, record, chain):
    result = results["split"]
    content = event_content(
        dataclasses.replace(chain, splitter=oracle(record["clusters"])), result, record, True
    )
    hits, pixels, truth = content["hits"], content["pixels"], content["truth"]
    clusters = ak.to_list(record["clusters"])
    away = []
    for h, (c, part) in enumerate(zip(result.hits.cluster.tolist(), hits["part"].tolist(), strict=True)):
        rows = pixels["row"][pixels["first"][h] : pixels["first"][h + 1]].tolist()
        assert rows == [p["row"] for p in clusters[c]["pixels"]]
        assert hits["charge"][h] == pytest.approx(clusters[c]["charge"])
        assert part < hits["n_parts"][h]
        makers = {t["particle_id"]: t for t in clusters[c]["truth"]}
        if hits["n_parts"][h] > 1:
            maker = makers[int(truth["particle_id"][h])]
            away.append(truth["target"][h][1] - maker["y"])
            # The smeared estimate is nearer to its own particle than a pixel.
            assert abs(hits["mean"][h][1] - maker["y"]) < 0.05
        elif makers:
            assert truth["particle_id"][h] == clusters[c]["truth"][0]["particle_id"]
    assert np.max(np.abs(away)) < 1e-6
    assert not content["hits"]["shared"].any()


def test_a_finder_gets_several_hits_of_a_cluster(results, record, chain):
    seen = FinderInput(record["clusters"], results["split"].hits, chain.header.detector, chain.header.field)
    assert len(seen.hits) > len(seen.clusters)


@pytest.mark.parametrize("shared", [False, True])
def test_a_run_counts_split_and_shared_clusters(close_pairs, record, chain, shared):
    totals = Totals()
    list(
        run_events(
            dataclasses.replace(chain, splitter=oracle(record["clusters"], shared)), close_pairs, totals
        )
    )
    row, _ = crossings_of_clusters(record["clusters"])
    n_merged = int(np.sum(np.bincount(row) > 1))
    assert n_merged > 20
    summary = totals.summary()
    assert summary["n_shared_clusters"] == (n_merged if shared else 0)
    assert summary["n_split_clusters"] == (0 if shared else n_merged)
