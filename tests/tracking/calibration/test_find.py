"""The calibration of the embedded sample: from Python, from the command line, and in a run."""

import json
from dataclasses import replace

import numpy as np
import pytest

from smartpix.calibration import displaced, read_calibration
from smartpix.io.events import iterate, open_events
from smartpix.io.write import write_events
from smartpix.schema import InputError
from smartpix.shipped import data_path
from tests.fields import falling_solenoid
from tracking.calibration.find import calibration_of_files, find_calibration
from tracking.calibration.options import CalibrateOptions
from tracking.chain import Chain
from tracking.cli.main import main
from tracking.options import RunOptions

SHIFT = 0.2
"""mm along the beam by which one layer lies off in the table."""


@pytest.fixture(scope="module")
def header():
    return open_events(data_path("sample.root")).header


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Where the command writes a calibration."""
    return tmp_path_factory.mktemp("calibration") / "c.json"


@pytest.fixture(scope="module")
def records():
    return [part[0] for _, part in iterate(data_path("sample.root"), step=1, stop=3)]


def test_the_sample_that_is_the_reference_needs_no_calibration(written, header, capsys):
    arguments = [
        "calibrate",
        "--from-tracks",
        str(data_path("sample.root")),
        "-o",
        str(written),
        "--passes",
        "1",
    ]
    assert main([*arguments, "--keep-modules", "--json"]) == 0
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert out.count("\n") == 1
    assert "pass 1 of 1" in err
    assert told["charge_scale"] == pytest.approx(1.0, abs=1e-9)
    found = read_calibration(written, header.detector)
    assert not found.moves
    np.testing.assert_allclose(found.bias, 0, atol=1e-7)
    np.testing.assert_allclose(found.scale, 1, atol=1e-7)
    chain = Chain.for_header(header, RunOptions(calibration=str(written)))
    assert chain.header.calibration.charge_scale == pytest.approx(told["charge_scale"])
    np.testing.assert_array_equal(chain.header.calibration.bias, found.bias)


def test_a_layer_that_lies_elsewhere_is_put_back(header, records):
    """The second of the barrel's, along the beam; the mean of all layers stays."""
    layer = int(np.flatnonzero(header.detector.layers.barrel)[1])
    off = np.where(header.detector.layer_index == layer, SHIFT, 0.0)
    shift = np.stack([off, 0 * off, 0 * off], axis=1)
    moved = replace(header, detector=displaced(header.detector, shift, 0 * shift))
    chain = Chain.for_header(moved, RunOptions())
    options = CalibrateOptions(passes=2, steps=6, module_hits=1_000_000)
    found = find_calibration(chain, records, options, None)
    along = found.calibration.shift[:, 0]
    of_layer = header.detector.layer_index == layer
    barrel = header.detector.barrel
    others = along[barrel & ~of_layer].mean()
    assert along[of_layer].mean() - others == pytest.approx(-SHIFT, rel=0.2)


def test_what_cannot_be_is_refused(header, records, tmp_path):
    sample = data_path("sample.root")
    with pytest.raises(InputError, match="option 'calibration' is set"):
        calibration_of_files([sample], RunOptions(calibration="c.json"), CalibrateOptions())
    with pytest.raises(InputError, match="good tracks in 1 events and at least 100 are needed"):
        find_calibration(
            Chain.for_header(header, RunOptions()), records[:1], CalibrateOptions(min_pt=5.0), None
        )
    with pytest.raises(InputError, match="tell neither slope nor charge"):
        calibration_of_files([sample], RunOptions(estimates="positions"), CalibrateOptions())
    empty = tmp_path / "empty.root"
    write_events(empty, header, [])
    with pytest.raises(InputError, match="has no events to calibrate from"):
        calibration_of_files([empty], RunOptions(), CalibrateOptions())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["mdn-barrel"], "expected WEIGHTS and event files"),
        (["mdn-barrel", "f.root", "--passes", "2"], "are for --from-tracks"),
        (["--from-tracks", "none.root", "--noise", "50"], "is not for --from-tracks"),
        (["--from-tracks", "none.root"], "none.root"),
        (["--from-tracks", "none.root", "--passes", "0"], "passes must be from 1 to 20"),
    ],
)
def test_wrong_arguments_are_one_line(arguments, words, tmp_path, capsys):
    assert main(["calibrate", *arguments, "-o", str(tmp_path / "c.json")]) == 1
    err = capsys.readouterr().err
    assert words in err
    assert len(err.splitlines()) == 1


def test_a_table_of_the_field_is_refused(header, tmp_path):
    path = tmp_path / "falling.root"
    ((_, events),) = iterate(data_path("sample.root"), step=1, stop=1)
    write_events(path, replace(header, field_map=falling_solenoid(header.field)), [events])
    with pytest.raises(InputError, match="has a table of the field"):
        calibration_of_files([path], RunOptions(), CalibrateOptions())
