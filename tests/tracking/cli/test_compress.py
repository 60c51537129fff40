"""``smartpix compress``, ``export`` and ``bench export`` from the command line, on small data."""

import json

import numpy as np
import pytest

from smartpix.chip.fixed_point import adc_codes, evaluate
from smartpix.estimate.mdn import MdnNetwork
from smartpix.export.clusters import bench_codes, load_fixed
from smartpix.io.parquet import write_clusters
from smartpix.networks.weights import load_weights, save_weights
from smartpix.samples import Reading, load_samples
from smartpix.schema import InputError
from smartpix.simulate.datasets import DatasetOptions, simulate_dataset
from smartpix.simulate.readout import ReadoutOptions
from tests.left_out import needs
from tests.programs import bare_path
from tests.tracking.cli.command_line import refused
from tracking.bench import export as bench
from tracking.bench.export import bench_export, export_table, ratios
from tracking.bench.front import front_of, front_study
from tracking.cli.main import main

QUICK = ("--region", "barrel", "--epochs", 2, "--batch-size", 256)
needs_compiler = needs("g++")


def widths(network):
    return network.plan.filters, network.plan.hidden


@pytest.fixture
def compress(capsys, tmp_path, bench_file):
    """Runs ``smartpix compress`` on a small data set: exit code, stdout, stderr."""

    def call(*arguments, file=bench_file, output="w.safetensors"):
        code = main(
            ["compress", str(file), *map(str, QUICK), *map(str, arguments), "-o", str(tmp_path / output)]
        )
        return (code, *capsys.readouterr())

    return call


@pytest.fixture(scope="module")
def small(tmp_path_factory, bench_file):
    """A small quantised network, trained for two epochs."""
    path = tmp_path_factory.mktemp("small") / "small.safetensors"
    arguments = ["--network", "mlp", "--hidden", "6", "5", "--activation", "relu", "-o", str(path)]
    assert main(["compress", str(bench_file), *map(str, QUICK), *arguments]) == 0
    return path


def test_what_it_writes_is_the_network_of_whole_numbers(small, bench_file):
    network, description = load_fixed(small)
    assert description["architecture"] == "fixed-mlp"
    assert widths(network) == ((0, 0), (6, 5))
    assert network.parameters == description["metrics"]["parameters"] == 68 * 6 + 6 + 35 + 14 * 6
    assert description["metrics"]["nonzero_weights"] == network.nonzero_weights
    samples = load_samples([bench_file], "barrel", Reading(readout=ReadoutOptions(50.0, 300.0, adc_bits=0)))
    mean, cholesky = MdnNetwork.load(str(small)).predict_images(samples.images)
    raw = evaluate(network, adc_codes(samples.images, network.edges)) / 2.0**11
    assert np.isfinite(mean).all()
    assert (np.diagonal(cholesky, axis1=1, axis2=2) > 0).all()
    assert len(description["output_range"]) == 14
    # On the link: the outputs' own range in so many bits.
    low, high = np.array(description["output_range"]).T
    assert ((raw < low) | (raw > high)).mean() < 0.01
    coarse, _ = MdnNetwork.load(str(small)).on_link(12).predict_images(samples.images)
    assert 0 < np.abs(coarse - mean).max() < 1


def test_constraint_targets_and_history(compress, tmp_path):
    code, out, err = compress(
        "--network", "mlp", "--method", "mdmm", "--target", 0.6, "--rate", 0.5, "--json"
    )
    assert code == 0
    told = json.loads(out)
    assert [set(epoch) for epoch in told["by_epoch"]] == [{"zeros", "multipliers"}] * 2
    assert told["by_epoch"][0]["multipliers"] != [0.0]
    assert told["by_epoch"][1]["zeros"]["all"] == pytest.approx(told["zeros"]["all"], abs=1e-4)
    assert "zeros" in err
    _, description = load_fixed(tmp_path / "w.safetensors")
    assert description["options"]["compress"] == {
        "method": "mdmm", "target": 0.6, "scope": "global", "surrogate": "step", "strength": 1e-3,
        "damping": 800.0, "rate": 0.5,
        "approach": 0.4, "keep_zeros": False,
    }  # fmt: skip


def test_it_goes_on_from_quantised_weights_with_their_widths(compress, small, tmp_path):
    assert compress("--from", small, "--keep-zeros", "--method", "mdmm")[0] == 0
    before, after = load_fixed(small)[0], load_fixed(tmp_path / "w.safetensors")[0]
    assert widths(after) == widths(before)
    for layer in before.layers:
        assert not np.any(after.weights[layer][before.weights[layer] == 0])
    assert after.nonzero_weights > 0


def with_zeros(weights, where, path):
    """A copy of quantised weights with zeros at some places of some arrays."""
    arrays, description = load_weights(weights, "fixed-mlp")
    arrays = {k: v.copy() for k, v in arrays.items()}
    for name, at in where.items():
        arrays[name][at] = 0
    save_weights(path, arrays, description)
    return path


def test_shrinking_takes_dead_units_out(compress, small, tmp_path):
    path = with_zeros(
        small, {"dense1.weight": np.s_[:2], "dense3.weight": np.s_[:, 1]}, tmp_path / "dead.safetensors"
    )
    assert compress("--from", path, "--shrink")[0] == 0
    assert widths(load_fixed(tmp_path / "w.safetensors")[0]) == ((0, 0), (4, 4))


def test_it_starts_from_a_float_network(compress, tmp_path):
    assert compress("--network", "conv", "--from", "mdn-2s-conv-2t-4bit", "--learning-rate", 1e-6)[0] == 0
    network, told = load_fixed(tmp_path / "w.safetensors")
    assert told["start"] == "mdn-2s-conv-2t-4bit"
    # Hardly moved: half a step of the 8-bit weights at most.
    weight = load_weights("mdn-2s-conv-2t-4bit", "mdn-conv")[0]["mix.weight"][:, :, 0, 0]
    whole = network.weights["mix"] * 2.0 ** -network.formats["mix"].fraction
    assert np.abs(whole - weight).max() <= 0.01 * np.abs(weight).max()


def test_a_teacher_is_listened_to(compress, tmp_path, bench_file):
    arguments = ("--network", "mlp", "--teacher", "mdn-2s-columns-2t-float", "--lesson", 0.9)
    assert compress(*arguments, output="taught.safetensors")[0] == 0
    assert compress("--network", "mlp", output="alone.safetensors")[0] == 0
    taught, alone = (load_fixed(tmp_path / f"{name}.safetensors")[1] for name in ("taught", "alone"))
    assert (taught["teacher"], alone["teacher"]) == ("mdn-2s-columns-2t-float", None)
    assert taught["metrics"]["history"] != alone["metrics"]["history"]
    words = "cannot teach barrel clusters of 50 x 12.5 x 100 µm in 3.8 T; give a float network"
    refused(compress("--network", "mlp", "--teacher", "mdn-endcap"), words)
    refused(
        compress("--network", "mlp", "--teacher", str(tmp_path / "alone.safetensors")), "give a float network"
    )


def test_bits_have_a_price(compress, tmp_path):
    bits = {}
    for price in (1e-6, 1e3):
        arguments = (
            "--network",
            "mlp",
            "--method",
            "bits",
            "--strength",
            price,
            "--learning-rate",
            0.05,
            "--free",
            0,
            "--epochs",
            8,
        )
        assert compress(*arguments, output=f"{price}.safetensors")[0] == 0
        network, description = load_fixed(tmp_path / f"{price}.safetensors")
        assert description["network"]["learn_bits"]
        whole = np.concatenate([w.ravel() for w in network.weights.values()])
        # From the highest to the lowest bit that is set.
        bits[price] = sum(
            abs(int(k)).bit_length() - ((int(k) & -int(k)).bit_length() - 1) for k in whole if k
        )
    assert bits[1e3] < 0.99 * bits[1e-6]


def test_two_bits_with_learned_edges(compress, tmp_path):
    arguments = ("--network", "mlp", "--data-bits", 2, "--threshold", 340, "--adc-max", 3600, "--learn-edges")
    assert compress(*arguments)[0] == 0
    network, _ = load_fixed(tmp_path / "w.safetensors")
    start = 340 * (3600 / 340) ** (np.arange(3) / 3)
    assert network.edges.shape == (3,)
    assert 0 < np.abs(network.edges - start).max() < 500
    assert network.input.bits == 2


def test_wrong_use_is_refused(compress, small, bench_file, capsys):
    refused(compress("--shrink"), "--shrink takes dead units out of quantised weights")
    refused(compress("--network", "cnv"), "Did you mean 'conv'")
    refused(compress("--method", "mdm"), "method must be one of")
    refused(
        compress("--network", "columns", "--from", small), "holds a network 'mlp' and 'columns' was asked for"
    )
    refused(compress("--from", small, "--hidden", 9, 9), "was asked for; ask for its widths")
    refused(compress("--learn-edges"), "--data-bits 2")
    refused(compress("--target", 0.5), "--target is for --method bdmm or mdmm, and the method is none")
    refused(compress("--lesson", 0.5), "give one with --teacher")
    refused(compress("--keep-zeros"), "keep_zeros needs quantised weights")
    refused(compress("--free", 1.0), "free must be at least 0 and below 1")
    code = main(["run", "--estimates", "mdn", "--link-bits", "8"])
    refused((code, *capsys.readouterr()), "which no chip sends; use quantised")


@needs_compiler
def test_export_writes_a_project_and_proves_it(small, tmp_path, capsys, bench_file):
    folder = tmp_path / "chip"
    arguments = [
        "export",
        str(small),
        "-o",
        str(folder),
        "--clusters",
        "60",
        "--file",
        str(bench_file),
        "--json",
    ]
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert (told["csim_mismatches"], told["n_clusters"], told["backend"]) == (0, 60, "vitis")
    assert json.loads((folder / "report.json").read_text()) == told
    assert (folder / "hls" / "firmware" / "smartpix.cpp").is_file()
    assert "C simulation" in err


def test_export_refuses_what_it_cannot_do(small, tmp_path, capsys):
    def export(*arguments):
        code = main(["export", *map(str, arguments), "-o", str(tmp_path / "chip")])
        return (code, *capsys.readouterr())

    refused(export("mdn-barrel"), "holds weights of 'mdn-columns'")
    refused(export(small, "--backend", "vitiss"), "Did you mean 'vitis'")
    refused(export(small, "--clusters", 0), "clusters must be at least 1")
    refused(export(small, "--reloadable"), "give both")
    refused(export(small, "--rtl", "--reload", small), "give both")
    refused(export(small, "--rtl", "--reloadable", "--load-bits", 0), "load_bits must be")
    refused(export("trigger-fixed", "--rtl", "--reloadable"), "the trigger's weights are in the wiring")
    refused(export("trigger", "--rtl"), "is in floating point, and logic needs whole numbers")
    refused(export("gnn", "--rtl"), "this graph network is too large for logic")
    assert not (tmp_path / "chip").exists()
    (tmp_path / "chip").write_text("mine")
    refused(export(small, "--clusters", 5), "is a file")


def test_codes_of_the_bench_are_the_networks(small, bench_file):
    network, description = load_fixed(small)
    codes = bench_codes(network, description, 200, bench_file)
    assert codes.shape == (200, 2, 13, 21)
    assert codes.min() >= -4
    assert codes.max() <= 11
    simulated = bench_codes(network, description, 50)
    np.testing.assert_array_equal(simulated, bench_codes(network, description, 50))
    with pytest.raises(
        InputError, match=r"no sensor type is like the network's 70 x 12\.5 x 100 µm in 3\.8 T; give"
    ):
        bench_codes(network, {**description, "sensor": {**description["sensor"], "pitch_x": 0.07}}, 50)


def test_clusters_of_another_sensor_are_refused(small, tmp_path):
    from smartpix.simulate.datasets import SENSOR_TYPES

    options = DatasetOptions(sensor=SENSOR_TYPES[5])
    path = tmp_path / "other.parquet"
    write_clusters(path, simulate_dataset(options, 30, 1), {}, options.described())
    network, description = load_fixed(small)
    with pytest.raises(
        InputError,
        match=r"other\.parquet: is of the sensor [\d.x ]+ µm in 3\.8 T, and the network is for 50 x 12",
    ):
        bench_codes(network, description, 20, path)


@pytest.fixture
def with_small(monkeypatch, small):
    monkeypatch.setattr(bench, "NETWORKS", {"talk": str(small), "smallest": str(small)})


OF_VERILOG = {
    "verilator": ("rtl_mismatches",),
    "yosys": ("luts", "ffs", "cell_area_mm2"),
    "sta": ("longest_path_ns", "fmax_mhz"),
}
"""What a tool finds, by the tool's name."""


@needs("g++")
def test_bench_export_has_the_promised_keys_and_names_what_is_missing(with_small, monkeypatch, tmp_path):
    # Whatever this machine has: a compiler, and nothing for Verilog. The rest goes on.
    monkeypatch.setenv("PATH", bare_path(tmp_path)["PATH"])
    result = bench_export(["smallest"], 1000, 50, 40)
    facts = result["smallest"]
    assert set(facts) >= {
        "csim_mismatches", "rtl_mismatches", "luts", "ffs", "cell_area_mm2", "latency_cycles", "ii_cycles",
        "parameters",
        "nonzero_weights", "hw68_ratio_to_float",
    }  # fmt: skip
    assert facts["csim_mismatches"] == 0
    assert facts["hls"]["stream"]["n_clusters"] == 50
    assert {facts[name] for names in OF_VERILOG.values() for name in names} == {None}
    # The library of cells is a file, which no PATH hides.
    assert set(facts["missing"]) - {"liberty"} == set(OF_VERILOG)
    assert set(facts["hw68_ratio_to_float"]) == {
        "x_um",
        "y_um",
        "alpha_deg",
        "beta_deg",
        "cot_alpha",
        "cot_beta",
    }
    assert facts["clusters_per_second"] > 0
    assert facts["hw68_ratio_to_float"]["x_um"] == pytest.approx(
        facts["quality"]["half_width_68"]["x_um"] / result["float"]["quality"]["half_width_68"]["x_um"]
    )
    json.dumps(result)
    text = export_table(result)
    assert "rtl_mismatches" in text
    assert "verilator: 'verilator' was not found; on Debian: apt install verilator" in text
    with pytest.raises(InputError, match="Did you mean 'talk'"):
        bench_export(["talkk"])


@needs("g++", "verilator", "yosys", "opensta", "qflow-tech-osu018")
def test_bench_export_measures_the_verilog(small, monkeypatch, tmp_path):
    # Four sums of pixels are left, and two hidden numbers: logic that takes the tools seconds, not minutes.
    cut = {"dense1.weight": np.s_[:, 4:], "dense2.weight": np.s_[2:]}
    monkeypatch.setattr(
        bench, "NETWORKS", {"smallest": str(with_zeros(small, cut, tmp_path / "few.safetensors"))}
    )
    lines = []
    facts = bench_export(["smallest"], 1000, 20, 40, report=lines.append)["smallest"]
    assert facts["missing"] == {}
    assert facts["rtl_mismatches"] == facts["csim_mismatches"] == 0
    assert facts["rtl_clusters"] == 40
    for name in ("luts", "ffs", "cell_area_mm2", "longest_path_ns"):
        assert facts[name] > 0, name
    assert set(facts["versions"]) >= set(OF_VERILOG)
    assert "opensta: longest path" in lines


def test_ratios_are_of_half_widths():
    half = {"x_um": 2.0, "y_um": 3.0, "alpha_deg": 1.0, "beta_deg": 4.0, "cot_alpha": 0.1, "cot_beta": 0.2}
    other = {"half_width_68": {k: 2 * v for k, v in half.items()}}
    assert ratios({"half_width_68": half}, other) == dict.fromkeys(half, 0.5)


def test_the_front_is_what_nothing_beats():
    points = {"a": (10, 1.2), "b": (20, 1.3), "c": (30, 1.0), "d": (30, 1.1), "e": (5, 1.5)}
    networks = {k: {"da4ml_luts": luts, "worst": worst} for k, (luts, worst) in points.items()}
    assert front_of(networks) == ["e", "a", "c"]


def test_study_front(small, compress, tmp_path, capsys):
    compress("--from", small, "--method", "mdmm", "--rate", 0.5, output="pruned.safetensors")
    code = main(["study", "front", str(tmp_path / "pruned.safetensors"), "--base", str(small), "--clusters",
    "1000",
                 "-o", str(tmp_path / "out"), "--json"])  # fmt: skip
    told = json.loads(capsys.readouterr().out)
    assert code == 0
    assert set(told["networks"]) == {"small", "pruned"}
    assert told["networks"]["small"]["worst"] == 1.0
    assert set(told["networks"]["small"]["pull_sigma"]) == {"x", "y", "cot_alpha", "cot_beta"}
    pruned = told["networks"]["pruned"]
    assert pruned["da4ml_luts"] <= told["networks"]["small"]["da4ml_luts"] * 1.2
    assert sum(n for v, n in pruned["weights"]["dense1"].items() if float(v) == 0) == round(
        pruned["zeros"]["dense1"] * sum(pruned["weights"]["dense1"].values())
    )
    for name in ("front", "history-pruned", "weights-pruned"):
        assert (tmp_path / "out" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    # Of another kind than the base: its own weights alone.
    compress("--network", "columns", "--method", "mdmm", output="other.safetensors")
    plot = ["study", "front", str(tmp_path / "other.safetensors"), "--base", str(small), "--clusters", "1000"]
    assert main([*plot, "-o", str(tmp_path / "mixed")]) == 0
    assert "published areas" in capsys.readouterr().out
    assert (tmp_path / "mixed" / "weights-other.png").is_file()
    with pytest.raises(InputError, match="names in common"):
        front_study([str(small), str(tmp_path / "x" / "small.safetensors")], "fixed-2s-talk")


def test_another_adc_starts_with_edges_of_its_own(compress, tmp_path):
    assert compress("--from", "fixed-2s-talk", "--data-bits", 2, "--learn-edges")[0] == 0
    assert len(load_fixed(tmp_path / "w.safetensors")[0].edges) == 3
    # Positive edges of one's own may be learned with more bits.
    edges = [300, 500, 800, 1300, 2100, 3400, 5500]
    asked = ("--network", "mlp", "--data-bits", 3, "--learn-edges", "--set", f"network.edges={edges}")
    assert compress(*asked, output="three.safetensors")[0] == 0
    learned = load_fixed(tmp_path / "three.safetensors")[0].edges
    assert len(learned) == 7
    assert not np.array_equal(learned, edges)
    code, _, err = compress("--from", "fixed-2s-talk", "--learn-edges")
    assert code == 1
    assert "positive edges to begin with (--set network.edges), and it has 4 bits" in err


def test_a_missed_target_is_said(compress):
    _, _, err = compress("--network", "mlp", "--method", "mdmm", "--target", 0.9)
    assert "warning" in err
    assert "target was 0.9" in err
