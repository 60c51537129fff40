"""Ours compiled for any processor: in a process that knows of it, and with a cache of its own."""

import os
import pathlib

from smartpix.shipped import data_path
from tracking.bench.generic import generic_ratio, seeding_ms


def seen_by_numba(scale):
    """A stand-in for a measurement: 1 for the host's code, 3 for the generic one."""
    from numba import config

    host = config.CPU_NAME is None and os.environ.get("NUMBA_CACHE_DIR", "") == config.CACHE_DIR
    generic = (config.CPU_NAME, config.CPU_FEATURES) == ("generic", "") and pathlib.Path(
        config.CACHE_DIR
    ).is_dir()
    return scale * {(True, False): 1.0, (False, True): 3.0}[host, generic]


def test_each_is_measured_in_a_process_that_compiles_so():
    before = dict(os.environ)
    assert generic_ratio(seen_by_numba, 2.0) == {"ms": 2.0, "ms_generic": 6.0, "ratio_generic": 3.0}
    assert dict(os.environ) == before


def test_the_cones_of_a_file_take_time():
    assert 0.1 < seeding_ms([str(data_path("sample.root"))], 1, 1) < 1000
