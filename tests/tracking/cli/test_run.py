"""``smartpix run`` with a second pass from the command line."""

import json

import pytest

from tracking.cli.main import main
from tracking.options import PASSES


@pytest.mark.parametrize("name", ["--passes", "--set"])
def test_a_second_pass_is_asked_for(name, tmp_path, capsys):
    value = "prompt,displaced" if name == "--passes" else 'passes=["prompt", "displaced"]'
    assert main(["run", name, value, "-o", str(tmp_path / "out"), "--no-figures", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["n_tracks_displaced"] >= 0
    written = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert tuple(written["provenance"]["options"]["passes"]) == PASSES


def test_unknown_passes_are_one_line(tmp_path, capsys):
    assert main(["run", "--passes", "prompt,late", "-o", str(tmp_path / "out")]) != 0
    err = capsys.readouterr().err
    assert "passes must be prompt or prompt,displaced" in err
    assert len(err.splitlines()) == 1
