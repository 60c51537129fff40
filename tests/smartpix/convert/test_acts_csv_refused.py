"""CSV files as ACTS writes them: what is missing, contradicts itself, or stands for several."""

import json

import pytest

from smartpix.io.events import iterate
from smartpix.schema import InputError
from tests.acts_files import digitisation
from tests.helpers import convert_folder
from tests.smartpix.convert.acts_csv_files import _packed, change_rows, is_strip


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


def test_the_field_has_to_be_given(acts_folder, tmp_path):
    with pytest.raises(InputError, match=r"do not tell the field; give .* --field"):
        convert_folder(acts_folder, tmp_path / "e.root", field=None)
    assert not (tmp_path / "e.root").exists()


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
