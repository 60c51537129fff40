"""The table of cluster widths for GBTS: against the truth of other events, pooled quantiles, and by its own file."""

import json

import awkward as ak
import numpy as np
import pytest

from smartpix.clusters import flatten
from smartpix.estimate.base import Estimate, truth_targets
from smartpix.io.events import iterate
from smartpix.schema import InputError
from smartpix.shipped import data_path
from tracking.acts import widths
from tracking.acts.widths import TauTableOptions, export_tau_table, tau_bounds, tau_table
from tracking.cli.main import main

SAMPLE = data_path("sample.root")


def read_table(path):
    """As ACTS's readGbtsTauLookupTable: the entries of ``tauLookupTable`` by their four names."""
    entries = json.loads(path.read_text())["tauLookupTable"]
    return np.array(
        [[e[n] for n in ("minTau", "maxTau", "minTauNearEdge", "maxTauNearEdge")] for e in entries]
    )


@pytest.fixture(scope="module")
def made():
    return tau_table([SAMPLE], TauTableOptions(coverage=0.9))


def test_true_slopes_are_within_the_bounds_as_often_as_asked(made):
    """Quantiles of the estimates, judged by the true slope of each cluster, from the truth's own direction."""
    bounds, _ = made
    inside = total = 0
    for opened, events in iterate(SAMPLE, step=10):
        clusters = ak.flatten(events["clusters"], axis=1)
        target, has = truth_targets(clusters)
        flat = flatten(clusters, (2, 19))
        barrel = opened.header.detector.barrel[flat.module] & has & np.isfinite(target).all(axis=1)
        for k in np.flatnonzero(barrel).tolist():
            columns = flat.column[flat.first[k] : flat.first[k] + flat.counts[k]]
            row = int(columns.max()) - int(columns.min())
            if row >= len(bounds) or bounds[row, 1] < 0:
                continue
            alpha, beta = target[k, 2], target[k, 3]
            # Direction (alpha, beta, 1) in the sensor: along the beam over across it.
            tau = abs(alpha) / np.sqrt(1 + beta**2)
            inside += bounds[row, 0] <= tau <= bounds[row, 1]
            total += 1
    assert total > 3000
    # The truth lists only some of the particles, whose slopes are not those of all.
    assert inside / total == pytest.approx(0.9, abs=0.03)


def test_bounds_are_quantiles_of_all_slopes_of_a_width():
    rng = np.random.default_rng(5)
    tau = rng.gamma(3.0, 0.5, 20_000)
    counts = np.zeros((2, 2001), dtype=np.int64)
    np.add.at(counts[1], (tau / widths.STEP).astype(int), 1)
    options = TauTableOptions(coverage=0.95, least=1000)
    bounds = tau_bounds(counts, options)
    assert bounds[1] == pytest.approx(np.quantile(tau, [0.025, 0.975]), abs=widths.STEP)
    # No cluster: no cut, and the largest slope says so.
    assert bounds[0].tolist() == [0.0, -1.0]
    assert tau_bounds(counts, TauTableOptions(least=1251))[1, 1] == -1.0


def test_wider_clusters_allow_steeper_tracks_and_few_do_not_cut(made):
    bounds, n = made
    enough = n[:, 0] >= 500
    assert np.all(np.diff(bounds[enough, 0]) > -0.1)
    assert bounds[enough][-1, 0] > 2 * bounds[enough][2, 0]
    few = n < 100
    assert np.all(bounds[:, [1, 3]][few] == -1)
    assert np.all(bounds[:, [1, 3]][~few] > bounds[:, [0, 2]][~few])


def test_widths_are_in_the_entries_that_acts_looks_them_up_in():
    """Entry k of ACTS is of widths from (k + 1) * 0.05 mm on; a column of 50 um is one of them each."""
    length = np.arange(1, 40)
    assert widths.width_bins(length, np.full(39, 0.05)).tolist() == list(range(39))
    assert widths.width_bins(np.array([1, 2]), np.array([0.025, 0.06])).tolist() == [-1, 1]


def test_slopes_are_those_of_straight_lines_through_a_sensor():
    direction = np.array([[0.8, 0.3, 0.9], [-2.0, 0.1, 0.4]])
    mean = np.column_stack([np.zeros((2, 2)), direction[:, :2] / direction[:, 2:]])
    found = widths.slopes(Estimate(mean, np.full((2, 4, 4), 1e-9)))
    tau = np.abs(direction[:, 0]) / np.hypot(direction[:, 1], direction[:, 2])
    assert found == pytest.approx(np.repeat(tau[:, None], 16, axis=1), abs=1e-6)
    wide = np.zeros((1, 4, 4))
    wide[0, 2, 2] = 0.5
    spread = widths.slopes(Estimate(np.array([[0.0, 0.0, 3.0, 0.0]]), wide))
    assert spread.mean() == pytest.approx(3.0)
    assert spread.std() == pytest.approx(0.5, rel=0.05)


def test_a_file_is_read_back_as_it_was_made(made, tmp_path, capsys):
    path = tmp_path / "table.json"
    result = export_tau_table([SAMPLE], path, TauTableOptions(coverage=0.9))
    assert read_table(path) == pytest.approx(made[0], abs=5.1e-5)
    assert result["entries"] == len(made[0])
    assert result["clusters"] == made[1].sum()
    again = tmp_path / "again.json"
    main(["export", "gbts-table", "--file", str(SAMPLE), "--coverage", "0.9", "-o", str(again), "--json"])
    assert read_table(again).tolist() == read_table(path).tolist()
    assert json.loads(capsys.readouterr().out)["entries"] == len(made[0])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["again.json", "table.json"]


def test_what_cannot_be_made_is_said(tmp_path, capsys):
    with pytest.raises(InputError, match="coverage must be between 0 and 1 and is 1"):
        TauTableOptions(coverage=1.0)
    with pytest.raises(InputError, match="give event files of a barrel"):
        tau_table([])
    assert main(["export", "gbts-table", "-o", str(tmp_path / "table.json")]) == 1
    assert "give the event file to make it of, with --file" in capsys.readouterr().err
