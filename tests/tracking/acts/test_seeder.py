import importlib.util
import json
import re
import sys

import numpy as np
import pytest

from seeding.acts import algorithm_of, run_timed, space_points
from seeding.edges import find_edges
from seeding.hits import estimated_hits
from seeding.seeds import find_seeds
from smartpix.estimate.choose import choose_estimator
from smartpix.extras import import_acts
from smartpix.io.events import iterate
from smartpix.layers import layer_pairs
from smartpix.schema import InputError
from smartpix.shipped import data_path
from tests.helpers import REPOSITORY
from tracking.acts.event import fitting_algorithm, measurement_sources, track_parameters, track_rows
from tracking.acts.seeder import SeederOptions, cone_seeder, hits_of_points, seed_container, track_triplets
from tracking.acts.setup import acts_setup
from tracking.chain import Chain
from tracking.finders.tracks import Tracks
from tracking.options import RunOptions

pytest.importorskip("acts")
FIELD_CONSTANT = 0.299792458e-3


@pytest.fixture(scope="module")
def sample():
    """Header, clusters and hits of an event of pile-up 20."""
    for opened, events in iterate(data_path("sample.root"), step=1, stop=1):
        clusters, header = events[0]["clusters"], opened.header
    return header, clusters, estimated_hits(clusters, header, choose_estimator(header))


def seeds_through_acts(tmp_path, header, hits, options=None, volumes=(7, 8, 9), **more):
    """(S, 3) measurements of the seeds that addSeeding hands on, as their source links say, and the
    sequencer's times.
    """
    from acts.examples import reconstruction

    acts = import_acts()
    examples, place = acts.examples, acts_setup(acts, header.detector, header.field)
    selection = tmp_path / "selection.json"
    selection.write_text(json.dumps([{"volume": v} for v in volumes]))
    found = []

    def truth(event):
        return examples.SimParticleContainer(), examples.MeasurementParticlesMap()

    def take(event, points, seeds):
        link = examples.IndexSourceLink.fromSourceLink
        for seed in seeds:
            links = [next(iter(points[int(k)].sourceLinks)) for k in seed.spacePointIndices]
            found.append([link(one).index() for one in links])
        return ()

    def add(s):
        reconstruction.addSeeding(
            s, place.geometry, place.field, geoSelectionConfigFile=selection,
            seedingAlgorithm=reconstruction.SeedingAlgorithm.PythonCallable,
            customSeeder=cone_seeder(lambda event: hits, header.detector, header.field,
            options or SeederOptions()), **more,
        )  # fmt: skip
        reads = [("spacepoints", acts.SpacePointContainer), ("seeds", acts.SeedContainer)]
        s.addAlgorithm(algorithm_of(acts, "Sink", take, reads=reads))

    no_truth = [
        ("particles_selected", examples.SimParticleContainer), ("measurement_particles_map",
        examples.MeasurementParticlesMap),
    ]  # fmt: skip
    sources = [
        *measurement_sources(acts, [hits], header.detector, place),
        algorithm_of(acts, "Truth", truth, writes=no_truth),
    ]
    spent = run_timed(acts, 1, sources, add_more=add)
    return np.array(found).reshape(-1, 3), spent


def seeds_directly(header, hits, min_pt=0.5, max_cot_theta=10.0):
    """The same without ACTS: cones, seeds, and the cuts on each seed's own circle."""
    run = RunOptions()
    edges = find_edges(hits, header.detector, layer_pairs(header.detector), header.field, run.cone)
    out = []
    for rows in find_seeds(hits, edges, header.field, run.cone, run.seed).hits:
        a, b, c = (complex(*hits.position[k, :2]) for k in rows)
        # Centre of the circle through three points: Cramer's rule on |p - m| = R.
        matrix = np.array([[(b - a).real, (b - a).imag], [(c - a).real, (c - a).imag]])
        if abs(np.linalg.det(matrix)) > 1e-9:
            center = np.linalg.solve(matrix, [abs(b - a) ** 2 / 2, abs(c - a) ** 2 / 2])
            if np.hypot(*center) * FIELD_CONSTANT * header.field < min_pt:
                continue
        rise = abs(hits.position[rows[2], 2] - hits.position[rows[0], 2])
        if rise < max_cot_theta * abs(abs(c) - abs(a)):
            out.append(rows)
    return np.array(out)


def test_addseeding_gets_the_seeds_of_the_cones(sample, tmp_path):
    header, _, hits = sample
    found, spent = seeds_through_acts(tmp_path, header, hits)
    assert np.array_equal(found, seeds_directly(header, hits))
    assert len(found) > 200
    assert {"ConeEstimates", "ConeSeeder", "TrackParamsEstimationAlgorithm"} <= set(spent)


def test_space_points_of_some_of_the_measurements(sample, tmp_path):
    header, _, hits = sample
    found, _ = seeds_through_acts(tmp_path, header, hits, volumes=(8,))
    barrel = np.flatnonzero(np.asarray(header.detector.columns["volume_id"])[hits.module] == 8)
    wanted = barrel[seeds_directly(header, hits.take(barrel))]
    assert len(wanted) > 50
    # Other hits come in another order, and with them seeds of equal quality.
    assert {tuple(row) for row in found.tolist()} == {tuple(row) for row in wanted.tolist()}


def test_options_come_with_the_seeder_or_with_its_config(sample, tmp_path):
    header, _, hits = sample
    wanted = seeds_directly(header, hits, min_pt=2.0, max_cot_theta=1.0)
    assert 0 < len(wanted) < 0.3 * len(seeds_directly(header, hits))
    found, _ = seeds_through_acts(tmp_path, header, hits, SeederOptions(min_pt=2.0, max_cot_theta=1.0))
    assert np.array_equal(found, wanted)
    found, _ = seeds_through_acts(
        tmp_path, header, hits, customSeederConfig={"min_pt": 2.0, "max_cot_theta": 1.0}
    )
    assert np.array_equal(found, wanted)
    with pytest.raises(InputError, match=r"customSeederConfig: unknown option 'min_p'.*min_pt"):
        seeds_through_acts(tmp_path, header, hits, customSeederConfig={"min_p": 2.0})
    with pytest.raises(InputError, match="seeds must be one of cones, tracks"):
        SeederOptions(seeds="tripletts")
    with pytest.raises(InputError, match="proto tracks 'mine' need seeds 'tracks'"):
        cone_seeder(lambda event: hits, header.detector, header.field, proto_track_key="mine")(
            None, "points", "seeds"
        )


def test_points_find_their_hits(sample):
    header, _, hits = sample
    acts = import_acts()
    place = acts_setup(acts, header.detector, header.field)

    def points(rows, numbers):
        some = hits.take(rows)
        ids = [place.ids[m] for m in some.module.tolist()]
        links = [
            acts.examples.IndexSourceLink(i, int(k)).toSourceLink() for i, k in zip(ids, numbers, strict=True)
        ]
        return space_points(acts, some, links)

    everything, order = np.arange(len(hits)), np.random.default_rng(1).permutation(len(hits))
    assert hits_of_points(acts, points(everything, everything), hits) is None
    assert np.array_equal(hits_of_points(acts, points(order, order), hits), order)
    assert np.array_equal(hits_of_points(acts, points(order[:50], order[:50]), hits), order[:50])
    with pytest.raises(InputError, match="in the order of ACTS's measurements"):
        hits_of_points(acts, points(order, everything), hits)
    with pytest.raises(InputError, match="in the order of ACTS's measurements"):
        hits_of_points(acts, points(everything[:5], everything[:5] + len(hits)), hits)
    none = everything[:0]
    assert hits_of_points(acts, points(none, none), hits.take(none)) is None


def test_seeds_keep_their_order_and_quality(sample):
    acts = import_acts()
    triplets = np.array([[3, 5, 9], [0, 2, 4], [7, 8, 10]])
    container = seed_container(acts, space_points(acts, sample[2].take(np.arange(12))), triplets)
    assert [seed.spacePointIndices.tolist() for seed in container] == triplets.tolist()
    assert np.all(np.diff([seed.quality for seed in container]) < 0)


def test_triplets_of_tracks():
    # On layers 0 0 1 2 4, on 1 2 3, and on 5 5 6.
    hits = np.array([10, 11, 12, 13, 14, 21, 22, 23, 30, 31, 32])
    layer = np.zeros(40, dtype=np.int32)
    layer[hits] = [0, 0, 1, 2, 4, 1, 2, 3, 5, 5, 6]
    tracks = Tracks(hits, np.array([0, 5, 8, 11]), np.ones(3, dtype=np.float32))
    triplets, track = track_triplets(tracks, layer)
    assert triplets.tolist() == [[10, 13, 14], [21, 22, 23], [12, 13, 14]]
    assert track.tolist() == [0, 1, 0]
    assert [len(part) for part in track_triplets(Tracks.from_rows([]), layer)] == [0, 0]


def test_tracks_go_to_the_fitter_in_memory(sample):
    """Our tracks as seeds and proto tracks, parameters from the seeds, ACTS's Kalman filter: near our own
    fit.
    """
    header, clusters, hits = sample
    acts = import_acts()
    examples, level = acts.examples, acts.logging.FATAL
    result = Chain.for_header(header, RunOptions()).event(0, clusters)
    ours = {tuple(sorted(rows.tolist())): k for k, rows in enumerate(result.tracks.rows())}
    place = acts_setup(acts, header.detector, header.field)
    where = {"trackingGeometry": place.geometry, "magneticField": place.field}
    selection = [acts.GeometryIdentifier(volume=v) for v in (7, 8, 9)]
    tracks, pulls = [], []

    def look(event, proposed, fitted):
        tracks.extend(tuple(sorted(track)) for track in proposed)
        parameters = track_parameters(fitted)
        for k, track in enumerate(fitted):
            rows = tuple(sorted(track_rows(acts, track, hits).tolist()))
            if rows in ours:
                mine, own = ours[rows], result.helices
                shift = [
                    parameters.z0[k] - own.z0[mine],
                    parameters.theta[k] - own.theta[mine],
                    parameters.qop[k] - own.qop[mine],
                ]
                pulls.append(shift / own.sigma()[mine, [1, 3, 4]])
        return ()

    def add(s):
        s.addAlgorithm(
            examples.SpacePointMaker(
                level=level, inputMeasurements="measurement_subset", outputSpacePoints="points",
                trackingGeometry=place.geometry, geometrySelection=selection,
            )
        )  # fmt: skip
        seeder = cone_seeder(
            lambda event: hits, header.detector, header.field, SeederOptions("tracks"), proto_track_key="mine"
        )
        seeder(
            s=s,
            spacePoints="points",
            outputSeeds="seeds",
            trackingGeometry=place.geometry,
            logLevel=level,
            config={},
        )
        s.addAlgorithm(
            examples.TrackParamsEstimationAlgorithm(
                level=level, inputSeeds="seeds", outputSeeds="estimated", outputTrackParameters="parameters",
                inputProtoTracks="mine", outputProtoTracks="kept", initialSigmas=[1.0, 1.0, 0.1, 0.1, 0.0,
                acts.UnitConstants.ns],
                initialSigmaQoverPt=0.1, initialSigmaPtRel=0.1, **where,
            )
        )  # fmt: skip
        s.addAlgorithm(fitting_algorithm(acts, place, "kept", "parameters"))
        reads = [("kept", examples.ProtoTrackContainer), ("fitted", examples.ConstTrackContainer)]
        s.addAlgorithm(algorithm_of(acts, "Sink", look, reads=reads))

    run_timed(acts, 1, measurement_sources(acts, [hits], header.detector, place), add_more=add)
    assert len(tracks) == len(set(tracks)) > 150
    assert set(tracks) <= set(ours)
    assert len(pulls) > 0.9 * len(tracks)
    assert np.all(np.quantile(np.abs(pulls), 0.68, axis=0) < 0.5)


def example_of(name, monkeypatch):
    spec = importlib.util.spec_from_file_location(name, REPOSITORY / "examples" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


def test_example_runs_the_whole_chain(monkeypatch):
    example = example_of("acts_chain", monkeypatch)
    result = json.loads(json.dumps(example.run(1, 10, 3, 1, report=lambda line: None)))
    for way in ("ours", "ours_tracks", "acts", "ours_fitted"):
        assert result[way]["n_findable"] > 20
        assert result[way]["efficiency"] > 0.95
        assert result[way]["fake_rate"] < 0.03
        assert result[way]["n_seeds"] > 50
        assert min(value for key, value in result[way].items() if key.endswith("_ms")) > 0
    assert result["ours"]["n_seeds"] < result["acts"]["n_seeds"]
    clock = {
        way: sum(result[way][stage] for stage in ("seeding_ms", "parameters_ms", "ckf_ms"))
        for way in ("ours", "acts")
    }
    assert result["ratio_time"] == pytest.approx(clock["ours"] / clock["acts"])
    assert "with ACTS's" in example.table(result)


def test_example_on_clusters_of_acts_runs(monkeypatch):
    example_of("acts_chain", monkeypatch)
    example = example_of("acts_clusters", monkeypatch)
    monkeypatch.setattr(example, "CHAIN_REPEATS", 1)
    result = json.loads(json.dumps(example.run(1, 25, 3, lambda line: None)))
    assert result["own"]["track_efficiency"] > 0.98 > 0.95 > result["shipped"]["track_efficiency"]
    assert result["own"]["n_edges"] < 0.99 * result["own"]["n_window_edges"]
    for hits in ("own", "lengths"):
        for way in ("ours", "acts"):
            assert result["in_acts"][hits][way]["efficiency"] > 0.97
            assert result["in_acts"][hits][way]["fake_rate"] < 0.02
        assert result["in_acts"][hits]["ours"]["n_seeds"] < result["in_acts"][hits]["acts"]["n_seeds"]


def test_the_lines_of_the_page_plug_it_in(tmp_path):
    acts = import_acts()
    page = (REPOSITORY / "docs" / "acts.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    assert len(blocks) == 3
    generic = acts.examples.GenericDetector(
        acts.examples.GenericDetector.Config(logLevel=acts.logging.WARNING)
    )
    selection = tmp_path / "pixels.json"
    selection.write_text(json.dumps([{"volume": v} for v in (7, 8, 9)]))
    examples = acts.examples
    before = [
        ("measurements", examples.MeasurementContainer), ("measurement_subset", examples.MeasurementSubset),
        ("clusters", examples.ClusterContainer), ("particles_selected", examples.SimParticleContainer),
        ("measurement_particles_map", examples.MeasurementParticlesMap),
    ]  # fmt: skip
    for block in (*blocks[:2], blocks[0] + blocks[2]):
        s = examples.Sequencer(events=1, numThreads=1, logLevel=acts.logging.WARNING, trackFpes=False)
        s.addAlgorithm(algorithm_of(acts, "Before", tuple, writes=before))
        names = {"acts": acts, "s": s, "geometry": generic.trackingGeometry(), "selection": selection}
        names["field"] = acts.ConstantBField(acts.Vector3(0, 0, 2 * acts.UnitConstants.T))
        exec(compile(block.replace("F.root", str(data_path("sample.root"))), "docs/acts.md", "exec"), names)
        if "hits" in names:
            assert len(names["hits"](0)) > 1000
        assert "tracks" not in names or len(names["tracks"]) > 100
