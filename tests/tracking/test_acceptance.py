"""What the shipped sample and weights must reach, and a real event that nobody here made."""

import json

import numpy as np
import pytest
import uproot

from smartpix.geometry import Detector
from smartpix.shipped import data_path
from tests.helpers import REPOSITORY, SHARED_DATA, convert_folder
from tests.left_out import needs
from tests.seeding import toys
from tracking.options import RunOptions
from tracking.runs.driver import run

TRACKML = SHARED_DATA / "trackml_event1"


def test_the_embedded_sample_gives_what_the_benchmarks_say(tmp_path):
    """The numbers of docs/benchmarks.md: to a track or two of 677, and to what rounding does elsewhere."""
    told = json.loads(
        (REPOSITORY / "benchmarks" / "results" / "chain-sample.json").read_text(encoding="utf-8")
    )
    found = run([data_path("sample.root")], tmp_path, RunOptions(), figures=False)
    for name in ("n_events", "n_hits", "n_findable"):
        assert found[name] == told[name], name
    for name in (
        "edge_efficiency",
        "seed_efficiency",
        "track_efficiency",
        "physics_efficiency",
        "fake_rate",
        "duplicate_rate",
    ):
        assert found[name] == pytest.approx(told[name], abs=0.002), name
    for name in (
        "n_window_edges",
        "n_edges",
        "n_seeds",
        "n_tracks",
        "reduction",
        "edge_purity",
        "window_edge_purity",
    ):
        assert found[name] == pytest.approx(told[name], rel=0.01), name
    for name in told:
        if name.startswith("resolution_"):
            assert found[name] == pytest.approx(told[name], rel=0.03), name
    for name in ("pull_mean", "pull_sigma", "pull_half_width"):
        assert found[name] == pytest.approx(told[name], abs=0.03), name
    for name in ("vertex_efficiency", "vertex_false_rate", "vertex_split_rate"):
        assert found[name] == pytest.approx(told[name], abs=0.02), name
    # Whatever the benchmarks say:
    assert found["edge_efficiency"] >= 0.998
    assert found["track_efficiency"] >= 0.995
    assert found["fake_rate"] <= 0.005
    assert found["duplicate_rate"] <= 0.001
    assert found["reduction"] >= 1.8
    assert all(0.95 < width < 1.08 for width in found["pull_sigma"].values())


def test_the_shape_estimate_finds_the_tracks_too(tmp_path):
    summary = run([data_path("sample.root")], tmp_path, RunOptions(estimates="shape"), figures=False)
    assert summary["n_findable"] == 677
    assert summary["edge_efficiency"] >= 0.998
    assert summary["track_efficiency"] >= 0.995
    assert summary["fake_rate"] <= 0.005


@needs("../shared/data/trackml_event1")
def test_the_trackml_event_reaches_its_targets(tmp_path):
    convert_folder(TRACKML, tmp_path / "event.root")
    summary = run([tmp_path / "event.root"], tmp_path / "out", RunOptions(), figures=False)
    assert summary["n_findable"] >= 40
    assert summary["track_efficiency"] >= 0.95
    assert summary["fake_rate"] <= 0.03


def trackml_folder(folder, toy, field):
    """A TrackML event of toy crossings: each pixel has the length of the track in it, hits lie where the
    pixels' lengths do.
    """
    columns = {n: np.asarray(v) for n, v in toys.detector().columns.items()}
    n = len(columns["cx"])
    in_file = {k: np.full(n, v) for k, v in {"module_t": 0.15, "pitch_u": 0.05, "pitch_v": 0.05625}.items()}
    # The challenge's module_t is all of the thickness in the barrel, half of it on the disks.
    own = Detector(columns | in_file | {"module_t": np.where(toys.detector().barrel, 0.075, 0.15)})
    local = own.to_local(toy.module, toy.point)[:, :2]
    cot = own.direction_to_local(toy.module, toy.direction)
    cot = cot[:, :2] / cot[:, 2:]
    parts = (np.arange(600) + 0.5) / 600 - 0.5
    cells, hits, truth = [], [], []
    pt = 0.299792458e-3 * field / np.abs(toy.curvature)
    for k, m in enumerate(toy.module):
        at = local[k] + own.thickness[m] * parts[:, None] * cot[k]
        index = np.floor((at + [own.half_x[m], own.half_y[m]]) / [0.05625, 0.05]).astype(int)
        pixels, count = np.unique(index, axis=0, return_counts=True)
        inside = np.all((pixels >= 0) & (pixels < [own.n_columns[m], own.n_rows[m]]), axis=1)
        pixels, length = pixels[inside], own.thickness[m] * np.sqrt(1 + cot[k] @ cot[k]) * count[inside] / 600
        center = (length @ ((pixels + 0.5) * [0.05625, 0.05])) / length.sum() - [own.half_x[m], own.half_y[m]]
        place = own.to_global([m], center[None])[0]
        ids = [int(columns[name][m]) for name in ("volume_id", "layer_id", "module_id")]
        hits.append([k + 1, *place, *ids])
        for (column, row), value in zip(pixels, length, strict=True):
            ch0 = row if own.u_sign[m] > 0 else own.n_rows[m] - 1 - row
            ch1 = column if own.v_sign[m] > 0 else own.n_columns[m] - 1 - column
            cells.append([k + 1, ch0, ch1, value])
        truth.append(
            [k + 1, toy.particle[k] + 1, *toy.point[k], *(pt[toy.particle[k]] * toy.direction[k]), 0.1]
        )
    start = np.column_stack([np.cos(toy.phi), np.sin(toy.phi), toy.cot_theta]) * pt[:, None]
    charge = -np.sign(toy.curvature).astype(int)
    particles = [[i + 1, 211 * charge[i], *toy.start[i], *start[i], charge[i], 4] for i in range(len(pt))]
    tables = {
        "detectors": (list(columns), list(zip(*(in_file.get(c, v) for c, v in columns.items()),
        strict=True))),
        "event000000001-hits": (["hit_id", "x", "y", "z", "volume_id", "layer_id", "module_id"], hits),
        "event000000001-cells": (["hit_id", "ch0", "ch1", "value"], cells),
        "event000000001-truth": (["hit_id", "particle_id", "tx", "ty", "tz", "tpx", "tpy", "tpz", "weight"],
        truth),
        "event000000001-particles": (
            ["particle_id", "particle_type", "vx", "vy", "vz", "px", "py", "pz", "q", "nhits"], particles,
        ),
    }  # fmt: skip
    folder.mkdir()
    for name, (head, rows) in tables.items():
        lines = [",".join(head), *(",".join(str(v) for v in row) for row in rows)]
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def test_an_event_in_trackmls_files_gives_the_helices_it_was_made_of(tmp_path):
    """The counterpart that every clone runs: 40 separate particles in 2 T, each found, none else, with its
    own parameters.
    """
    n, field = 40, 2.0
    rng = np.random.default_rng(5)
    pt = rng.uniform(1.5, 6.0, n)
    charge = rng.choice([-1, 1], n)
    phi = 2 * np.pi * (np.arange(n) + rng.uniform(0.2, 0.8, n)) / n - np.pi
    cot_theta = rng.uniform(-1.2, 1.2, n)
    start = np.column_stack([np.zeros((n, 2)), rng.normal(0, 5.0, n)])
    toy = toys.event_of(start, phi, -charge * 0.299792458e-3 * field / pt, cot_theta)
    convert_folder(trackml_folder(tmp_path / "event", toy, field), tmp_path / "event.root")
    summary = run([tmp_path / "event.root"], tmp_path / "out", RunOptions(), figures=False)
    layers = [len(set(toy.layer[rows])) for rows in toy.hit_rows()]
    assert summary["n_hits"] == len(toy.module)
    assert summary["n_findable"] == sum(k >= 4 for k in layers) > 0.9 * n
    assert summary["track_efficiency"] == summary["edge_efficiency"] == 1
    assert summary["fake_rate"] == summary["duplicate_rate"] == 0
    with uproot.open(tmp_path / "out" / "tracks.root") as file:
        tracks = file["tracks"].arrays(library="np")
    who = tracks["track_particle_id"][0] - 1
    assert len(who) == len(set(who)) == summary["n_findable"]
    np.testing.assert_array_equal(np.sign(tracks["track_qop"][0]), charge[who])
    ratio = tracks["track_qop"][0] * pt[who] * np.hypot(1, cot_theta[who]) * charge[who]
    np.testing.assert_allclose(ratio, 1, atol=0.25)
    assert np.median(ratio) == pytest.approx(1, abs=0.025)
    np.testing.assert_allclose(tracks["track_z0"][0], start[who, 2], atol=0.5)
    np.testing.assert_allclose(1 / np.tan(tracks["track_theta"][0]), cot_theta[who], atol=0.01)
    np.testing.assert_allclose(np.angle(np.exp(1j * (tracks["track_phi"][0] - phi[who]))), 0, atol=0.01)
