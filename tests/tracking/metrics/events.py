"""Small events with truth, and their truth by straight loops."""

import awkward as ak
import numpy as np

from tracking import metrics

TRACK = [(7, 1.0, -0.2, 0.3, 1.0)]


def event_of(truth, particles, layer):
    """Cluster and particle records: ``truth`` lists (particle_id, share, order) of every cluster.

    Particles are (particle_id, px, py, pz, charge), and perhaps (vx, vy, vz) behind, else from 0.
    """
    counts = np.array([len(t) for t in truth], dtype=np.int64)
    flat = [entry for t in truth for entry in t]
    columns = {
        "particle_id": np.array([e[0] for e in flat], dtype=np.int64),
        "share": np.array([e[1] for e in flat], dtype=np.float32),
        "order": np.array([e[2] for e in flat], dtype=np.int32),
    }
    clusters = ak.zip(
        {"hit_id": np.arange(len(truth)), "truth": ak.unflatten(ak.zip(columns), counts)}, depth_limit=1
    )
    fields = ("particle_id", "px", "py", "pz", "charge", "vx", "vy", "vz")
    particles = [(*p, 0.0, 0.0, 0.0)[:8] for p in particles]
    table = {
        n: np.array([p[k] for p in particles], dtype=np.int64 if k == 0 else np.float32)
        for k, n in enumerate(fields)
    }
    return clusters, ak.zip(table), np.array(layer, dtype=np.int32)


def truth_of(*event):
    return metrics.event_truth(*event_of(*event))


def random_event(seed, n_particles=14, n_layers=6):
    """Particles with any momentum, crossings in order with gaps, overlaps on a layer, merged and noise
    clusters.
    """
    rng = np.random.default_rng(seed)
    particles = []
    ids = rng.choice(np.arange(1, 500), n_particles, replace=False)
    for p in range(n_particles):
        px, py = rng.normal(0, 1.5, 2)
        charge = float(rng.choice([-1, 0, 1], p=[0.45, 0.1, 0.45]))
        vertex = (10 ** rng.uniform(-3, 3), 0.0, rng.normal(0, 50))
        particles.append((int(ids[p]), px, py, rng.normal(0, 4), charge, *vertex))
    truth, layer = [], []
    for p in range(n_particles):
        order = int(rng.integers(0, 3))
        for k in range(int(rng.integers(0, 2)), n_layers):
            if rng.random() < 0.12:
                order += 1  # a crossing that left no cluster
                continue
            for _ in range(1 + (rng.random() < 0.2)):
                share = float(
                    rng.choice([1.0, 0.6, 0.3, 0.12, 0.09, 0.02], p=[0.5, 0.2, 0.1, 0.1, 0.05, 0.05])
                )
                here = [
                    h
                    for h in range(len(truth))
                    if layer[h] == k and all(e[0] != particles[p][0] for e in truth[h])
                ]
                if here and rng.random() < 0.15:
                    truth[int(rng.choice(here))].append((particles[p][0], share, order))
                else:
                    truth.append([(particles[p][0], share, order)])
                    layer.append(k)
                order += 1
    for _ in range(5):
        truth.append([(9999, 0.9, 0)] if rng.random() < 0.5 else [])
        layer.append(int(rng.integers(0, n_layers)))
    shuffled = rng.permutation(len(truth))
    return [truth[i] for i in shuffled], particles, [layer[i] for i in shuffled]


def by_loops(truth, particles, layer):
    """Who made what, findable, and true edges with plain Python."""
    made = {p[0]: [] for p in particles}
    for h, entries in enumerate(truth):
        for who, share, order in entries:
            if who in made and np.float32(share) >= np.float32(0.1):
                made[who].append((order, h))
    findable, edges = set(), {}
    for who, px, py, pz, charge, *_ in particles:
        pt = float(np.hypot(np.float32(px), np.float32(py)))
        eta = -np.log(np.tan(np.arctan2(pt, pz) / 2))
        if charge != 0 and pt > 0.9 and abs(eta) < 2.5 and len({layer[h] for _, h in made[who]}) >= 4:
            findable.add(who)
        crossings = sorted(made[who])
        for a, (first, h) in enumerate(crossings):
            for second, g in crossings[a + 1 :]:
                if layer[g] == layer[h]:
                    continue
                # All crossings in between were seen, and lie on the two layers: first the one's, then the
                # other's.
                between = [(o, x) for o, x in crossings if first <= o <= second]
                path = [layer[x] for _, x in between]
                switch = path.index(layer[g]) if layer[g] in path else -1
                sides = set(path[:switch]) == {layer[h]} and set(path[switch:]) == {layer[g]}
                gap = between[switch][0] - between[switch - 1][0] > 1
                if sides and not gap:
                    edges.setdefault((h, g), []).append(who)
    return made, findable, edges
