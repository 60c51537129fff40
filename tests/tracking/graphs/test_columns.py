"""The fields of a graph against straight loops over the event's records."""

import awkward as ak
import numpy as np
import pytest

from smartpix.io.events import iterate
from tests.helpers import REPOSITORY
from tracking.graphs.columns import CONE_FEATURES, FIELDS, OF_TRUTH, event_columns, truth_of


@pytest.fixture(scope="module")
def record(files):
    return next(iterate(files["toy"]))[1][0]


@pytest.mark.parametrize("naming", FIELDS)
def test_every_field_is_told_and_those_of_truth_are_left_out_without(chain, record, naming):
    columns, hits, edges = event_columns(chain, record, True, naming)
    assert set(columns) == set(FIELDS[naming])
    bare, *_ = event_columns(chain, record, False, naming)
    assert set(bare) == set(FIELDS[naming]) - OF_TRUTH
    shapes = {"N": len(hits), "E": len(edges), "T": len(truth_of(chain, record, hits).edges)}
    for name, text in FIELDS[naming].items():
        told = [shapes.get(n) or int(n) for n in text[1 : text.index(")")].replace(" ", "").split(",") if n]
        assert list(columns[name].shape) == told, name
        assert columns[name].dtype == (np.int64 if columns[name].dtype.kind == "i" else np.float32)


def test_labels_are_those_of_a_straight_loop(chain, record):
    columns, hits, edges = event_columns(chain, record, True)
    made_by = [
        {t["particle_id"] for t in c["truth"] if t["share"] >= 0.1} for c in ak.to_list(record["clusters"])
    ]
    pt = {p["particle_id"]: np.hypot(p["px"], p["py"]) for p in ak.to_list(record["particles"])}
    true = [tuple(edge) for edge in truth_of(chain, record, hits).edges.tolist()]
    assert [tuple(edge) for edge in columns["true_edge_index"].T.tolist()] == true
    for e, (a, b) in enumerate(columns["edge_index"].T.tolist()):
        assert columns["y"][e] == ((a, b) in true)
        # The stiffest, where both clusters are of several particles.
        particle = max(made_by[a] & made_by[b], key=pt.get) if (a, b) in true else 0
        assert columns["edge_particle_id"][e] == particle
        assert columns["edge_pt"][e] == pytest.approx(pt.get(particle, 0), rel=1e-5)
        if particle == columns["particle_id"][a]:
            assert columns["edge_findable"][e] == columns["findable"][a]
    assert 0 < columns["y"].sum() < len(edges)
    mine = columns["particle_id"]
    for i, following in enumerate(columns["next_hit"].tolist()):
        after = [b for a, b in true if a == i and mine[b] == mine[i]]
        assert following == min(after, default=-1)
    assert np.sum(columns["next_hit"] >= 0) > 100


def test_what_the_search_knows_goes_along(chain, record):
    columns, _, edges = event_columns(chain, record, True)
    acorn, *_ = event_columns(chain, record, True, "acorn")
    for k, name in enumerate(CONE_FEATURES):
        np.testing.assert_array_equal(columns["edge_cone"][:, k], acorn[f"edge_{name}"])
    for name in ("chi2", "curvature", "cot_theta", "z0"):
        np.testing.assert_array_equal(acorn[f"edge_{name}"], getattr(edges, name))
    np.testing.assert_array_equal(columns["edge_cone"][:, 1:5], edges.pulls)


def test_the_page_names_every_field():
    page = REPOSITORY / "docs" / "graphs.md"
    if not page.exists():
        pytest.fail("docs/graphs.md is missing")
    text = page.read_text(encoding="utf-8")
    assert [name for named in FIELDS.values() for name in named if f"`{name}`" not in text] == []
