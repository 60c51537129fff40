"""Rounding of the kernels, which may not depend on whether this process compiled them."""

import os
import subprocess
import sys

from tests.helpers import REPOSITORY

FOUND = """
import hashlib
import numpy as np
from seeding.edges import find_edges
from seeding.seeds import find_seeds
from tests.seeding import toys
from tests.seeding.random_events import random_detector, random_hits, random_pairs
from tests.seeding.test_seeds import CONE, SEED

digest, n = hashlib.sha256(), [0, 0]
for seed in range(20):
    rng = np.random.default_rng(seed)
    detector = random_detector(rng)
    hits = random_hits(rng, detector, n_tracks=60)
    edges = find_edges(hits, detector, random_pairs(rng, detector.layers), toys.FIELD, CONE)
    seeds = find_seeds(hits, edges, toys.FIELD, CONE, SEED)
    n = [n[0] + len(edges), n[1] + len(seeds.chi2)]
    for column in (edges.chi2, edges.pulls, edges.curvature, seeds.chi2, seeds.support):
        digest.update(np.ascontiguousarray(column))
assert min(n) > 100, n
print(digest.hexdigest())
"""


def test_a_process_that_compiled_the_kernels_rounds_as_one_that_loads_them(tmp_path):
    """Machine code of a function that is called, not inlined, is made twice: alone and with its caller."""
    first, second = (
        subprocess.run(
            [sys.executable, "-c", FOUND], env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}, cwd=REPOSITORY,
            capture_output=True, text=True, check=True,
        ).stdout
        for _ in range(2)
    )  # fmt: skip
    assert first == second
