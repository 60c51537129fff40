"""What a search for edges refuses, and options at the ends of their ranges."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seeding.cones import ConeOptions, make_cones
from seeding.edges import find_edges
from seeding.references import WindowOptions, window
from seeding.seeds import SeedOptions, find_seeds
from seeding.table import MOST_CELLS, layer_grid
from smartpix.geometry import Detector
from smartpix.schema import STRONGEST_FIELD, InputError, ranges_of
from tests.seeding import toys
from tests.seeding.edge_events import CONE, found, pair_set


@pytest.fixture(scope="module")
def toy():
    return toys.toy_event(60, seed=11)


@pytest.fixture(scope="module")
def hits(toy):
    return toys.toy_hits(toy, 11)


@pytest.mark.parametrize("rows", [[], [0]])
def test_an_event_of_no_or_one_hit_has_no_edges(hits, rows):
    edges = found(hits.take(np.array(rows, dtype=int)))
    assert len(edges) == 0
    assert edges.pulls.shape == (0, 4)
    assert edges.n_tested == 0
    for name in ("source", "target", "pair", "chi2", "curvature", "cot_theta", "z0"):
        assert getattr(edges, name).shape == (0,)


def test_without_field_straight_tracks_make_edges():
    rng = np.random.default_rng(5)
    n = 40
    start = np.column_stack([np.zeros((n, 2)), rng.normal(0, 50, n)])
    toy = toys.event_of(start, rng.uniform(-np.pi, np.pi, n), np.zeros(n), rng.uniform(-2, 2, n))
    # A small position error would be a curvature far outside a zero field's prior.
    hits = toys.toy_hits(toy, 5, position=False)
    edges = found(hits, field=0.0)
    assert np.all(np.isfinite(edges.chi2))
    true = toys.true_edges(toy)
    assert len(true & pair_set(edges)) > 0.97 * len(true)


@pytest.mark.parametrize("name", ["position", "mean", "cholesky"])
def test_a_hit_that_is_not_finite_is_named(hits, name):
    holder = hits if name == "position" else hits.estimate
    values = getattr(holder, name).copy()
    values[7, 2] = np.nan
    changed = dataclasses.replace(holder, **{name: values})
    with pytest.raises(InputError, match=r"edges: hit 7 \(row 7; 1 such hits\).*finite"):
        found(changed if name == "position" else dataclasses.replace(hits, estimate=changed))


def test_a_covariance_without_inverse_a_bad_field_and_no_thread_are_refused(hits):
    cholesky = hits.estimate.cholesky.copy()
    # Cot beta is half of cot alpha, exactly.
    cholesky[3, 2:] = [[0.0, 0.0, 0.2, 0.0], [0.0, 0.0, 0.1, 0.0]]
    flat = dataclasses.replace(hits.estimate, cholesky=cholesky)
    with pytest.raises(InputError, match=r"row 3.*positive definite"):
        found(dataclasses.replace(hits, estimate=flat))
    for field in (float("nan"), "3.8"):
        with pytest.raises(InputError, match="edges: field must be a number of T"):
            found(hits, field=field)
    with pytest.raises(InputError, match="threads"):
        found(hits, threads=0)


def test_hits_of_another_detector_are_refused(hits):
    n_modules, n_layers = len(toys.detector()), len(toys.detector().layers)
    for name, value, text in (
        ("layer", 99, rf"hit 5 \(row 5\) has the layer 99 and the detector has {n_layers}, numbered from 0"),
        ("layer", -1, "has the layer -1"),
        (
            "module",
            n_modules,
            rf"hit 5 \(row 5\) has the module {n_modules} and the detector has {n_modules}",
        ),
        (
            "layer",
            (hits.layer[5] + 1) % n_layers,
            f"its module {hits.module[5]} lies in layer {hits.layer[5]}",
        ),
    ):
        rows = getattr(hits, name).copy()
        rows[5] = value
        with pytest.raises(InputError, match=f"edges: .*{text}"):
            found(dataclasses.replace(hits, **{name: rows}))


def test_layer_pairs_of_another_detector_are_refused(hits):
    n = len(toys.detector().layers)
    for name, value in (("inner", -1), ("outer", n), ("skipped", n), ("skipped", -3)):
        rows = getattr(toys.pairs(), name).copy()
        rows[2] = value
        with pytest.raises(
            InputError,
            match=rf"edges: .* {name} layers for .* \[{value}\] .* detector has {n}, .*layer_pairs",
        ):
            find_edges(
                hits, toys.detector(), dataclasses.replace(toys.pairs(), **{name: rows}), toys.FIELD, CONE
            )
    # A cylinder has no gap between rings.
    cylinder = int(np.argmax(toys.detector().layers.barrel))
    rows = np.where(toys.pairs().skipped >= 0, cylinder, -1).astype(np.int32)
    with pytest.raises(InputError, match="through the gap of a layer"):
        find_edges(hits, toys.detector(), dataclasses.replace(toys.pairs(), skipped=rows), toys.FIELD, CONE)


def test_edges_of_rows_that_are_not_there_are_refused(hits):
    edges = found(hits)
    for name, value in (("source", len(hits)), ("target", -1)):
        rows = getattr(edges, name).copy()
        rows[3] = value
        with pytest.raises(
            InputError, match=rf"edges: {name} of edge 3 is {value} and there are {len(hits)} hits"
        ):
            dataclasses.replace(edges, **{name: rows})
    with pytest.raises(InputError, match="edges: chi2 has 1 rows"):
        dataclasses.replace(edges, chi2=edges.chi2[:1])


@pytest.mark.parametrize("field", [1e3, -38.0, float("inf")])
def test_a_field_in_another_unit_is_refused(hits, field):
    with pytest.raises(InputError, match="edges: field must be a number of T"):
        found(hits, field=field)


def test_positions_in_another_unit_are_refused(hits):
    far = hits.position.copy()
    far[7] *= 1e6
    with pytest.raises(InputError, match=r"row 7; 1 such hits.*positions to 1e\+06 mm"):
        found(dataclasses.replace(hits, position=far))


def moved_module(detector, centre):
    """A detector whose first module has another centre."""
    columns = {name: np.array(values, copy=True) for name, values in detector.columns.items()}
    for name, value in zip(("cx", "cy", "cz"), centre, strict=True):
        columns[name][0] = value
    return Detector(columns)


@pytest.mark.parametrize("centre", [(1e4, 0.0, 0.0), (30.0, 0.0, 1.6e4), (-1.1e4, 1.1e4, -1.6e4)])
def test_a_module_far_away_costs_neither_memory_nor_edges(hits, centre):
    detector = moved_module(toys.detector(), centre)
    n_cells = layer_grid(detector).first_cell[-1]
    assert n_cells <= MOST_CELLS
    kept = hits.take(np.flatnonzero(hits.module != 0))
    edges, far = found(kept), find_edges(kept, detector, toys.pairs(), toys.FIELD, CONE)
    assert pair_set(far) == pair_set(edges)
    assert layer_grid(toys.detector()).first_cell[-1] < MOST_CELLS


OPTIONS = [
    (kind, name, *bounds)
    for kind in (ConeOptions, WindowOptions, SeedOptions)
    for name, bounds in ranges_of(kind).items()
]


@pytest.mark.parametrize(("kind", "name", "least", "most", "unit"), OPTIONS)
def test_options_reach_to_the_ends_of_their_ranges_and_no_further(kind, name, least, most, unit):
    whole = isinstance(getattr(kind(), name), int)
    for value in (least, most):
        assert getattr(kind(**{name: value}), name) == value
    beyond = (
        (least - 1, most + 1, 2**63, -(2**63))
        if whole
        else (least - 1e-6, most * 1.001, np.inf, -np.inf, np.nan, 1e300)
    )
    for value in beyond:
        with pytest.raises(InputError, match=f"{name} must be from .* to .*{unit} and is"):
            kind(**{name: value})


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_nothing_overflows_at_the_ends_of_the_ranges(data):
    """Results stay finite and in order, whatever ends the options have; to many seeds and few edges too."""
    few = toys.toy_hits(toys.toy_event(8, seed=39), 39)
    few = dataclasses.replace(few, time=np.linspace(-10, 10, len(few), dtype=np.float32))

    def ends(kind):
        return {
            name: data.draw(st.sampled_from([low, high]))
            for name, (low, high, _) in ranges_of(kind).items()
            if name != "max_edges"
        }

    quantiles = st.sampled_from([1e-300, 0.5, 1 - 2.0**-53])
    cone = ConeOptions(quantile=data.draw(quantiles), **ends(ConeOptions))
    field = data.draw(st.sampled_from([-STRONGEST_FIELD, 0.0, 1e-3, STRONGEST_FIELD]))
    edges = found(few, cone, field)
    for values in (edges.chi2, edges.curvature, edges.cot_theta, edges.z0, edges.pulls):
        assert np.all(np.isfinite(values))
    assert np.all(edges.chi2 <= np.float32(cone.joint_cut()) * 1.00001)
    made = find_seeds(
        few, edges, field, cone, SeedOptions(quantile=data.draw(quantiles), **ends(SeedOptions))
    )
    assert np.all(np.isfinite(made.chi2))
    kinks, impacts = made.support[:, :4], made.support[:, 4:]
    assert np.all((kinks >= 0) & (kinks <= 50))
    assert np.all(np.isfinite(impacts))
    made_cones = make_cones(few, field, cone)
    assert np.all(np.isfinite(made_cones.covariance))
    window_edges = window(few, toys.detector(), toys.pairs(), field, WindowOptions(**ends(WindowOptions)))
    assert np.all(np.isfinite(window_edges.z0))


def test_too_many_edges_are_refused_with_the_way_out(hits):
    n = len(found(hits))
    assert len(found(hits, dataclasses.replace(CONE, max_edges=n))) == n
    with pytest.raises(
        InputError,
        match=rf"has {n} edges, more than max_edges = {n - 1}; raise min_pt or max_edges, or lower the cones' quantile",
    ):
        found(hits, dataclasses.replace(CONE, max_edges=n - 1))
