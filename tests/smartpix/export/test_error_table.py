"""The table of errors by cluster shape against a straight loop over the sample's clusters."""

import csv
import json

import awkward as ak
import numpy as np
import pytest

from smartpix.clusters import flatten
from smartpix.estimate.base import truth_targets
from smartpix.estimate.choose import choose_estimator
from smartpix.export.error_table import COLUMNS, centre_of_charge, error_table, write_error_table
from smartpix.export.table_options import ErrorTableOptions
from smartpix.io.events import iterate, open_events
from smartpix.io.write import write_events
from smartpix.schema import InputError
from smartpix.shipped import data_path


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """Two events of the embedded sample, their header, and the estimates."""
    opened = open_events(data_path("sample.root"))
    records = [events for _, events in iterate(opened.path, step=1, stop=2)]
    path = tmp_path_factory.mktemp("sample") / "two.root"
    write_events(path, opened.header, iter(records))
    records = [events[0] for events in records]
    return path, opened.header, choose_estimator(opened.header, "mdn"), records


def test_bins_hold_what_a_straight_loop_finds(sample):
    path, header, estimator, records = sample
    options = ErrorTableOptions(columns=4, rows=5, charges=1, least=20)
    rows = error_table([path], header, estimator, options)
    detector, found = header.detector, {}
    for record in records:
        target, good = truth_targets(record["clusters"], 0.95)
        for k, cluster in enumerate(ak.to_list(record["clusters"])):
            if not good[k] or cluster["truncated"]:
                continue
            m = cluster["module_index"]
            pixels = [(p["row"], p["column"], max(p["charge_19"], 0)) for p in cluster["pixels"]]
            total = sum(q for *_, q in pixels)
            x = sum((c + 0.5) * q for _, c, q in pixels) / total * detector.pitch_x[m] - detector.half_x[m]
            y = sum((r + 0.5) * q for r, _, q in pixels) / total * detector.pitch_y[m] - detector.half_y[m]
            spans = [max(p[i] for p in pixels) - min(p[i] for p in pixels) + 1 for i in (1, 0)]
            key = ("barrel" if detector.barrel[m] else "endcap", min(spans[0], 4), min(spans[1], 5))
            found.setdefault(key, []).append((x - target[k, 0], y - target[k, 1]))
    assert {(r["region"], r["columns"], r["rows"]) for r in rows} == {
        k for k, v in found.items() if len(v) >= 20
    }
    assert {r["region"] for r in rows} == {"barrel", "endcap"}
    for row in rows:
        assert list(row) == list(COLUMNS)
        own = np.array(found[row["region"], row["columns"], row["rows"]])
        assert row["clusters"] == len(own)
        # What is far off is brought nearer, which moves a mean by less than a fifth of the scatter.
        for i, name in enumerate("xy"):
            assert row[f"bias_{name}"] == pytest.approx(own[:, i].mean(), abs=0.2 * own[:, i].std() + 1e-9)
            assert 0 < row[f"sigma_{name}"] <= own[:, i].std() * 1.001
    # The Lorentz drift: half of the thickness times tan of its angle.
    drift = [r["bias_y"] for r in rows if r["region"] == "barrel" and r["rows"] < 5]
    assert -0.02 < np.mean(drift) < -0.012


def test_estimates_tell_the_same_without_truth(sample):
    path, header, estimator, _ = sample
    truth, estimates = (
        {
            (r["region"], r["columns"], r["rows"]): r
            for r in error_table([path], header, estimator, ErrorTableOptions(source, charges=1, least=150))
        }
        for source in ("truth", "estimates")
    )
    shared = truth.keys() & estimates.keys()
    assert len(shared) > 5
    for key in shared:
        assert estimates[key]["bias_y"] == pytest.approx(truth[key]["bias_y"], abs=2e-3)
        assert estimates[key]["sigma_x"] == pytest.approx(truth[key]["sigma_x"], rel=0.3)


def test_bins_of_charge_share_the_clusters_of_the_bin_of_all(sample):
    path, header, estimator, _ = sample
    rows = error_table([path], header, estimator, ErrorTableOptions(columns=1, rows=1, charges=4, least=2))
    for region in ("barrel", "endcap"):
        whole, *parts = [r for r in rows if r["region"] == region]
        assert (whole["charge_low"], whole["charge_high"]) == (0, -1)
        assert len(parts) == 4
        assert sum(p["clusters"] for p in parts) == whole["clusters"]
        assert [p["charge_high"] for p in parts[:-1]] == [p["charge_low"] for p in parts[1:]]


def test_json_and_csv_hold_the_same(sample, tmp_path):
    path, header, estimator, _ = sample
    for ending in ("json", "csv"):
        told = write_error_table(tmp_path / f"t.{ending}", [path], header, estimator)
    content = json.loads((tmp_path / "t.json").read_text())
    with (tmp_path / "t.csv").open(encoding="utf-8") as stream:
        lines = list(csv.DictReader(stream))
    assert len(lines) == len(content["entries"]) == told["entries"]
    for line, entry in zip(lines, content["entries"], strict=True):
        assert line["region"] == entry["region"]
        assert float(line["sigma_y"]) == entry["sigma_y"]
    with pytest.raises(InputError, match=r"end its name in \.json or \.csv"):
        write_error_table(tmp_path / "t.txt", [path], header, estimator)


def test_the_centre_of_a_cluster_without_charge_is_that_of_its_box(sample):
    _, header, estimator, records = sample
    flat = flatten(records[0]["clusters"][:1], estimator.slices)
    flat.charge[:] = -1
    middle = [(flat.column.astype(float) + 0.5).mean(), (flat.row.astype(float) + 0.5).mean()]
    detector, m = header.detector, flat.module[0]
    expected = [
        middle[0] * detector.pitch_x[m] - detector.half_x[m],
        middle[1] * detector.pitch_y[m] - detector.half_y[m],
    ]
    assert centre_of_charge(flat, detector)[0].tolist() == pytest.approx(expected)
