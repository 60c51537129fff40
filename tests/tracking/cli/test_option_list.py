"""``smartpix options``: what it lists, and the file that `smartpix run --options` reads back."""

import dataclasses
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smartpix.text import parse_toml
from tests.tracking.cli.command_line import refused
from tracking.cli.main import main, parser
from tracking.cli.option_list import options_toml, toml_value
from tracking.cli.option_tables import command_options, described
from tracking.cli.options import read_options
from tracking.options import RunOptions, from_mapping, full_names


def listed(capsys, *words):
    assert main(["options", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_every_option_is_listed_with_default_range_unit_and_meaning(capsys):
    told = listed(capsys)
    assert told["command"] == "run"
    assert list(told["options"]) == [option.name for option in described(RunOptions(), inner=True)]
    assert set(told["options"]) == set(full_names(RunOptions()))
    assert all(option["meaning"] for option in told["options"].values())
    quantile = told["options"]["findable_pt"]
    assert (quantile["default"], quantile["range"], quantile["unit"]) == (0.9, [0.0, 1e5], "GeV")
    assert told["options"]["estimates"]["values"] == ["auto", "mdn", "quantised", "shape", "positions"]


def test_sections_options_and_commands_are_chosen(capsys):
    section = listed(capsys, "cone")["options"]
    assert list(section) == [name for name in full_names(RunOptions()) if name.startswith("cone.")]
    assert list(listed(capsys, "cone.quantile")["options"]) == ["cone.quantile"]
    degrade = listed(capsys, "train", "gnn", "degrade")
    assert degrade["command"] == "train gnn"
    assert list(degrade["options"]) == ["degrade.dead_modules", "degrade.noise"]
    changed = listed(capsys, "seed", "--set", "seed.shared=2")["options"]["seed.shared"]
    assert (changed["default"], changed["value"]) == (1, 2)
    assert main(["options", "seed", "--set", "seed.shared=2"]) == 0
    assert "2 (default 1)" in capsys.readouterr().out


def test_every_command_that_sets_options_has_them_listed(capsys):
    commands = command_options(parser())
    assert {"run", "train gnn", "train ramp", "simulate toys", "compress", "export"} <= set(commands)
    for command, defaults in commands.items():
        names = [option.name for option in described(defaults, inner=True)]
        assert names == list(full_names(defaults)), command


def test_what_there_is_not_is_told(capsys, tmp_path):
    refused((main(["options", "cones"]), *capsys.readouterr()), "'cones'", "Did you mean 'cone'?")
    refused((main(["options", "train", "gnm"]), *capsys.readouterr()), "Did you mean 'train gnn'?")
    file = tmp_path / "run.toml"
    code = main(["options", "train", "gnn", "--write-options", str(file)])
    refused((code, *capsys.readouterr()), "--write-options", "not of train gnn")
    assert not file.exists()


def test_the_written_file_is_read_back(capsys, tmp_path):
    file = tmp_path / "run.toml"
    changes = ["--set", "cone.quantile=0.99", "--set", "displaced.cone.min_pt=0.7", "--estimates", "shape"]
    assert main(["options", *changes, "--write-options", str(file)]) == 0
    read = from_mapping(RunOptions(), read_options(file), "run.toml")
    assert (read.cone.quantile, read.displaced.cone.min_pt, read.estimates) == (0.99, 0.7, "shape")
    assert set(full_names(read)) == set(full_names(RunOptions()))
    # Written again with what was read, it is the same.
    assert main(["options", "--options", str(file), "--write-options", str(tmp_path / "again.toml")]) == 0
    assert (tmp_path / "again.toml").read_text() == file.read_text()
    # What somebody may have written by hand is left as it is.
    assert main(["options", "--write-options", str(file)]) == 1
    assert (tmp_path / "again.toml").read_text() == file.read_text()
    text = file.read_text()
    assert "default 0.9999)\nquantile = 0.99\n" in text
    assert max(map(len, text.splitlines())) <= 100
    assert "[displaced.cone]" in text
    capsys.readouterr()


RANGED = [
    option
    for option in described(RunOptions(), inner=True)
    if option.least is not None and "." in option.name and not isinstance(option.default, tuple)
]


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_options_of_any_value_come_back_from_the_file(data):
    chosen = data.draw(st.lists(st.sampled_from(RANGED), max_size=4, unique_by=lambda option: option.name))
    values: dict = {"calibration": data.draw(st.text(max_size=8)), "gnn": data.draw(st.text(max_size=8))}
    for option in chosen:
        kind = st.integers if isinstance(option.default, int) else st.floats
        *sections, last = option.name.split(".")
        inner = values
        for section in sections:
            inner = inner.setdefault(section, {})
        inner[last] = data.draw(kind(option.least, option.most))
    try:
        options = from_mapping(RunOptions(), values, "drawn")
    except ValueError:
        # Options that do not go together.
        return
    read = from_mapping(RunOptions(), parse_toml(options_toml(options)), "file")
    assert dataclasses.asdict(read) == dataclasses.asdict(options)


@pytest.mark.parametrize(
    "value", [True, 3, -1e-7, 1e300, float("inf"), 'a"b\\c\n\x7fé', ["a", "b"], [[1, 2]], []]
)
def test_values_are_written_as_toml(value):
    assert parse_toml(f"value = {toml_value(value)}")["value"] == value
