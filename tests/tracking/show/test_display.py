"""The page of an event: its data are the chain's."""

import json
import re
from collections import Counter

import numpy as np
import pytest

from smartpix.estimate.base import truth_targets
from smartpix.io.events import event_numbers, iterate
from smartpix.io.write import write_events
from smartpix.schema import InputError
from smartpix.shipped import data_path
from tests.seeding import toys
from tests.tracking.show.pages import EVENT, data_of
from tracking.chain import Chain
from tracking.cli.main import main
from tracking.fit.vertices import VertexOptions
from tracking.metrics import Ends, event_truth, score_edges, score_tracks
from tracking.options import RunOptions
from tracking.show.display import display_event


@pytest.fixture(scope="module")
def chain_result(files, options):
    """The same event through the chain."""
    ((file, events),) = iterate(files["toy"], step=1, start=EVENT, stop=EVENT + 1)
    chain = Chain.for_header(file.header, options)
    return chain, chain.event(EVENT, events[0]["clusters"]), events[0]


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=1e-6)


def test_vertices_are_those_of_the_runs_options(tmp_path):
    counts = []
    for options in (RunOptions(), RunOptions(vertex=VertexOptions(min_tracks=8, late_tracks=8))):
        told = display_event(data_path("sample.root"), 0, tmp_path / "e.html", options)
        ((file, events),) = iterate(data_path("sample.root"), step=1, stop=1)
        result = Chain.for_header(file.header, options).event(0, events[0]["clusters"])
        assert told["n_vertices"] == len(result.vertices)
        counts.append(told["n_vertices"])
    assert counts[1] < counts[0]


def test_hits_and_pixels_are_those_of_the_event(page, chain_result):
    _, told, data = page
    _, result, record = chain_result
    hits, shown = result.hits, data["hits"]
    assert told["n_hits"] == len(hits) > 100
    np.testing.assert_array_equal(shown["hit_id"], hits.hit_id)
    close(shown["position"], hits.position)
    close(shown["mean"], hits.estimate.mean)
    covariance = hits.estimate.covariance()
    close(shown["sigma"], np.sqrt(np.diagonal(covariance, axis1=1, axis2=2)))
    for k, (i, j) in enumerate([(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]):
        np.testing.assert_allclose(
            shown["correlation"][:, k],
            covariance[:, i, j] / np.sqrt(covariance[:, i, i] * covariance[:, j, j]),
            atol=1e-5,
        )
    for h in (0, len(hits) // 2, len(hits) - 1):
        pixels = record["clusters"]["pixels"][h]
        here = slice(*data["pixels"]["first"][h : h + 2])
        assert data["pixels"]["row"][here].tolist() == pixels["row"].to_list()
        assert (
            data["pixels"]["charge"][here].tolist()
            == np.stack([pixels["charge_02"], pixels["charge_19"]], axis=1).tolist()
        )
        module = shown["module"][h]
        ids = [int(data["modules"][n][module]) for n in ("volume_id", "layer_id", "module_id")]
        assert ids == [record["clusters"][n][h] for n in ("volume_id", "layer_id", "module_id")]
    target, _ = truth_targets(record["clusters"])
    close(data["truth"]["target"], target)


def test_edges_and_scores_are_the_chains(page, chain_result):
    _, told, data = page
    _, result, record = chain_result
    np.testing.assert_array_equal(data["edges"]["source"], result.edges.source)
    np.testing.assert_array_equal(data["edges"]["target"], result.edges.target)
    np.testing.assert_array_equal(data["edges"]["score"], result.scores)
    assert told["n_kept_edges"] == np.sum(data["edges"]["score"] >= data["min_score"]) > 0
    truth = event_truth(record["clusters"], record["particles"], result.hits.layer)
    for name in ("edges", "window"):
        score = score_edges(truth, Ends(data[name]["source"], data[name]["target"]))
        assert data[name]["true"].sum() == score.n_true > 0
    assert len(data["window"]["source"]) == told["n_window_edges"]
    # pT of the circle through the beam line and both ends: r = 2 R sin(turn / 2), so the azimuths differ by
    # asin(r2 / 2R) - ...
    a, b = (data["hits"]["position"][data["edges"][n]].astype(float) for n in ("source", "target"))
    chord = np.hypot(*(b - a)[:, :2].T)
    r1, r2 = np.hypot(*a[:, :2].T), np.hypot(*b[:, :2].T)
    area = 0.5 * np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])
    bent = data["edges"]["pt"] < 20
    np.testing.assert_allclose(
        data["edges"]["pt"][bent], (toys.UNIT * r1 * r2 * chord / (4 * area))[bent], rtol=5e-3
    )


def test_tracks_are_helices_near_their_hits(page, chain_result):
    _, told, data = page
    _, result, record = chain_result
    tracks, helices = data["tracks"], result.helices
    assert told["n_tracks"] == len(result.tracks) > 20
    for name in ("d0", "z0", "phi", "theta", "qop", "chi2"):
        close(tracks[name], getattr(helices, name))
    close(tracks["sigma"], np.sqrt(np.diagonal(helices.covariance, axis1=1, axis2=2)))
    draws = np.random.default_rng(1).multivariate_normal(
        [helices.theta[0], helices.qop[0]], helices.covariance[0, 3:, 3:], 20_000
    )
    assert tracks["pt_sigma"][0] == pytest.approx(np.std(np.sin(draws[:, 0]) / np.abs(draws[:, 1])), rel=0.05)
    score = score_tracks(
        event_truth(record["clusters"], record["particles"], result.hits.layer), result.tracks.rows()
    )
    assert (tracks["particle_id"] != 0).tolist() == (score.particle >= 0).tolist()
    for t, rows in enumerate(result.tracks.rows()):
        assert tracks["hits"][tracks["start"][t] : tracks["start"][t + 1]].tolist() == rows.tolist()
        line, points = tracks["line"][t].astype(float), data["hits"]["position"][rows].astype(float)
        # Toys do not scatter: the hits lie on the polyline but for the resolution, and for what a chord
        # leaves out.
        along = np.diff(line, axis=0)
        share = np.clip(
            np.einsum("hkj,kj->hk", points[:, None] - line[:-1], along) / (along**2).sum(axis=1), 0, 1
        )
        distance = np.linalg.norm(points[:, None] - line[:-1] - share[..., None] * along, axis=2).min(axis=1)
        assert distance.max() < 0.5
        assert np.hypot(*line[0, :2]) == pytest.approx(abs(helices.d0[t]), abs=1e-4)
    of = data["hits"]["track"]
    assert all(h in result.tracks.rows()[of[h]] for h in np.flatnonzero(of >= 0))
    assert np.sum(of >= 0) == len(np.unique(result.tracks.hits))


def test_cones_hold_the_next_true_hits(page, chain_result):
    """Of the estimates' own quantile; edges of findable particles start where the particle goes on."""
    _, _, data = page
    _, result, record = chain_result
    cones, gate = data["cones"], data["gate"]
    truth = event_truth(record["clusters"], record["particles"], result.hits.layer)
    last = {(int(h), int(k)): c for c, (h, k) in enumerate(zip(cones["hit"], cones["layer"], strict=True))}
    held = total = reached = 0
    for source, target in truth.edges[truth.edge_findable]:
        layer, at = int(result.hits.layer[target]), result.hits.position[target]
        total += 1
        if (int(source), layer) not in last:
            continue
        reached += 1
        c = last[int(source), layer]
        surface, (xx, xy, yy) = cones["surface"][c, -1], cones["covariance"][c, -1].astype(float)
        # Along the straight way from the hit to the layer's mean surface, since modules are not on it.
        start = result.hits.position[source]
        if data["layers"]["barrel"][layer]:
            share = (surface - np.hypot(*start[:2])) / (np.hypot(*at[:2]) - np.hypot(*start[:2]))
            point = start + share * (at - start)
            local = np.array([surface * np.arctan2(point[1], point[0]), point[2]])
        else:
            point = start + (surface - start[2]) / (at[2] - start[2]) * (at - start)
            local = point[:2]
        delta = local - cones["local"][c, -1]
        if data["layers"]["barrel"][layer]:
            delta[0] = (delta[0] + np.pi * surface) % (2 * np.pi * surface) - np.pi * surface
        held += delta @ np.linalg.solve([[xx, xy], [xy, yy]], delta) < gate**2
    assert total > 50
    assert reached > 0.9 * total
    assert held > 0.97 * reached
    assert np.all(np.diff(cones["hit"]) >= 0)
    assert Counter(cones["hit"].tolist()).most_common(1)[0][1] <= 4


def test_page_is_self_contained(page):
    path, told, _ = page
    text = path.read_text()
    assert told["bytes"] == path.stat().st_size
    assert "http" not in re.sub(r"http-equiv", "", text)
    assert "default-src 'none'" in text
    assert not re.search(r"<(link|img|iframe)|src=", text)
    assert "/* data */" not in text
    assert "/* scripts */" not in text


def test_json_is_one_object_and_the_page_is_named_after_the_event(
    files, weights, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert main(["display", str(files["toy"]), "--event", "1", "--set", f"gnn={weights}", "--json"]) == 0
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert (told["file"], told["event"], err) == ("event-1.html", 1, "")
    assert told["n_tracks"] > 0
    assert (tmp_path / "event-1.html").stat().st_size == told["bytes"]


def test_an_event_that_is_not_there_is_named(files, weights, tmp_path, capsys):
    output = tmp_path / "x.html"
    assert (
        main(["display", str(files["toy"]), "--event", "9", "-o", str(output), "--set", f"gnn={weights}"])
        == 1
    )
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    for word in ("toy.root", "event", "9", "0, 1, 2, 3", "--event"):
        assert word in err
    assert not output.exists()


@pytest.mark.parametrize(("name", "words"), [("none", "holds no events"), ("missing", "no such file")])
def test_files_without_events_are_refused(name, words, files, options, tmp_path):
    path = files.get(name, tmp_path / "missing.root")
    with pytest.raises(InputError, match=words):
        display_event(path, None, tmp_path / "x.html", options)


def test_a_page_that_cannot_be_written_is_refused_first(files, options, tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        display_event(files["toy"], None, tmp_path / "no" / "x.html", options)


@pytest.mark.parametrize("name", ["hollow", "bare"])
def test_events_without_clusters_or_truth_have_a_page(name, files, options, tmp_path):
    told = display_event(files[name], None, tmp_path / "x.html", options)
    data = data_of(tmp_path / "x.html")
    assert (told["n_hits"] > 0) == (name == "bare")
    assert ("truth" in data) == (name == "hollow")
    assert len(data["hits"]["hit_id"]) == told["n_hits"]


def test_more_window_edges_than_a_page_holds_are_only_counted(files, options, tmp_path, monkeypatch):
    monkeypatch.setattr("tracking.show.content.MOST_WINDOW", 10)
    told = display_event(files["toy"], 0, tmp_path / "x.html", options)
    data = data_of(tmp_path / "x.html")
    assert told["n_window_edges"] == data["counts"]["n_window_edges"] > 10
    assert len(data["window"]["source"]) == 0


def test_event_numbers_are_those_of_the_file(tmp_path, files, events):
    ((file, _),) = iterate(files["single"])
    path = tmp_path / "two.root"
    write_events(path, file.header, iter([events[3], events[1]]))
    assert event_numbers(path).tolist() == [3, 1]
    assert event_numbers(data_path("sample.root")).tolist() == list(range(10))
