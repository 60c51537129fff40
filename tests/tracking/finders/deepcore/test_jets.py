import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracking.finders.deepcore.jets import Jets, cone_jets, smeared
from tracking.finders.deepcore.options import JetOptions

ANY = JetOptions(min_pt=0.0, min_members=1, max_eta=5.0)


def test_two_jets_and_what_is_between():
    eta = np.array([0.50, 0.52, 0.47, -1.0, -1.02, 0.0, 0.5])
    phi = np.array([3.13, -3.14, 3.12, 0.2, 0.22, 1.5, 3.13])
    pt = np.array([100.0, 50.0, 30.0, 80.0, 60.0, 500.0, 70.0])
    z = np.array([10.0, 10.1, 9.9, -30.0, -30.0, 0.0, 40.0])
    jets = cone_jets(eta, phi, pt, z, JetOptions(min_members=2, max_eta=1.4))
    # One is alone, and one of the first jet's cone is from elsewhere along the beam.
    assert jets.pt.tolist() == [180.0, 140.0]
    px, py = (np.sum(pt[:3] * f(phi[:3])) for f in (np.cos, np.sin))
    assert jets.phi[0] == pytest.approx(np.arctan2(py, px))
    assert jets.eta[0] == pytest.approx(np.arcsinh(np.sum(pt[:3] * np.sinh(eta[:3])) / np.hypot(px, py)))
    assert jets.z[0] == pytest.approx((100 * 10 + 50 * 10.1 + 30 * 9.9) / 180)


@pytest.mark.parametrize(("options", "n"), [
    (JetOptions(min_pt=99.0), 1), (JetOptions(min_pt=101.0), 0), (JetOptions(min_members=4), 0),
    (JetOptions(max_eta=0.1), 0), (JetOptions(max_pt=30.0), 0), (JetOptions(max_pt=40.0), 1),
])  # fmt: skip
def test_what_is_no_jet(options, n):
    eta, phi, pt = np.full(3, 0.2), np.zeros(3), np.array([60.0, 30.0, 10.0])
    options = options if options.min_pt != 100 else JetOptions(**{**vars(options), "min_pt": 75.0})
    assert len(cone_jets(eta, phi, pt, np.zeros(3), options)) == n


def test_a_start_without_a_jet_takes_nobody_along():
    eta, pt = np.array([0.0, 0.3, 0.6, 0.65]), np.array([30.0, 15.0, 28.0, 20.0])
    jets = cone_jets(eta, np.zeros(4), pt, np.zeros(4), JetOptions(min_pt=50.0))
    assert jets.pt.tolist() == [63.0]
    assert jets.eta[0] == pytest.approx(0.54, abs=0.02)


def test_no_particles_and_broken_ones():
    none = np.zeros(0)
    assert len(cone_jets(none, none, none, none, ANY)) == 0
    bad = np.array([np.nan, 0.1, np.inf, 0.3, 0.2])
    pt = np.array([1.0, np.nan, 1.0, np.inf, 5.0])
    jets = cone_jets(bad, np.zeros(5), pt, np.zeros(5), ANY)
    assert jets.pt.tolist() == [5.0]


@given(
    st.lists(
        st.tuples(st.floats(-4, 4), st.floats(-3.1, 3.1), st.floats(0.1, 400), st.floats(-9, 9)), max_size=15
    )
)
def test_each_particle_is_in_one_jet(rows):
    eta, phi, pt, z = np.array(rows, dtype=float).reshape(-1, 4).T
    jets = cone_jets(eta, phi, pt, z, ANY)
    assert jets.pt.sum() == pytest.approx(pt.sum())
    assert len(jets) <= len(pt)
    # The hardest start first.
    if len(pt):
        assert jets.pt[0] >= pt.max() - 1e-9


def test_smearing_has_its_widths():
    n = 20_000
    jets = Jets(np.zeros(n), np.full(n, 3.14), np.full(n, 100.0), np.arange(n, dtype=float))
    found = smeared(jets, 0.01, 0.2, np.random.default_rng(4))
    assert found.eta.std() == pytest.approx(0.01, rel=0.03)
    assert np.log(found.pt / 100).std() == pytest.approx(0.2, rel=0.03)
    assert np.all(np.abs(found.phi) <= np.pi)
    assert np.std((found.phi - 3.14 + np.pi) % (2 * np.pi) - np.pi) == pytest.approx(0.01, rel=0.03)
    np.testing.assert_array_equal(found.z, jets.z)
