"""Networks of several components on the embedded sample: made-up ones whose answers are known."""

from types import SimpleNamespace

import awkward as ak
import numpy as np
import pytest

from smartpix.estimate.base import truth_targets
from smartpix.estimate.components import APART, Components, separation
from smartpix.estimate.mdn import MdnEstimator
from smartpix.io.events import iterate, open_events
from smartpix.io.write import write_events
from smartpix.merged.samples import true_particles
from smartpix.schema import REGIONS, TARGETS, InputError
from smartpix.simulate.events import SimulateOptions, header, simulate_crossings
from smartpix.simulate.options import GroupOptions
from tests.helpers import REPOSITORY, SENSOR, embedded_detector, part_of
from tracking.bench.merged_positions import EndcapClusters, endcap_numbers, merged_positions

SAMPLE = REPOSITORY / "data" / "sample.root"
SIGMA = np.array([0.02, 0.004, 0.3, 0.1])


class Oracle:
    """Answers with the truth of the clusters, off by Gaussians of known widths, in any order."""

    def __init__(self, path, n, scale=1.0):
        self.n, self.scale, self.rng = n, scale, np.random.default_rng(1)
        self.truth = {}
        description = {"sensor": SENSOR, "slices": MdnEstimator.load().slices, "data": {}}
        self.networks = {
            region: SimpleNamespace(description=description, name="oracle") for region in REGIONS
        }
        for _, events in iterate([path], step=4):
            for record in events:
                count, targets = true_particles(record["clusters"])
                local = np.asarray(record["clusters"]["local_x"])
                for k in np.flatnonzero(count == n):
                    self.truth[float(local[k])] = targets[k, :n]

    def components(self, clusters, rows, detector, field=None):
        truth = np.stack([self.truth[float(np.float32(x))] for x in clusters.local[rows, 0]])
        mean = truth + SIGMA * self.rng.normal(size=truth.shape)
        mean = mean[:, self.rng.permutation(self.n)]
        factor = np.broadcast_to(np.diag(self.scale * SIGMA), (len(rows), self.n, 4, 4)).copy()
        return Components(mean, factor, np.ones((len(rows), self.n)))


@pytest.fixture(scope="module")
def groups(tmp_path_factory):
    """Crossings alone and in pairs on a few modules of both regions."""
    table = embedded_detector()
    rows = np.concatenate(
        [np.flatnonzero(table.barrel)[::101][:12], np.flatnonzero(~table.barrel)[::57][:12]]
    )
    detector = part_of(table, rows)
    options = SimulateOptions(groups=GroupOptions(together=(1, 2)))
    path = tmp_path_factory.mktemp("groups") / "groups.root"
    made = simulate_crossings(detector, options, 1, 3000, 7)
    write_events(path, header(detector, options, 1, 7), made)
    return path


def test_files_of_another_sensor_are_refused(groups):
    other = Oracle(groups, 2)
    other.networks["endcap"].description["sensor"] = {**SENSOR, "thickness": 0.3}
    with pytest.raises(InputError, match="oracle was trained for another sensor"):
        merged_positions([groups], {2: other})


def test_positions_of_known_widths(groups):
    found = merged_positions([groups], {2: Oracle(groups, 2)})
    numbers = found["barrel"]["pair"]
    assert numbers["n"] > 50
    for k, name in enumerate(TARGETS):
        assert numbers["half_width"][name] == pytest.approx(SIGMA[k], rel=0.2)
        assert numbers["pull_width"][name] == pytest.approx(1, abs=0.15)
        ratio = numbers["half_width"][name] / found["barrel"]["lone"]["half_width"][name]
        assert numbers["half_width_ratio"][name] == pytest.approx(ratio)
    wide = merged_positions([groups], {2: Oracle(groups, 2, scale=2.0)})["barrel"]["pair"]
    assert wide["pull_width"]["y"] == pytest.approx(0.5, abs=0.1)
    assert wide["apart"] < numbers["apart"]


def test_lone_clusters_are_those_of_one_particle():
    found = merged_positions([SAMPLE], {})
    n = 0
    for opened, events in iterate([SAMPLE], step=4):
        for record in events:
            clusters = record["clusters"]
            count, _ = true_particles(clusters)
            _, has = truth_targets(clusters, 0.95)
            barrel = opened.header.detector.barrel[np.asarray(clusters["module_index"])]
            n += int((has & (count == 1) & barrel & ~np.asarray(clusters["truncated"])).sum())
    assert found["barrel"]["lone"]["n"] == n
    assert set(found["barrel"]) == {"lone"}


def test_regions_by_eta():
    rng = np.random.default_rng(2)
    n = 20_000
    mean = rng.normal(size=(n, 2, 4))
    factor = np.broadcast_to(np.eye(4), (n, 2, 4, 4))
    weight = np.full((n, 2), 0.5)
    of = rng.integers(0, 2, n)
    target = mean[np.arange(n), of] + rng.normal(size=(n, 4))
    right = Components(mean, factor, weight)
    wrong = Components(mean[:, :1], factor[:, :1], np.ones((n, 1)))
    eta = rng.uniform(1.5, 4.0, n)
    numbers = endcap_numbers(EndcapClusters(right, wrong, target, eta))
    assert sum(b["n"] for b in numbers["mixture"]) == n
    for part in numbers["mixture"]:
        assert part["within_68"] == pytest.approx(0.683, abs=0.03)
        assert part["within_95"] == pytest.approx(0.954, abs=0.02)
        assert part["pull_width"]["x"] == pytest.approx(1, abs=0.05)
    assert all(part["within_68"] < 0.6 for part in numbers["single"])


class Narrow(Oracle):
    """Half the true width where two particles can be told apart."""

    def components(self, clusters, rows, detector, field=None):
        found = super().components(clusters, rows, detector, field)
        found.cholesky[separation(found) > APART] *= 0.5
        return found


def test_pulls_of_particles_that_can_be_told_apart(groups):
    found = merged_positions([groups], {2: Narrow(groups, 2)})["barrel"]["pair"]
    assert 0.05 < found["apart"] < 0.95
    for name in TARGETS:
        assert found["pull_width_apart"][name] == pytest.approx(2, rel=0.2)
        assert found["pull_width"][name] < found["pull_width_apart"][name]


def test_a_crossing_that_is_listed_twice_leaves_its_cluster_out(groups, tmp_path):
    opened = open_events(groups)
    events = next(iter(iterate([groups], step=4)))[1]
    clusters = events["clusters"]
    truth = clusters["truth"]
    twice = ak.with_field(clusters, ak.concatenate([truth, truth], axis=2), "truth")
    path = tmp_path / "twice.root"
    write_events(path, opened.header, [ak.with_field(events, twice, "clusters")])
    assert merged_positions([path], {2: Oracle(groups, 2)}) == {"barrel": {}, "endcap": {}}
