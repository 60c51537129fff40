"""Results of a run on the user's own files: every hit, in its place, and nothing of theirs changed."""

import hashlib
import json

import awkward as ak
import numpy as np
import pyarrow.csv
import pytest
import uproot

from smartpix.convert import Format, Found, detect
from smartpix.io.events import iterate
from smartpix.io.write import table_writer, write_events
from smartpix.schema import InputError
from tests.acts_files import read_rows, write_acts, write_acts_root
from tests.helpers import REPOSITORY, convert_folder
from tests.smartpix.convert.trackml_files import HITS, write_event
from tracking.cli.main import main
from tracking.runs import join
from tracking.runs.join import check_events, join_tracks

TABLE = REPOSITORY / "data" / "detector.csv"
TYPES = {"event": "int64", "track": 'var * {"n_hits": int32, "score": float32}', "hit": 'var * {"id": int64}'}


def tracks_file(path, events):
    """``tracks.root`` with the given tracks: event to a list of (score, ids)."""
    with table_writer(path, "tracks", TYPES, {}) as tree:
        for event, tracks in events.items():
            columns = {"n_hits": [len(ids) for _, ids in tracks], "score": [score for score, _ in tracks]}
            ids = np.array([i for _, ids in tracks for i in ids], dtype=np.int64)
            tree.extend({
                "event": np.array([event]),
                "track": ak.unflatten(ak.zip({n: np.array(v, dtype=float) for n, v in columns.items()}),
                [len(tracks)]),
                "hit": ak.unflatten(ak.zip({"id": ids}), [len(ids)]),
            })  # fmt: skip
    return path


def table(path):
    return pyarrow.csv.read_csv(path).to_pydict()


def digests(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}


def test_every_hit_of_trackml_gets_its_track_in_the_order_of_the_file(tmp_path):
    folder = write_event(tmp_path / "events")
    tracks = tracks_file(tmp_path / "tracks.root", {1: [(0.75, [30, 5, 9]), (0.5, [7, 9])]})
    before = digests(folder)
    done = join_tracks(tracks, detect(folder), tmp_path)
    assert done == {"files": ["event000000001-hits-tracks.csv"], "n_hits": 6, "n_on_tracks": 4}
    joined = table(tmp_path / "event000000001-hits-tracks.csv")
    assert joined["hit_id"] == [h[0] for h in HITS]
    # 9 is on both: the track with the higher score counts.
    wanted = {5: (0, 0.75), 2: (-1, 0), 9: (0, 0.75), 7: (1, 0.5), 30: (0, 0.75), 31: (-1, 0)}
    assert list(zip(joined["track_id"], joined["track_score"], strict=True)) == [
        wanted[h] for h in joined["hit_id"]
    ]
    assert digests(folder) == before


def test_acts_root_keeps_its_entries_and_their_order(acts_folder, tmp_path):
    folder = write_acts_root(acts_folder, tmp_path / "root")
    with uproot.open(folder / "measurements.root") as file:
        event, ids = (file["measurements"][n].array(library="np") for n in ("event_nr", "measurement_id"))
    with uproot.recreate(folder / "spacepoints.root") as file:
        columns = {"event_id": event[::3].astype(np.uint32), "measurement_id": ids[::3]}
        file.mktree("spacepoints", {n: v.dtype for n, v in columns.items()}).extend(columns)
    tracks = tracks_file(tmp_path / "tracks.root", {1: [(0.9, [4, 0, 8])], 0: [(0.8, [3]), (0.7, [6, 1])]})
    before = digests(folder)
    done = join_tracks(tracks, detect(folder), tmp_path)
    assert done["files"] == ["measurements-tracks.root", "spacepoints-tracks.root"]
    assert (done["n_hits"], done["n_on_tracks"]) == (len(ids), 6)
    wanted = {(1, 4): 0, (1, 0): 0, (1, 8): 0, (0, 3): 0, (0, 6): 1, (0, 1): 1}
    for name, key, of, made_of in (
        ("measurements", "event_nr", event, ids), ("spacepoints", "event_id", event[::3], ids[::3])
    ):  # fmt: skip
        with uproot.open(tmp_path / f"{name}-tracks.root") as file:
            joined = file[name].arrays(library="np")
        assert joined[key].tolist() == of.tolist()
        assert joined["measurement_id"].tolist() == made_of.tolist()
        assert joined["track_id"].tolist() == [
            wanted.get((e, i), -1) for e, i in zip(of, made_of, strict=True)
        ]
    assert digests(folder) == before


def test_measurements_without_ids_are_counted_within_their_event(acts_folder, tmp_path):
    folder = write_acts_root(acts_folder, tmp_path / "root", measurement_id=False)
    tracks = tracks_file(tmp_path / "tracks.root", {0: [(0.9, [2])], 1: [(0.9, [0, 5])]})
    join_tracks(tracks, detect(folder), tmp_path)
    with uproot.open(tmp_path / "measurements-tracks.root") as file:
        joined = file["measurements"].arrays(library="np")
    for e, ids in ((0, {2}), (1, {0, 5})):
        on = joined["track_id"][joined["event_nr"] == e] >= 0
        assert set(np.flatnonzero(on)) == ids


@pytest.fixture
def run(capsys, tmp_path):
    def call(*arguments):
        code = main(["run", *map(str, arguments), "-o", str(tmp_path / "out"), "--no-figures", "--json"])
        return (code, *capsys.readouterr())

    return call


def hits_on_tracks(path):
    """By event, hit to the number of its first track."""
    with uproot.open(path) as file:
        branches = file["tracks"].arrays(["event", "track_n_hits", "hit_id"])
    return {
        entry["event"]: dict(
            zip(
                entry["hit_id"],
                np.repeat(np.arange(len(entry["track_n_hits"])), entry["track_n_hits"]),
                strict=True,
            )
        )
        for entry in ak.to_list(branches)
    }


def test_a_run_on_acts_files_comes_back_to_them(acts_folder, tmp_path, run):
    convert_folder(acts_folder, tmp_path / "events.root", field=3.8)
    before = digests(acts_folder)
    code, out, err = run(tmp_path / "events.root", "--join", acts_folder)
    assert (
        "warning: these are clusters of ACTS's own digitisation and the estimates were trained on others"
        in err
    )
    assert code == 0
    summary = json.loads(out)
    found = hits_on_tracks(tmp_path / "out" / "tracks.root")
    assert summary["joined"]["n_on_tracks"] == sum(map(len, found.values())) > 40
    for event in (0, 1):
        stem = f"event{event:09d}-measurements"
        joined, original = (
            table(tmp_path / "out" / f"{stem}-tracks.csv"),
            read_rows(acts_folder / f"{stem}.csv"),
        )
        assert joined["measurement_id"] == list(original["measurement_id"])
        assert joined["track_id"] == [found[event].get(i, -1) for i in joined["measurement_id"]]
    assert digests(acts_folder) == before


@pytest.mark.parametrize("container", ["ttree", "rntuple"])
def test_a_run_on_an_event_file_comes_back_to_it(files, weights, tmp_path, run, container):
    convert_folder(files["toy"], tmp_path / "mine.root", container=container)
    code, out, _ = run(files["toy"], "--set", f"gnn={weights}", "--join", tmp_path / "mine.root")
    assert code == 0
    assert json.loads(out)["joined"]["files"] == ["mine-tracks.root"]
    found = hits_on_tracks(tmp_path / "out" / "tracks.root")
    with uproot.open(tmp_path / "out" / "mine-tracks.root") as file:
        joined = file["events"].arrays()
    (events,) = [part for _, part in iterate(files["toy"])]
    assert ak.to_list(joined["event"]) == ak.to_list(events["event"])
    assert ak.to_list(joined["cluster_hit_id"]) == ak.to_list(events["clusters", "hit_id"])
    n_on = 0
    for event, ids, number in zip(
        *(ak.to_list(joined[n]) for n in ("event", "cluster_hit_id", "cluster_track_id")), strict=True
    ):
        on = {i: n for i, n in zip(ids, number, strict=True) if n >= 0}
        assert on.keys() == found[event].keys()
        n_on += len(on)
    assert n_on > 100


def test_entries_are_read_many_at_a_time_and_are_the_same(files, weights, tmp_path, run, monkeypatch):
    assert run(files["toy"], "--set", f"gnn={weights}", "--write", "edges.root")[0] == 0
    original, tracks = detect(files["toy"]), tmp_path / "out" / "tracks.root"
    real, reads, joined = join.read_branches, [], []
    monkeypatch.setattr(join, "read_branches", lambda *a, **more: reads.append(a) or real(*a, **more))
    for read in (1, 3, 100):
        monkeypatch.setattr(join, "READ", read)
        reads.clear()
        join_tracks(tracks, original, tmp_path)
        joined.append((tmp_path / "toy-tracks.root").read_bytes())
    assert joined[0] == joined[1] == joined[2]
    # The numbers of the events on both sides, tracks, and ids of hits.
    assert len(reads) == 4


def reverse_ids(path):
    """The first column of a CSV file, from its end to its beginning."""
    head, *lines = path.read_text().splitlines()
    ids, rest = zip(*(line.split(",", 1) for line in lines), strict=True)
    path.write_text("\n".join([head, *(f"{i},{r}" for i, r in zip(ids[::-1], rest, strict=True))]) + "\n")


@pytest.mark.parametrize("kind", ["trackml", "acts-csv", "acts-root", "smartpix"])
def test_files_of_another_sample_are_refused_before_the_run(acts_folder, files, weights, tmp_path, run, kind):
    """Numbers of events and hits as in the files that were converted, hits elsewhere."""
    ours, other = tmp_path / "ours.root", tmp_path / "other"
    if kind == "smartpix":
        ours, other = files["second"], tmp_path / "other.root"
        ((file, events),) = iterate(ours)
        reversed_ids = ak.with_field(events, events["clusters", "hit_id"][:, ::-1], ["clusters", "hit_id"])
        write_events(other, file.header, [reversed_ids])
    elif kind == "trackml":
        convert_folder(write_event(other), ours)
        reverse_ids(other / "event000000001-hits.csv")
    else:
        convert_folder(acts_folder, ours, field=3.8)
        write_acts(other, seed=6)
        other = write_acts_root(other, tmp_path / "root") if kind == "acts-root" else other
    code, out, err = run(ours, "--set", f"gnn={weights}", "--join", other)
    assert (code, out) == (1, "")
    assert "mm from where" in err or "has no hit" in err
    assert "join what the file was converted from" in err
    assert not (tmp_path / "out").exists()


def test_files_that_lack_the_events_are_refused_before_the_run(files, weights, tmp_path, run):
    folder = write_event(tmp_path / "events")
    code, out, err = run(files["toy"], "--set", f"gnn={weights}", "--join", folder)
    assert (code, out) == (1, "")
    assert "has no event 0 of the run (3 missing in all)" in err
    assert not (tmp_path / "out").exists()
    assert run(files["toy"], "--join", tmp_path / "nothing")[0] == 1


def test_hits_that_the_files_do_not_have_and_events_that_are_there_twice_are_refused(tmp_path):
    folder = write_event(tmp_path / "events")
    tracks = tracks_file(tmp_path / "tracks.root", {1: [(0.5, [30, 6])]})
    with pytest.raises(InputError, match=r"hits\.csv: has no hit 6, which is on a track"):
        join_tracks(tracks, detect(folder), tmp_path)
    with table_writer(tmp_path / "twice.root", "tracks", TYPES, {}) as tree:
        for _ in range(2):
            none = ak.unflatten(ak.zip({"n_hits": np.zeros(0), "score": np.zeros(0)}), [0])
            tree.extend(
                {"event": np.array([1]), "track": none, "hit": ak.unflatten(ak.zip({"id": np.zeros(0)}), [0])}
            )
    with pytest.raises(InputError, match="event 1 is there more than once in the results"):
        join_tracks(tmp_path / "twice.root", detect(folder), tmp_path)


@pytest.mark.parametrize("kind", ["trackml", "acts-root", "without ids"])
def test_files_with_two_events_as_one_are_refused(acts_folder, tmp_path, kind):
    """Tables one after the other, and jobs that were joined."""
    if kind == "trackml":
        folder = write_event(tmp_path / "events")
        path = folder / "event000000001-hits.csv"
        path.write_text(path.read_text() + path.read_text().split("\n", 1)[1])
    else:
        folder = write_acts_root(acts_folder, tmp_path / "root", measurement_id=kind == "acts-root")
        with uproot.open(folder / "measurements.root") as file:
            names = ["event_nr", *(["measurement_id"] if kind == "acts-root" else [])]
            once = {n: file["measurements"][n].array(library="np") for n in names}
        with uproot.recreate(folder / "measurements.root") as file:
            file.mktree("measurements", {n: v.dtype for n, v in once.items()}).extend(
                {n: np.tile(v, 2) for n, v in once.items()}
            )
    with pytest.raises(
        InputError,
        match=r"(hits\.csv|event 1): hit \d+ is there 2 times; two events may have been put together",
    ):
        join_tracks(tracks_file(tmp_path / "tracks.root", {1: []}), detect(folder), tmp_path)


def test_an_event_without_tracks_is_joined_too(tmp_path):
    folder = write_event(tmp_path / "events")
    join_tracks(tracks_file(tmp_path / "tracks.root", {1: []}), detect(folder), tmp_path)
    assert set(table(tmp_path / "event000000001-hits-tracks.csv")["track_id"]) == {-1}


def test_a_format_of_another_package_is_said_to_be_none_to_join(tmp_path):
    toy = Format("toy", "toy events (JSON)", "*.json", lambda path: None, lambda found, options: None)
    with pytest.raises(
        InputError, match=r"holds toy events \(JSON\), which tracks cannot be joined to; join the"
    ):
        check_events([1], Found(toy, tmp_path, ("a",)))
