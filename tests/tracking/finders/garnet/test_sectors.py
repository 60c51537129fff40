"""Sectors of toys and their training."""

import json
import math

import numpy as np
import pytest

from seeding.cones import ConeOptions, make_cones
from seeding.hits import estimated_hits
from seeding.table import max_curvature
from smartpix.estimate.choose import choose_estimator
from smartpix.io.events import iterate
from smartpix.schema import InputError
from tracking.finders.garnet.formats import ANSWER
from tracking.finders.garnet.options import GarNetOptions, SectorOptions, TrainGarnetOptions
from tracking.finders.garnet.sectors import cut_event, joined, sectors_of_file
from tracking.finders.garnet.train import auc_of, load_garnet, train_garnet
from tracking.finders.garnet.whole import evaluate, whole_network
from tracking.metrics import event_truth

SECTORS = SectorOptions(azimuths=8, pseudorapidities=3, min_pt=1.0, rotations=2)
OPTIONS = TrainGarnetOptions(
    GarNetOptions(16, (2,), (3,), (4,)), SECTORS, epochs=2, fixed_epochs=2, batch_size=8, held_out_share=0.3
)


@pytest.fixture(scope="module")
def event(files):
    opened, records = next(iter(iterate(files["toy"], step=1)))
    header, record = opened.header.at_beam(), records[0]
    hits = estimated_hits(record["clusters"], header, choose_estimator(opened.header))
    truth = event_truth(
        record["clusters"], record["particles"], hits.layer, frame=header.detector.frame,
        cluster=hits.cluster, estimate=hits.estimate,
    )  # fmt: skip
    return hits, truth, header.field


def in_a_loop(hits, truth, field, rotation):
    """Rows of the hits in each sector, and the labels, hit by hit."""
    cones = make_cones(hits, field, ConeOptions())
    rows, seen = {}, {}
    for hit in range(len(hits)):
        x, y, _ = hits.position[hit]
        azimuth = math.floor((math.atan2(y, x) / (2 * math.pi / 8) - rotation) % 8) % 8
        eta = math.asinh(cones.cot_theta[hit])
        if abs(eta) < 2.4:
            sector = azimuth * 3 + int((eta + 2.4) / 1.6)
            rows.setdefault(sector, []).append(hit)
            main = truth.main[hit]
            if main >= 0 and truth.pt[main] > 1.0:
                seen.setdefault((sector, main), set()).add(hits.layer[hit])
    return rows, {sector for (sector, _), layers in seen.items() if len(layers) >= 3}, cones


@pytest.mark.parametrize("rotation", [0.0, 0.5])
def test_sectors_are_those_of_a_loop(event, rotation):
    hits, truth, field = event
    sectors = cut_event(hits, truth, field, 4, SECTORS, rotation)
    rows, stiff, cones = in_a_loop(hits, truth, field, rotation)
    assert sectors.hits.tolist() == [len(rows.get(sector, [])) for sector in range(24)]
    assert set(np.flatnonzero(sectors.label)) == stiff
    assert 0 < len(stiff) < 24
    assert max(sectors.hits) > 4
    curvature = cones.curvature / max_curvature(field, 1.0)
    for sector, mine in rows.items():
        kept = sorted(mine, key=lambda hit: abs(curvature[hit]))[:4]
        assert sectors.mask[sector].sum() == len(kept)
        codes = sectors.codes[sector, : len(kept)]
        radius = np.hypot(*hits.position[kept, :2].T) / 100
        np.testing.assert_array_equal(codes[:, 0], np.floor(np.clip(radius, -4, 3.9999) * 128))
        np.testing.assert_array_equal(codes[:, 3], np.floor(np.clip(curvature[kept], -4, 3.9999) * 128))
        assert np.all(np.abs(codes[:, 1:3]) <= 128)


def test_without_field_nothing_bends(event):
    hits, truth, _ = event
    with pytest.raises(InputError, match="give a field"):
        cut_event(hits, truth, 0.0, 4, SECTORS)


def test_sectors_without_hits_are_left_out(files):
    events = list(sectors_of_file(files["toy"], 16, SECTORS))
    assert [len(parts) for parts in events] == [2] * 4
    some = joined(events[0])
    assert np.all(some.mask.any(1))
    assert len(some) == sum(int(part.mask.any(1).sum()) for part in events[0])


def test_training_reports_whole_numbers_that_can_be_loaded(files, tmp_path):
    path, lines = tmp_path / "w.safetensors", []
    result = train_garnet([files["toy"]], path, OPTIONS, lines.append)
    assert result["mismatches"] == 0
    assert [line.split("  ")[0] for line in lines[-4:]] == [
        "epoch 1/2",
        "epoch 2/2",
        "fixed 1/2",
        "fixed 2/2",
    ]
    described = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert described["metrics"] == result
    events = list(sectors_of_file(files["toy"], 16, SECTORS))
    held = joined([events[-1][0]])
    answers = evaluate(whole_network(load_garnet(str(path))), held.codes, held.mask)
    assert auc_of(held, answers) == result["auc_fixed"]
    assert result["n_test"] == len(held)
    assert result["n_train"] == len(joined([part for parts in events[:-1] for part in parts]))
    assert ANSWER.low <= answers.min() <= answers.max() <= ANSWER.high


def test_what_cannot_be_trained_on_is_refused(files, tmp_path):
    with pytest.raises(InputError, match="too few events"):
        train_garnet([files["single"]], tmp_path / "w.safetensors", OPTIONS)
    with pytest.raises(InputError, match="smartpix train garnet"):
        load_garnet("gnn")
