"""The benchmark of matching by helix on the embedded sample, with its truth beside."""

import json

import pytest

from smartpix.schema import InputError
from smartpix.shipped import data_path
from tests.helpers import convert_folder
from tests.smartpix.convert.trackml_files import write_event
from tracking.bench.helix import BenchHelixOptions, bench_helix, helix_table
from tracking.cli.main import main
from tracking.show.numbers import share

SAMPLE = data_path("sample.root")


def test_helices_agree_with_truth_on_hits_without_pixels(capsys):
    """The chain finds tracks without looking at a pixel, and both ways of matching tell the same of them."""
    assert main(["bench", "helix", str(SAMPLE), "--events", "1", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    truth = result["truth"]
    assert result["n_events"] == 1
    assert result["n_findable"] > 10
    assert abs(result["efficiency"] - truth["efficiency"]) < 0.03
    assert result["efficiency"] > 0.95
    assert truth["same"] > 0.97
    assert truth["same_of_accepted"] > 0.99
    assert truth["findable_in_both"] > 0.97
    text = helix_table(result)
    assert share(result["efficiency"], result["n_findable"]) in text
    assert "truth: same_of_accepted" in text


def test_files_without_particles_are_refused(tmp_path):
    folder = write_event(tmp_path / "events", truth=False)
    convert_folder(folder, tmp_path / "out.root")
    with pytest.raises(InputError, match="has no particles to match tracks to"):
        bench_helix([tmp_path / "out.root"], BenchHelixOptions())
    with pytest.raises(InputError, match="bench helix: events must be from 1"):
        BenchHelixOptions(events=0)
