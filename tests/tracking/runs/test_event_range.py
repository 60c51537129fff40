"""``run --events``: the entries that a slice of Python takes, of all files together."""

import json

import pytest
import uproot

from smartpix.io.events import open_events
from smartpix.schema import InputError
from tracking.cli.main import main
from tracking.inputs import event_slice
from tracking.runs import units
from tracking.runs.driver import run


def counts(folder):
    with uproot.open(folder / "tracks.root") as file:
        return file["tracks"].arrays(["event", "count_hits", "count_tracks", "count_found"]).to_list()


@pytest.mark.parametrize("text", ["0:4", "1:", ":-1", "-3:-1", "3:5", ":"])
def test_units_of_a_range_are_those_that_a_slice_takes(files, text):
    opened = [open_events(files[n]) for n in ("toy", "none", "first")]
    every = [(str(file.path), k) for file in opened for k in range(file.n_events)]
    start, stop = (int(end) if end else None for end in text.split(":"))
    planned = units.plan_units(opened, 3, event_slice(text))
    assert [(u.path, k) for u in planned for k in range(u.start, u.stop)] == every[start:stop]


@pytest.mark.parametrize("text", ["5", "1:2:2", "a:b", "1.5:", "-:3", ""])
def test_what_is_no_range_of_events_says_how_to_write_one(text):
    with pytest.raises(InputError, match=r"--events .*: write A:B"):
        event_slice(text)


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        (slice(2, 2), "events 2:2: there is none between these ends, of 4"),
        (slice(0, 5), "5 is beyond the 4 events"),
        (slice(-5, None), "-5 is beyond the 4 events"),
        (slice(0, 4, 2), "a step"),
    ],
)
def test_events_that_there_are_not_are_refused(files, chosen, words):
    with pytest.raises(InputError, match=words):
        units.plan_units([open_events(files["toy"])], 3, chosen)


def test_a_range_is_run_as_if_it_were_all(copies, options, here, tmp_path):
    """Events 5 to 9 of six files of four: the end of the second and the first of the third. Of the others
    nothing is in the results.
    """
    pattern = copies / "toy-*.root"
    whole = run(pattern, tmp_path / "whole", options, figures=False)
    summary = run(pattern, tmp_path / "some", options, figures=False, events=slice(5, 9), events_per_unit=2)
    assert whole["n_events"] == 24
    assert summary["n_events"] == 4
    assert summary["files"] == [str(copies / f"toy-{k}.root") for k in (1, 2)]
    written = json.loads((tmp_path / "some" / "summary.json").read_text())
    assert list(written["provenance"]["inputs"]) == summary["files"]
    assert written["event_range"] == [5, 9]
    assert "event_range" not in whole
    assert counts(tmp_path / "some") == counts(tmp_path / "whole")[5:9]


def test_a_file_that_is_left_out_moves_no_range(files, options, tmp_path):
    bad = tmp_path / "bad.root"
    bad.write_bytes(b"no events")
    with pytest.raises(InputError, match=r"bad\.root: .*Events are counted over all files"):
        run([bad, files["toy"]], tmp_path / "out", options, figures=False, events=slice(0, 2))


def test_the_command_runs_a_range(files, options, tmp_path, capsys):
    command = ["run", str(files["toy"]), "--set", f"gnn={options.gnn}", "--no-figures", "--json"]
    assert main([*command, "-o", str(tmp_path / "a"), "--events=-2:"]) == 0
    assert json.loads(capsys.readouterr().out)["n_events"] == 2
    twice = ["run", str(files["toy"]), "--set", f"gnn={options.gnn}", "--write", "tracks.csv", "--no-figures"]
    assert main([*twice, "-o", str(tmp_path / "b"), "--events", "1:3"]) == 0
    assert len(list((tmp_path / "b").glob("event*.csv"))) == 2
    capsys.readouterr()
    assert main([*command, "-o", str(tmp_path / "c"), "--events", "9:"]) == 1
    assert "the 4 events that there are" in capsys.readouterr().err
