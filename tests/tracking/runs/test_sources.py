"""Every file of a run is opened once and closed at the end."""

from dataclasses import replace

import pytest

from smartpix.beam import BeamSpot
from smartpix.io import root_files
from smartpix.io.events import iterate, open_events
from smartpix.io.write import write_events
from smartpix.schema import InputError
from tracking.options import RunOptions
from tracking.runs import sources as module
from tracking.runs.driver import run
from tracking.runs.sources import Sources, open_inputs


@pytest.fixture
def sources():
    with Sources() as found:
        yield found


@pytest.fixture
def opened(monkeypatch):
    """Names of the files that are opened, one after another."""
    real, names = root_files.uproot.open, []
    monkeypatch.setattr(
        root_files.uproot,
        "open",
        lambda path, *more, **options: names.append(path.name) or real(path, *more, **options),
    )
    return names


def test_a_run_opens_every_file_once(files, weights, opened, few_figures, tmp_path):
    """Also where it is of several units, has figures, and its events are known by their numbers."""
    options = RunOptions(gnn=str(weights), write=("tracks.csv",))
    run([files["first"], files["second"]], tmp_path, options, events_per_unit=1)
    assert sorted(opened) == [files["first"].name, files["second"].name]


def test_a_file_is_opened_again_where_too_many_are_open(files, opened, monkeypatch):
    monkeypatch.setattr(module, "MOST_OPEN", 1)
    with Sources() as sources:
        one = sources.reader(files["first"])
        assert sources.reader(files["first"]) is one
        assert len(sources.reader(files["second"]).numbers()) == 2
        assert len(sources.reader(files["first"]).numbers()) == 2
    assert opened == [files["first"].name, files["second"].name, files["first"].name]


def test_files_with_and_without_truth_do_not_go_together(files, sources):
    with pytest.raises(InputError, match="one has truth and the other none"):
        open_inputs(sources, [files["first"], files["bare"]])


def test_files_of_another_field_do_not_mix(files, sources):
    with pytest.raises(InputError, match="another detector or field"):
        open_inputs(sources, [files["toy"], files["field"]])
    opened, failed = open_inputs(sources, [files["first"], files["second"]])
    assert [f.path for f in opened] == [files["first"], files["second"]]
    assert failed == {}


def test_files_of_another_beam_do_not_mix_unless_it_is_given(files, sources, tmp_path):
    one = open_events(files["first"]).header
    events = next(iter(iterate(files["second"])))[1]
    write_events(tmp_path / "moved.root", replace(one, beam_spot=BeamSpot(x=1.0)), [events])
    both = [files["first"], tmp_path / "moved.root"]
    with pytest.raises(InputError, match=r"moved\.root: has another beam spot .*beam\.source = options"):
        open_inputs(sources, both)
    assert len(open_inputs(sources, both, same_beam=False)[0]) == 2


def test_files_with_other_dead_modules_or_without_pixels_do_not_mix(files, sources, tmp_path):
    one = open_events(files["first"]).header
    events = next(iter(iterate(files["second"])))[1]
    write_events(tmp_path / "dead.root", replace(one, detector=one.detector.with_dead([0])), [events])
    both = [files["first"], tmp_path / "dead.root"]
    with pytest.raises(InputError, match=r"dead\.root: has other dead modules .*dead\.source = none"):
        open_inputs(sources, both)
    assert len(open_inputs(sources, both, same_dead=False)[0]) == 2
    write_events(tmp_path / "hits.root", replace(one, made_by=dict(one.made_by) | {"cells": False}), [])
    with pytest.raises(InputError, match="one has pixels and the other none"):
        open_inputs(sources, [files["first"], tmp_path / "hits.root"])


def test_files_that_cannot_be_opened_are_named_beside_the_others(files, sources, tmp_path):
    (tmp_path / "bad.root").write_bytes(b"no ROOT file")
    opened, failed = open_inputs(sources, [tmp_path / "bad.root", files["first"]])
    assert [f.path for f in opened] == [files["first"]]
    assert list(failed) == [str(tmp_path / "bad.root")]
    with pytest.raises(InputError, match=r"bad\.root: not a readable ROOT file"):
        open_inputs(sources, [tmp_path / "bad.root"])
    with pytest.raises(InputError, match=r"none of the 2 files can be used; the first: .*bad"):
        open_inputs(sources, [tmp_path / "bad.root", tmp_path / "missing.root"])
