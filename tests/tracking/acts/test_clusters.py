import json

import numpy as np
import pytest

from seeding.acts import algorithm_of, run_timed
from seeding.cones import ConeOptions
from smartpix.extras import import_acts
from smartpix.schema import InputError
from smartpix.simulate.transport import generic_detector
from tracking.acts.clusters import cluster_hits, length_slopes
from tracking.acts.seeder import SeederOptions, cone_seeder

pytest.importorskip("acts")
FIELD = 2.0
PITCH, THICKNESS = (0.05, 0.05), 0.15
N_PIONS = 300


@pytest.fixture(scope="module")
def detector():
    return generic_detector(PITCH[0], PITCH[1], THICKNESS)


@pytest.fixture(scope="module")
def chain(detector, tmp_path_factory):
    """Hits, seeds, particles, true directions: ACTS's gun, Fatras and geometric digitisation, our seeder on
    its clusters.
    """
    import acts.examples.simulation as simulation
    from acts.examples import reconstruction

    acts = import_acts()
    examples, unit = acts.examples, acts.UnitConstants
    folder = tmp_path_factory.mktemp("acts")
    axis = {"option": "open", "type": "equidistant"}
    bins = [
        {"bins": round(2 * half / pitch), "min": -half, "max": half, "value": value} | axis
        for half, pitch, value in zip((8.4, 36.0), PITCH, ("binX", "binY"), strict=True)
    ]
    pixels = {
        "indices": [0, 1], "digital": False, "thickness": THICKNESS, "threshold": 0.0,
        "segmentation": {"binningdata": bins},
        "charge-smearing": {"mean": 0.0, "stddev": 0.0, "type": "Gauss"},
    }  # fmt: skip
    digitisation, selection = folder / "digitisation.json", folder / "selection.json"
    digitisation.write_text(json.dumps({
        "acts-geometry-hierarchy-map": {"format-version": 0,
        "value-identifier": "digitization-configuration"},
        "entries": [{"volume": v, "value": {"geometric": pixels}} for v in (7, 8, 9)],
    }))  # fmt: skip
    selection.write_text(json.dumps([{"volume": v} for v in (7, 8, 9)]))
    generic = examples.GenericDetector(examples.GenericDetector.Config(logLevel=acts.logging.WARNING))
    geometry, magnet = generic.trackingGeometry(), acts.ConstantBField(acts.Vector3(0, 0, FIELD * unit.T))
    numbers = examples.RandomNumbers(seed=5)
    kept = {}
    estimate = cluster_hits(detector, FIELD)

    def hits(event, measurements, clusters):
        kept["hits"] = estimate(event, measurements, clusters)
        return kept["hits"]

    def take(event, seeds, who, crossings, of):
        kept["seeds"] = np.array([seed.spacePointIndices for seed in seeds])
        kept["particle"] = np.array([who.valuesFor(k)[0].particle for k in range(len(kept["hits"]))])
        crossings = list(crossings)
        path = [crossings[of.valuesFor(k)[0]].momentum4Before for k in range(len(kept["hits"]))]
        kept["direction"] = np.array([[p[i] for i in range(3)] for p in path])
        return ()

    def add(s):
        simulation.addParticleGun(
            s, simulation.MomentumConfig(1.0 * unit.GeV, 5.0 * unit.GeV, transverse=True),
            simulation.EtaConfig(-2.0, 2.0),
            simulation.PhiConfig(0, 2 * np.pi), simulation.ParticleConfig(N_PIONS,
            acts.PdgParticle.ePionPlus, True), rnd=numbers,
            vtxGen=examples.GaussianVertexGenerator(
                mean=acts.Vector4(0, 0, 0, 0), stddev=acts.Vector4(0.0125, 0.0125, 50.0, 0)
            ),
        )  # fmt: skip
        simulation.addFatras(s, geometry, magnet, rnd=numbers)
        simulation.addDigitization(s, geometry, magnet, digitisation, rnd=numbers)
        s.addWhiteboardAlias("particles_selected", "particles_simulated")
        reconstruction.addSeeding(
            s, geometry, magnet, geoSelectionConfigFile=selection,
            seedingAlgorithm=reconstruction.SeedingAlgorithm.PythonCallable,
            customSeeder=cone_seeder(
                hits, detector, FIELD, SeederOptions(),
                reads=[("measurements", examples.MeasurementContainer), ("clusters",
                examples.ClusterContainer)],
            ),
        )  # fmt: skip
        s.addAlgorithm(algorithm_of(acts, "Sink", take, reads=[
            ("seeds", acts.SeedContainer), ("measurement_particles_map", examples.MeasurementParticlesMap),
            ("simhits", examples.SimHitContainer), ("measurement_simhits_map",
            examples.MeasurementSimHitsMap),
        ]))  # fmt: skip

    run_timed(acts, 1, [], add_more=add)
    return kept


def test_seeds_on_clusters_of_acts(chain):
    of = chain["particle"][chain["seeds"]]
    pure = (of[:, 0] == of[:, 1]) & (of[:, 1] == of[:, 2])
    assert pure.mean() > 0.8
    layers = [set(chain["hits"].layer[chain["particle"] == k].tolist()) for k in range(1, N_PIONS + 1)]
    wanted = {k for k, of_particle in enumerate(layers, start=1) if len(of_particle) >= 4}
    assert len(wanted) > 0.5 * N_PIONS
    assert len(wanted - set(of[pure, 0].tolist())) < 0.03 * len(wanted)


def test_slopes_of_clusters_of_acts(chain, detector):
    hits = chain["hits"]
    direction = np.einsum("ngi,ng->ni", detector.axes[hits.module], chain["direction"])
    truth = direction[:, :2] / direction[:, 2:]
    sigma = hits.estimate.sigma()[:, 2:]
    pull = (hits.cot - truth) / sigma
    assert np.all(np.mean(np.abs(pull) < 1, axis=0) > 0.6)
    assert np.all(np.mean(np.abs(pull) < 3, axis=0) > 0.995)
    known = hits.cot[:, 0] != 0
    assert known.mean() > 0.2
    assert np.mean(np.sign(hits.cot[known, 0]) == np.sign(truth[known, 0])) > 0.995
    # Where the sign is known the width is that of the length alone; ends anywhere in two pixels have this
    # spread.
    assert np.std(pull[known, 0]) == pytest.approx(1.0, abs=0.15)


def test_lengths_of_straight_paths_through_a_strip_of_pixels(detector):
    rng = np.random.default_rng(3)
    barrel = int(np.flatnonzero(detector.barrel)[0])
    steep = rng.uniform(9.0, 16.0, 4000)
    begin = rng.random(4000) * PITCH[1]
    n = np.floor((begin + steep * THICKNESS) / PITCH[1]) + 1
    # Far forward on the innermost layer: only one sign comes from the luminous region.
    far = np.tile(detector.center[barrel] * [1, 1, 0] + [0, 0, 400.0], (4000, 1))
    module = np.full(4000, barrel, dtype=np.int32)
    size = np.column_stack([n, np.ones(4000)])
    slope, sigma = length_slopes(far, module, size, detector, FIELD, ConeOptions())
    pull = (slope[:, 0] - steep) / sigma[:, 0]
    assert abs(pull.mean()) < 0.06
    assert pull.std() == pytest.approx(1, abs=0.04)
    mirrored, _ = length_slopes(far * [1, 1, -1], module, size, detector, FIELD, ConeOptions())
    assert np.allclose(mirrored[:, 0], -slope[:, 0])
    middle, wide = length_slopes(far * [1, 1, 0], module, size / 2, detector, FIELD, ConeOptions())
    assert np.all(middle[:, 0] == 0)
    assert np.all(wide[:, 0] > np.abs(slope[:, 0]) / 2 - PITCH[1] / THICKNESS)


def test_measurements_of_other_modules(detector):
    acts = import_acts()
    examples = acts.examples
    hits = cluster_hits(detector, FIELD)

    def found(*volumes, n_clusters=None):
        measurements, clusters = examples.MeasurementContainer(), examples.ClusterContainer()
        for volume in volumes:
            place = acts.GeometryIdentifier(volume=volume, layer=2, sensitive=1)
            measurements.emplaceMeasurement(place, [0, 1], [1.0, -2.0], [0.01, 0.04])
        for _ in range(len(volumes) if n_clusters is None else n_clusters):
            cluster = examples.Cluster()
            cluster.sizeLoc0, cluster.sizeLoc1 = 1, 3
            clusters.append(cluster)
        return hits(0, measurements, clusters)

    one = found(8, 16, 17)
    assert len(one) == 1
    assert np.allclose(one.estimate.sigma()[0, :2], [0.2, 0.1])
    assert np.allclose(np.abs(one.estimate.mean[0, :2]), [2.0, 1.0])
    assert len(found()) == 0
    with pytest.raises(InputError, match="measurement 1 is on a module of the detector table"):
        found(16, 8)
    with pytest.raises(InputError, match="1 measurements and 0 clusters"):
        found(8, n_clusters=0)
