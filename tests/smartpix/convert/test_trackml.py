"""TrackML events: a small one written here in the challenge's own conventions, and a real one where it is
there.
"""

import gzip

import awkward as ak
import numpy as np
import pytest

from smartpix import schema
from smartpix.convert.hit_tables import ELECTRONS_PER_MM, OFF_PLANE
from smartpix.convert.trackml import FIELD, read_trackml_detector, read_trackml_event
from smartpix.io.events import iterate, open_events
from smartpix.schema import InputError
from smartpix.tables import read_csv
from tests.helpers import SHARED_DATA, convert_folder, module_row
from tests.left_out import needs

REAL = SHARED_DATA / "trackml_event1"


def modules():
    """Barrel and end-cap modules whose u and v run along or against the sensor frame, and one strip
    module.
    """
    sizes = {"module_t": 0.3, "pitch_u": 0.05, "pitch_v": 0.05625}
    x, y, z = np.eye(3)
    rows = [
        module_row((32.0, 0, 0), y, z, x, 2, 1),
        module_row((32.0, 0, 100), -y, -z, x, 2, 2),
        module_row((0, 72.0, 0), x, -z, y, 4, 1),
        module_row((60.0, 0, 600), y, x, -z, 2, 1, volume=9),
        module_row((-60.0, 0, -600), y, x, -z, 2, 1, volume=7),
        module_row((260.0, 0, 0), y, z, x, 2, 1, volume=13),
    ]
    return [{**row, **sizes} for row in rows]


def csv(path, rows, names=None):
    names = names or list(rows[0])
    lines = [",".join(names), *(",".join(str(row[name]) for name in names) for row in rows)]
    path.write_text("\n".join(lines) + "\n")


# hit_id, row of the module, cells (ch0, ch1, value)
HITS = [
    (5, 0, [(10, 20, 0.1), (11, 20, 0.3)]),
    (2, 1, [(0, 0, 0.2)]),
    (9, 2, [(335, 1279, 0.1), (335, 1278, 0.1)]),
    (7, 3, [(100, 7, 0.25)]),
    (30, 4, [(3, 900, 0.25), (3, 900, 0.05), (4, 901, 0.1)]),
    (31, 5, [(1, 1, 0.4)]),
]
PARTICLE = 4_505_867_370_102_784


def at(row, u, v):
    axes = np.array([[row[f"rot_{g}{a}"] for a in "uv"] for g in "xyz"])
    return np.array([row["cx"], row["cy"], row["cz"]]) + axes @ [u, v]


def cell_center(row, ch0, ch1):
    """Global place of a channel by the challenge's convention: channels count from the lower corner along u
    and v.
    """
    return at(
        row,
        (ch0 + 0.5) * row["pitch_u"] - row["module_maxhu"],
        (ch1 + 0.5) * row["pitch_v"] - row["module_hv"],
    )


def write_event(folder, number=1, truth=True, hits=HITS):
    folder.mkdir(exist_ok=True)
    table = modules()
    csv(folder / "detectors.csv", table)
    name = f"event{number:09d}"
    hit_rows, cell_rows, truth_rows = [], [], []
    for hit_id, m, cells in hits:
        weights = np.array([c[2] for c in cells])
        place = (
            sum(w * cell_center(table[m], *c[:2]) for w, c in zip(weights, cells, strict=True))
            / weights.sum()
        )
        ids = {n: table[m][n] for n in ("volume_id", "layer_id", "module_id")}
        hit_rows.append({"hit_id": hit_id, **dict(zip("xyz", place, strict=True)), **ids})
        cell_rows += [{"hit_id": hit_id, "ch0": a, "ch1": b, "value": v} for a, b, v in cells]
        momentum = 2 * place / np.linalg.norm(place)
        particle = 0 if hit_id == 2 else PARTICLE + (hit_id == 7)
        there = dict(zip(("tx", "ty", "tz", "tpx", "tpy", "tpz"), [*place, *momentum], strict=True))
        truth_rows.append({"hit_id": hit_id, "particle_id": particle, **there, "weight": 0.1})
    names = {
        "hits": ["hit_id", "x", "y", "z", "volume_id", "layer_id", "module_id"],
        "cells": ["hit_id", "ch0", "ch1", "value"],
    }
    csv(folder / f"{name}-hits.csv", hit_rows, names["hits"])
    csv(folder / f"{name}-cells.csv", cell_rows, names["cells"])
    if truth:
        csv(folder / f"{name}-truth.csv", truth_rows)
        start = {"vx": 0.1, "vy": 0.2, "vz": 0.3, "py": 0.5, "pz": 2.0, "nhits": 4}
        particles = [
            {"particle_id": PARTICLE + i, "particle_type": pdg, "px": 1.0 + i, "q": q, **start}
            for i, pdg, q in ((1, 211, 1), (0, -13, -1))
        ]
        csv(folder / f"{name}-particles.csv", particles)
    return folder


@pytest.fixture
def folder(tmp_path):
    return write_event(tmp_path / "events")


@pytest.fixture
def output(tmp_path):
    return tmp_path / "out.root"


def converted(folder, output):
    convert_folder(folder, output)
    return next(iterate(output))


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


@pytest.mark.parametrize("missing", ["detectors.csv", "event000000001-cells.csv"])
def test_missing_file_is_named_and_nothing_is_written(folder, output, missing):
    (folder / missing).unlink()
    with pytest.raises(InputError, match=f"'{missing}' .*is missing"):
        convert_folder(folder, output)
    assert not output.exists()


def test_folder_without_events_or_no_folder_says_what_to_give(tmp_path, output):
    with pytest.raises(InputError, match=r"holds no event\*-hits\.csv"):
        convert_folder(tmp_path, output)
    with pytest.raises(InputError, match="no such file or event; give a folder with"):
        convert_folder(tmp_path / "none", output)


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("detectors.csv", "pitch_u", "pich_u"),
        ("event000000001-hits.csv", "module_id", "modul_id"),
        ("event000000001-cells.csv", "value", "values"),
        ("event000000001-truth.csv", "tpx", "tpxx"),
        ("event000000001-particles.csv", "particle_id", "particle_ids"),
    ],
)
def test_missing_column_names_file_and_near_miss(folder, output, file, old, new):
    path = folder / file
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(InputError, match=rf"{file}: '{old}' is missing .* Did you mean '{new}'\?"):
        convert_folder(folder, output)
    assert not output.exists()


def with_cell(folder, file, line, column, value):
    path = folder / f"event000000001-{file}.csv"
    lines = path.read_text().splitlines()
    place = lines[0].split(",").index(column)
    cells = lines[line].split(",")
    cells[place] = value
    lines[line] = ",".join(cells)
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("file", "column"), [("hits", "x"), ("cells", "value"), ("truth", "tpx"), ("particles", "px")]
)
@pytest.mark.parametrize("value", ["nan", "inf"])
def test_value_that_is_not_finite_names_file_and_column(folder, output, file, column, value):
    with_cell(folder, file, 1, column, value)
    with pytest.raises(
        InputError, match=rf"{file}\.csv: column '{column}' has a value that is not finite in row 0"
    ):
        convert_folder(folder, output)


@pytest.mark.parametrize(
    ("file", "column"), [("hits", "hit_id"), ("cells", "ch0"), ("hits", "x"), ("truth", "particle_id")]
)
@pytest.mark.parametrize("value", ["", "abc"])
def test_cell_that_is_empty_or_text_is_an_input_error(folder, output, file, column, value):
    with_cell(folder, file, 1, column, value)
    with pytest.raises(InputError, match=rf"{file}\.csv"):
        convert_folder(folder, output)


def test_hit_on_an_unknown_module_is_refused(folder, output):
    with_cell(folder, "hits", 1, "module_id", "77")
    with pytest.raises(InputError, match=r"no module with .* \[8, 2, 77\]"):
        convert_folder(folder, output)


def test_hit_without_cells_is_refused(folder, output):
    path = folder / "event000000001-cells.csv"
    path.write_text(
        "\n".join(line for line in path.read_text().splitlines() if not line.startswith("7,")) + "\n"
    )
    with pytest.raises(InputError, match=r"hit \d+ has no cell \(1 such hits\)"):
        convert_folder(folder, output)


def test_negative_cell_is_refused(folder, output):
    with_cell(folder, "cells", 1, "value", "-0.5")
    with pytest.raises(InputError, match=r"cells\.csv: hit \d+ has a cell of value -0\.5"):
        convert_folder(folder, output)


@pytest.mark.parametrize(("ch0", "ch1"), [("-1", "5"), ("336", "5"), ("5", "1280")])
def test_channel_beyond_the_module_is_refused(folder, output, ch0, ch1):
    with_cell(folder, "cells", 1, "ch0", ch0)
    with_cell(folder, "cells", 1, "ch1", ch1)
    with pytest.raises(InputError, match="cells"):
        convert_folder(folder, output)


def test_cut_off_compressed_file_is_refused(folder, output):
    path = folder / "event000000001-hits.csv"
    packed = gzip.compress(path.read_bytes())
    path.unlink()
    path.with_name(path.name + ".gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(InputError, match=r"hits\.csv\.gz"):
        convert_folder(folder, output)


@pytest.mark.parametrize("value", ["nan", "", "inf"])
def test_strip_rows_need_no_good_numbers(folder, output, value):
    """They are left out; so are their cells and crossings, and those of noise."""
    plain = ak.to_list(converted(folder, output)[1])
    strip, noise = len(HITS), 2
    for table, line, names in (
        ("hits", strip, ("x", "y", "z", "layer_id", "module_id")), ("cells", -1, ("ch0", "ch1", "value")),
        ("truth", strip, ("tx", "tpz")), ("truth", noise, ("ty", "tpx")),
    ):  # fmt: skip
        for name in names:
            with_cell(folder, table, line, name, value)
    assert ak.to_list(converted(folder, output)[1]) == plain
    with_cell(folder, "hits", 4, "y", "nan")
    with pytest.raises(InputError, match=r"hits\.csv: column 'y' has a value that is not finite in row 3"):
        convert_folder(folder, output)


IDS = {
    "hits": ("hit_id", "volume_id", "layer_id", "module_id"), "cells": ("hit_id", "ch0", "ch1"),
    "truth": ("hit_id", "particle_id"), "particles": ("particle_id", "particle_type"),
}  # fmt: skip


@pytest.mark.parametrize(("table", "column"), [(t, c) for t, columns in IDS.items() for c in columns])
def test_no_id_may_be_a_float_that_stands_for_several(folder, output, table, column):
    """What a left join of pandas writes of an id is refused, and told apart from ids as floats that are
    exact.
    """
    plain = ak.to_list(converted(folder, output)[1])
    path = folder / f"event000000001-{table}.csv"
    head, *lines = path.read_text().splitlines()
    k = head.split(",").index(column)
    values = [line.split(",")[k] for line in lines]
    lines = [
        ",".join([*line.split(",")[:k], f"{line.split(',')[k]}.0", *line.split(",")[k + 1 :]])
        for line in lines
    ]
    path.write_text("\n".join([head, *lines]) + "\n")
    assert max(map(float, values)) < 2**53
    assert ak.to_list(converted(folder, output)[1]) == plain
    output.unlink()
    for merged in ("4.505867370102785e+17", "123456789012345680.0", "9007199254740992.0"):
        with_cell(folder, table, 1, column, merged)
        why = "ids have been merged, as by a left join of pandas"
        if column in ("ch0", "ch1", "particle_type"):
            why = "is no number of type int32$"
        with pytest.raises(InputError, match=rf"{table}\.csv: column '{column}' .* {why}"):
            convert_folder(folder, output)
    assert not output.exists()


def moved(folder, hit_id, along, by):
    """Move a hit along an axis of its module."""
    path = folder / "event000000001-hits.csv"
    head, *lines = path.read_text().splitlines()
    row = modules()[next(m for h, m, _ in HITS if h == hit_id)]
    for k, line in enumerate(lines):
        cells = line.split(",")
        if cells[0] == str(hit_id):
            cells[1:4] = (
                str(float(c) + by * row[f"rot_{g}{along}"]) for c, g in zip(cells[1:4], "xyz", strict=True)
            )
            lines[k] = ",".join(cells)
    path.write_text("\n".join([head, *lines]) + "\n")


# Pixels are 0.05 mm along u and 0.05625 mm along v, the thickness 0.6 mm: 0.15 mm beyond the outermost
# centres of the cells. Hit 5 has two pixels along u with three quarters of the charge in the upper one.
@pytest.mark.parametrize(
    ("hit_id", "along", "good", "bad", "message"),
    [
        (
            5,
            "w",
            0.009,
            0.011,
            r"hit 5 lies 0\.011 mm off the plane of its module, and 0\.01 mm are allowed \(1 such hits\)",
        ),
        (30, "w", -0.009, -0.02, r"hit 30 lies 0\.02 mm off the plane"),
        (
            5,
            "u",
            0.0125 + 0.149,
            0.0125 + 0.152,
            r"hit 5 lies 0\.152 mm beside its cells in .*cells\.csv, and 0\.15 mm are",
        ),
        (5, "u", -0.0375 - 0.149, -0.0375 - 0.152, r"hit 5 lies 0\.152 mm beside its cells"),
        (5, "v", 0.149, 0.152, r"hit 5 lies 0\.152 mm beside its cells"),
        (2, "v", -0.149, -0.3, r"hit 2 lies 0\.3 mm beside its cells"),
        (7, "v", 0.149, 0.152, r"hit 7 lies 0\.152 mm beside its cells in .*, and 0\.15 mm are allowed"),
    ],
)
def test_positions_that_contradict_module_or_cells_are_refused(
    folder, output, hit_id, along, good, bad, message
):
    before = (folder / "event000000001-hits.csv").read_text()
    moved(folder, hit_id, along, good)
    convert_folder(folder, output)
    (folder / "event000000001-hits.csv").write_text(before)
    moved(folder, hit_id, along, bad)
    with pytest.raises(
        InputError,
        match=rf"hits\.csv: {message}.*positions, cells and detector table must be of one detector",
    ):
        convert_folder(folder, output)


def test_positions_off_the_plane_of_a_thin_sensor_are_refused_before_they_are_written(folder, output):
    """Event files allow 0.002 mm beyond the surface, here at 0.001 mm from the plane."""
    table = folder / "detectors.csv"
    csv(table, [{**row, "module_t": 0.001} for row in modules()])
    before = (folder / "event000000001-hits.csv").read_text()
    moved(folder, 5, "w", 0.0018)
    assert len(converted(folder, output)[1]) == 1
    for off in (0.0022, 0.0032):
        (folder / "event000000001-hits.csv").write_text(before)
        moved(folder, 5, "w", off)
        with pytest.raises(
            InputError, match=rf"hit 5 lies {off} mm off the plane of its module, and 0\.002 mm are allowed"
        ):
            convert_folder(folder, output)


def test_cells_that_are_counted_the_other_way_round_are_refused(folder, output):
    """Channels from the upper edge, as another software may write them, and the two of them exchanged."""
    path = folder / "event000000001-cells.csv"
    content = path.read_text()
    head, *lines = content.splitlines()
    rows = [line.split(",") for line in lines]
    path.write_text("\n".join([head, *(f"{h},{335 - int(a)},{b},{v}" for h, a, b, v in rows)]) + "\n")
    with pytest.raises(InputError, match="mm beside its cells"):
        convert_folder(folder, output)
    path.write_text("\n".join([head, *(f"{h},{b},{a},{v}" for h, a, b, v in rows if int(b) < 336)]) + "\n")
    with pytest.raises(InputError, match=r"mm beside its cells|has no cell"):
        convert_folder(folder, output)


def test_modules_that_are_there_twice_are_refused_and_strips_may_be_anything(folder, output):
    path = folder / "detectors.csv"
    head, *lines = path.read_text().splitlines()
    # The last is the strip module.
    strip = lines[-1].split(",")
    plain = ak.to_list(converted(folder, output)[1])
    path.write_text(
        "\n".join([head, *lines[:-1], ",".join([*strip[:3], *(["nan"] * (len(strip) - 3))])]) + "\n"
    )
    assert ak.to_list(converted(folder, output)[1]) == plain
    path.write_text("\n".join([head, *lines, lines[1]]) + "\n")
    with pytest.raises(
        InputError, match=r"detectors\.csv: module_id is 2 .*\(module 8, 2, 2\) like one before it"
    ):
        convert_folder(folder, output)


def test_truth_of_another_event_is_refused(folder, output):
    for column, value in (("tz", "50.0"), ("tx", "31.0")):
        before = (folder / "event000000001-truth.csv").read_text()
        with_cell(folder, "truth", 1, column, value)
        with pytest.raises(
            InputError,
            match=r"truth\.csv: the particle of hit 5 crossed [\d.]+ mm off the hit's sensor .1 such",
        ):
            convert_folder(folder, output)
        (folder / "event000000001-truth.csv").write_text(before)
    path = folder / "event000000001-truth.csv"
    path.write_text(path.read_text() + path.read_text().splitlines()[1] + "\n")
    with pytest.raises(
        InputError, match=rf"truth\.csv: particle {PARTICLE} makes hit 5 twice at the same place \(1 such"
    ):
        convert_folder(folder, output)


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


@pytest.mark.parametrize(("table", "column"), [("hits", "hit_id"), ("cells", "hit_id"), ("truth", "hit_id")])
@pytest.mark.parametrize("value", ["0", "-1"])
def test_ids_that_cannot_be_are_refused_of_strips_too(folder, output, table, column, value):
    with_cell(folder, table, -1, column, value)
    with pytest.raises(
        InputError, match=rf"{table}\.csv: column '{column}' has the value {value} in row \d.*ids start at 1"
    ):
        convert_folder(folder, output)


@pytest.mark.parametrize(
    ("table", "column", "value", "words"),
    [
        ("particles", "particle_id", "0", r"'particle_id' has the value 0 in row 0 .*ids start at 1"),
        ("particles", "particle_id", "-1", r"'particle_id' has the value -1 in row 0"),
        ("particles", "q", "0", r"has the charge q = 0 and makes hit 7 in .*truth\.csv \(1 such hits\); neutral particles"),
        ("particles", "q", "1e4", r"has a charge of 10000 e, and 120 e are more than any of a nucleus"),
        ("particles", "pz", "-1e20", r"has a pz of -1e\+20 GeV, and 100000 GeV are more"),
        ("particles", "vx", "1e20", r"has a vx of 1e\+20 mm"),
        ("truth", "tpy", "1e20", r"has a py of 1e\+20 GeV"),
        ("cells", "value", "1e19", r"hit 5 has a cell of value 1e\+19, which is a charge of 7\.3e\+23 e, .*give --electrons 1"),
        ("cells", "value", "1400", r"which is a charge of 1\.02e\+08 e, and 1e\+08 e are allowed"),
        ("cells", "ch0", "1e300", r"column 'ch0' has the value 1e\+300 in row 0, which is no number of type int32$"),
        ("hits", "volume_id", "10", r"hit 5 is in the volume_id 10 \(1 such hits\), which is none of .*\(7, 8, 9, 13\)"),
        # One of TrackML's, and not of this table.
        ("hits", "volume_id", "16", r"hit 5 is in the volume_id 16 .*give the detectors\.csv of these events"),
    ],
)  # fmt: skip
def test_values_that_cannot_be_are_refused(folder, output, table, column, value, words):
    with_cell(folder, table, 1, column, value)
    with pytest.raises(InputError, match=rf"{table}\.csv: .*{words}"):
        convert_folder(folder, output)
    assert not output.exists()


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


def test_a_row_of_cells_that_is_there_twice_is_refused(folder, output):
    """One with another value is a second path through the cell, which the real event has, too."""
    path = folder / "event000000001-cells.csv"
    path.write_text(path.read_text() + path.read_text().splitlines()[2] + "\n")
    with pytest.raises(
        InputError,
        match=r"cells\.csv: hit 5 has the cell \(11, 20\) of value 0\.3 more than once \(1 such rows",
    ):
        convert_folder(folder, output)


def test_tables_one_after_the_other_are_no_event(tmp_path, output):
    """Two events as one, with and without the second head."""
    folder = write_event(write_event(tmp_path / "events"), 2)
    for table in ("hits", "cells", "truth", "particles"):
        one, two = (folder / f"event{n:09d}-{table}.csv" for n in (1, 2))
        one.write_text(one.read_text() + two.read_text().split("\n", 1)[1])
        two.unlink()
    with pytest.raises(
        InputError, match=r"hit 2 is there more than once.* Two events may have been put together as one"
    ):
        convert_folder(folder, output)
    one = write_event(tmp_path / "more") / "event000000001-hits.csv"
    one.write_text(one.read_text() * 2)
    with pytest.raises(InputError, match=r"hits\.csv: .* another head: tables were put one after the other"):
        convert_folder(one.parent, output)


def test_events_of_one_number_are_refused(folder, output):
    for path in folder.glob("event*"):
        path.with_name(path.name.replace("event000000001", "event1")).write_bytes(path.read_bytes())
    with pytest.raises(InputError, match="'event000000001' and 'event1' have the same number"):
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
    for name in schema.CLUSTERS:
        assert name in clusters.fields


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
