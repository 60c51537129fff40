"""Networks that count, as the bench measures them: with random weights, the shares found counted by hand."""

import numpy as np
import pytest

from smartpix.chip.fixed_point import adc_codes
from smartpix.merged.count import CountNetwork
from smartpix.simulate.options import GroupOptions
from tests.smartpix.merged.toys import count_weights
from tracking.bench import dense_counting
from tracking.bench.dense_counting import count_numbers, group_samples, have_weights, simulated_crossings
from tracking.bench.dense_network_plots import plot_counting


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    names = {key: str(folder / f"{key}.safetensors") for key in dense_counting.WEIGHTS}
    for key, name in names.items():
        count_weights(name, "endcap" if key == "endcap" else "barrel", key == "chip")
    seen = []

    def project(network, folder, codes, options):
        seen.append((network, codes, options))
        return {"csim_mismatches": 3}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dense_counting, "WEIGHTS", names)
        patch.setattr(dense_counting, "PER_EVENT", 1500)
        patch.setattr(dense_counting, "write_project", project)
        samples = group_samples(simulated_crossings(folder / "groups.root", 1, 52905))
        return names, samples, count_numbers(samples, lambda line: None, 50), seen


def test_the_samples_are_complete_groups_of_crossings_in_both_regions(measured):
    _, by_region, _, _ = measured
    assert list(by_region) == ["barrel", "endcap"]
    assert dense_counting.GROUPS.groups == GroupOptions((1, 2, 3))
    for samples in by_region.values():
        assert samples.slices == (2, 19)
        assert not samples.truncated.any()
        counts = np.bincount(samples.count, minlength=4)[1:]
        assert np.all(counts > 30)
        assert counts.sum() == len(samples)


def test_separation_is_that_of_all_pairs_of_one_and_two(measured):
    names, by_region, result, _ = measured
    assert (result["auc"], result["auc_chip"]) == (result["float"]["auc"], result["chip"]["auc"])
    for key, region in (("float", "barrel"), ("chip", "barrel"), ("endcap", "endcap")):
        samples, network = by_region[region], CountNetwork.load(names[key])
        score = 1 - network.of_images(samples.images)[:, 0].astype(np.float64)
        two, one = score[samples.count == 2], score[samples.count == 1]
        above = (two[:, None] > one).mean() + 0.5 * (two[:, None] == one).mean()
        assert result[key]["auc"] == pytest.approx(above, abs=1e-9)


def test_the_chips_network_is_compared_on_the_codes_of_the_same_clusters(measured):
    _, by_region, result, seen = measured
    ((network, codes, _),) = seen
    assert (result["csim_mismatches"], result["csim_clusters"]) == (3, 50)
    assert result["parameters_chip"] == network.parameters
    np.testing.assert_array_equal(codes, adc_codes(by_region["barrel"].images[:50], network.edges))


def test_the_figure_is_drawn(measured, tmp_path):
    _, _, result, _ = measured
    plot_counting(tmp_path / "counting.png", result)
    assert (tmp_path / "counting.png").stat().st_size > 10_000


def test_weights_are_there_or_not():
    assert have_weights(["mdn-barrel", "fixed-barrel", "mdn-endcap"])
    assert not have_weights(["mdn-barrel", "fixed-nowhere"])
