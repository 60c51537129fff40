"""TrackML events: a small one written here in the challenge's own conventions, and a real one where it is
there.
"""

import gzip

import awkward as ak
import numpy as np
import pytest

from smartpix import schema
from smartpix.convert.hit_events import OFF_PLANE
from smartpix.convert.hit_tables import ELECTRONS_PER_MM
from smartpix.convert.trackml import FIELD, read_trackml_detector, read_trackml_event
from smartpix.io.events import iterate, open_events
from smartpix.schema import InputError
from smartpix.tables import read_csv
from tests.helpers import SHARED_DATA, convert_folder
from tests.left_out import needs
from tests.smartpix.convert.trackml_files import (
    HITS,
    PARTICLE,
    cell_center,
    converted,
    csv,
    modules,
    with_cell,
    write_event,
)

REAL = SHARED_DATA / "trackml_event1"


@pytest.fixture
def folder(tmp_path):
    return write_event(tmp_path / "events")


@pytest.fixture
def output(tmp_path):
    return tmp_path / "out.root"


def test_pixel_hits_keep_their_ids_positions_and_modules(folder, output):
    done = convert_folder(folder, output)
    assert {n: done[n] for n in ("kind", "n_events", "n_hits", "truth")} == {
        "kind": "trackml", "n_events": 1, "n_hits": 5, "truth": True
    }  # fmt: skip
    opened, events = next(iterate(output))
    assert (opened.header.field, opened.header.slices) == (FIELD, (19,))
    clusters = events["clusters"][0]
    assert ak.to_list(clusters["hit_id"]) == [2, 5, 7, 9, 30]
    table = modules()
    for hit_id, m, cells in HITS[:5]:
        cluster = clusters[ak.to_list(clusters["hit_id"]).index(hit_id)]
        weights = [c[2] for c in cells]
        place = np.average([cell_center(table[m], *c[:2]) for c in cells], axis=0, weights=weights)
        assert [cluster[a] for a in "xyz"] == pytest.approx(place, abs=1e-4)
        assert [cluster[n] for n in ("volume_id", "layer_id", "module_id")] == [
            table[m][n] for n in ("volume_id", "layer_id", "module_id")
        ]
        assert cluster["charge"] == pytest.approx(sum(weights) * ELECTRONS_PER_MM, rel=1e-5)


def test_channels_become_the_rows_and_columns_at_the_same_place(folder, output):
    opened, events = converted(folder, output)
    detector, clusters, table = opened.header.detector, events["clusters"][0], modules()
    for hit_id, m, cells in HITS[:5]:
        cluster = clusters[ak.to_list(clusters["hit_id"]).index(hit_id)]
        pixels = cluster["pixels"]
        x = (ak.to_numpy(pixels["column"]) + 0.5) * 0.05625 - 36.0
        y = (ak.to_numpy(pixels["row"]) + 0.5) * 0.05 - 8.4
        here = detector.to_global(np.full(len(x), cluster["module_index"]), np.stack([x, y], axis=1))
        wanted = {tuple(np.round(cell_center(table[m], *c[:2]), 4) + 0.0) for c in cells}
        assert {tuple(np.round(p, 4) + 0.0) for p in here} == wanted


def test_channels_that_run_against_the_sensor_frame_are_turned_round(folder, output):
    _, events = converted(folder, output)
    pixels = {
        h: ak.to_list(p)
        for h, p in zip(events["clusters"]["hit_id"][0], events["clusters"]["pixels"][0], strict=True)
    }
    # Barrel module 1 has u along +y, the sensor's y is -y there; v along the sensor's x.
    assert {(p["row"], p["column"]) for p in pixels[5]} == {(335 - 10, 20), (335 - 11, 20)}
    # Module 2 has both reversed.
    assert {(p["row"], p["column"]) for p in pixels[2]} == {(0, 1279)}


def test_cell_listed_twice_is_one_pixel_with_both_charges(folder, output):
    _, events = converted(folder, output)
    pixels = events["clusters"]["pixels"][0][-1]
    assert sorted(pixels["charge_19"]) == pytest.approx(
        [0.1 * ELECTRONS_PER_MM, 0.3 * ELECTRONS_PER_MM], rel=1e-5
    )


def test_truth_is_in_the_sensor_frame_and_numbered_along_the_path(folder, output):
    opened, events = converted(folder, output)
    clusters = events["clusters"][0]
    truth = dict(zip(clusters["hit_id"], clusters["truth"], strict=True))
    assert len(truth[2]) == 0  # noise
    assert ak.to_list(truth[5]["particle_id"]) == [PARTICLE]
    assert ak.to_list(truth[7]["particle_id"]) == [PARTICLE + 1]
    assert [ak.to_list(truth[h]["order"])[0] for h in (5, 9, 30, 7)] == [0, 1, 2, 0]
    detector = opened.header.detector
    for k in range(len(clusters)):
        t = clusters["truth"][k]
        if len(t) == 0:
            continue
        assert (t["x"][0], t["y"][0]) == pytest.approx(
            (clusters["local_x"][k], clusters["local_y"][k]), abs=1e-4
        )
        place = np.array([clusters[a][k] for a in "xyz"], dtype=float)
        axes = detector.axes[clusters["module_index"][k]]
        nx, ny, nz = place @ axes / np.linalg.norm(place)
        assert t["cot_alpha"][0] == pytest.approx(nx / nz, abs=1e-4)
        assert t["cot_beta"][0] == pytest.approx(ny / nz, abs=1e-4)
        assert t["pt"][0] == pytest.approx(2 * np.hypot(*place[:2]) / np.linalg.norm(place), rel=1e-4)
        assert t["share"][0] == 1


def test_particles_keep_their_own_columns(folder, output):
    _, events = converted(folder, output)
    particles = {p["particle_id"]: p for p in ak.to_list(events["particles"][0])}
    assert particles[PARTICLE + 1]["pdg_id"] == 211
    assert particles[PARTICLE]["pdg_id"] == -13
    assert particles[PARTICLE]["charge"] == -1
    assert particles[PARTICLE + 1]["px"] == 2.0
    assert particles[PARTICLE]["vz"] == pytest.approx(0.3)


def test_thickness_is_twice_the_files(folder, output):
    opened, _ = converted(folder, output)
    detector = opened.header.detector
    np.testing.assert_allclose(detector.thickness, 0.6)
    assert set(detector.columns["volume_id"]) == {7, 8, 9}


def test_barrel_of_the_challenges_own_table_is_as_thick_as_the_file_says(folder, caplog):
    """All of its pixel modules have 0.15 mm; a table of other thicknesses, or of several, is taken as it is."""
    table = folder / "detectors.csv"
    caplog.set_level("INFO")
    csv(table, [{**row, "module_t": 0.15} for row in modules()])
    detector = read_trackml_detector(table)
    np.testing.assert_allclose(detector.thickness[detector.barrel], 0.15)
    np.testing.assert_allclose(detector.thickness[~detector.barrel], 0.3)
    assert "the challenge's table" in caplog.text
    csv(table, [{**row, "module_t": 0.15 if k else 0.05} for k, row in enumerate(modules())])
    np.testing.assert_allclose(np.sort(read_trackml_detector(table).thickness), [0.1, 0.3, 0.3, 0.3, 0.3])


def test_particles_without_a_type_are_those_of_the_first_release(folder, output):
    path = folder / "event000000001-particles.csv"
    head, *lines = path.read_text().splitlines()
    column = head.split(",").index("particle_type")
    rows = [line.split(",") for line in (head, *lines)]
    path.write_text("\n".join(",".join(row[:column] + row[column + 1 :]) for row in rows) + "\n")
    _, events = converted(folder, output)
    assert set(ak.to_list(events["particles"][0].pdg_id)) == {0}


def test_compressed_files_give_the_same_events(folder, output):
    _, plain = converted(folder, output)
    for path in list(folder.iterdir()):
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    _, packed = converted(folder, output)
    assert ak.to_list(plain) == ak.to_list(packed)


def test_events_are_sorted_and_numbered(folder, output):
    write_event(folder, 12)
    write_event(folder, 3)
    assert convert_folder(folder, output)["n_events"] == 3
    assert [int(e) for _, part in iterate(output) for e in part["event"]] == [1, 3, 12]


def test_events_without_truth_are_converted_without(tmp_path, output):
    folder = write_event(tmp_path / "events", truth=False)
    assert not convert_folder(folder, output)["truth"]
    assert not open_events(output).has_truth
    assert len(next(iterate(output))[1]["clusters"][0]) == 5


def test_event_without_pixel_hits_is_valid(tmp_path, output):
    folder = write_event(tmp_path / "events", hits=HITS[5:])
    assert convert_folder(folder, output)["n_hits"] == 0
    assert len(next(iterate(output))[1]["clusters"][0]) == 0


def test_cell_without_charge_is_no_error(tmp_path, output):
    folder = write_event(tmp_path / "events", hits=[*HITS[:5], (40, 0, [(200, 200, 1e-9)])])
    cells = folder / "event000000001-cells.csv"
    cells.write_text(cells.read_text().replace("40,200,200,1e-09", "40,200,200,0.0"))
    _, events = converted(folder, output)
    assert ak.to_list(events["clusters"]["charge"][0])[-1] == 0


def test_barrels_alone_and_few_layers_are_detectors(tmp_path, output):
    folder = write_event(tmp_path / "events", hits=HITS[:3])
    head, *lines = (folder / "detectors.csv").read_text().splitlines()
    (folder / "detectors.csv").write_text("\n".join([head, *lines[:3]]) + "\n")
    assert convert_folder(folder, output)["n_modules"] == 3
    opened, events = next(iterate(output))
    assert opened.header.detector.layers.barrel.all()
    assert len(events["clusters"][0]) == 3


@pytest.mark.parametrize(
    "tables",
    [("hits",), ("hits", "cells"), ("cells", "particles"), ("truth", "particles"), ("hits", "particles")],
)
def test_tables_with_a_head_alone_are_empty_or_named(folder, output, tables):
    for table in tables:
        path = folder / f"event000000001-{table}.csv"
        path.write_text(path.read_text().splitlines()[0] + "\n")
    if "hits" in tables:
        assert convert_folder(folder, output)["n_hits"] == 0
        return
    if "cells" in tables:
        with pytest.raises(InputError, match=r"cells\.csv: hit \d+ has no cell \(5 such hits\)"):
            convert_folder(folder, output)
        return
    with pytest.raises(
        InputError, match=r"truth\.csv: has no rows, and the event has 6 hits; to convert without truth, move"
    ):
        convert_folder(folder, output)
    assert not output.exists()


UNMATCHED = ("n_cells_unused", "n_truth_unused", "n_hits_without_truth")


def unmatched(folder, output):
    done = convert_folder(folder, output)
    return [done[name] for name in UNMATCHED]


@pytest.mark.parametrize("hit_id", [10_000, 2**63 - 1])
def test_rows_without_a_partner_are_counted(folder, output, hit_id):
    """Strips' own count as partners; a row of noise is a row of truth."""
    assert unmatched(folder, output) == [0, 0, 0]
    for table, row in (("cells", f"{hit_id},1,1,0.1\n"), ("truth", f"{hit_id},{PARTICLE},0,0,0,1,1,1,0.1\n")):
        path = folder / f"event000000001-{table}.csv"
        path.write_text(path.read_text() + row)
    assert unmatched(folder, output) == [1, 1, 0]
    # Hit 5 has two cells, hit 7 one.
    for table, ids in (("hits", ("5,", "31,")), ("truth", ("7,",))):
        path = folder / f"event000000001-{table}.csv"
        path.write_text(
            "".join(line for line in path.read_text().splitlines(True) if not line.startswith(ids))
        )
    assert unmatched(folder, output) == [1 + 2 + 1, 1 + 2, 1]


def test_counts_are_summed_over_the_events(folder, output):
    write_event(folder, 2)
    for number in (1, 2):
        path = folder / f"event{number:09d}-truth.csv"
        path.write_text(
            "".join(line for line in path.read_text().splitlines(True) if not line.startswith("7,"))
        )
    assert unmatched(folder, output) == [0, 0, 2]


def test_a_neutral_particle_without_hits_is_taken(folder, output):
    path = folder / "event000000001-particles.csv"
    head, line, *_ = path.read_text().splitlines()
    cells = dict(zip(head.split(","), line.split(","), strict=True)) | {
        "particle_id": "17",
        "particle_type": "22",
        "q": "0",
    }
    path.write_text(path.read_text() + ",".join(cells.values()) + "\n")
    convert_folder(folder, output)


def test_of_a_table_of_pixels_alone_the_strips_are_trackmls(folder, output):
    path = folder / "detectors.csv"
    head, *lines = path.read_text().splitlines()
    path.write_text("\n".join([head, *lines[:5]]) + "\n")
    assert convert_folder(folder, output)["n_left_out"] == 1
    with_cell(folder, "hits", len(HITS), "volume_id", "10")
    with pytest.raises(
        InputError, match=r"hit 31 is in the volume_id 10 .*\(7, 8, 9, 12, 13, 14, 16, 17, 18\)"
    ):
        convert_folder(folder, output)


@needs("../shared/data/trackml_event1")
def test_real_event_is_converted_whole_and_its_pixels_lie_at_its_hits(output):
    import pyarrow.csv

    def table(name):
        return {k: np.asarray(v) for k, v in pyarrow.csv.read_csv(REAL / name).to_pydict().items()}

    done = convert_folder(REAL, output)
    hits, cells = table("event000000001-hits.csv.gz"), table("event000000001-cells.csv.gz")
    pixel = np.isin(hits["volume_id"], (7, 8, 9))
    assert (done["n_events"], done["n_hits"], done["truth"]) == (1, int(pixel.sum()), True)
    opened, events = next(iterate(output))
    detector, clusters = opened.header.detector, events["clusters"][0]
    ids = ak.to_numpy(clusters["hit_id"])
    np.testing.assert_array_equal(ids, np.sort(hits["hit_id"][pixel]))
    own = np.isin(cells["hit_id"], ids)
    total = dict.fromkeys(ids.tolist(), 0.0)
    for hit, value in zip(cells["hit_id"][own], cells["value"][own], strict=True):
        total[hit] += value * ELECTRONS_PER_MM
    np.testing.assert_allclose(ak.to_numpy(clusters["charge"]), [total[i] for i in ids], rtol=1e-4)
    # The hits' positions were made by the challenge's own digitisation: their pixels must lie there.
    module, pixels = ak.to_numpy(clusters["module_index"]), clusters["pixels"]
    charge = pixels["charge_19"]
    x = (
        ak.to_numpy(ak.sum(charge * (pixels["column"] + 0.5), axis=1) / ak.sum(charge, axis=1))
        * detector.pitch_x[module]
    )
    y = (
        ak.to_numpy(ak.sum(charge * (pixels["row"] + 0.5), axis=1) / ak.sum(charge, axis=1))
        * detector.pitch_y[module]
    )
    place = detector.to_global(
        module, np.stack([x - detector.half_x[module], y - detector.half_y[module]], axis=1)
    )
    distance = np.linalg.norm(place - np.stack([ak.to_numpy(clusters[a]) for a in "xyz"], axis=1), axis=1)
    assert np.percentile(distance, 99) < 0.06
    # The truth's angles agree with the clusters' lengths: columns grow with |cot alpha|.
    main = ak.firsts(clusters["truth"])
    known = ak.to_numpy(~ak.is_none(main["particle_id"]))
    alpha = np.abs(ak.to_numpy(ak.fill_none(main["cot_alpha"], 0.0)))[known]
    ends = [
        ak.to_numpy(ak.fill_none(f(pixels["column"], axis=1), 0)).astype(float)[known]
        for f in (ak.max, ak.min)
    ]
    length = ends[0] - ends[1] + 1
    thickness, pitch = detector.thickness[module][known], detector.pitch_x[module][known]
    middle = alpha < 4
    assert np.median(np.abs(length - (alpha * thickness / pitch + 1))[middle]) < 1.0
    for name, column in schema.CLUSTERS.items():
        assert (name in clusters.fields) != column.optional


FULL = SHARED_DATA / "others" / "trackml_full"


@needs("../shared/data/others/trackml_full")
@pytest.mark.parametrize("event", [1001, 1018])
def test_hits_of_full_events_lie_in_the_planes_of_their_modules(event):
    """Hits and particles alone are there, which make no event file; what is allowed is far beyond their
    rounding.
    """
    with pytest.raises(InputError, match=r"-cells\.csv' .* is missing"):
        read_trackml_event(
            FULL, f"event{event:09d}", detector := read_trackml_detector(FULL / "detectors.csv.gz"), False
        )
    names = dict.fromkeys("xyz", "f8") | dict.fromkeys(("volume_id", "layer_id", "module_id"), "i8")
    hits = read_csv(FULL / f"event{event:09d}-hits.csv.gz", names, "hits")
    hits = {n: v[np.isin(hits["volume_id"], (7, 8, 9))] for n, v in hits.items()}
    module = detector.find_modules(*(hits[f"{n}_id"] for n in ("volume", "layer", "module")))
    local = detector.to_local(module, np.stack([hits[a] for a in "xyz"], axis=1))
    assert len(local) > 40_000
    assert np.abs(local[:, 2]).max() < 0.15 * OFF_PLANE
    assert (np.abs(local[:, :2]) < np.stack([detector.half_x[module], detector.half_y[module]], axis=1)).all()
