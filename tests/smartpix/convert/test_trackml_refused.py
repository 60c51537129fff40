"""What is refused of TrackML's tables, and what the message names."""

import gzip

import awkward as ak
import pytest

from smartpix.schema import InputError
from tests.helpers import convert_folder
from tests.smartpix.convert.trackml_files import (
    HITS,
    PARTICLE,
    converted,
    csv,
    modules,
    with_cell,
    write_event,
)


@pytest.fixture
def folder(tmp_path):
    return write_event(tmp_path / "events")


@pytest.fixture
def output(tmp_path):
    return tmp_path / "out.root"


@pytest.mark.parametrize("missing", ["detectors.csv", "event000000001-cells.csv"])
def test_missing_file_is_named_and_nothing_is_written(folder, output, missing):
    write_event(folder, number=2)
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
