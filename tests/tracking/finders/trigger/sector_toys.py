"""Random graphs for sectors, and what belongs where by straight loops."""

import numpy as np

from tracking.finders.trigger.sectors import SectorGraph, edge_phi


def random_graph(n_hits, n_edges, seed):
    """Hits anywhere and edges between any two of them; no edge twice."""
    rng = np.random.default_rng(seed)
    radius, phi = rng.uniform(30, 180, n_hits), rng.uniform(-np.pi, np.pi, n_hits)
    position = np.column_stack([radius * np.cos(phi), radius * np.sin(phi), rng.uniform(-500, 500, n_hits)])
    ends = [(a, b) for a in range(n_hits) for b in range(n_hits) if radius[a] < radius[b]]
    chosen = rng.permutation(len(ends))[:n_edges]
    source, target = np.array(ends, dtype=np.int32)[chosen].T
    n = len(chosen)
    return SectorGraph(
        position, source.copy(), target.copy(), rng.uniform(-1e-3, 1e-3, n).astype(np.float32),
        rng.uniform(-8, 8, n).astype(np.float32), rng.exponential(3, n).astype(np.float32),
    )  # fmt: skip


def inside(phi, eta, i, j, options):
    """Whether a sector, with its margins, holds an azimuth and a pseudorapidity."""
    width, height = 2 * np.pi / options.n_phi, 2 * options.max_eta / options.n_eta
    away = (phi - (i + 0.5) * width + np.pi) % (2 * np.pi) - np.pi
    up = eta + options.max_eta - (j + 0.5) * height
    return abs(away) < width / 2 + options.margin_phi and abs(up) < height / 2 + options.margin_eta


def members_by_loops(graph, options):
    """Edges of every sector that has any, in the order in which they are to come in."""
    if options.by == "helix":
        places = [
            [(p, np.arcsinh(float(c)))]
            for p, c in zip(edge_phi(graph, options.radius), graph.cot_theta, strict=True)
        ]
    else:
        of_hits = list(zip(graph.phi, np.arcsinh(graph.position[:, 2] / graph.radius), strict=True))
        places = [[of_hits[s], of_hits[t]] for s, t in zip(graph.source, graph.target, strict=True)]
    order = sorted(range(len(places)), key=lambda e: graph.chi2[e] if options.order == "chi2" else e)
    found = {}
    for i in range(options.n_phi):
        for j in range(options.n_eta):
            there = [e for e in order if all(inside(p, eta, i, j, options) for p, eta in places[e])]
            if there:
                found[i * options.n_eta + j] = there
    return found


def cut_by_loops(graph, there, options):
    """Edges and hits of one sector that fit in."""
    edges, hits = [], []
    for e in there:
        new = [h for h in (graph.source[e], graph.target[e]) if h not in hits]
        if len(edges) < options.edges and len(hits) + len(new) <= options.nodes:
            edges.append(e)
            hits += new
    return edges, hits
