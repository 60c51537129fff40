"""Events made by hand: clusters of single pixels, and particles that cross the reference layer."""

import awkward as ak
import numpy as np

from smartpix.clusters import FlatClusters
from tracking.finders.deepcore.jets import Jets


def jets_of(*rows):
    """Jets of (eta, phi, pT, z)."""
    return Jets(*np.array(rows, dtype=float).reshape(-1, 4).T)


def single_pixels(detector, module, local, charge):
    """Clusters of one pixel each, at points (N, 2) of modules (N,)."""
    module = np.asarray(module, dtype=np.int32)
    local, n = np.asarray(local, dtype=float), len(module)
    column = np.floor((local[:, 0] + detector.half_x[module]) / detector.pitch_x[module])
    row = np.floor((local[:, 1] + detector.half_y[module]) / detector.pitch_y[module])
    return FlatClusters(
        module, np.zeros(n, dtype=bool), local, np.arange(n), np.ones(n, dtype=np.int64),
        row.astype(np.int16), column.astype(np.int16),
        np.asarray(charge, dtype=np.float32).reshape(n, 1),
    )  # fmt: skip


def truth_records(module, truths):
    """Cluster records with module and truth alone; a truth is (particle, share, order, x, y, cot alpha, cot
    beta, pT).
    """
    names = ("particle_id", "share", "order", "x", "y", "cot_alpha", "cot_beta", "pt")
    lists = [[dict(zip(names, one, strict=True)) for one in of_cluster] for of_cluster in truths]
    return ak.zip(
        {"module_index": np.asarray(module, dtype=np.int32), "truth": ak.Array(lists)}, depth_limit=1
    )
