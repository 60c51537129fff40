"""Small event files of toy helices, and a network written by hand that scores by the kinks alone."""

import awkward as ak
import numpy as np
import pytest
import torch

from smartpix.cluster_records import Pixels, cluster_records, one_event
from smartpix.io.events import Header
from smartpix.io.parquet import write_clusters
from smartpix.io.write import write_events
from smartpix.networks.weights import save_weights
from smartpix.physics import PION_MASS, SPEED_OF_LIGHT
from smartpix.simulate.events import SimulateOptions, header, simulate_event
from smartpix.simulate.options import GenerateOptions
from smartpix.simulate.particles import Particles
from smartpix.simulate.readout import ReadoutOptions
from smartpix.simulate.transport import Crossings
from tests.helpers import SENSOR
from tests.seeding import toys
from tracking.bench.mdn import Variant
from tracking.finders.gnn.graph import EDGE_FEATURES
from tracking.finders.gnn.network import ARCHITECTURE, InteractionNetwork

N_EVENTS, N_PARTICLES = 4, 40
N_PAIRS = 30
APART = 3e-4
"""rad between the particles of a pair: less than a pitch on the inner layers."""


def crossings_of(toy):
    """Pions of collisions at one time: their crossings come when they have flown there."""
    pt = toys.UNIT / np.abs(toy.curvature)
    p = pt * np.hypot(1, toy.cot_theta)
    momentum = pt[:, None] * np.column_stack([np.cos(toy.phi), np.sin(toy.phi), toy.cot_theta])
    charge = -np.sign(toy.curvature)  # positive charge turns clockwise in a field along +z
    beta, curvature = (p / np.hypot(p, PION_MASS))[toy.particle], np.abs(toy.curvature)[toy.particle]
    chord = np.hypot(*(toy.point - toy.start[toy.particle])[:, :2].T)
    length = 2 * np.arcsin(curvature * chord / 2) / curvature * np.hypot(1, toy.cot_theta)[toy.particle]
    return Crossings(
        module=toy.module.astype(np.int32), particle=toy.particle.astype(np.int32),
        order=toy.order.astype(np.int32),
        point=toy.point, momentum=toy.direction * pt[toy.particle][:, None], beta=beta,
        time=length / beta / SPEED_OF_LIGHT,
        particles=Particles(np.arange(len(p), dtype=np.int32), (211 * charge).astype(np.int32), charge,
        toy.start, momentum, np.zeros(len(p))),
    )  # fmt: skip


def bare_event(number):
    """An event with a particle and no clusters."""
    none = np.zeros(0, dtype=np.int64)
    narrow = none.astype(np.int32)
    pixels = Pixels(none, narrow, narrow, narrow, np.zeros((0, 2), dtype=np.float32))
    slices = SimulateOptions().readout.slices
    clusters = cluster_records(toys.detector(), pixels, None, slices, np.zeros((len(toys.detector()), 2)))
    particles = {"particle_id": np.array([1]), "pdg_id": np.array([211], dtype=np.int32)}
    particles |= {n: np.ones(1, dtype=np.float32) for n in ("charge", "vx", "vy", "vz", "px", "py", "pz")}
    return one_event(number, clusters, ak.zip(particles))


@pytest.fixture(autouse=True)
def _compiled(monkeypatch):
    """Whoever runs the tests first is not told that the kernels are compiled."""
    monkeypatch.setattr("tracking.chain.is_cold", lambda *kernels: False)


@pytest.fixture(scope="session")
def simulation():
    return SimulateOptions(generate=GenerateOptions(pileup=0), field=toys.FIELD)


@pytest.fixture(scope="session")
def events(simulation):
    return [
        simulate_event(
            crossings_of(toys.toy_event(N_PARTICLES, seed=100 + e)), toys.detector(), simulation, e, 7
        )
        for e in range(N_EVENTS)
    ]


@pytest.fixture(scope="session")
def files(tmp_path_factory, simulation, events):
    """Paths: toy (4 events), first, second (2 each), single (1), bare (no truth), none (no events), hollow
    (no clusters).
    """
    folder = tmp_path_factory.mktemp("events")
    made = header(toys.detector(), simulation, N_EVENTS, 7)
    no_truth = Header(made.detector, made.field, made.slices, {"command": "test", "truth": False})
    other_field = Header(made.detector, 2.0, made.slices, {"command": "test"})
    contents = {
        "toy": (made, events), "first": (made, events[:2]), "single": (made, events[:1]), "second": (made,
        events[2:]),
        "bare": (no_truth, events[:2]),
        "none": (made, []), "hollow": (made, [bare_event(0)]), "mixed": (made, [bare_event(0), events[1],
        bare_event(2)]),
        "field": (other_field, events[:1]),
    }  # fmt: skip
    paths = {name: folder / f"{name}.root" for name in contents}
    for name, (head, content) in contents.items():
        write_events(paths[name], head, iter(content))
    return paths


@pytest.fixture(scope="session")
def three_vertices(tmp_path_factory, simulation):
    """Paths, true and bare (no truth): two events with twelve central particles from each of z = -40, 3 and
    35 mm.
    """
    z = np.repeat([-40.0, 3.0, 35.0], 12)
    made_events = []
    for number in range(2):
        rng = np.random.default_rng(number)
        toy = toys.event_of(
            np.column_stack([np.zeros((len(z), 2)), z]), 2 * np.pi * (np.arange(len(z)) + 0.5) / len(z),
            rng.choice([-1, 1], len(z)) * toys.UNIT / rng.uniform(1.5, 5.0, len(z)), rng.uniform(-1.2, 1.2,
            len(z)),
        )  # fmt: skip
        made_events.append(
            simulate_event(crossings_of(toy), toys.detector(), simulation, N_EVENTS + number, 7)
        )
    made = header(toys.detector(), simulation, 2, 7)
    no_truth = Header(made.detector, made.field, made.slices, {"command": "test", "truth": False})
    folder = tmp_path_factory.mktemp("vertices")
    for name, head in (("true", made), ("bare", no_truth)):
        write_events(folder / f"{name}.root", head, iter(made_events))
    return {name: folder / f"{name}.root" for name in ("true", "bare")}


@pytest.fixture(scope="session")
def close_pairs(tmp_path_factory, simulation):
    """A file of one event of pairs of particles, whose inner clusters merge."""
    rng = np.random.default_rng(5)
    start = np.column_stack([np.zeros((N_PAIRS, 2)), rng.normal(0, 20, N_PAIRS)])
    phi, slope = rng.uniform(-np.pi, np.pi, N_PAIRS), rng.uniform(-0.8, 0.8, N_PAIRS)
    pt = rng.uniform(5, 10, N_PAIRS)
    pairs = (
        np.repeat(start, 2, axis=0),
        np.stack([phi, phi + APART], axis=1).ravel(),
        toys.UNIT / np.stack([pt, 1.3 * pt], axis=1).ravel(),
        np.repeat(slope, 2),
    )
    event = simulate_event(crossings_of(toys.event_of(*pairs)), toys.detector(), simulation, 0, 7)
    path = tmp_path_factory.mktemp("close") / "close.root"
    write_events(path, header(toys.detector(), simulation, 1, 7), iter([event]))
    return path


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """Weights whose logit is 4 - 2 * (smaller of the two log kinks) - chi2 / 10: edges that continue smoothly
    score well.
    """
    before, after, chi2 = (
        EDGE_FEATURES.index(n) for n in ("log1p kink chi2 before", "log1p kink chi2 after", "chi2 / 10")
    )
    network = InteractionNetwork(hidden=4, passes=1, screen=1)
    with torch.no_grad():
        for p in network.parameters():
            p.zero_()
        first, second = network.encode_edge[0], network.encode_edge[2]
        first.weight[0, before] = 1
        first.weight[1, before], first.weight[1, after] = 1, -1  # min(a, b) = a - relu(a - b)
        first.weight[2, chi2] = 1
        second.weight[0, 0], second.weight[0, 1], second.weight[1, 2] = 1, -1, 1
        network.classify[0].weight[0, 8], network.classify[0].weight[1, 9] = 1, 1
        network.classify[2].weight[0, :2] = torch.tensor([-2.0, -1.0])
        network.classify[2].bias.fill_(4.0)
    path = tmp_path_factory.mktemp("weights") / "kinks.safetensors"
    options = {"hidden": 4, "passes": 1, "screen": 1, "graph": "cone"}
    save_weights(
        path,
        {k: v.numpy() for k, v in network.state_dict().items()},
        {"architecture": ARCHITECTURE, "options": options, "data": []},
    )
    return path


BENCH_READOUT = ReadoutOptions(noise=50.0, threshold=300.0, adc_bits=4)


@pytest.fixture(scope="session")
def bench_file(tmp_path_factory, clusters_2s):
    """A data set of 6000 clusters with the first and the last slice."""
    path = tmp_path_factory.mktemp("bench") / "2s.parquet"
    write_clusters(path, clusters_2s, {"command": "tests"}, SENSOR)
    return path


@pytest.fixture(scope="session")
def tiny_variants(mdn_weights):
    """Variants of the benchmark with quickly trained networks."""
    published = {"name": "something", "source": "somewhere", "x_um": (0.13, 8.78, 7.67)}
    return {
        "columns-tiny": Variant(str(mdn_weights["columns"]), BENCH_READOUT),
        "conv-tiny": Variant(str(mdn_weights["conv"]), BENCH_READOUT, published),
        "mlp-tiny": Variant(str(mdn_weights["mlp"]), None),
    }
