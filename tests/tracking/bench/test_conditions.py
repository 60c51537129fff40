"""Dead modules, and crossings as a detector has them that lies elsewhere."""

import awkward as ak
import numpy as np
import pytest

from smartpix.calibration import displaced
from smartpix.geometry import read_detector
from smartpix.io.events import iterate
from smartpix.shipped import data_path
from tests.helpers import embedded_detector
from tracking.bench import conditions
from tracking.bench.conditions import targets_in


def test_dead_modules_have_no_clusters_and_the_others_keep_all():
    detector = read_detector(data_path("detector.csv"))
    ((_, records),) = iterate(data_path("sample.root"), step=2, stop=2)
    left = conditions.without_dead(records, len(detector.layer_index), 0.3)
    alive = set(ak.to_numpy(ak.flatten(left["clusters"]["module_index"])).tolist())
    module = ak.to_numpy(ak.flatten(records["clusters"]["module_index"]))
    kept = np.isin(module, list(alive))
    assert int(kept.sum()) == len(ak.flatten(left["clusters"]["module_index"]))
    n_modules = len(np.unique(module))
    assert 1 - len(alive) / n_modules == pytest.approx(0.3, abs=0.03)
    assert ak.all(
        left["clusters"]["pixels", "row"]
        == records["clusters"][kept_by_event(records, kept)]["pixels", "row"]
    )
    assert conditions.without_dead(records, len(detector.layer_index), 0.0) is records


def kept_by_event(records, kept):
    return ak.unflatten(kept, ak.num(records["clusters"]["module_index"]))


def test_crossings_lie_where_the_line_meets_the_module_as_it_is_thought_to_be():
    detector, rng, n = embedded_detector(), np.random.default_rng(3), 50
    m = len(detector)
    believed = displaced(detector, rng.normal(0, 0.1, (m, 3)), rng.normal(0, 0.01, (m, 3)))
    module = rng.integers(0, m, n).astype(np.int32)
    targets = np.concatenate([rng.uniform(-5, 5, (n, 2)), rng.uniform(-2, 2, (n, 2))], axis=1)
    there = targets_in(targets, module, detector, believed)
    for k, row in enumerate(module):
        point = detector.center[row] + detector.axes[row] @ [*targets[k, :2], 0]
        line = detector.axes[row] @ [*targets[k, 2:], 1]
        normal = believed.axes[row][:, 2]
        path = (believed.center[row] - point) @ normal / (line @ normal)
        local = believed.axes[row].T @ (point + path * line - believed.center[row])
        slope = believed.axes[row].T @ line
        np.testing.assert_allclose(there[k], [*local[:2], *(slope[:2] / slope[2])], atol=1e-9)
    np.testing.assert_allclose(targets_in(targets, module, detector, detector), targets, atol=1e-9)
