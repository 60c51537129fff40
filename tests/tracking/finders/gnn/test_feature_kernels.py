import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from seeding.seeds import MISSING
from tracking.finders.gnn.feature_kernels import continued, edge_features, node_features


def features_of_one(slope=0.0, kinks=(0.0,) * 4, d0=(0.0, 0.0), covariance=(1.0, 1.0), n=1):
    """Of one hit and of an edge from it to itself, n times."""
    source = np.zeros(n, dtype=np.int32)
    node, edge = np.empty((9, 1), dtype=np.float32), np.empty((16, n), dtype=np.float32)
    covariances = np.array([[covariance[0], 0.0, covariance[1]]])
    node_features(
        np.ones((1, 3)), source[:1], np.ones(1, dtype=bool), np.full((1, 2), slope), covariances, source,
        source, source[:1], node,
    )  # fmt: skip
    same = np.full(n, slope, dtype=np.float32)
    support = np.repeat(np.array([*kinks, *d0], dtype=np.float32)[:, None], n, axis=1)
    edge_features(
        node, source, source, same, np.zeros((n, 4), dtype=np.float32), same, same, same, support,
        np.float32(2.0), np.arange(n), np.arange(n)[::-1].copy(), edge,
    )  # fmt: skip
    return node[:, 0].astype(np.float64), edge.astype(np.float64)


@settings(max_examples=200, deadline=None)
@given(
    slope=st.floats(-(2**20), 2**20, width=32),
    kink=st.floats(0, MISSING, width=32),
    d0=st.floats(-(2**20), 2**20, width=32),
    variance=st.floats(1e-30, 1e12),
)
@example(slope=1e-30, kink=1e-30, d0=-1e-30, variance=1e-30)
@example(slope=-0.0, kink=0.0, d0=0.0, variance=1.0)
@example(slope=1e6, kink=50.0, d0=-1e6, variance=1e12)
def test_logarithms_are_numpys_at_the_ends_of_the_ranges_too(slope, kink, d0, variance):
    node, edge = features_of_one(slope, (kink,) * 4, (d0, -d0), (variance, 2 * variance), n=3)
    near = {"rel": 1e-6, "abs": 1e-6}
    assert node[3:5] == pytest.approx(np.full(2, np.arcsinh(slope)), **near)
    assert node[5:7] == pytest.approx(0.5 * np.log10([variance, 2 * variance]), **near)
    assert node[7:] == pytest.approx(np.full(2, np.log1p(3)), **near)
    for column in edge.T:
        assert column[6] == pytest.approx(np.arcsinh(slope), **near)
        assert column[10:14] == pytest.approx(np.full(4, np.log1p(kink)), **near)
        assert column[14:] == pytest.approx(np.arcsinh([10 * d0, -10 * d0]), **near)


def test_a_slope_beyond_all_squares_stays_finite():
    node, edge = features_of_one(slope=3e38)
    assert np.all(np.isfinite(node))
    assert np.all(np.isfinite(edge[6:]))


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 30), e=st.integers(0, 80))
def test_edges_of_the_graph_are_those_with_a_kink_that_fits_and_those_at_the_ends_of_these(seed, n, e):
    rng = np.random.default_rng(seed)
    source, target = rng.integers(0, n, (2, e)).astype(np.int32)
    support = np.full((6, e), MISSING, dtype=np.float32)
    which = rng.random((6, e)) < 0.1
    support[which] = rng.uniform(0, MISSING, np.count_nonzero(which))
    support[0, rng.random(e) < 0.05] = np.nextafter(np.float32(MISSING), np.float32(0))
    fits = [any(support[k, i] < MISSING for k in range(4)) for i in range(e)]
    begins = {s for s, f in zip(source.tolist(), fits, strict=True) if f}
    ends = {t for t, f in zip(target.tolist(), fits, strict=True) if f}
    expected = [
        i for i, (s, t) in enumerate(zip(source.tolist(), target.tolist(), strict=True))
        if fits[i] or (s in ends and s not in begins) or (t in begins and t not in ends)
    ]  # fmt: skip
    assert continued(source, target, support, n).tolist() == expected
