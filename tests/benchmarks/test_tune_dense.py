"""The search of the settings for jets' cores: its points, its ranges, and a short run to its end."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest

from seeding import acts_reference
from smartpix.shipped import data_path
from tests.helpers import REPOSITORY

sys.path.append(str(REPOSITORY / "benchmarks"))
pytest.importorskip("acts")
import tune_dense
from acts_measured import Measured
from acts_settings import Range, seeding_cuts

from tracking.acts.reference import WORKING_POINTS
from tracking.finders.deepcore.kmeans import KMeansOptions
from tracking.finders.deepcore.options import DeepCoreOptions


def test_the_points_are_those_of_the_reference_and_inside_the_ranges():
    for name in tune_dense.POINTS:
        setting, point = tune_dense.setting_of(name), WORKING_POINTS[name]
        cuts = seeding_cuts(setting["seeding"])
        assert {key: cuts[key] for key in point.seeding} == dict(point.seeding)
        assert replace(point.options, **setting["chain"]) == point.options
        for part, ranges in (("seeding", tune_dense.CORE_SEEDING), ("chain", tune_dense.CORE_CHAIN)):
            for key, of in ranges.items():
                value = setting[part][key]
                if isinstance(of, Range):
                    # No upper end decides, and a lower one only where there is nothing below it.
                    assert (of.whole and value == of.low) or of.low < value < of.high, key
                else:
                    assert value in of.values, key


def test_what_is_aimed_at():
    def measured(efficiency, fakes, duplicates=0.0):
        return Measured({}, 1.0, 1.0, 1.0, efficiency, 1.0, 0.0, duplicates, fakes)

    pure, many = measured(0.98, 0.001), measured(0.985, 0.003)
    assert tune_dense.best([many, pure], tune_dense.clean)[0] is pure
    assert tune_dense.best([pure, many], tune_dense.loose)[0] is many
    assert tune_dense.best([pure, measured(0.986, 0.02)], tune_dense.loose)[0] is pure
    assert tune_dense.best([measured(0.98, 0.001, 0.1), pure], tune_dense.clean)[0] is pure


def test_changes_reach_options_inside_of_others():
    options = tune_dense.changed(DeepCoreOptions(), {"jets": {"max_eta": 4.0}, "sigma_hit": 0.03})
    assert options.jets == replace(DeepCoreOptions().jets, max_eta=4.0)
    assert (options.sigma_hit, options.seeds) == (0.03, DeepCoreOptions().seeds)
    assert tune_dense.changed(KMeansOptions(), {}) == KMeansOptions()


def test_a_short_search_writes_points_and_scans(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tune_dense, "KMEANS", ({}, {"fraction": 2.0}))
    monkeypatch.setattr(tune_dense, "DEEPCORE", ({},))
    output = tmp_path / "tuned.json"
    flags = ["--file", str(data_path("sample.root")), "--events", "1", "--settings", "2", "-o", str(output)]
    tune_dense.main([*flags, "--json"])
    result = json.loads(output.read_text())
    assert json.loads(capsys.readouterr().out) == result
    assert {"seed", "n_events", "n_findable", "search_seed", "aims", "remake"} <= set(result)
    acts = result["acts"]
    assert len(acts["tried"]) + acts["n_refused"] >= 4
    assert acts["tried"][:2] == [acts["points"][name] for name in tune_dense.POINTS]
    assert [r["changes"] for r in result["kmeans"]] == [{}, {"fraction": 2.0}]
    assert 0.5 < result["unsplit"]["efficiency"] <= result["deepcore"][0]["efficiency"] <= 1
    assert np.all([0 <= r["fakes"] < 0.1 for r in result["kmeans"]])
    assert (
        acts_reference.DENSE["maxSeedsPerSpM"]
        == acts["points"]["dense"]["setting"]["seeding"]["maxSeedsPerSpM"]
    )
