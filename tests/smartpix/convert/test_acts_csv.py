"""CSV files as ACTS writes them: ids, places, pixels and truth against its own geometry and a plain reading
of the files.
"""

import awkward as ak
import numpy as np
import pytest

from smartpix.convert.formats import detect
from smartpix.io.events import iterate, open_events
from smartpix.schema import InputError
from tests.acts_files import read_rows
from tests.helpers import REPOSITORY, convert_folder, embedded_detector
from tests.smartpix.convert.acts_csv_files import PIXEL_VOLUMES, _packed, change_rows, is_strip, rows_of_file


@pytest.fixture(scope="module")
def file(acts_folder, tmp_path_factory):
    path = tmp_path_factory.mktemp("converted") / "events.root"
    convert_folder(acts_folder, path)
    return path


@pytest.fixture(scope="module")
def events(file):
    return ak.concatenate([part for _, part in iterate(file)])


@pytest.fixture(scope="module")
def surfaces():
    """ACTS's own modules by geometry identifier."""
    acts = pytest.importorskip("acts")
    examples = acts.examples
    geometry = examples.GenericDetector(
        examples.GenericDetector.Config(logLevel=acts.logging.WARNING)
    ).trackingGeometry()
    found = []
    geometry.visitSurfaces(found.append)
    context = acts.GeometryContext.dangerouslyDefaultConstruct()

    def pose(surface):
        transform = surface.localToGlobalTransform(context)
        return np.array([[transform.rotation[i, j] for j in range(3)] for i in range(3)]), np.array(
            list(transform.translation)
        )

    return {s.geometryId.value: (s.geometryId, *pose(s)) for s in found}


def pixel_rows(table, surfaces):
    return [k for k, g in enumerate(table["geometry_id"]) if surfaces[g][0].volume in PIXEL_VOLUMES]


@pytest.mark.parametrize("event", [0, 1])
def test_hits_keep_their_ids_modules_places_and_cells(acts_folder, events, surfaces, event):
    table = read_rows(acts_folder / f"event{event:09d}-measurements.csv")
    cells = read_rows(acts_folder / f"event{event:09d}-cells.csv")
    rows, clusters = pixel_rows(table, surfaces), events["clusters"][event]
    assert events["event"][event] == event
    assert len(rows) > 20
    assert ak.to_list(clusters["hit_id"]) == [table["measurement_id"][k] for k in rows]
    detector = embedded_detector()
    for k, cluster in zip(rows, clusters, strict=True):
        ids, rotation, center = surfaces[table["geometry_id"][k]]
        assert [cluster[n] for n in ("volume_id", "layer_id", "module_id")] == [
            ids.volume,
            ids.layer,
            ids.sensitive,
        ]
        assert [cluster[a] for a in "xyz"] == pytest.approx(
            [table[f"global_{a}"][k] for a in "xyz"], abs=1e-4
        )
        of = cells["measurement_id"] == table["measurement_id"][k]
        local = [
            [(a + 0.5) * 0.0125 - 8.4, (b + 0.5) * 0.05 - 36.0]
            for a, b in zip(cells["channel0"][of], cells["channel1"][of], strict=True)
        ]
        wanted = np.array(local) @ rotation[:, :2].T + center
        pixels = cluster["pixels"]
        sensor = np.stack([
            (ak.to_numpy(pixels["column"]) + 0.5) * 0.05 - 36.0,
            (ak.to_numpy(pixels["row"]) + 0.5) * 0.0125 - 8.4
        ], axis=1)  # fmt: skip
        found = detector.to_global(np.full(len(sensor), cluster["module_index"]), sensor)
        np.testing.assert_allclose(sorted(found.tolist()), sorted(wanted.tolist()), atol=1e-3)
        assert cluster["charge"] == pytest.approx(sum(cells["value"][of]) * 73_000, rel=1e-4)


@pytest.mark.parametrize("event", [0, 1])
def test_truth_is_that_of_the_simulated_hits(acts_folder, events, surfaces, event):
    stem = f"event{event:09d}-"
    table, hits = (
        read_rows(acts_folder / f"{stem}measurements.csv"),
        read_rows(acts_folder / f"{stem}hits.csv"),
    )
    links = read_rows(acts_folder / f"{stem}measurement-simhit-map.csv")
    for k, cluster in zip(pixel_rows(table, surfaces), events["clusters"][event], strict=True):
        made = links["hit_id"][links["measurement_id"] == table["measurement_id"][k]]
        truth = {t["order"] * 1000 + t["particle_id"]: t for t in ak.to_list(cluster["truth"])}
        assert len(truth) == len(made)
        assert sum(t["share"] for t in truth.values()) == pytest.approx(1)
        rotation, center = surfaces[table["geometry_id"][k]][1:]
        for i in made:
            parts = [hits[f"particle_id_{n}"][i] for n in ("pv", "sv", "part", "gen", "subpart")]
            number = sum(n << s for n, s in zip(parts, (52, 40, 24, 16, 0), strict=True))
            t = truth[hits["index"][i] * 1000 + number]
            momentum = np.array([hits[f"tp{a}"][i] for a in "xyz"], dtype=float)
            assert t["pt"] == pytest.approx(np.hypot(*momentum[:2]), rel=1e-5)
            u, v, w = momentum @ rotation
            # Signs of the sensor's axes on u, v, w are geometry's; the slopes' sizes are not.
            assert abs(t["cot_alpha"]) == pytest.approx(abs(v / w), rel=1e-4, abs=1e-6)
            assert abs(t["cot_beta"]) == pytest.approx(abs(u / w), rel=1e-4, abs=1e-6)
            place = (np.array([hits[f"t{a}"][i] for a in "xyz"], dtype=float) - center) @ rotation
            assert [abs(t["y"]), abs(t["x"])] == pytest.approx(abs(place[:2]), abs=1e-4)
            # The digitised place is within a pixel or two of the crossing, on the same side of the module.
            assert abs(cluster["local_x"] - t["x"]) < 0.1
            assert abs(cluster["local_y"] - t["y"]) < 0.03


def test_strip_hits_are_left_out_and_counted(acts_folder, tmp_path, surfaces):
    tables = [read_rows(acts_folder / f"event{event:09d}-measurements.csv") for event in (0, 1)]
    n_pixel = sum(len(pixel_rows(table, surfaces)) for table in tables)
    done = convert_folder(acts_folder, tmp_path / "e.root")
    assert done["n_hits"] == n_pixel
    assert done["n_left_out"] == sum(len(table["geometry_id"]) for table in tables) - n_pixel > 0


def test_particles_and_header(acts_folder, events, file):
    opened = open_events(file)
    assert (opened.header.field, opened.header.slices, opened.has_truth) == (3.8, (19,), True)
    ours = embedded_detector()
    for name, values in ours.columns.items():
        np.testing.assert_allclose(
            np.asarray(opened.header.detector.columns[name], float), np.asarray(values, float), atol=2e-4
        )
    for event in (0, 1):
        table = read_rows(acts_folder / f"event{event:09d}-particles_simulated.csv")
        particles = events["particles"][event]
        assert len(particles) == len(table["px"]) >= 12
        np.testing.assert_allclose(ak.to_numpy(particles["px"]), table["px"].astype(float), rtol=1e-6)
        assert set(ak.to_list(particles["pdg_id"])) <= {211, -211, 11, -11}


def test_one_event_by_the_beginning_of_its_names_or_a_table(acts_folder, tmp_path, events):
    for path in (acts_folder / "event000000001", acts_folder / "event000000001-cells.csv"):
        done = convert_folder(path, tmp_path / "one.root")
        assert (done["kind"], done["n_events"]) == ("acts-csv", 1)
        (part,) = [part for _, part in iterate(tmp_path / "one.root")]
        assert ak.to_list(part["clusters"]) == ak.to_list(events["clusters"][1:])


def test_a_module_table_serves_as_well_as_the_digitisation(acts_folder, tmp_path, events):
    convert_folder(acts_folder, tmp_path / "e.root", detector=REPOSITORY / "data" / "detector.csv")
    (part,) = [part for _, part in iterate(tmp_path / "e.root")]
    assert ak.to_list(part["clusters", "pixels"]) == ak.to_list(events["clusters", "pixels"])
    assert ak.to_list(part["clusters", "module_index"]) == ak.to_list(events["clusters", "module_index"])
    np.testing.assert_allclose(
        ak.flatten(part["clusters", "x"]), ak.flatten(events["clusters", "x"]), atol=1e-4
    )


def test_older_column_names_give_the_same_events(copy, tmp_path, events):
    for path in copy.glob("event*-cells.csv"):
        path.write_text(path.read_text().replace("measurement_id", "hit_id", 1))
    for path in [*copy.glob("event*-hits.csv"), *copy.glob("event*-particles_simulated.csv")]:
        head, *lines = path.read_text().splitlines()
        packed = [",".join([str(_packed(line)), line]) for line in lines]
        path.write_text("\n".join([f"particle_id,{head.replace('particle_id_', 'other_')}", *packed]) + "\n")
    for path in copy.glob("event*-measurements.csv"):
        lines = [",".join(line.split(",")[:-3]) for line in path.read_text().splitlines()]
        path.write_text("\n".join(lines) + "\n")
    convert_folder(copy, tmp_path / "e.root")
    (part,) = [part for _, part in iterate(tmp_path / "e.root")]
    for name in ("hit_id", "truth", "pixels"):
        assert ak.to_list(part["clusters", name]) == ak.to_list(events["clusters", name])
    assert ak.to_list(part["particles"]) == ak.to_list(events["particles"])


def test_events_without_truth_are_converted_without(copy, tmp_path):
    for kind in ("hits", "measurement-simhit-map", "particles", "particles_simulated"):
        for path in copy.glob(f"event*-{kind}.csv"):
            path.unlink()
    assert not convert_folder(copy, tmp_path / "e.root")["truth"]
    assert not open_events(tmp_path / "e.root").has_truth
    (copy / "event000000001-hits.csv").write_text("")
    with pytest.raises(
        InputError, match=r"'event000000000-hits\.csv' .* is missing; give hits, measurement-simhit-map"
    ):
        convert_folder(copy, tmp_path / "e.root")


def test_an_event_without_measurements_is_an_event(copy, tmp_path):
    for path in copy.glob("event000000000-*.csv"):
        path.write_text(path.read_text().splitlines()[0] + "\n")
    assert convert_folder(copy, tmp_path / "e.root")["n_events"] == 2
    (part,) = [part for _, part in iterate(tmp_path / "e.root")]
    assert (
        ak.to_list(ak.num(part["clusters"]))[0] == len(part["particles"][0]) == 0 < len(part["clusters"][1])
    )


def test_the_simulated_hits_of_acts_are_not_taken_for_trackml(acts_folder):
    found = detect(acts_folder)
    assert (found.kind, found.prefixes) == ("acts-csv", ("event000000000", "event000000001"))
    with pytest.raises(
        InputError, match=r"holds no event\*-hits\.csv; TrackML events \(CSV\) were asked for"
    ):
        detect(acts_folder, "trackml")


@pytest.mark.parametrize("value", ["nan", ""])
def test_strip_rows_need_no_good_numbers(copy, tmp_path, events, value):
    for table, names in {"measurements": ("local0", "local1", "global_x"), "hits": ("tx", "tpy")}.items():
        for path in copy.glob(f"event*-{table}.csv"):

            def without(rows, names=names):
                assert any(map(is_strip, rows))
                return [row | dict.fromkeys(names, value) if is_strip(row) else row for row in rows]

            change_rows(path, without)
            if table == "measurements":
                strip = next(row for row in rows_of_file(path) if is_strip(row))
                cell = f"{strip['geometry_id']},{strip['measurement_id']},{value},{value},0,{value}\n"
                with path.with_name(path.name.replace(table, "cells")).open("a") as cells:
                    cells.write(cell)
    convert_folder(copy, tmp_path / "e.root")
    (part,) = [part for _, part in iterate(tmp_path / "e.root")]
    assert ak.to_list(part["clusters"]) == ak.to_list(events["clusters"])


def test_a_digitisation_with_a_byte_order_mark_and_any_locale_is_read(copy, tmp_path, events, monkeypatch):
    content = (
        (copy / "digi.json")
        .read_text()
        .replace('"entries"', '"remark": "d\u00e9tecteur \u4e2d", "entries"', 1)
    )
    (copy / "digi.json").write_bytes(content.encode("utf-8-sig"))
    convert_folder(copy, tmp_path / "e.root")
    (part,) = [part for _, part in iterate(tmp_path / "e.root")]
    assert ak.to_list(part["clusters"]) == ak.to_list(events["clusters"])
    (copy / "digi.json").write_bytes(content.encode("latin-1", "replace"))
    with pytest.raises(InputError, match=r"digi\.json: not a readable JSON file"):
        convert_folder(copy, tmp_path / "e.root")
