"""The estimates as an ONNX graph in onnxruntime, against our own on the embedded sample's clusters."""

import contextlib
import dataclasses
import importlib.util
import io
import json

import awkward as ak
import numpy as np
import pytest
import torch

from smartpix.calibration import nothing_known
from smartpix.estimate.base import estimate
from smartpix.estimate.choose import choose_estimator
from smartpix.estimate.mdn import MdnEstimator, MdnNetwork
from smartpix.export import calibrator_check
from smartpix.export.calibrator import INPUTS, OUTPUTS, calibrator_inputs, export_calibrator
from smartpix.export.calibrator_acts import N_CELLS, N_INPUTS, SIDE, export_acts_calibrator
from smartpix.export.calibrator_check import LARGEST, compare_calibrator
from smartpix.io.events import iterate, open_events
from smartpix.io.write import write_events
from smartpix.networks.modules import build
from smartpix.networks.options import NetworkOptions
from smartpix.schema import TARGET_SCALE, InputError
from smartpix.shipped import data_path
from smartpix.shots import shoot
from tests.helpers import REPOSITORY
from tracking.cli.main import main

pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")
SAMPLE = data_path("sample.root")


@pytest.fixture(scope="module")
def header():
    return open_events(SAMPLE).header


@pytest.fixture(scope="module")
def estimator(header):
    return choose_estimator(header, "mdn")


@pytest.fixture(scope="module")
def clusters():
    """Of one event."""
    return next(iterate(SAMPLE, step=1))[1]["clusters"][0]


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What the command says of a graph that it writes and checks."""
    path, out = tmp_path_factory.mktemp("calibrator") / "mdn.onnx", io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main(["export", "calibrator", "-o", str(path), "--check", str(SAMPLE), "--json"]) == 0
    return json.loads(out.getvalue())


@pytest.fixture(scope="module")
def graph(told):
    return told["file"]


def run(path, inputs):
    return runtime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, inputs)


def random_networks(kind, n_slices, estimator):
    """Networks with fresh weights and the finish of the shipped ones."""
    torch.manual_seed(5)
    networks = {}
    for region, network in estimator.networks.items():
        options = NetworkOptions(kind, n_slices=n_slices)
        arrays = {name: values.numpy() for name, values in build(options).state_dict().items()}
        known = {**network.description, "network": dataclasses.asdict(options), "slices": [19, 2][:n_slices]}
        networks[region] = MdnNetwork.from_arrays(arrays, known, kind)
    return MdnEstimator(networks)


def test_the_graph_gives_our_estimates(told, graph):
    found = told["check"]
    assert found["clusters"] == 10_000
    assert found["flags_differ"] == 0
    assert max(found[name] for name in ("mean", "sigma", "covariance")) < LARGEST == 1e-4
    session = runtime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    assert [i.name for i in session.get_inputs()] == list(INPUTS)
    assert [o.name for o in session.get_outputs()] == list(OUTPUTS)
    known = session.get_modelmeta().custom_metadata_map
    assert json.loads(known["slices"]) == told["slices"] == [2, 19]
    assert json.loads(known["weights"])["barrel"]["name"] == "mdn-barrel"


def test_another_network_and_a_calibration_go_along(clusters, estimator, header, tmp_path):
    rng = np.random.default_rng(3)
    plain = nothing_known(header.detector)
    known = dataclasses.replace(
        plain, charge_scale=1.3, bias=rng.normal(0, 0.01, plain.bias.shape),
        scale=rng.uniform(0.5, 2, plain.scale.shape), position_error=rng.uniform(0, 0.01, plain.position_error.shape),
    )  # fmt: skip
    calibrated, networks = header.calibrated(known), random_networks("conv", 2, estimator)
    export_calibrator(networks, calibrated, tmp_path / "f.onnx")
    some = clusters[:2000]
    mean, covariance, flagged = run(tmp_path / "f.onnx", calibrator_inputs(some, calibrated, networks.slices))
    ours = estimate(some, calibrated, networks)
    assert (np.abs(mean - ours.mean) / ours.sigma()).max() < LARGEST
    np.testing.assert_allclose(covariance, ours.covariance(), rtol=1e-3, atol=1e-9)
    assert flagged.tolist() == ours.flagged.tolist()
    without = estimate(some, header, networks)
    assert (np.abs(without.mean - ours.mean) / ours.sigma()).max() > 0.1


def test_truncated_long_and_unreadable_clusters_are_as_ours(graph, clusters, estimator, header):
    inputs = calibrator_inputs(clusters, header, estimator.slices)
    columns = inputs["extent"][:, 1]
    chosen = np.unique([*np.flatnonzero(columns > 21)[:5], *np.flatnonzero(inputs["truncated"])[:5], 0, 1])
    assert np.any(columns[chosen] > 21)
    assert np.any(inputs["truncated"][chosen])
    some = {name: values[chosen].copy() for name, values in inputs.items()}
    some["charges"][0, 1, 6, 10] = np.nan
    mean, covariance, flagged = run(graph, some)
    ours = estimate(clusters[chosen], header, estimator)
    assert (np.abs(mean - ours.mean) / ours.sigma())[1:].max() < LARGEST
    np.testing.assert_allclose(covariance[1:], ours.covariance()[1:], rtol=1e-3, atol=1e-9)
    assert flagged[1:].tolist() == ours.flagged[1:].tolist()
    # Nothing is known of a charge that is no number: as wide as can be, and nowhere else.
    assert flagged[0]
    assert np.all(np.isfinite(mean[0]))
    assert mean[0, 2:].tolist() == [0, 0]
    np.testing.assert_allclose(np.sqrt(covariance[0]), 3 * np.diag(TARGET_SCALE))


def test_a_difference_is_an_error(graph, estimator, header, monkeypatch):
    monkeypatch.setattr(calibrator_check, "LARGEST", 1e-9)
    with pytest.raises(InputError, match="differs from our estimates by"):
        compare_calibrator(graph, SAMPLE, estimator, header, most=500)


def test_what_cannot_be_exported_is_told(estimator, header, tmp_path):
    turned = dataclasses.replace(header, field=-header.field)
    with pytest.raises(InputError, match="opposite sign, where clusters are mirror images"):
        export_calibrator(estimator, turned, tmp_path / "f.onnx")
    with pytest.raises(InputError, match="no network's"):
        export_calibrator(choose_estimator(header, "positions"), header, tmp_path / "f.onnx")
    with pytest.raises(InputError, match="of whole numbers"):
        export_calibrator(choose_estimator(header, "quantised"), header, tmp_path / "f.onnx")
    with pytest.raises(InputError, match="these networks see 2 slices; leave out --layout acts"):
        export_acts_calibrator(estimator, header, tmp_path / "f.onnx")
    assert list(tmp_path.iterdir()) == []


def acts_row(pixels, module, header):
    """A row of ACTS's NeuralCalibrator by its own steps, cell by cell; None: the cluster is larger than the
    matrix. Cells are numbered along the table's u and v axes.
    """
    detector = header.detector
    u, v = detector.u_sign[module], detector.v_sign[module]
    cells = [
        (p["row"] if u > 0 else detector.n_rows[module] - 1 - p["row"],
         p["column"] if v > 0 else detector.n_columns[module] - 1 - p["column"], p["charge_19"])
        for p in pixels
    ]  # fmt: skip
    total = sum(q for *_, q in cells)
    centre = [sum(cell[k] * cell[2] / total for cell in cells) for k in (0, 1)]
    offset = [int(c) - SIDE // 2 for c in centre]
    row = np.zeros(N_INPUTS)
    for i, j, q in cells:
        i, j = i - offset[0], j - offset[1]
        if not (0 <= i < SIDE and 0 <= j < SIDE):
            return None
        row[i * SIDE + j] = q
    pitch, half = (detector.pitch_y, detector.pitch_x), (detector.half_y, detector.half_x)
    local = [(centre[k] + 0.5) * pitch[k][module] - half[k][module] for k in (0, 1)]
    ids = [detector.columns[name][module] for name in ("volume_id", "layer_id")]
    row[N_CELLS:] = [*ids, 0.3, 0.2, *local, 1e-4, 1e-3]
    return row


def test_rows_of_acts_give_our_estimates_in_its_frame(clusters, estimator, header, tmp_path):
    network = random_networks("columns", 1, estimator)
    assert export_acts_calibrator(network, header, tmp_path / "acts.onnx")["slices"] == [19]
    some = clusters[~clusters["truncated"]]
    barrel = header.detector.barrel[ak.to_numpy(some["module_index"])]
    some = some[np.concatenate([np.flatnonzero(barrel)[:600], np.flatnonzero(~barrel)[:300]])]
    module = ak.to_numpy(some["module_index"])
    pixels = [[p for p in c if p["charge_19"] > 0] for c in ak.to_list(some["pixels"])]
    rows = [acts_row(p, m, header) if p else None for p, m in zip(pixels, module, strict=True)]
    # Where a pixel is below the threshold in this slice, ours has a larger box than ACTS can know.
    whole = [len(p) == len(c) for p, c in zip(pixels, ak.to_list(some["pixels"]), strict=True)]
    fits = np.array([row is not None and ok for row, ok in zip(rows, whole, strict=True)])
    assert fits.sum() > 200
    assert {bool(b) for b in header.detector.barrel[module[fits]]} == {True, False}
    given = np.array([row for row, ok in zip(rows, fits, strict=True) if ok], dtype=np.float32)
    (found,) = run(tmp_path / "acts.onnx", {"measurement": given})
    ours = estimate(some[fits], header, network)
    sign = np.stack([header.detector.u_sign, header.detector.v_sign], axis=1)[module[fits]]
    sigma = ours.sigma()[:, [1, 0]]
    assert found.shape == (len(given), 5)
    assert np.all(found[:, 0] == 1)
    # Single precision, as ACTS takes it, is 2 nm at the end of a module.
    assert (np.abs(found[:, 1:3] - sign * ours.mean[:, [1, 0]]) / sigma).max() < 2e-3
    np.testing.assert_allclose(found[:, 3:], sigma**2, rtol=1e-3)
    other = given[:1].copy()
    other[0, N_CELLS] = 99
    (kept,) = run(tmp_path / "acts.onnx", {"measurement": other})
    np.testing.assert_array_equal(kept[0, 1:], other[0, N_CELLS + 4 :])


def test_the_example_makes_the_inputs_by_itself_and_pulls_are_of_unit_size(graph, clusters, header, capsys):
    spec = importlib.util.spec_from_file_location("example", REPOSITORY / "examples" / "onnx_calibrator.py")
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    by_hand, ours = (
        example.inputs_of(ak.to_list(clusters[:300]), (2, 19)),
        calibrator_inputs(clusters[:300], header, (2, 19)),
    )
    for name in INPUTS:
        np.testing.assert_allclose(by_hand[name], ours[name], rtol=1e-6)
    result = example.main([graph, str(SAMPLE), "--json"])
    assert json.loads(capsys.readouterr().out) == result
    assert result["clusters"] == len(clusters)
    assert all(0.55 < share < 0.85 for share in result["within_one_sigma"].values())


def test_the_command_tells_what_is_missing(tmp_path, capsys):
    other = tmp_path / "other.root"
    shot = shoot("telescope", 100.0, 5.0)
    write_events(other, shot.header, [shot.events])
    graph = tmp_path / "c.onnx"
    for words, text in (
        (["-o", str(other), "--file", str(other)], "end its name in .onnx"),
        (["-o", str(graph), "--check", str(other)], "has another detector than"),
        ([], "nothing to write"),
        (["--table", str(tmp_path / "t.txt")], "end its name in"),
        (["--table", str(tmp_path / "t.csv"), "--check", str(SAMPLE)], "compares the full graph of -o"),
    ):
        assert main(["export", "calibrator", *words]) == 1
        assert text in capsys.readouterr().err
    assert not graph.exists()
    assert open_events(other).n_events == 1
