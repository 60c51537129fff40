"""The chain about a beam that is off its place: the embedded sample's detector is moved instead, so that its
clusters are those of collisions elsewhere.
"""

from dataclasses import replace

import numpy as np
import pytest

from smartpix.beam import CENTRED, BeamSpot
from smartpix.geometry import Detector
from smartpix.io.events import iterate, open_events
from smartpix.schema import InputError
from smartpix.shipped import data_path
from tracking import beam_spot
from tracking.beam_spot import beam_spot_of_file, chain_of_file, find_beam_spot
from tracking.chain import Chain
from tracking.cli.main import main
from tracking.fit.options import BeamOptions
from tracking.metrics import event_truth, score_tracks
from tracking.options import RunOptions

N_EVENTS = 4
BEAM = BeamSpot(x=1.0, y=-0.6, z=15.0, slope_x=6e-4, slope_y=-4e-4)


def moved_table(detector, beam):
    """The detector where its collisions are those of a beam, by moving the columns of its table."""
    columns = {name: np.asarray(values, dtype=float).copy() for name, values in detector.columns.items()}
    turn = beam.rotation.T
    columns |= dict(zip(("cx", "cy", "cz"), turn @ detector.center.T + beam.centre[:, None], strict=True))
    for axis in "uvw":
        names = [f"rot_{g}{axis}" for g in "xyz"]
        columns |= dict(zip(names, turn @ np.stack([columns[name] for name in names]), strict=True))
    return Detector(columns)


@pytest.fixture(scope="module")
def records():
    return [part[0] for _, part in iterate(data_path("sample.root"), step=1, stop=N_EVENTS)]


@pytest.fixture(scope="module")
def at_rest():
    return Chain.for_header(open_events(data_path("sample.root")).header, RunOptions())


@pytest.fixture(scope="module")
def moved_header(at_rest):
    return replace(at_rest.header, detector=moved_table(at_rest.header.detector, BEAM), beam_spot=BEAM)


def truth_of(record, hits, **options):
    """Truth of an event's hits, of which some clusters may give several."""
    whose = {"cluster": hits.cluster, "estimate": hits.estimate}
    return event_truth(record["clusters"], record["particles"], hits.layer, **whose, **options)


def efficiency(chain, records):
    """Share of the findable particles that are found."""
    n = n_found = 0
    for record in records:
        result = chain.event(0, record["clusters"])
        truth = truth_of(record, result.hits)
        found = score_tracks(truth, result.tracks.rows()).found
        n, n_found = n + int(truth.findable.sum()), n_found + int(np.sum(found & truth.findable))
    return n_found / n


def n_true_edges(chain, records):
    """Number of the true edges that are found."""
    n = 0
    for record in records:
        result = chain.event(0, record["clusters"])
        truth = truth_of(record, result.hits)
        edges = zip(result.edges.source.tolist(), result.edges.target.tolist(), strict=True)
        n += len({tuple(edge) for edge in truth.edges.tolist()} & set(edges))
    return n


def direct_edges(chain, edges):
    """Those of layers with nothing in between, as pairs of hits."""
    direct = chain.pairs.skipped[edges.pair] == -1
    return set(zip(edges.source[direct].tolist(), edges.target[direct].tolist(), strict=True))


def test_the_chain_about_its_beam_sees_what_a_centred_one_does(at_rest, moved_header, records):
    """Edges, tracks and parameters are those of the detector at rest, but for rounding."""
    chain = Chain.for_header(moved_header, RunOptions())
    for record in records:
        one, other = at_rest.event(0, record["clusters"]), chain.event(0, record["clusters"])
        assert other.hits.position == pytest.approx(one.hits.position, abs=1e-6)
        # About disks that are off the z axis of their own table no gap between rings is found.
        before, now = (direct_edges(c, r.edges) for c, r in ((at_rest, one), (chain, other)))
        assert len(before - now) <= 1e-3 * len(before)
        assert len(now - before) <= 1e-3 * len(before)
        rows = {tuple(row) for row in one.tracks.rows()}
        same = [k for k, row in enumerate(other.tracks.rows()) if tuple(row) in rows]
        # A track whose edges pass a gap is another one without them.
        assert len(same) > 0.98 * len(one.tracks)
    place = {tuple(row): k for k, row in enumerate(one.tracks.rows())}
    at = [place[tuple(other.tracks.rows()[k])] for k in same]
    assert other.helices.d0[same] == pytest.approx(one.helices.d0[at], abs=1e-5)
    assert other.helices.z0[same] == pytest.approx(one.helices.z0[at], abs=1e-4)


def test_without_its_beam_the_chain_loses_edges_and_finds_them_again(at_rest, moved_header, records):
    blind = Chain.for_header(replace(moved_header, beam_spot=CENTRED), RunOptions())
    rest = efficiency(at_rest, records)
    edges = n_true_edges(at_rest, records)
    assert n_true_edges(blind, records) < 0.95 * edges
    found = find_beam_spot(blind, records)
    assert n_true_edges(blind.at_beam(found.spot), records) > 0.99 * edges
    assert efficiency(blind.at_beam(found.spot), records) > rest - 0.005
    spot, errors = found.spot, found.errors
    # The sample's own beam is at zero; at another z the line is elsewhere.
    reach = spot.z - BEAM.z
    for axis in "xy":
        slope = getattr(BEAM, f"slope_{axis}")
        expected = getattr(BEAM, axis) + slope * reach
        assert getattr(spot, axis) == pytest.approx(expected, abs=4 * errors[axis])
        assert errors[axis] < 0.02
        name = f"slope_{axis}"
        assert getattr(spot, name) == pytest.approx(slope, abs=4 * errors[name])
    assert spot.z == pytest.approx(BEAM.z, abs=4 * errors["z"])
    assert found.n_events == N_EVENTS


def test_passes_that_do_not_agree_are_told_of(at_rest, records, monkeypatch, caplog):
    monkeypatch.setattr(beam_spot, "MOST_PASSES", 1)
    find_beam_spot(at_rest, records)
    assert caplog.records == []
    monkeypatch.setattr(beam_spot, "NEAR", 0.0)
    find_beam_spot(at_rest, records)
    assert "after 1 passes it still moves by" in caplog.text


def test_truth_moves_with_the_beam(at_rest, records):
    """A vertex on the beam line is on the axis, and momenta turn with the frame."""
    record, hits = records[0], at_rest.event(0, records[0]["clusters"]).hits
    one, other = truth_of(record, hits), truth_of(record, hits, frame=BEAM)
    assert other.vertex == pytest.approx(BEAM.to_beam(one.vertex), abs=1e-9)
    assert other.momentum == pytest.approx(BEAM.direction_to_beam(one.momentum), rel=1e-9, abs=1e-12)
    assert other.pt == pytest.approx(np.hypot(*other.momentum[:, :2].T))


def test_the_beam_is_that_of_header_options_or_data(at_rest):
    header = replace(at_rest.header, beam_spot=BEAM)
    path = data_path("sample.root")
    assert chain_of_file(path, header, RunOptions())[0].header.detector.frame == BEAM
    other = BeamSpot(x=0.3)
    options = RunOptions(beam=BeamOptions(source="options", spot=other))
    assert chain_of_file(path, header, options)[0].header.detector.frame == other
    data = RunOptions(beam=BeamOptions(source="data", events=2))
    chain, found = chain_of_file(path, at_rest.header, data)
    assert chain.header.beam_spot == found.spot
    assert found.n_events == 2
    assert abs(found.spot.x) < 0.02


def test_a_spot_that_would_not_be_used_is_refused():
    with pytest.raises(InputError, match="beam: source must be options where a spot is given"):
        BeamOptions(spot=BeamSpot(x=1.0))


def test_a_file_without_events_is_named(at_rest, tmp_path):
    from smartpix.io.write import write_events

    path = tmp_path / "none.root"
    write_events(path, at_rest.header, [])
    with pytest.raises(InputError, match=r"none\.root: has no events"):
        beam_spot_of_file(path, at_rest, 5)


def test_the_command_prints_fields_and_errors(capsys):
    import json

    assert main(["beamspot", "--events", "2", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert {"x", "x_error", "slope_y", "slope_y_error", "sigma_z", "n_tracks", "n_events"} <= printed.keys()
    assert abs(printed["x"]) < 5 * printed["x_error"] + 1e-3
    assert printed["n_events"] == 2
