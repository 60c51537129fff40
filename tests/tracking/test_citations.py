"""The table of references, and which of them a run lists."""

import json
import re

import pytest

from smartpix.estimate.choose import choose_estimator, kind_of
from smartpix.io.events import open_events
from smartpix.shipped import data_path
from tests.helpers import REPOSITORY
from tracking.citations import PARTS, REFERENCES, cited_by_run, lines
from tracking.cli.main import main

IDENTIFIER = re.compile(
    r"arXiv:(\d\d)(0[1-9]|1[0-2])\.\d{4,5}|doi:10\.\d{4,5}/\S+|https://github\.com/[\w-]+/[\w-]+/pull/\d+"
)


@pytest.mark.parametrize("reference", REFERENCES, ids=lambda reference: reference.identifier)
def test_every_entry_is_well_formed(reference):
    assert reference.part in PARTS
    assert IDENTIFIER.fullmatch(reference.identifier)
    assert reference.address.startswith("https://")
    # A DOI says where it was published to nobody.
    assert bool(reference.journal) == reference.identifier.startswith("doi:")
    assert reference.topic[0].islower() or reference.topic.startswith("Kalman")
    assert not str(reference).endswith((".", ","))


def test_every_part_has_references_and_no_reference_comes_twice():
    assert {reference.part for reference in REFERENCES} == set(PARTS)
    assert len({reference.identifier for reference in REFERENCES}) == len(REFERENCES)


@pytest.mark.parametrize(
    ("estimates", "parts"),
    [
        ("shape", {"graph", "fit"}),
        ("mdn", {"graph", "fit", "estimates"}),
        ("quantised", {"graph", "fit", "estimates", "chip"}),
    ],
)
def test_a_run_cites_what_its_estimates_use(estimates, parts):
    own, *cited = cited_by_run(estimates)
    assert own.startswith("this software: smartpix ")
    assert cited == [str(reference) for reference in REFERENCES if reference.part in parts]


@pytest.mark.parametrize(
    ("asked", "used"), [("auto", "mdn"), ("mdn", "mdn"), ("shape", "shape"), ("quantised", "quantised")]
)
def test_the_kind_is_that_of_the_estimator_that_was_chosen(asked, used):
    header = open_events(data_path("sample.root")).header
    assert kind_of(choose_estimator(header, asked)) == used


def test_a_run_prints_and_keeps_what_to_cite(capsys, files, tmp_path, weights):
    arguments = ["run", files["first"], "-o", tmp_path, "--no-figures", "--set", f"gnn={weights}"]
    assert main([*map(str, arguments)]) == 0
    cited = json.loads((tmp_path / "summary.json").read_text())["cite"]
    header = open_events(files["first"]).header
    assert cited == cited_by_run(kind_of(choose_estimator(header)))
    assert "to cite:\n" + "".join(f"  {line}\n" for line in cited) in capsys.readouterr().out


def test_the_command_prints_all(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--cite"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == "\n".join(lines()) + "\n"


def test_the_software_is_cited_in_its_version():
    version = re.search(r'^version = "(.*)"', (REPOSITORY / "pyproject.toml").read_text(), re.MULTILINE)
    assert f"\nversion: {version[1]}\n" in (REPOSITORY / "CITATION.cff").read_text()
