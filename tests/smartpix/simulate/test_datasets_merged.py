"""Data sets of windows that several particles cross."""

import numpy as np
import pytest
from scipy.stats import chisquare, kstest

from smartpix.io.cluster_set import LABELS, MERGED_LABELS
from smartpix.simulate.datasets import DatasetOptions, simulate_dataset  # fmt: skip
from smartpix.simulate.options import GroupOptions

# --- windows of several particles


@pytest.fixture(scope="module")
def merged():
    options = DatasetOptions("merged", slices=(19,), groups=GroupOptions((1, 2, 3), (0.1, 1.0)))
    return simulate_dataset(options, 2500, 52903)


def test_windows_of_several_particles_have_the_labels_of_each(merged):
    assert set(merged.labels) == {*LABELS, *MERGED_LABELS}
    number = merged.labels["n_particles"]
    assert chisquare(np.bincount(number.astype(int))[1:]).pvalue > 1e-3
    for k in (2, 3):
        for name in LABELS:
            np.testing.assert_array_equal(np.isnan(merged.labels[f"{name}-{k}"]), number < k)
        np.testing.assert_allclose(
            merged.labels[f"cotBeta-{k}"], merged.labels[f"n_y-{k}"] / merged.labels[f"n_z-{k}"]
        )


def test_further_particles_are_as_far_as_was_asked_for_and_half_of_them_fly_alike(merged):
    first, second = merged.targets(), merged.targets(2)
    width = np.array([0.05, 0.0125]) + 0.1 * np.abs(first[:, 2:])
    pairs = merged.labels["n_particles"] > 1
    away = np.log(np.hypot(*((second - first)[:, :2] / width).T)[pairs])
    assert kstest(away, "uniform", (np.log(0.1), np.log(10))).pvalue > 1e-3
    apart = np.arcsinh(first[:, 2]) - np.arcsinh(second[:, 2])
    assert abs(np.mean(np.abs(apart[pairs]) < 0.05) - 0.5) < 0.06


def test_charge_of_a_window_is_that_of_all_its_particles(merged):
    pairs = sum(
        np.nan_to_num(merged.labels[n]) for n in ("number_eh_pairs", "number_eh_pairs-2", "number_eh_pairs-3")
    )
    charge = merged.charge[:, -1].sum(axis=(1, 2), dtype=float)
    # What lies beyond the array is lost, as that of long tracks.
    held = np.abs(charge / pairs - 1) < 0.02
    assert held.mean() > 0.6
    assert all(held[merged.labels["n_particles"] == k].mean() > 0.5 for k in (1, 2, 3))


def test_single_particles_of_merged_windows_are_those_of_the_barrel_set():
    options = {"slices": (19,), "groups": GroupOptions((1,))}
    one = simulate_dataset(DatasetOptions("merged", **options), 300, 5)
    plain = simulate_dataset(DatasetOptions("2s", slices=(19,)), 300, 5)
    assert np.all(one.labels["n_particles"] == 1)
    assert np.median(one.labels["number_eh_pairs"]) == pytest.approx(
        np.median(plain.labels["number_eh_pairs"]), rel=0.2
    )
    assert plain.labels.keys() == LABELS.keys()
