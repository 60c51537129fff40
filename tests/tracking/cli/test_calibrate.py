"""``smartpix calibrate`` from the command line."""

import json

import pytest

from smartpix.estimate.mdn import MdnNetwork
from tracking.cli.main import main


def test_calibrate_writes_weights_that_run(mdn_weights, bench_file, tmp_path, capsys):
    output = tmp_path / "w.safetensors"
    arguments = [
        "calibrate",
        mdn_weights["columns"],
        bench_file,
        "-o",
        output,
        "--noise",
        80,
        "--threshold",
        500,
    ]
    assert main([*map(str, arguments), "--bits", "4", "--json"]) == 0
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert out.count("\n") == 1
    assert "\ncalibrated on " in err
    assert (
        "trained with noise 50 e, threshold 300 e, calibrated with noise 80 e, threshold 500 e; pulls" in err
    )
    network = MdnNetwork.load(str(output))
    assert (
        network.description["calibrated_on"]["readout"] | {"noise": 80.0, "threshold": 500.0, "adc_bits": 4}
        == (network.description["calibrated_on"]["readout"])
    )
    assert told["n"] > 0
    assert network.description["metrics"]["coverage68"] == told["coverage68"]


def test_unknown_weights_are_one_line(bench_file, tmp_path, capsys):
    assert main(["calibrate", "mdn-none", str(bench_file), "-o", str(tmp_path / "w.safetensors")]) != 0
    err = capsys.readouterr().err
    assert "mdn-none" in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("weights", ["deepcore", "gnn"])
def test_weights_with_nothing_to_calibrate_are_refused(weights, bench_file, tmp_path, capsys):
    assert main(["calibrate", weights, str(bench_file), "-o", str(tmp_path / "w.safetensors")]) == 1
    assert "give those of smartpix train mdn, count or mixture" in capsys.readouterr().err
