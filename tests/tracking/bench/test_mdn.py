"""The benchmark of the estimates' networks: its numbers, its published figures and its comparison with
torch.
"""

import dataclasses
import json

import numpy as np
import pytest
import torch

from smartpix.estimate.mdn import MdnNetwork
from smartpix.estimate.quality import quality
from smartpix.io.cluster_set import ClusterSet
from smartpix.io.parquet import write_clusters
from smartpix.networks.modules import build
from smartpix.networks.options import NetworkOptions
from smartpix.networks.plan import KINDS
from smartpix.networks.weights import load_weights
from smartpix.samples import from_clusters
from smartpix.schema import InputError
from smartpix.simulate.datasets import SENSOR_TYPES, DatasetOptions
from smartpix.simulate.readout import ReadoutOptions
from tests.helpers import SENSOR
from tests.smartpix.clusters import save_table
from tests.tracking.conftest import BENCH_READOUT
from tracking.bench import mdn as bench
from tracking.bench.clusters import TEST_SEED
from tracking.bench.mdn import VARIANTS, bench_mdn, mdn_table, network_speed

COLUMNS = {"x_um", "y_um", "alpha_deg", "beta_deg", "cot_alpha", "cot_beta"}
TARGETS = {"x", "y", "cot_alpha", "cot_beta"}


@pytest.fixture(scope="module")
def result(tiny_variants, bench_file):
    lines = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench, "VARIANTS", tiny_variants)
        patch.setattr(bench, "NETWORK_REPEATS", 2)
        found = bench_mdn(list(tiny_variants), 1000, bench_file, report=lines.append)
    assert len(lines) == len(tiny_variants)
    return found


def test_every_variant_has_the_promised_numbers(result, tiny_variants):
    assert list(result) == list(tiny_variants)
    for name, r in result.items():
        assert set(r["half_width_68"]) == set(r["standard_deviation"]) == COLUMNS
        assert set(r["pull_mean"]) == set(r["pull_sigma"]) == TARGETS
        numbers = [
            r[k]
            for k in (
                "nll",
                "coverage68",
                "coverage95",
                "clusters_per_second",
                "truncated",
                "estimates_per_second",
            )
        ]
        numbers += [
            *r["half_width_68"].values(),
            *r["standard_deviation"].values(),
            *r["pull_sigma"].values(),
            r["speedup"],
        ]
        assert np.all(np.isfinite(numbers))
        assert 0 < r["coverage68"] < r["coverage95"] <= 1
        assert r["clusters_per_second"] > 0
        assert r["torch_clusters_per_second"] > 0
        assert r["difference"] < 1e-5
        assert r["parameters"] == {"columns": 2178, "conv": 2029, "mlp": 2219}[name.split("-")[0]]
        assert r["slices"] == [0, 19]
        assert [b["low"] for b in r["by_abs_cot_alpha"]] == [0, 1, 2, 4, 6]
        assert all(set(b["half_width_68"]) == COLUMNS for b in r["by_abs_cot_alpha"])
        assert r["published"] == tiny_variants[name].published
    assert result["conv-tiny"]["published"]["name"] == "something"
    assert result["columns-tiny"]["readout"]["threshold"] == 300
    assert result["mlp-tiny"]["readout"] is None


def test_numbers_are_those_of_the_clusters_with_the_variants_readout(result, tiny_variants, clusters_2s):
    chosen = ClusterSet(
        clusters_2s.charge[:1000], {k: v[:1000] for k, v in clusters_2s.labels.items()}, clusters_2s.slices
    )
    for name, variant in tiny_variants.items():
        samples = from_clusters(chosen, variant.readout, SENSOR, {}, TEST_SEED)
        network = MdnNetwork.load(variant.weights)
        wanted = quality(
            *network.predict_images(samples.images, samples.truncated), samples.targets, samples.truncated
        )
        assert {k: result[name][k] for k in wanted} == wanted
        assert wanted["n"] + round(1000 * wanted["truncated"]) == 1000


def test_all_clusters_count_the_truncated_ones_as_well(result, tiny_variants, clusters_2s):
    chosen = ClusterSet(
        clusters_2s.charge[:1000], {k: v[:1000] for k, v in clusters_2s.labels.items()}, clusters_2s.slices
    )
    for name, variant in tiny_variants.items():
        samples = from_clusters(chosen, variant.readout, SENSOR, {}, TEST_SEED)
        assert samples.truncated.sum() > 5
        mean, _ = MdnNetwork.load(variant.weights).predict_images(samples.images)
        found = result[name]["all_clusters"]
        assert set(found) == {"n", "half_width_68", "standard_deviation"}
        assert found["n"] == 1000 > result[name]["n"]
        residual = samples.targets - mean
        assert found["half_width_68"]["x_um"] == pytest.approx(
            1e3 * np.percentile(np.abs(residual[:, 0]), 68.27), rel=1e-9
        )
        assert found["standard_deviation"]["cot_alpha"] == pytest.approx(np.std(residual[:, 2]), rel=1e-9)
        angles = [np.degrees(np.pi / 2 - np.arctan(cot[:, 3])) for cot in (samples.targets, mean)]
        assert found["half_width_68"]["beta_deg"] == pytest.approx(
            np.percentile(np.abs(angles[0] - angles[1]), 68.27), rel=1e-9
        )


def test_half_width_of_alpha_for_clusters_flat_in_cot_alpha_is_that_of_a_resampled_set(
    result, tiny_variants, clusters_2s
):
    chosen = ClusterSet(
        clusters_2s.charge[:1000], {k: v[:1000] for k, v in clusters_2s.labels.items()}, clusters_2s.slices
    )
    samples = from_clusters(chosen, BENCH_READOUT, SENSOR, {}, TEST_SEED)
    mean, _ = MdnNetwork.load(tiny_variants["columns-tiny"].weights).predict_images(samples.images)
    good = ~samples.truncated
    true, found = samples.targets[good, 2], mean[good, 2]
    residual = np.abs(np.degrees(np.arctan2(1, true)) - np.degrees(np.arctan2(1, found)))
    rng = np.random.default_rng(1)
    weight = np.sqrt(1 + true**2)
    drawn = rng.choice(len(true), 100_000, p=weight / weight.sum())
    assert result["columns-tiny"]["alpha_deg_flat_in_cot_alpha"] == pytest.approx(
        np.percentile(residual[drawn], 68.27), rel=0.03
    )
    # The weights make cot alpha flat.
    counts, _ = np.histogram(true[drawn], bins=6, range=(-6, 6))
    assert counts.max() / counts.min() < 1.5


def test_slices_are_found_by_their_numbers(tiny_variants, clusters_2s, tmp_path, monkeypatch, result):
    monkeypatch.setattr(bench, "VARIANTS", tiny_variants)
    monkeypatch.setattr(bench, "NETWORK_REPEATS", 1)
    noise = np.random.default_rng(1).normal(0, 900, (1000, 1, 13, 21)).round(1).astype(np.float32)
    charge = np.concatenate([clusters_2s.charge[:1000, 1:], noise, clusters_2s.charge[:1000, :1]], axis=1)
    labels = {k: v[:1000] for k, v in clusters_2s.labels.items()}
    write_clusters(tmp_path / "three.parquet", ClusterSet(charge, labels, (19, 7, 0)), {}, SENSOR)
    found = bench_mdn(["columns-tiny"], 1000, tmp_path / "three.parquet", report=lambda line: None)
    assert found["columns-tiny"]["half_width_68"] == result["columns-tiny"]["half_width_68"]


def test_data_set_without_the_networks_slices_is_refused(tiny_variants, clusters_2s, tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "VARIANTS", tiny_variants)
    labels = {k: v[:20] for k, v in clusters_2s.labels.items()}
    write_clusters(
        tmp_path / "other.parquet", ClusterSet(clusters_2s.charge[:20], labels, (0, 7)), {}, SENSOR
    )
    with pytest.raises(InputError, match=r"slice 19 is not there"):
        bench_mdn(["columns-tiny"], 1000, tmp_path / "other.parquet")


@pytest.fixture
def fifty(clusters_2s):
    return ClusterSet(clusters_2s.charge[:50], {k: v[:50] for k, v in clusters_2s.labels.items()}, (0, 19))


@pytest.mark.parametrize("change", [{"pitch_y": 0.025}, {"field": 2.0}])
def test_data_set_of_another_sensor_is_refused(tiny_variants, fifty, tmp_path, monkeypatch, change):
    monkeypatch.setattr(bench, "VARIANTS", tiny_variants)
    write_clusters(tmp_path / "other.parquet", fifty, {}, SENSOR | change)
    write_clusters(tmp_path / "bare.parquet", fifty, {})
    for name, given in (("other", None), ("bare", SENSOR | change), ("other", SENSOR | change)):
        words = rf"{name}\.parquet: is of the sensor [\d.x ]+ µm in [\d.]+ T, and the networks of this benchmark are for 50 x 12\.5"
        with pytest.raises(InputError, match=words):
            bench_mdn(
                ["columns-tiny"], 1000, tmp_path / f"{name}.parquet", report=lambda line: None, sensor=given
            )
    with pytest.raises(InputError, match=r"other\.parquet: is of the sensor .*leave out --type"):
        bench_mdn(["columns-tiny"], 1000, tmp_path / "other.parquet", report=lambda line: None, sensor=SENSOR)


def test_data_set_that_does_not_say_its_sensor_needs_it(tiny_variants, fifty, tmp_path, monkeypatch):
    """As the public files, which have neither metadata nor, some of them, midplane labels."""
    monkeypatch.setattr(bench, "VARIANTS", tiny_variants)
    monkeypatch.setattr(bench, "NETWORK_REPEATS", 1)
    empty = ClusterSet(np.zeros((50, 18, 13, 21), np.float32), fifty.labels, tuple(range(1, 19)))
    charge = np.concatenate([fifty.charge[:, :1], empty.charge, fifty.charge[:, 1:]], axis=1)
    bare = {k: v for k, v in fifty.labels.items() if not k.endswith("-midplane")}
    save_table(tmp_path / "public.parquet", ClusterSet(charge, bare, tuple(range(20))))
    write_clusters(tmp_path / "known.parquet", fifty, {}, SENSOR)
    with pytest.raises(
        InputError,
        match=r"public\.parquet: does not say what sensor its clusters are of; name it with --type",
    ):
        bench_mdn(["columns-tiny"], 1000, tmp_path / "public.parquet", report=lambda line: None)
    one = bench_mdn(
        ["columns-tiny"], 1000, tmp_path / "public.parquet", report=lambda line: None, sensor=SENSOR
    )
    two = bench_mdn(["columns-tiny"], 1000, tmp_path / "known.parquet", report=lambda line: None)
    for key, value in two["columns-tiny"]["half_width_68"].items():
        assert one["columns-tiny"]["half_width_68"][key] == pytest.approx(value, rel=1e-9)


def test_data_set_of_the_end_caps_is_refused(tiny_variants, fifty, tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "VARIANTS", tiny_variants)
    write_clusters(tmp_path / "4s.parquet", fifty, {"options": {"dataset": "4s"}}, SENSOR)
    with pytest.raises(
        InputError, match=r"4s\.parquet: is data set 4s, of the endcap, and barrel clusters are needed"
    ):
        bench_mdn(["columns-tiny"], 1000, tmp_path / "4s.parquet", report=lambda line: None)


def test_sensor_without_a_file_is_refused(tiny_variants, monkeypatch):
    monkeypatch.setattr(bench, "VARIANTS", tiny_variants)
    with pytest.raises(InputError, match="give the --file as well"):
        bench_mdn(["columns-tiny"], 1000, sensor=SENSOR)


def test_without_a_file_clusters_are_simulated_with_a_seed_of_their_own(
    tiny_variants, clusters_2s, monkeypatch
):
    asked = []

    def simulated(options, n, seed):
        asked.append((options, n, seed))
        labels = {k: v[:n] for k, v in clusters_2s.labels.items()}
        return ClusterSet(clusters_2s.charge[:n], labels, clusters_2s.slices)

    monkeypatch.setattr(bench, "VARIANTS", tiny_variants)
    monkeypatch.setattr(bench, "NETWORK_REPEATS", 1)
    monkeypatch.setattr(bench, "simulate_dataset", simulated)
    bench_mdn(["mlp-tiny"], 1200, report=lambda line: None)
    assert asked == [(DatasetOptions("2s", SENSOR_TYPES[2]), 1200, TEST_SEED)]
    assert len(asked[0][0].slices) == 20


def test_unknown_variant_few_clusters_and_missing_weights_are_refused(tiny_variants, monkeypatch, tmp_path):
    with pytest.raises(
        InputError,
        match=r"variant 'conv-2t-4bits' is unknown. Did you mean 'conv-2t-4bit'\? There are conv-20t-float, ",
    ):
        bench_mdn(["columns-2t-float", "conv-2t-4bits"])
    with pytest.raises(InputError, match="bench mdn: n_clusters must be at least 1000 and is 999"):
        bench_mdn(["columns-2t-float"], 999)
    lost = dataclasses.replace(tiny_variants["mlp-tiny"], weights=str(tmp_path / "lost.safetensors"))
    monkeypatch.setattr(bench, "VARIANTS", {"lost": lost})
    with pytest.raises(InputError, match=r"lost\.safetensors: no such file"):
        bench_mdn(["lost"], 1000)


def test_table_has_a_line_for_each_variant_with_published_numbers_in_brackets(result):
    lines = mdn_table(result).splitlines()
    assert len(lines) == 1 + len(result)
    assert all(name in lines[0] for name in COLUMNS)
    for line, (name, r) in zip(lines[1:], result.items(), strict=True):
        assert line.startswith(name)
        assert f"{r['half_width_68']['x_um']:.3g}" in line
        assert f" {r['truncated']:.1%} " in line
        assert ("(7.67)" in line) == (r["published"] is not None)


# The shipped variants


def test_variants_are_those_that_are_shipped():
    assert list(VARIANTS) == [
        "conv-20t-float", "conv-2t-float", "conv-2t-4bit", "mlp-2t-float", "mlp-2t-2bit", "columns-2t-float",
        "columns-2t-chip",
        "columns-2t-4bit",
    ]  # fmt: skip
    for name, variant in VARIANTS.items():
        assert variant.weights == f"mdn-2s-{name}"
        precision = name.split("-")[2]
        if precision == "float":
            assert variant.readout is None
        else:
            assert variant.readout.adc_bits == {"4bit": 4, "2bit": 2, "chip": 0}[precision]
            assert variant.readout.noise > 0
            assert variant.readout.threshold > 0
    assert [v.published is not None for v in VARIANTS.values()] == [True] * 5 + [False] * 3
    assert VARIANTS["columns-2t-chip"].readout == ReadoutOptions(noise=50.0, threshold=300.0, adc_bits=0)


def test_published_half_widths_are_those_of_the_source():
    """68 % half widths of the summary plots: x and y in um, alpha and beta in degrees."""
    wanted = {
        "conv-20t-float": (5.37, 1.32, 1.01, 1.45), "conv-2t-float": (7.67, 1.82, 1.32, 2.48),
        "mlp-2t-float": (6.48, 1.62, 1.18, 1.75), "mlp-2t-2bit": (7.22, 1.81, 1.93, 1.90),
    }  # fmt: skip
    for name, widths in wanted.items():
        published = VARIANTS[name].published
        assert tuple(published[k][2] for k in ("x_um", "y_um", "alpha_deg", "beta_deg")) == widths
    assert VARIANTS["conv-2t-4bit"].published["nll"] == -4.8
    json.dumps({name: variant.published for name, variant in VARIANTS.items()})


@pytest.mark.parametrize("name", VARIANTS)
def test_shipped_weights_of_a_variant_are_what_its_name_says(name):
    variant = VARIANTS[name]
    kind, slices, _ = name.split("-")
    arrays, description = load_weights(variant.weights, f"mdn-{kind}")
    assert len(description["slices"]) == int(slices[:-1])
    assert (
        description["metrics"]["parameters"]
        == {"columns": 2178, "conv": 2029 if slices == "2t" else 2281, "mlp": 2219}[kind]
    )
    assert sum(a.size for a in arrays.values()) >= description["metrics"]["parameters"]
    assert description["sensor"] == SENSOR
    trained = description["data"]["readout"]
    assert (trained is None) == (variant.readout is None)
    if trained is not None:
        assert {k: trained[k] for k in ("noise", "threshold", "adc_bits", "adc_max")} == {
            k: getattr(variant.readout, k) for k in ("noise", "threshold", "adc_bits", "adc_max")
        }
    assert description["data"].get("seed") != TEST_SEED
    assert np.all(
        np.isfinite(
            MdnNetwork.load(variant.weights).predict_images(
                np.zeros((1, len(description["slices"]), 13, 21), np.float32)
            )[1]
        )
    )


# Speed


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch_norm", [False, True])
def test_fused_kernels_and_torch_agree_in_the_timed_runs(samples, monkeypatch, kind, batch_norm):
    monkeypatch.setattr(bench, "NETWORK_REPEATS", 2)
    options = NetworkOptions(kind, batch_norm=batch_norm)
    torch.manual_seed(1)
    model = build(options)
    for name, values in model.state_dict().items():
        if name.startswith("norm") and values.dtype == torch.float32:
            values.copy_(torch.rand_like(values) + 0.5)
    arrays = {k: v.numpy() for k, v in model.state_dict().items()}
    description = {"network": dataclasses.asdict(options), "sensor": SENSOR}
    few = dataclasses.replace(samples, images=samples.images[:1000])
    threads = torch.get_num_threads()
    speed = network_speed(MdnNetwork.from_arrays(arrays, description), few, 1)
    assert torch.get_num_threads() == threads
    assert speed["difference"] < 1e-5
    assert speed["speedup"] == pytest.approx(
        speed["clusters_per_second"] / speed["torch_clusters_per_second"]
    )
    assert all(np.isfinite(v) and v > 0 for k, v in speed.items() if k != "difference")


def test_a_difference_between_the_two_is_reported(samples, monkeypatch, mdn_weights):
    monkeypatch.setattr(bench, "NETWORK_REPEATS", 1)
    network = MdnNetwork.load(str(mdn_weights["mlp"]))
    other = network.arrays | {"dense3.bias": network.arrays["dense3.bias"] + np.float32(0.01)}
    few = dataclasses.replace(samples, images=samples.images[:100])
    assert network_speed(dataclasses.replace(network, arrays=other), few, 1)["difference"] == pytest.approx(
        0.01, rel=0.01
    )


def test_number_of_threads_is_restored_after_a_failure(samples, monkeypatch, mdn_weights):
    network = MdnNetwork.load(str(mdn_weights["mlp"]))

    def broken(*arguments, **more):
        raise MemoryError

    monkeypatch.setattr(torch, "split", broken)
    threads = torch.get_num_threads()
    with pytest.raises(MemoryError):
        network_speed(network, dataclasses.replace(samples, images=samples.images[:100]), threads + 1)
    assert torch.get_num_threads() == threads
