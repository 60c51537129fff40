"""The command line: conversion of the files of others."""

import json

import pytest

from tests.smartpix.convert.trackml_files import write_event
from tests.tracking.cli.command_line import refused
from tracking.cli.main import main


def test_convert_of_a_missing_folder_is_one_line_and_code_1(capsys, tmp_path):
    code = main(["convert", "trackml", str(tmp_path / "missing"), "-o", str(tmp_path / "e.root")])
    refused((code, *capsys.readouterr()), "missing")


@pytest.mark.parametrize("kind", [[], ["trackml"]])
def test_convert_says_what_it_found(capsys, tmp_path, kind):
    folder = write_event(tmp_path / "events")
    assert (
        main(["convert", *kind, str(folder), "-o", str(tmp_path / "e.root"), "--format", "rntuple", "--json"])
        == 0
    )
    out, err = capsys.readouterr()
    assert err == f"found {folder}: TrackML events (CSV), 1 of them\n"
    assert out.count("\n") == 1
    told = json.loads(out)
    assert told == {
        "file": str(tmp_path / "e.root"), "kind": "trackml", "source": str(folder), "n_events": 1,
        "n_hits": 5, "n_left_out": 1,
        "n_cells_unused": 0, "n_truth_unused": 0, "n_hits_without_truth": 0, "truth": True,
        "cells": True, "particles": True,
        "n_modules": 5, "field_T": 2.0, "container": "rntuple",
    }  # fmt: skip
    refused(
        (main(["convert", "acts-csv", str(folder), "-o", str(tmp_path / "x.root")]), *capsys.readouterr()),
        "event*-measurements.csv",
        "asked for",
    )
    refused(
        (main(["convert", "a", "b", "c", "-o", str(tmp_path / "x.root")]), *capsys.readouterr()), "one input"
    )


@pytest.mark.parametrize(
    "inputs", [("s1.root", "s2.root"), ("trackml", "a", "b"), ("ev/a", "ev/b"), ("there", "x")]
)
def test_convert_of_two_inputs_says_that_it_takes_one(capsys, tmp_path, monkeypatch, inputs):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    code = main(["convert", *inputs, "-o", "e.root"])
    refused((code, *capsys.readouterr()), "takes one input", "these are 2", inputs[1], "an output of its own")
    # What is no path is a format that is mistyped.
    refused(
        (main(["convert", "track-ml", "x", "-o", "e.root"]), *capsys.readouterr()), "Did you mean 'trackml'"
    )


def test_convert_warns_of_rows_without_a_partner_and_of_no_hits(capsys, tmp_path):
    folder, output = write_event(tmp_path / "events"), str(tmp_path / "e.root")
    hits = folder / "event000000001-hits.csv"
    head, _, *rest = hits.read_text().splitlines()
    hits.write_text("\n".join([head, *rest]) + "\n")
    assert main(["convert", str(folder), "-o", output, "--json"]) == 0
    _, warning = capsys.readouterr().err.splitlines()
    assert warning.startswith(
        "warning: 2 cells of no hit, 1 truth rows of no hit; this is right where rows were filtered"
    )
    hits.write_text(head + "\n")
    assert main(["convert", str(folder), "-o", output, "--json"]) == 0
    _, unmatched, nothing = capsys.readouterr().err.splitlines()
    assert "10 cells of no hit" in unmatched
    assert nothing == "warning: none of the 1 events has a hit in the volumes of the detector table"
