"""Every file of a run's results holds the same tracks and edges."""

import csv
from dataclasses import replace
from pathlib import Path

import awkward as ak
import numpy as np
import pyarrow.parquet as pq
import pytest
import uproot

from smartpix.io.events import iterate, open_events
from smartpix.io.write import write_events
from smartpix.physics import SPEED_OF_LIGHT
from smartpix.schema import InputError
from tests.smartpix.io.event_files import rewritten
from tracking.chain import Chain
from tracking.options import RunOptions
from tracking.runs import driver
from tracking.runs.driver import run
from tracking.runs.outputs import ACTS_COLUMNS, EXTRA, outputs_of


@pytest.fixture(scope="module")
def folder(files, weights, tmp_path_factory):
    folder = tmp_path_factory.mktemp("out")
    run([files["mixed"]], folder, RunOptions(gnn=str(weights), write=EXTRA), figures=False)
    return folder


@pytest.fixture(scope="module")
def tracks(folder):
    with uproot.open(folder / "tracks.root") as file:
        return file["tracks"].arrays()


def test_all_files_are_there_and_no_more(folder):
    events = [f"event{e:09d}-tracks_smartpix.csv" for e in (0, 1, 2)]
    assert {p.name for p in folder.iterdir()} == {
        "tracks.root",
        "summary.json",
        "times.json",
        *events,
        *set(EXTRA) - {"tracks.csv"},
    }


def test_tracks_in_parquet_are_those_in_root(folder, tracks):
    table = pq.read_table(folder / "tracks.parquet")
    names = [n for n in tracks.fields if n.startswith("track_")]
    assert table.column_names[0] == "event"
    assert len(table) == ak.sum(ak.num(tracks["track_n_hits"])) > 10
    assert (
        table["event"].to_pylist()
        == np.repeat(ak.to_numpy(tracks["event"]), ak.num(tracks["track_n_hits"])).tolist()
    )
    for name in names:
        assert table[name.removeprefix("track_")].to_pylist() == ak.to_list(ak.flatten(tracks[name]))
    for name in [n for n in tracks.fields if n.startswith("hit_")]:
        lists = table[name].to_pylist()
        assert [len(v) for v in lists] == table["n_hits"].to_pylist()
        assert [x for v in lists for x in v] == ak.to_list(ak.flatten(tracks[name]))


def test_edges_in_parquet_are_those_in_root_and_tracks_are_made_of_them(folder, tracks):
    with uproot.open(folder / "edges.root") as file:
        edges = file["edges"].arrays()
    table = pq.read_table(folder / "edges.parquet")
    assert len(table) == ak.sum(ak.num(edges["edge_source"])) > 50
    for name in ("source", "target", "score", "chi2", "curvature", "cot_theta", "z0", "true"):
        assert table[name].to_pylist() == ak.to_list(ak.flatten(edges[f"edge_{name}"]))
    assert (
        table["event"].to_pylist()
        == np.repeat(ak.to_numpy(edges["event"]), ak.num(edges["edge_source"])).tolist()
    )
    for event in range(len(tracks)):
        known = set(zip(edges["edge_source"][event], edges["edge_target"][event], strict=True))
        for hits in ak.to_list(ak.unflatten(tracks["hit_id"][event], tracks["track_n_hits"][event])):
            for hit in hits:
                assert any((a, b) in known for other in hits for a, b in ((hit, other), (other, hit)))


def test_events_of_one_number_are_told_apart_by_their_file(files, weights, tmp_path):
    broken = tmp_path / "broken.root"
    broken.write_text("no events")
    options = RunOptions(gnn=str(weights), write=("edges.root", "edges.parquet", "tracks.parquet"))
    summary = run([broken, files["toy"], files["single"]], tmp_path / "out", options, figures=False)
    assert summary["files"] == [str(files["toy"]), str(files["single"])]
    for name, tree, counter in (("tracks", "tracks", "track_n_hits"), ("edges", "edges", "edge_source")):
        with uproot.open(tmp_path / "out" / f"{name}.root") as file:
            entries = file[tree].arrays()
        assert entries["event"].tolist() == [0, 1, 2, 3, 0]
        assert entries["file"].tolist() == [0, 0, 0, 0, 1]
        assert str(entries["file"].type.content) == "int32"
        # The second file is the first event of the first.
        assert entries[counter][0].tolist() == entries[counter][4].tolist()
        table = pq.read_table(tmp_path / "out" / f"{name}.parquet")
        n = ak.num(entries[counter])
        assert table.column_names[:2] == ["event", "file"]
        assert str(table["file"].type) == "int32"
        assert table["file"].to_pylist() == np.repeat([0, 0, 0, 0, 1], n).tolist()
        assert table["event"].to_pylist() == np.repeat([0, 1, 2, 3, 0], n).tolist()


def test_where_numbers_alone_tell_events_apart_they_may_not_repeat(
    files, events, weights, tmp_path, monkeypatch
):
    def nothing(chain, units):
        raise AssertionError("an event was run")

    monkeypatch.setattr(driver, "run_here", nothing)
    write_events(tmp_path / "three.root", open_events(files["toy"]).header, events[:3])
    twice = rewritten(
        tmp_path / "three.root", lambda branches: branches | {"event": np.array([0, 1, 0])}
    ).rename(tmp_path / "twice.root")
    options = RunOptions(gnn=str(weights))
    for given, words in (
        ([files["toy"], files["single"]], r"single\.root: event 0 is in .*toy\.root too"),
        ([twice], r"twice\.root: event 0 is there twice"),
    ):
        with pytest.raises(InputError, match=words):
            run(given, tmp_path / "out", RunOptions(gnn=str(weights), write=("tracks.csv",)))
        with pytest.raises(InputError, match=words):
            run(given, tmp_path / "out", options, join=files["toy"])
    assert not (tmp_path / "out").exists()


def test_csv_tracks_have_the_columns_of_acts_and_the_numbers_of_the_tracks(folder, tracks):
    n_good = 0
    for k, event in enumerate(tracks["event"]):
        with (folder / f"event{event:09d}-tracks_smartpix.csv").open(newline="") as stream:
            reader = csv.DictReader(stream)
            rows = list(reader)
        assert tuple(reader.fieldnames) == ACTS_COLUMNS
        assert len(rows) == len(tracks["track_n_hits"][k])
        hits = ak.to_list(ak.unflatten(tracks["hit_id"][k], tracks["track_n_hits"][k]))
        outlier = ak.to_list(ak.unflatten(tracks["hit_outlier"][k], tracks["track_n_hits"][k]))
        for i, row in enumerate(rows):
            track = {
                n: tracks[f"track_{n}"][k][i]
                for n in ("theta", "phi", "qop", "chi2", "ndf", "n_hits", "particle_id", "hit_fraction")
            }
            assert int(row["track_id"]) == i
            measured = [h for h, out in zip(hits[i], outlier[i], strict=True) if not out]
            assert row["Hits_ID"] == "[" + "".join(f"{h}," for h in measured) + "]"
            assert int(row["nStates"]) == int(row["nMeasurements"]) + int(row["nOutliers"]) == track["n_hits"]
            p = 1 / abs(track["qop"])
            assert float(row["pT"]) == pytest.approx(p * np.sin(track["theta"]), rel=1e-4)
            assert float(row["eta"]) == pytest.approx(np.arctanh(np.cos(track["theta"])), abs=1e-4)
            assert float(row["phi"]) == pytest.approx(track["phi"], abs=1e-5)
            assert float(row["chi2/ndf"]) == pytest.approx(track["chi2"] / track["ndf"], rel=1e-4)
            assert int(row["particleId"]) == track["particle_id"]
            assert (row["good/duplicate/fake"] == "fake") == (track["particle_id"] == 0)
            assert float(row["truthMatchProbability"]) == pytest.approx(track["hit_fraction"], abs=1e-5)
            assert int(row["nMajorityHits"]) == round(track["hit_fraction"] * track["n_hits"])
            n_good += row["good/duplicate/fake"] == "good"
    assert n_good > 10


def test_the_header_is_that_of_acts_own_writer():
    """Its library holds the header in pieces."""
    acts = pytest.importorskip("acts")
    (library,) = Path(acts.__file__).parent.glob("libActsExamplesIoCsv.*")
    content = library.read_bytes()
    head = ",".join(ACTS_COLUMNS)
    for piece in ("track_id,seed_id,particleId,", "pT,eta,phi,", "good/duplicate/fake,", "Hits_ID"):
        assert piece in head
        assert piece.encode() in content
    for name in ACTS_COLUMNS:
        assert name.encode() in content, name


def test_without_truth_there_is_none_in_the_files(files, weights, tmp_path):
    run([files["bare"]], tmp_path, RunOptions(gnn=str(weights), write=EXTRA), figures=False)
    assert not {"particle_id", "hit_fraction"} & set(pq.read_schema(tmp_path / "tracks.parquet").names)
    assert "true" not in pq.read_schema(tmp_path / "edges.parquet").names
    with uproot.open(tmp_path / "edges.root") as file:
        assert "edge_true" not in file["edges"].keys()  # noqa: SIM118
    with (tmp_path / "event000000000-tracks_smartpix.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {(r["particleId"], r["nMajorityHits"], r["good/duplicate/fake"]) for r in rows} == {
        ("0", "0", "unknown")
    }


def test_an_empty_file_gives_empty_tables(files, weights, tmp_path):
    run([files["none"]], tmp_path, RunOptions(gnn=str(weights), write=EXTRA), figures=False)
    assert (
        len(pq.read_table(tmp_path / "tracks.parquet")) == len(pq.read_table(tmp_path / "edges.parquet")) == 0
    )


def test_tracks_of_files_with_times_have_times(files, weights, tmp_path):
    file = open_events(files["mixed"])
    header = replace(file.header, made_by={**file.header.made_by, "times": True})

    def timed():
        for _, batch in iterate(files["mixed"], step=1):
            time = ak.full_like(batch["clusters"]["x"], 3.0)
            yield ak.with_field(batch, ak.with_field(batch["clusters"], time, "time"), "clusters")

    write_events(tmp_path / "timed.root", header, timed())
    run(
        [tmp_path / "timed.root"],
        tmp_path / "run",
        RunOptions(gnn=str(weights), write=("tracks.parquet",)),
        figures=False,
    )
    table = pq.read_table(tmp_path / "run" / "tracks.parquet")
    with uproot.open(tmp_path / "run" / "tracks.root") as root:
        tracks = root["tracks"].arrays(["track_time", "track_sigma_time"])
    time = ak.to_numpy(ak.flatten(tracks["track_time"]))
    assert table["time"].to_pylist() == time.tolist()
    # 3 ns at hits that are less than 2 m away.
    assert np.all((time > 3 - 2000 / SPEED_OF_LIGHT) & (time < 3))
    assert np.all(ak.to_numpy(ak.flatten(tracks["track_sigma_time"])) > 0)
    with pytest.raises(InputError, match="one has times of clusters and the other none"):
        run([files["mixed"], tmp_path / "timed.root"], tmp_path / "both", RunOptions(gnn=str(weights)))


def test_csv_tracks_do_not_depend_on_clusters_that_give_no_hit(files, weights):
    """Clusters of strips lie between those of pixels."""
    chain = Chain.for_header(
        open_events(files["mixed"]).header, RunOptions(gnn=str(weights)), lambda line: None
    )
    n_tracks = 0
    for _, batch in iterate(files["mixed"], step=1):
        result = chain.event(0, batch["clusters"][0])
        between = replace(result, hits=replace(result.hits, cluster=3 * result.hits.cluster + 1))
        one, other = (outputs_of(r, None, None, ("tracks.csv",))["tracks.csv"] for r in (result, between))
        assert one == other
        n_tracks += len(result.tracks)
    assert n_tracks > 10
