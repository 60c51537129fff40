"""Splitting by networks: what they are asked, and what is made of their answers."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from smartpix.clusters import flatten
from smartpix.estimate.base import Estimate, estimate
from smartpix.estimate.choose import choose_estimator
from smartpix.estimate.components import Components
from smartpix.io.events import iterate
from smartpix.merged import splitter
from smartpix.merged.count import CountNetworks
from smartpix.merged.crowds import expected_numbers
from smartpix.merged.mixture import MixtureNetwork, ParticleNetworks
from smartpix.merged.options import SplitOptions
from smartpix.merged.splitter import NetworkSplitter, choose_splitter, misfit, parts_of
from smartpix.schema import InputError
from smartpix.shipped import data_path
from tests.helpers import SENSOR

OPTIONS = SplitOptions(mode="on", split=0.6, three=0.4, share=0.2)
CHANCE = np.array([
    [0.9, 0.08, 0.02], [0.5, 0.4, 0.1], [0.3, 0.65, 0.05], [0.1, 0.3, 0.6], [0.39, 0.36, 0.25], [0.85, 0.15, 0.0],
])  # fmt: skip


@pytest.fixture(scope="module")
def event():
    """Header, estimator, plain clusters and estimates of the embedded sample's first event."""
    opened, records = next(iter(iterate(data_path("sample.root"), step=1)))
    estimator = choose_estimator(opened.header)
    clusters = records[0]["clusters"]
    lone = estimate(clusters, opened.header, estimator)
    return opened.header, estimator, flatten(clusters, estimator.slices), lone


class Counts:
    """Answers that are given, and what was asked."""

    def __init__(self, chance):
        self.networks = {r: SimpleNamespace(mixture=(1 / 3, 1 / 3, 1 / 3)) for r in ("barrel", "endcap")}
        self.chance, self.asked, self.fields = chance, [], []

    def probabilities(self, clusters, rows, detector, prior=None, field=None):
        self.asked.append(clusters.take(rows))
        self.fields.append(field)
        # What the splitter makes of it, with the shares of such a place.
        chance = self.chance / expected_numbers(np.array([10]), OPTIONS.cell, OPTIONS.area)
        return chance / chance.sum(axis=1, keepdims=True)


class Particles:
    """Components that tell their cluster and number."""

    def __init__(self, n):
        self.n = n

    def components(self, clusters, rows, detector, field):
        mean = np.zeros((len(rows), self.n, 4))
        mean[:, :, 0], mean[:, :, 1], mean[:, :, 2] = rows[:, None], np.arange(self.n), self.n
        return Components(mean, np.tile(2.0 * np.eye(4), (len(rows), self.n, 1, 1)), np.ones(mean.shape[:2]))


def ask_about(monkeypatch, rows):
    """As if these clusters alone were crowded, with ten others around each, and suspect."""

    def around(module, position, detector, cell, least):
        return rows, np.full(len(rows), 10)

    monkeypatch.setattr(splitter, "crowded", around)
    monkeypatch.setattr(splitter, "suspects", lambda clusters, lone, detector, among: among)


def test_hits_follow_from_the_probabilities():
    n, shared = parts_of(CHANCE, OPTIONS)
    assert n.tolist() == [1, 2, 2, 3, 3, 1]
    assert shared.tolist() == [False, True, False, False, False, False]


def test_each_cluster_gets_its_components_or_its_own_estimate_twice(event, monkeypatch):
    header, _, flat, lone = event
    rows = np.array([3, 10, 11, 50, 70, 71])
    ask_about(monkeypatch, rows)
    counts = Counts(CHANCE)
    split = NetworkSplitter(counts, {2: Particles(2), 3: Particles(3)}, OPTIONS)
    found, cluster = split(flat, header, lone)
    assert len(found) == len(cluster) == len(flat) + 6
    np.testing.assert_array_equal(counts.asked[0].row, flat.take(rows).row)
    alone = ~np.isin(cluster, rows[1:5])
    np.testing.assert_array_equal(found.mean[alone], lone.mean[cluster[alone]])
    for row, n in ((11, 2), (50, 3), (70, 3)):
        here = np.flatnonzero(cluster == row)
        assert found.mean[here].tolist() == [[row, k, n, 0] for k in range(n)]
        np.testing.assert_array_equal(found.cholesky[here], np.tile(2.0 * np.eye(4), (n, 1, 1)))
    here = np.flatnonzero(cluster == 10)
    assert len(here) == 2
    np.testing.assert_array_equal(found.mean[here], lone.mean[[10, 10]])
    np.testing.assert_array_equal(found.cholesky[here], lone.cholesky[[10, 10]])


def test_the_networks_are_told_the_field(event, monkeypatch):
    header, _, flat, lone = event
    rows = np.arange(6)
    ask_about(monkeypatch, rows)
    counts = Counts(CHANCE)
    opposite = SimpleNamespace(detector=header.detector, field=-header.field)
    NetworkSplitter(counts, {2: Particles(2), 3: Particles(3)}, OPTIONS)(flat, opposite, lone)
    assert counts.fields == [-header.field]


def test_odds_are_shifted_from_the_shares_of_each_regions_network(event):
    header, _, flat, _ = event
    barrel = header.detector.barrel[flat.module]
    rows = np.concatenate([np.flatnonzero(barrel)[:3], np.flatnonzero(~barrel)[:3]])
    counts = Counts(CHANCE)
    counts.networks["endcap"].mixture = (0.6, 0.3, 0.1)
    split = NetworkSplitter(counts, {}, OPTIONS)
    found = split.probabilities(flat, rows, np.full(6, 10), header)
    np.testing.assert_allclose(found[:3], CHANCE[:3], atol=1e-9)
    wanted = CHANCE[3:] / (0.6, 0.3, 0.1)
    np.testing.assert_allclose(found[3:], wanted / wanted.sum(axis=1, keepdims=True), atol=1e-9)


def test_a_cluster_with_charges_that_are_no_numbers_is_not_asked_about(event, monkeypatch):
    header, _, flat, lone = event
    broken = flat.take(np.arange(20))
    broken.charge[broken.first[4]] = np.nan
    ask_about(monkeypatch, np.array([3, 4, 5]))
    counts = Counts(np.tile([0.9, 0.1, 0.0], (2, 1)))
    NetworkSplitter(counts, {}, OPTIONS)(broken, header, Estimate(lone.mean[:20], lone.cholesky[:20]))
    np.testing.assert_array_equal(counts.asked[0].row, broken.take(np.array([3, 5])).row)


def test_files_that_the_networks_do_not_fit_are_told(event, caplog):
    header, estimator, *_ = event
    assert choose_splitter(header, estimator, SplitOptions(mode="off")) is None
    assert choose_splitter(header, estimator, SplitOptions(mode="on")) is not None
    shape = choose_estimator(header, "shape")
    assert choose_splitter(header, shape, SplitOptions(mode="auto")) is None
    with pytest.raises(InputError, match="estimates are not those of the MDN"):
        choose_splitter(header, shape, SplitOptions(mode="on"))


def changed(networks, **changes):
    """The networks with other descriptions."""
    return {
        region: replace(network, description={**network.description, **changes})
        for region, network in networks.items()
    }


def test_networks_fit_files_of_their_sensor_slices_and_conditions(event):
    header, estimator, *_ = event
    pairs = ParticleNetworks.load(2).networks
    assert misfit(pairs, header, estimator.slices) == ""
    assert misfit(pairs, replace(header, field=-header.field), estimator.slices) == ""
    for field in (0.0, 2.0):
        told = misfit(pairs, replace(header, field=field), estimator.slices)
        assert told.startswith("pair-barrel was trained for another sensor, 50 x 12.5 x 100 µm in 3.8 T")
    assert "other slices than the estimates, (2, 19)" in misfit(pairs, header, (0, 9))
    data = {"command": "smartpix simulate", "options": {"readout": {"noise": 3000.0}}}
    told = misfit(changed(pairs, data=data, calibrated_on={}), header, estimator.slices)
    assert "was trained with noise 3000 e" in told


@pytest.mark.parametrize("which", ["counts", "particles"])
def test_why_clusters_are_not_split_is_told_once_where_it_was_asked_for(event, monkeypatch, which):
    header, estimator, *_ = event
    counts, particles = CountNetworks.load(), ParticleNetworks.load(2)
    other = {"sensor": {**SENSOR, "pitch_y": 0.05}}
    if which == "counts":
        counts = CountNetworks(changed(counts.networks, **other))
    else:
        particles = ParticleNetworks(changed(particles.networks, **other))
    monkeypatch.setattr(CountNetworks, "load", lambda *names: counts)
    monkeypatch.setattr(ParticleNetworks, "load", lambda n, *names: particles)
    lines = []
    assert choose_splitter(header, estimator, SplitOptions(mode="auto"), lines.append) is None
    (line,) = lines
    assert line.startswith("clusters of several particles are not split: ")
    assert "was trained for another sensor, 50 x 50 x 100 µm in 3.8 T" in line
    with pytest.raises(InputError, match="another sensor"):
        choose_splitter(header, estimator, SplitOptions(mode="on"), lines.append)
    assert choose_splitter(header, estimator, SplitOptions(mode="off"), lines.append) is None
    assert len(lines) == 1


@pytest.mark.parametrize(
    ("shape", "slices", "words"),
    [((2, 16, 16), [2, 19], r"takes images of \(16, 16\) pixels"), ((2, 13, 21), [0, 9], "different slices")],
)
def test_pairs_of_networks_of_other_windows_or_slices_are_refused(monkeypatch, shape, slices, words):
    def load(name, *sorts):
        end = name.split("-")[1]
        last = end == "endcap"
        return SimpleNamespace(
            name=name, n=2, is_set=True, fused=SimpleNamespace(shape=shape if last else (2, 13, 21)),
            description={"region": end, "slices": slices if last else [2, 19]},
        )  # fmt: skip

    monkeypatch.setattr(MixtureNetwork, "load", load)
    with pytest.raises(InputError, match=words):
        ParticleNetworks.load(2)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"pair_barrel": "count-barrel"},
            r"split\.pair_barrel and split\.pair_endcap, for slices \[2, 19\]: .*holds weights of "
            r"'count-columns' \(smartpix train count\) and smartpix train mixture --particles was expected",
        ),
        (
            {"pair_barrel": "bimodal-endcap"},
            r"\(smartpix train mixture --components\) and smartpix train mixture",
        ),
        (
            {"triple_barrel": "pair-barrel"},
            "is for clusters of 2 particles in the barrel and was given for 3",
        ),
        (
            {"count_endcap": "nowhere.safetensors"},
            r"split\.count_barrel and split\.count_endcap.*no such file",
        ),
    ],
)
def test_weights_of_something_else_are_told_with_their_option(event, changes, words):
    header, estimator, _, _ = event
    with pytest.raises(InputError, match=words):
        choose_splitter(header, estimator, SplitOptions(**changes))


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"mode": "yes"}, "mode must be one of auto, on, off"), ({"share": 1.5}, "share"),
     ({"cell": 0.0}, "cell"), ({"neighbours": 0}, "neighbours"), ({"area": 2.0}, "area")],
)  # fmt: skip
def test_options_out_of_range_are_named(changes, words):
    with pytest.raises(InputError, match=words):
        SplitOptions(**changes)
