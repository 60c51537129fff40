"""CSV files as ACTS writes them: ids, places, pixels and truth against its own geometry and a plain reading
of the files.
"""

import json
import shutil

import awkward as ak
import numpy as np
import pytest

from smartpix.convert.formats import detect
from smartpix.io.events import iterate, open_events
from smartpix.schema import InputError
from tests.acts_files import digitisation, read_rows
from tests.helpers import REPOSITORY, convert_folder, embedded_detector

PIXEL_VOLUMES = (7, 8, 9)


@pytest.fixture(scope="module")
def file(acts_folder, tmp_path_factory):
    path = tmp_path_factory.mktemp("converted") / "events.root"
    convert_folder(acts_folder, path)
    return path


@pytest.fixture(scope="module")
def events(file):
    return ak.concatenate([part for _, part in iterate(file)])


@pytest.fixture
def copy(acts_folder, tmp_path):
    return shutil.copytree(acts_folder, tmp_path / "copy")


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


def _packed(line):
    return sum(int(n) << s for n, s in zip(line.split(",")[:5], (52, 40, 24, 16, 0), strict=True))


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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: (f / "digi.json").unlink(), "nothing says how large the pixels are; give --detector"),
        (lambda f: (f / "detectors.csv").unlink(), "nothing says how large"),
        (lambda f: (f / "my-digi.json").write_text("{}"), "holds 2 digitisation files"),
        (lambda f: (f / "digi.json").write_text("{"), r"digi\.json: not a readable JSON"),
        (lambda f: (f / "digi.json").write_text("[]"), r"digi\.json: holds no 'entries'"),
        (
            lambda f: (f / "digi.json").write_text('{"entries": [3]}'),
            r"digi\.json: an entry is not as ACTS writes it",
        ),
        (lambda f: (f / "digi.json").write_text('{"entries": []}'), "describes pixels for no module"),
        (lambda f: (f / "event000000000-cells.csv").unlink(), r"'event000000000-cells\.csv' .* is missing"),
        (lambda f: digitisation(f / "digi.json", pitch_u=0.025), "off its module of 672 x 1440"),
    ],
)
def test_what_is_missing_or_does_not_fit_is_said(copy, tmp_path, change, message):
    change(copy)
    with pytest.raises(InputError, match=message):
        convert_folder(copy, tmp_path / "e.root")
    assert not (tmp_path / "e.root").exists()


def test_a_digitisation_of_other_modules_is_refused(copy, tmp_path):
    content = json.loads((copy / "digi.json").read_text())
    content["entries"][1]["value"]["geometric"]["segmentation"]["binningdata"][0] |= {"min": -8.0, "max": 8.0}
    (copy / "digi.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"half lengths 8\.4 and 36 mm and its pixels .* fill 8 and 36 mm"):
        convert_folder(copy, tmp_path / "e.root")


def test_measurements_that_lie_elsewhere_are_refused(copy, tmp_path):
    path = copy / "event000000001-measurements.csv"
    lines = path.read_text().splitlines()
    cells = lines[1].split(",")
    cells[-1] = str(float(cells[-1]) + 0.1)
    path.write_text("\n".join([lines[0], ",".join(cells), *lines[2:]]) + "\n")
    with pytest.raises(InputError, match=r"row 0 lies 0\.1 mm from where the detector table puts"):
        convert_folder(copy, tmp_path / "e.root")


@pytest.mark.parametrize(
    ("column", "good", "bad"), [("local0", 0.02, 0.1), ("local1", 0.04, 0.3), ("local1", 0.04, -80.0)]
)
def test_local_positions_that_contradict_the_cells_are_refused(copy, tmp_path, column, good, bad):
    """Of files without global positions; where these are there, they are compared first."""
    path = copy / "event000000000-measurements.csv"

    def change(by):
        def move(rows):
            first = next(k for k, row in enumerate(rows) if not is_strip(row))
            rows[first] |= {column: str(float(rows[first][column]) + by)}
            return [{n: v for n, v in row.items() if not n.startswith("global")} for row in rows]

        return move

    change_rows(path, change(good))
    convert_folder(copy / "event000000000", tmp_path / "e.root")
    change_rows(path, change(bad))
    with pytest.raises(
        InputError, match=r"measurements\.csv: hit \d+ lies [\d.]+ mm beside its cells in .*cells\.csv"
    ):
        convert_folder(copy / "event000000000", tmp_path / "e.root")


def test_an_event_without_measurements_is_an_event(copy, tmp_path):
    for path in copy.glob("event000000000-*.csv"):
        path.write_text(path.read_text().splitlines()[0] + "\n")
    assert convert_folder(copy, tmp_path / "e.root")["n_events"] == 2
    (part,) = [part for _, part in iterate(tmp_path / "e.root")]
    assert (
        ak.to_list(ak.num(part["clusters"]))[0] == len(part["particles"][0]) == 0 < len(part["clusters"][1])
    )


def test_rows_without_a_partner_are_counted_and_ids_that_cannot_be_refused(copy, tmp_path):
    event = copy / "event000000000"
    names = ("n_cells_unused", "n_truth_unused", "n_hits_without_truth")
    assert [convert_folder(event, tmp_path / "e.root")[n] for n in names] == [0, 0, 0]
    cells, links = (copy / f"event000000000-{table}.csv" for table in ("cells", "measurement-simhit-map"))
    content = links.read_text()
    (part,) = [part for _, part in iterate(tmp_path / "e.root")]
    hit = int(part["clusters", "hit_id"][0, 0])
    change_rows(cells, lambda rows: [*rows, rows[0] | {"measurement_id": "1000000"}])
    lost = {"measurement_id": "1000000"}
    change_rows(
        links, lambda rows: [row | lost if row["measurement_id"] == str(hit) else row for row in rows]
    )
    n_links = sum(line.split(",")[0] == str(hit) for line in content.splitlines()[1:])
    assert [convert_folder(event, tmp_path / "e.root")[n] for n in names] == [1, n_links, 1]
    links.write_text(content.splitlines()[0] + "\n")
    with pytest.raises(InputError, match=r"simhit-map\.csv: has no rows, and the event has \d+ measurements"):
        convert_folder(event, tmp_path / "e.root")
    links.write_text(content)
    change_rows(cells, lambda rows: [*rows[:-1], rows[-1] | {"measurement_id": "-1"}])
    with pytest.raises(
        InputError, match=r"cells\.csv: column 'measurement_id' has the value -1 in row \d+ .*ids start at 0"
    ):
        convert_folder(event, tmp_path / "e.root")


def test_a_link_that_is_there_twice_is_refused(copy, tmp_path):
    path = copy / "event000000000-measurement-simhit-map.csv"
    path.write_text(path.read_text() + path.read_text().splitlines()[1] + "\n")
    with pytest.raises(InputError, match=r"hits\.csv: particle \d+ makes hit \d+ twice at the same place"):
        convert_folder(copy, tmp_path / "e.root")


def test_a_particle_number_beyond_its_bits_is_refused(copy, tmp_path):
    for path in (copy / "event000000000-hits.csv", copy / "event000000000-particles_simulated.csv"):
        lines = path.read_text().splitlines()
        path.write_text(
            "\n".join([lines[0], *("4096," + line.split(",", 1)[1] for line in lines[1:])]) + "\n"
        )
    with pytest.raises(InputError, match="primary vertex number is 4096"):
        convert_folder(copy, tmp_path / "e.root")


def test_the_simulated_hits_of_acts_are_not_taken_for_trackml(acts_folder):
    found = detect(acts_folder)
    assert (found.kind, found.prefixes) == ("acts-csv", ("event000000000", "event000000001"))
    with pytest.raises(
        InputError, match=r"holds no event\*-hits\.csv; TrackML events \(CSV\) were asked for"
    ):
        detect(acts_folder, "trackml")


def test_the_field_has_to_be_given(acts_folder, tmp_path):
    with pytest.raises(InputError, match=r"do not tell the field; give .* --field"):
        convert_folder(acts_folder, tmp_path / "e.root", field=None)
    assert not (tmp_path / "e.root").exists()


def rows_of_file(path):
    """Rows of a CSV file, each a dictionary of texts."""
    head, *lines = path.read_text().splitlines()
    return [dict(zip(head.split(","), line.split(","), strict=True)) for line in lines]


def change_rows(path, change):
    rows = change(rows_of_file(path))
    path.write_text("\n".join([",".join(rows[0]), *(",".join(row.values()) for row in rows)]) + "\n")


def is_strip(row):
    return int(row["geometry_id"]) >> 56 not in PIXEL_VOLUMES


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


IDS = {
    "measurements": ("measurement_id", "geometry_id"),
    "cells": ("measurement_id", "channel0", "channel1", "geometry_id"),
    "hits": (
        "index",
        "particle_id_pv",
        "particle_id_sv",
        "particle_id_part",
        "particle_id_gen",
        "particle_id_subpart",
    ),
    "measurement-simhit-map": ("measurement_id", "hit_id"),
    "particles_simulated": ("particle_type", "particle_id_pv", "particle_id_part"),
}


@pytest.mark.parametrize(("table", "column"), [(t, c) for t, columns in IDS.items() for c in columns])
def test_no_id_may_be_a_float_that_stands_for_several(copy, tmp_path, table, column):
    path = copy / f"event000000000-{table}.csv"
    change_rows(path, lambda rows: [rows[0] | {column: f"{float(2**59):.17e}"}, *rows[1:]])
    why = "ids have been merged, as by a left join of pandas"
    if column in ("channel0", "channel1", "particle_type"):
        why = "is no number of type int32$"
    with pytest.raises(InputError, match=rf"{table}\.csv: column '{column}' .* {why}"):
        convert_folder(copy / "event000000000", tmp_path / "e.root")
    assert not (tmp_path / "e.root").exists()


def test_particles_of_older_files_may_not_be_floats_either(copy, tmp_path):
    for path in [*copy.glob("event*-hits.csv"), *copy.glob("event*-particles_simulated.csv")]:
        head, *lines = path.read_text().splitlines()
        packed = [f"{float(_packed(line) + (6 << 52))!r},{line}" for line in lines]
        path.write_text("\n".join([f"particle_id,{head.replace('particle_id_', 'other_')}", *packed]) + "\n")
    with pytest.raises(
        InputError, match=r"column 'particle_id' has the value .*e.16 in row 0.* left join of pandas"
    ):
        convert_folder(copy, tmp_path / "e.root")


def test_cells_of_another_event_are_refused(copy, tmp_path):
    one, two = (copy / f"event{n:09d}-cells.csv" for n in (0, 1))
    one.write_text(one.read_text() + two.read_text().split("\n", 1)[1])
    with pytest.raises(
        InputError,
        match=r"cells\.csv: row \d+ has a cell of measurement \d+ on the module \d+, .* not of the",
    ):
        convert_folder(copy, tmp_path / "e.root")


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
