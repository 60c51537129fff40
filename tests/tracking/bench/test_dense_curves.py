"""What finders lose in dense environments, counted by hand."""

from types import SimpleNamespace

import numpy as np
import pytest

from smartpix.shipped import data_path
from smartpix.simulate.jets import jets
from smartpix.simulate.options import STANDARD_BEAM
from tracking.bench import dense_curves
from tracking.bench.dense_curves import CURVES, curves, found_particles, jet_pts, won
from tracking.bench.events import SAMPLES, load_sample

# A jet across the cut of phi at pi with a neutral particle, a pair, and three of one point that go apart.
VERTEX = np.array([[0, 0, 1]] * 4 + [[0, 0, 2]] * 2 + [[0, 0, 3]] * 3, dtype=float)
ETA = np.array([1.0, 1.02, 0.99, 1.0, 0.5, 0.5, 0.0, 1.0, -1.0])
PHI = np.array([3.14, -3.14, 3.13, 3.14, 0.0, 0.001, 0.0, 1.0, 2.0])
PT = np.array([400.0, 300.0, 50.0, 1000.0, 80.0, 90.0, 5.0, 6.0, 7.0])
CHARGE = np.array([1.0, -1.0, 1.0, 0.0, 1.0, 1.0, -1.0, 1.0, 1.0])
FINDABLE = np.array([True, True, False, False, True, False, True, False, False])
DISTANCE = np.array([1e-5, 0.002, 0.1, 0.1, 0.3, 0.3, 5.0, 1.0, 1.0])


@pytest.fixture
def small_jets(monkeypatch):
    """Jets of three: those made by hand have no more."""
    monkeypatch.setattr(dense_curves, "JET_PARTICLES", 3)


def truth():
    # Particles 0 and 1 share cluster 0, and 1 and 4 cluster 2.
    return SimpleNamespace(
        vertex=VERTEX, pt=PT, eta=ETA, phi=PHI, charge=CHARGE, findable=FINDABLE, distance=DISTANCE,
        momentum=PT[:, None] * np.column_stack([np.cos(PHI), np.sin(PHI), np.sinh(ETA)]),
        particle_id=np.arange(9), hit=np.array([0, 0, 1, 2, 2, 3]), particle=np.array([0, 1, 0, 1, 4, 6]),
    )  # fmt: skip


def judged(found):
    return SimpleNamespace(matched=lambda: np.array(found, dtype=bool) & FINDABLE)


@pytest.fixture
def particles(small_jets):
    events = [SimpleNamespace(truth=truth())] * 2
    ours = [judged([1, 0, 1, 1, 1, 1, 1, 1, 1]), judged([0, 0, 1, 1, 1, 1, 1, 1, 1])]
    split = [judged([1, 1, 1, 1, 1, 1, 1, 1, 1]), judged([1, 0, 0, 1, 0, 1, 1, 1, 1])]
    return found_particles(events, {"ours": ours, "split": split})


def test_a_jets_pt_is_the_sum_of_its_charged_particles_and_what_goes_apart_is_none(small_jets):
    assert jet_pts(truth()).tolist() == [750, 750, 750, 0, 0, 0, 0, 0, 0]


def particles_truth(made):
    """What is asked of generated particles."""
    x, y, z = made.momentum.T
    return SimpleNamespace(
        vertex=made.vertex, momentum=made.momentum, charge=made.charge, pt=np.hypot(x, y), phi=np.arctan2(y, x),
        eta=np.arcsinh(z / np.hypot(x, y)),
    )  # fmt: skip


@pytest.mark.parametrize("name", ["jets", "cores"])
def test_all_particles_of_the_samples_jets_are_in_jets_with_the_pt_of_theirs(name):
    made = jets(SAMPLES[name], STANDARD_BEAM, np.random.default_rng(52951))
    of = particles_truth(made)
    found = jet_pts(of)
    for number in np.unique(made.vertex_id):
        rows = made.vertex_id == number
        np.testing.assert_allclose(found[rows], of.pt[rows].sum())


@pytest.mark.parametrize("n_prongs", [2, 3, 5])
def test_particles_of_collisions_and_of_decays_are_in_no_jet(n_prongs):
    sample = load_sample(data_path("sample.root"), 10)
    for event in sample.events:
        assert not jet_pts(event.truth).any()
    # As of a stiff D+: charged particles of one point that stay together.
    rng = np.random.default_rng(1)
    momentum = np.array([5.0, 1.0, 3.0]) + rng.normal(0, 0.1, (n_prongs, 3))
    decay = SimpleNamespace(
        vertex=np.tile([1.0, 0, 5.0], (n_prongs, 1)), momentum=momentum, charge=np.ones(n_prongs)
    )
    assert not jet_pts(particles_truth(decay)).any()


def test_particles_of_no_jet_are_in_no_bin_of_a_jets_pt(particles):
    counted = curves(particles)["jet_pt"]
    n_in_jets = int(particles.in_jets.sum())
    assert sum(counted["total"]) == n_in_jets < len(particles.in_jets)
    assert counted["total"][0] == np.sum(
        (particles.values["jet_pt"] > 0) & (particles.values["jet_pt"] < 750)
    )


def test_findable_particles_have_their_values_and_who_found_them(particles):
    assert particles.values["jet_pt"].tolist() == [750, 750, 0, 0] * 2
    assert particles.values["merged"].tolist() == [1, 2, 1, 0] * 2
    assert particles.found["ours"].tolist() == [True, False, True, True, False, False, True, True]
    assert particles.in_jets.tolist() == [True, True, False, False] * 2
    assert particles.merged_in_jets.tolist() == [True, True, False, False] * 2


def test_curves_count_all_particles_the_outermost_bins_what_is_beyond(particles):
    counted = curves(particles)
    assert list(counted) == list(CURVES)
    assert sum(counted["distance"]["total"]) == 8
    assert sum(counted["distance"]["found"]["ours"]) == 5
    # Only those of jets.
    for name in ("pt", "jet_pt", "merged"):
        assert sum(counted[name]["total"]) == 4
    assert counted["merged"]["total"][:3] == [0, 2, 2]
    assert counted["merged"]["found"]["split"][:3] == [0, 2, 1]
    assert counted["distance"]["total"][0] == 2
    assert counted["distance"]["total"][-1] == 2
    assert counted["jet_pt"]["total"][1] == 4
    for name, curve in counted.items():
        assert len(curve["total"]) == len(curve["edges"]) - 1 == len(CURVES[name]) - 1
        assert np.all(np.array(curve["found"]["ours"]) <= curve["total"])


def test_without_jets_merged_clusters_are_those_of_all(particles):
    values = {**particles.values, "jet_pt": np.zeros(8)}
    counted = curves(type(particles)(values, particles.found))
    assert counted["merged"]["total"][:3] == [2, 4, 2]
    assert counted["merged"]["found"]["split"][:3] == [2, 3, 1]
    assert sum(counted["pt"]["total"]) == 0


def test_won_are_those_that_one_lost_and_another_found(particles):
    assert won(particles, "ours", "split") == {
        "n_lost": 3, "n_won": 2, "share_won": 2 / 3, "n_lost_anew": 1,
    }  # fmt: skip
    assert won(particles, "split", "split") == {"n_lost": 2, "n_won": 0, "share_won": 0.0, "n_lost_anew": 0}
    everything = type(particles)(particles.values, {"all": np.ones(8, dtype=bool)})
    assert won(everything, "all", "all")["share_won"] is None
