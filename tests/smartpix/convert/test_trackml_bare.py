"""TrackML events without cells, without truth, and with strips: hand-made ones, and the challenge's own."""

import csv as tables

import awkward as ak
import numpy as np
import pytest

from smartpix.convert.formats import detect, hits_of_event
from smartpix.io.events import iterate, open_events
from smartpix.schema import InputError
from tests.helpers import SHARED_DATA, convert_folder
from tests.left_out import needs
from tests.smartpix.convert.trackml_files import HITS, PARTICLE, modules, write_event
from tracking.runs.join import joined_names

FULL = SHARED_DATA / "others/trackml_full"


def bare_folder(folder, cells=False, truth=False):
    write_event(folder)
    for name, there in (("cells", cells), ("truth", truth)):
        if not there:
            (folder / f"event000000001-{name}.csv").unlink()
    return folder


def test_hits_and_particles_alone_make_hits_without_pixels(tmp_path):
    done = convert_folder(bare_folder(tmp_path / "events"), tmp_path / "out.root")
    assert {n: done[n] for n in ("n_hits", "n_left_out", "truth", "cells", "particles")} == {
        "n_hits": 5, "n_left_out": 1, "truth": False, "cells": False, "particles": True
    }  # fmt: skip
    opened, events = next(iterate(tmp_path / "out.root"))
    assert (opened.has_truth, opened.has_particles, opened.header.has_pixels) == (False, True, False)
    clusters = events["clusters"][0]
    assert ak.to_list(clusters["hit_id"]) == [2, 5, 7, 9, 30]
    assert ak.to_list(ak.num(clusters["pixels"])) == [0] * 5
    # Even within a pixel of 56.25 x 50 um.
    np.testing.assert_allclose(clusters["sigma_x"], 0.05625 / 12**0.5, rtol=1e-6)
    np.testing.assert_allclose(clusters["sigma_y"], 0.05 / 12**0.5, rtol=1e-6)
    with (tmp_path / "events/event000000001-hits.csv").open() as file:
        wanted = {int(row["hit_id"]): [float(row[a]) for a in "xyz"] for row in tables.DictReader(file)}
    for cluster in clusters:
        assert [cluster[a] for a in "xyz"] == pytest.approx(wanted[cluster["hit_id"]], abs=1e-4)
    assert ak.to_list(events["particles"][0]["particle_id"]) == [PARTICLE + 1, PARTICLE]


def test_results_find_the_way_back_to_the_tables(tmp_path):
    """Ids and places of the event file are those of the tables, by which tracks are joined to their rows."""
    folder = bare_folder(tmp_path / "events")
    convert_folder(folder, tmp_path / "out.root", volumes="all")
    opened, events = next(iterate(tmp_path / "out.root"))
    ids, places = hits_of_event(detect(folder), 1, opened.header.detector)
    order = np.argsort(ids)
    clusters = events["clusters"][0]
    assert ids[order].tolist() == ak.to_list(clusters["hit_id"]) == sorted(h for h, _, _ in HITS)
    np.testing.assert_allclose(places[order], np.stack([clusters[a] for a in "xyz"], axis=1), atol=1e-4)
    assert joined_names(detect(folder), [1]) == ["event000000001-hits-tracks.csv"]


def test_without_particles_too_there_are_hits_alone(tmp_path):
    folder = bare_folder(tmp_path / "events")
    (folder / "event000000001-particles.csv").unlink()
    assert not convert_folder(folder, tmp_path / "out.root")["particles"]
    assert not open_events(tmp_path / "out.root").has_particles


def test_strips_are_kept_as_hits_without_pixels_beside_clusters(tmp_path):
    folder = bare_folder(tmp_path / "events", cells=True, truth=True)
    convert_folder(folder, tmp_path / "pixels.root")
    done = convert_folder(folder, tmp_path / "all.root", volumes="all")
    assert (done["n_hits"], done["n_left_out"], done["cells"]) == (6, 0, True)
    opened, events = next(iterate(tmp_path / "all.root"))
    assert set(opened.header.detector.columns["volume_id"]) == {7, 8, 9, 13}
    clusters, alone = events["clusters"][0], next(iterate(tmp_path / "pixels.root"))[1]["clusters"][0]
    strip = int(np.argmax(ak.to_numpy(clusters["volume_id"]) == 13))
    assert ak.to_list(clusters["hit_id"]) == sorted(h for h, _, _ in HITS)
    assert ak.num(clusters["pixels"])[strip] == 0
    assert ak.to_list(clusters["truth"]["particle_id"][strip]) == [PARTICLE]
    # Clusters are what they are without the strips.
    rows = [k for k in range(6) if k != strip]
    for name in set(clusters.fields) - {"module_index", "truth"}:
        assert ak.to_list(clusters[name][rows]) == ak.to_list(alone[name]), name
    assert ak.to_list(clusters["truth"]["particle_id"][rows]) == ak.to_list(alone["truth"]["particle_id"])


def test_an_event_file_without_truth_goes_into_the_other_container_with_its_particles(tmp_path):
    convert_folder(bare_folder(tmp_path / "events"), tmp_path / "out.root")
    done = convert_folder(tmp_path / "out.root", tmp_path / "other.root")
    assert (done["container"], done["truth"], done["particles"]) == ("rntuple", False, True)
    first, second = (next(iterate(tmp_path / f"{name}.root"))[1][0] for name in ("out", "other"))
    assert ak.to_list(first) == ak.to_list(second)
    done = convert_folder(tmp_path / "out.root", tmp_path / "less.root", truth=False)
    assert not done["particles"]
    assert not open_events(tmp_path / "less.root").has_particles


def test_a_hit_beside_its_module_is_refused(tmp_path):
    folder = bare_folder(tmp_path / "events")
    path = folder / "event000000001-hits.csv"
    lines = path.read_text().splitlines()
    names, first = lines[0].split(","), lines[1].split(",")
    # The module of hit 5 is upright at x = 32 mm, 8.4 mm wide to either side.
    first[names.index("y")] = "8.7"
    path.write_text("\n".join([lines[0], ",".join(first), *lines[2:]]) + "\n")
    with pytest.raises(InputError, match=r"hits.csv: hit 5 lies 0\.3 mm beside its module"):
        convert_folder(folder, tmp_path / "out.root")


def test_detector_table_without_volumes_that_are_taken_is_refused(tmp_path):
    folder = bare_folder(tmp_path / "events")
    rows = [{**row, "volume_id": 40} for row in modules()]
    lines = [",".join(rows[0]), *(",".join(str(v) for v in row.values()) for row in rows)]
    (folder / "detectors.csv").write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match="has no module in the volumes"):
        convert_folder(folder, tmp_path / "out.root")


@needs("../shared/data/others/trackml_full", "../shared/data/trackml_event1")
def test_both_detector_tables_of_the_challenge_are_read_alike(tmp_path):
    from smartpix.convert.trackml import read_trackml_detector

    kaggle = read_trackml_detector(FULL / "detectors.csv.gz", strips=True)
    codalab = read_trackml_detector(SHARED_DATA / "trackml_event1/detectors.csv.gz", strips=True)
    assert len(kaggle) == len(codalab) == 18_728
    for name in kaggle.columns:
        np.testing.assert_array_equal(kaggle.columns[name], codalab.columns[name], err_msg=name)
