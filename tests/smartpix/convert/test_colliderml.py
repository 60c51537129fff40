"""ColliderML's tables and JSON: small ones made here, and those of others where they are there."""

import json

import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from smartpix.convert.colliderml import read_json_hits
from smartpix.convert.formats import detect
from smartpix.io.events import iterate
from smartpix.schema import InputError
from tests.helpers import SHARED_DATA, convert_folder
from tests.left_out import needs
from tests.smartpix.convert.podio_files import two_modules

OTHERS = SHARED_DATA / "others/colliderml"
HITS = {
    "event_id": [7, 9], "x": [[32.0, 32.0, 300.0], [32.0]], "y": [[1.0, -2.0, 0.0], [3.0]],
    "z": [[4.0, 100.0, 0.0], [90.0]], "time": [[0.2, 0.4, 1.0], [0.3]], "volume_id": [[8, 8, 30], [8]],
    "true_x": [[32.01, 32.0, 300.0], [32.0]], "true_y": [[1.0, -2.001, 0.0], [3.0]],
    "true_z": [[4.0, 100.0, 0.0], [90.0]], "particle_id": [[0, 3, 0], [5]], "surface_id": [[1, 2, 3], [1]],
}  # fmt: skip
PARTICLES = {
    "event_id": [9, 7], "particle_id": [[5], [0, 3]], "pdg_id": [[13], [211, -211]], "charge": [[-1.0], [1.0, -1.0]],
    **{f"v{a}": [[0.0], [0.0, 0.0]] for a in "xyz"}, "px": [[5.0], [2.0, 2.0]], "py": [[0.4], [0.1, -0.1]],
    "pz": [[9.0], [0.3, 6.0]],
}  # fmt: skip


def tables(folder, hits=HITS, particles=PARTICLES):
    folder.mkdir(exist_ok=True)
    pq.write_table(pa.table(hits), folder / "ttbar.tracker_hits.parquet")
    if particles is not None:
        pq.write_table(pa.table(particles), folder / "ttbar.particles.parquet")
    return folder


def test_tables_give_hits_in_the_detectors_volumes_with_truth_and_times(tmp_path):
    path = tables(tmp_path / "in") / "ttbar.tracker_hits.parquet"
    assert detect(path).kind == detect(tmp_path / "in").kind == "colliderml"
    done = convert_folder(path, tmp_path / "out.root", detector=two_modules())
    assert {n: done[n] for n in ("n_events", "n_hits", "n_left_out", "truth", "field_T")} == {
        "n_events": 2, "n_hits": 3, "n_left_out": 1, "truth": True, "field_T": 3.0
    }  # fmt: skip
    _, events = next(iterate(tmp_path / "out.root"))
    assert ak.to_list(events["event"]) == [7, 9]
    clusters = events["clusters"][0]
    assert ak.to_list(clusters["module_index"]) == [0, 1]
    np.testing.assert_allclose(clusters["time"], [0.2, 0.4], rtol=1e-6)
    # Theirs count from 0, which is no particle here.
    assert ak.to_list(clusters["truth"]["particle_id"]) == [[1], [4]]
    assert ak.to_list(events["particles"][0]["particle_id"]) == [1, 4]
    assert ak.to_list(events["clusters"][1]["truth"]["particle_id"]) == [[6]]
    # The slope of the particle along z; the bend leaves it nearly alone.
    np.testing.assert_allclose(ak.flatten(clusters["truth"]["cot_alpha"]), [0.15, 3.0], rtol=0.01)


def test_without_particles_beside_or_truth_there_is_none(tmp_path):
    folder = tables(tmp_path / "in", particles=None)
    assert not convert_folder(folder, tmp_path / "out.root", detector=two_modules())["truth"]


@pytest.mark.parametrize(
    ("hits", "particles", "message"),
    [
        ({**HITS, "x": [[32.0], [32.0]]}, PARTICLES, "row 0: lists that belong together have different lengths"),
        ({n: v for n, v in HITS.items() if n != "volume_id"}, PARTICLES, "'volume_id' is missing"),
        ({**HITS, "event_id": [7, 7]}, PARTICLES, "event 7 is in"),
        ({**HITS, "volume_id": [[16, 16, 30], [16]]}, PARTICLES, r"volumes \[16, 30\] and the detector table \[8\]"),
        (HITS, {**PARTICLES, "event_id": [9, 8]}, "has no event 7 of ttbar"),
        ({**HITS, "x": [[35.0, 32.0, 300.0], [32.0]]}, PARTICLES, "hit 0 of volume 8 lies .* off the nearest module,"),
    ],
)  # fmt: skip
def test_tables_that_cannot_be_used_are_refused(tmp_path, hits, particles, message):
    folder = tables(tmp_path / "in", hits, particles)
    with pytest.raises(InputError, match=message):
        convert_folder(folder, tmp_path / "out.root", detector=two_modules())


def test_json_of_the_display_gives_hits_alone_and_says_what_is_wrong(tmp_path):
    hits = [{"x": 32.0, "y": 1.0, "z": 2.0, "HIT_ID": 5, "volume_id": 8, "pT": 1.0}]
    content = {"metadata": {"event_id": 3, "has_reco": True}, "all_tracker_hits": hits, "tracks": []}
    path = tmp_path / "event_3.json"
    path.write_text(json.dumps(content))
    done = convert_folder(path, tmp_path / "out.root", detector=two_modules())
    assert (done["n_events"], done["n_hits"], done["truth"]) == (1, 1, False)
    clusters = next(iterate(tmp_path / "out.root"))[1]["clusters"][0]
    assert ak.to_list(clusters["hit_id"]) == [5]
    with pytest.raises(InputError, match=r"do not tell where modules are; give their table with --detector"):
        convert_folder(path, tmp_path / "out.root")
    path.write_text(json.dumps({**content, "all_tracker_hits": [{**hits[0], "x": "far"}]}))
    with pytest.raises(InputError, match=r"event_3.json: 'all_tracker_hits\[0\].x' must be"):
        convert_folder(path, tmp_path / "out.root", detector=two_modules())


@needs("../shared/data/others/colliderml")
def test_events_of_the_display_have_the_counts_that_were_stated():
    found = [read_json_hits(OTHERS / f"event_{k}.json") for k in range(3)]
    assert [len(hits.hit_id) for hits in found] == [465, 639, 779]
    assert [int(np.isin(hits.volume, (16, 17, 18)).sum()) for hits in found] == [263, 284, 330]
    assert detect(OTHERS).kind == "colliderml"
