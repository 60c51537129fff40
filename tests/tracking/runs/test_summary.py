import json

import numpy as np
import pytest
import uproot

from smartpix.io.events import iterate, open_events
from smartpix.networks.weights import load_weights, save_weights
from smartpix.schema import PARAMETERS, TRACK_HITS, TRACKS, InputError
from tracking.chain import Chain
from tracking.finders.gnn.network import ARCHITECTURE
from tracking.fit.resolution import RESOLUTIONS
from tracking.metrics import MIN_SHARE
from tracking.options import RunOptions
from tracking.runs import totals
from tracking.runs.counts import COUNTS, RATES
from tracking.runs.driver import run
from tracking.runs.units import run_events


@pytest.fixture(scope="module")
def options(weights):
    return RunOptions(gnn=str(weights))


@pytest.fixture(scope="module")
def toy_run(files, options, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "deep" / "folder"
    return folder, run([files["toy"]], folder, options, figures=False)


def run_folder(path, options, folder):
    run([path], folder, options, figures=False)
    return folder


def read_tracks(folder):
    with uproot.open(folder / "tracks.root") as file:
        return file["tracks"].arrays(), set(file["tracks"].keys()), json.loads(str(file["metadata"]))


def test_tracks_are_read_back_with_their_branches(toy_run):
    folder, summary = toy_run
    tracks, keys, metadata = read_tracks(folder)
    wanted = {f"track_{name}" for name in TRACKS} | {f"hit_{name}" for name in TRACK_HITS} | {"event", "file"}
    wanted |= {f"count_{name}" for name in COUNTS}
    assert keys - {"n_track", "n_hit"} == wanted
    assert tracks["event"].tolist() == [0, 1, 2, 3]
    assert sum(len(t) for t in tracks["track_n_hits"]) == summary["n_tracks"] > 0
    for name, column in TRACKS.items():
        assert tracks[f"track_{name}"].type.content.content.primitive == np.dtype(column.dtype).name
        assert np.all(np.isfinite(np.concatenate(tracks[f"track_{name}"].to_list())))
    assert metadata["files"] == summary["files"]
    assert metadata["options"]["cone"]["quantile"] == RunOptions().cone.quantile


def test_counts_of_the_events_are_those_of_the_summary_and_its_rates(toy_run):
    folder, summary = toy_run
    tracks, *_ = read_tracks(folder)
    assert {name: int(sum(tracks[f"count_{name}"])) for name in COUNTS} == summary["counts"]
    assert tracks["count_tracks"].to_list() == [len(n) for n in tracks["track_n_hits"]]
    matched = [sum(p > 0 for p in ids) for ids in tracks["track_particle_id"].to_list()]
    fakes = np.asarray(tracks["count_tracks"] - tracks["count_fakes"]).tolist()
    assert fakes == matched
    for name, (part, of) in RATES.items():
        value, whole = summary[name], summary["counts"][of]
        assert value == (summary["counts"][part] / whole if whole else None)
        low, high = summary["interval"][name] or (None, None)
        assert value is None or low <= value <= high
    for name, (key, _) in RESOLUTIONS.items():
        for value, of in (
            (summary[f"resolution_{key}"], f"resolution_{key}"),
            (summary["pull_sigma"][name], f"pull_sigma.{name}"),
        ):
            low, high = summary["interval"][of]
            assert low < value < high
    binned = summary["binned"]["efficiency"]["eta"]["technical"]
    assert sum(binned["found"]) == summary["counts"]["found"]
    assert sum(binned["all"]) == summary["n_findable"]


def test_hit_ids_fit_their_counts_and_none_is_used_twice(toy_run, files):
    tracks, *_ = read_tracks(toy_run[0])
    for entry, (_, events) in zip(tracks, iterate(files["toy"], step=1), strict=True):
        ids = entry["hit_id"].to_list()
        assert sum(entry["track_n_hits"].to_list()) == len(ids) == len(set(ids))
        assert set(ids) <= set(events[0]["clusters"]["hit_id"].to_list())
        assert all(n >= RunOptions().build.min_hits for n in entry["track_n_hits"].to_list())
        assert all(len(entry[f"hit_{name}"]) == len(ids) for name in TRACK_HITS)
        starts = np.cumsum([0, *entry["track_n_hits"].to_list()])
        n_used = [
            int(np.sum(~np.asarray(entry["hit_outlier"])[a:b]))
            for a, b in zip(starts[:-1], starts[1:], strict=True)
        ]
        assert entry["track_ndf"].to_list() == [2 * n - 5 for n in n_used]


def test_rates_follow_from_the_tracks_and_the_events_file(toy_run, files):
    folder, summary = toy_run
    tracks, *_ = read_tracks(folder)
    n_findable = n_found = n_fake = n_duplicate = n_tracks = 0
    for entry, (opened, events) in zip(tracks, iterate(files["toy"], step=1), strict=True):
        record = events[0]
        layer = opened.header.detector.layer_index
        made = {p["particle_id"]: set() for p in record["particles"].to_list()}
        on = {p: set() for p in made}
        for c in record["clusters"].to_list():
            for t in c["truth"]:
                if t["share"] >= MIN_SHARE and t["particle_id"] in made:
                    made[t["particle_id"]].add(c["hit_id"])
                    on[t["particle_id"]].add(int(layer[c["module_index"]]))
        findable = {
            p["particle_id"] for p in record["particles"].to_list()
            if p["charge"] != 0 and np.hypot(p["px"], p["py"]) > 0.9
            and abs(np.arcsinh(p["pz"] / np.hypot(p["px"], p["py"]))) < 2.5 and len(on[p["particle_id"]]) >= 4
        }  # fmt: skip
        found, first = set(), 0
        ids = entry["hit_id"].to_list()
        for t, n in enumerate(entry["track_n_hits"].to_list()):
            hits, first = set(ids[first : first + n]), first + n
            shared = {p: len(h & hits) for p, h in made.items()}
            best = max(shared, key=lambda p: shared[p])
            assert entry["track_hit_fraction"][t] == pytest.approx(shared[best] / n)
            matched = shared[best] > n / 2 and shared[best] >= len(made[best]) / 2
            assert (entry["track_particle_id"][t] > 0) == matched
            if matched:
                assert shared[entry["track_particle_id"][t]] == shared[best]
                n_duplicate += entry["track_particle_id"][t] in found
                found.add(entry["track_particle_id"][t])
            n_fake += not matched
            n_tracks += 1
        n_findable += len(findable)
        n_found += len(found & findable)
    assert summary["n_findable"] == n_findable > 0
    assert summary["track_efficiency"] == pytest.approx(n_found / n_findable)
    assert summary["fake_rate"] == pytest.approx(n_fake / n_tracks)
    assert summary["duplicate_rate"] == pytest.approx(n_duplicate / n_tracks)


def test_summary_tells_how_good_the_parameters_are(toy_run, files):
    _, summary = toy_run
    # Toy helices from the beam line, without scattering: the fit must be near the resolution of its hits.
    limits = {"d0_um": 60, "z0_um": 300, "phi_mrad": 3, "theta_mrad": 3, "qop_rel": 0.1}
    for name, limit in limits.items():
        assert 0 < summary[f"resolution_{name}"] < limit
    for key in ("pull_mean", "pull_sigma", "pull_half_width"):
        assert tuple(summary[key]) == PARAMETERS
    assert all(abs(m) < 0.5 for m in summary["pull_mean"].values())
    accepted = 0
    for _, events in iterate(files["toy"], step=1):
        for p in events[0]["particles"].to_list():
            pt = np.hypot(p["px"], p["py"])
            accepted += p["charge"] != 0 and pt > 0.9 and abs(np.arcsinh(p["pz"] / pt)) < 2.5
    assert accepted > summary["n_findable"]
    found = summary["physics_efficiency"] * accepted
    assert found == pytest.approx(round(found), abs=1e-9)
    assert found >= summary["track_efficiency"] * summary["n_findable"] - 1e-9


def test_vertices_are_those_the_particles_came_from(three_vertices, options, tmp_path):
    with_truth = run([three_vertices["true"]], tmp_path / "true", options, figures=False)
    assert with_truth["n_vertices"] == 2 * 3
    assert with_truth["vertex_efficiency"] == 1
    assert (with_truth["vertex_false_rate"], with_truth["vertex_split_rate"]) == (0, 0)
    bare = run([three_vertices["bare"]], tmp_path / "bare", options, figures=False)
    assert bare["n_vertices"] == 2 * 3
    assert not [k for k in bare if "resolution" in k or "pull" in k or k.startswith("vertex")]


def test_without_true_vertices_there_is_no_share_of_them(toy_run):
    # Every toy particle comes from a place of its own: no true vertex has three.
    assert toy_run[1]["vertex_efficiency"] is None
    assert toy_run[1]["vertex_false_rate"] in (None, 1.0)


def test_what_is_kept_does_not_grow_without_bound(files, options, monkeypatch):
    monkeypatch.setattr(totals, "MAX_RESIDUALS", 1)
    sums = totals.Totals()
    list(run_events(Chain.for_header(open_events(files["toy"]).header, options), files["toy"], sums))
    assert sums.n_events == 4
    assert len(sums.residuals) == len(sums.track_residuals) == 1
    # The pulls' histogram has all of them.
    assert sums.pulls.sum(flow=True) > 5 * len(sums.track_residuals[0])


def test_summary_file_holds_the_summary_and_the_options(toy_run):
    folder, summary = toy_run
    saved = json.loads((folder / "summary.json").read_text())
    options = saved.pop("options")
    assert saved.pop("provenance")["options"] == options
    assert list(saved.pop("sha256")) == ["tracks.root", "summary.json"]
    times = json.loads((folder / "times.json").read_text())
    assert list(times.pop("sha256")) == ["tracks.root", "times.json"]
    assert saved | times == json.loads(json.dumps(summary))
    assert options["build"]["min_hits"] == RunOptions().build.min_hits


def test_nothing_but_the_results_is_left_in_the_folder(toy_run):
    assert sorted(p.name for p in toy_run[0].iterdir()) == ["summary.json", "times.json", "tracks.root"]


def test_two_files_are_the_sum_of_both(files, options, tmp_path, toy_run):
    parts = [run([files[n]], tmp_path / n, options, figures=False) for n in ("first", "second")]
    both = run([files["first"], files["second"]], tmp_path / "both", options, figures=False)
    for key in (
        "n_events",
        "n_hits",
        "n_window_edges",
        "n_edges",
        "n_tested",
        "n_seeds",
        "n_tracks",
        "n_findable",
    ):
        assert both[key] == parts[0][key] + parts[1][key] == toy_run[1][key]
    weighted = sum(p["track_efficiency"] * p["n_findable"] for p in parts) / both["n_findable"]
    assert both["track_efficiency"] == pytest.approx(weighted)
    tracks = [read_tracks(tmp_path / n)[0] for n in ("first", "second", "both")]
    assert tracks[2]["hit_id"].to_list() == tracks[0]["hit_id"].to_list() + tracks[1]["hit_id"].to_list()


def test_tracks_of_a_file_without_truth_have_no_truth_branches(files, options, tmp_path):
    run([files["bare"]], tmp_path, options, figures=False)
    tracks, keys, _ = read_tracks(tmp_path)
    assert {"track_particle_id", "track_hit_fraction"}.isdisjoint(keys)
    assert {f"track_{n}" for n, c in TRACKS.items() if not c.optional} <= keys
    assert len(tracks) == 2


def test_a_run_of_one_event_is_written(files, options, tmp_path):
    # The arrays of one event, or of events with equally many tracks, must not become of fixed length.
    whole = read_tracks(run_folder(files["first"], options, tmp_path / "two"))[0]
    one = read_tracks(run_folder(files["single"], options, tmp_path / "one"))[0]
    assert one["hit_id"].to_list() == whole["hit_id"].to_list()[:1]
    assert one["track_n_hits"].to_list() == whole["track_n_hits"].to_list()[:1]


@pytest.mark.parametrize(("name", "n_tracks"), [("none", []), ("hollow", [0]), ("mixed", [0, None, 0])])
def test_empty_events_leave_empty_entries(files, options, tmp_path, name, n_tracks):
    run([files[name]], tmp_path, options, figures=False)
    tracks, *_ = read_tracks(tmp_path)
    assert len(tracks) == len(n_tracks)
    for entry, n in zip(tracks, n_tracks, strict=True):
        size = len(entry["track_n_hits"])
        assert size == n if n is not None else size > 0
        assert len(entry["hit_id"]) == sum(entry["track_n_hits"].to_list())


def test_an_output_that_is_a_file_is_refused(files, options, tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(InputError, match="taken: is a file"):
        run([files["first"]], tmp_path / "taken", options)


def test_bad_input_leaves_nothing_behind(options, tmp_path):
    bad = tmp_path / "bad.root"
    bad.write_bytes(b"no ROOT file")
    with pytest.raises(InputError, match=r"bad\.root"):
        run([bad], tmp_path / "out", options)
    assert not (tmp_path / "out").exists()


def test_files_beyond_the_networks_training_are_warned_of(toy_run, files, weights, tmp_path, caplog):
    assert toy_run[1]["features_outside"] == 0.0
    arrays, description = load_weights(weights, ARCHITECTURE)
    arrays["edge_high"][0] = 0.01
    save_weights(tmp_path / "narrow.safetensors", arrays, description)
    summary = run(
        [files["toy"]], tmp_path / "out", RunOptions(gnn=str(tmp_path / "narrow.safetensors")), figures=False
    )
    assert summary["features_outside"] > 0.5
    assert "beyond the range the graph network" in caplog.text
    # No chi2 is negative: all edges that have features count, and no others.
    arrays["edge_high"][0], arrays["edge_low"][0] = -1.0, -2.0
    save_weights(tmp_path / "none.safetensors", arrays, description)
    options = RunOptions(gnn=str(tmp_path / "none.safetensors"))
    assert run([files["toy"]], tmp_path / "none", options, figures=False)["features_outside"] == 1.0
