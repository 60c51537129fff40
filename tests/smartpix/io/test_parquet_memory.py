"""Clusters in the public layout: only what is asked for is read, and memory does not grow with the set."""

import weakref
from contextlib import contextmanager

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from smartpix.io import cluster_write, parquet
from smartpix.io.parquet import read_clusters, write_clusters
from smartpix.schema import InputError
from smartpix.simulate import datasets
from smartpix.simulate.datasets import DatasetOptions, iterate_dataset, simulate_dataset
from tests.smartpix.clusters import cluster_set, save_table
from tests.smartpix.io.parquet_files import SENSOR, assert_same, joined

# Simulated sets


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr(datasets, "BATCH", 20)


def test_simulated_sets_are_the_same_in_one_piece_and_in_a_stream(tmp_path, small_batches):
    options = DatasetOptions(slices=(0, 19))
    whole = simulate_dataset(options, 50, 5)
    batches = list(iterate_dataset(options, 50, 5))
    assert [len(batch) for batch in batches] == [20, 20, 10]
    assert_same(joined(batches), whole)
    assert len(np.unique(whole.labels["pt"])) == 50
    write_clusters(tmp_path / "F.parquet", iterate_dataset(options, 50, 5), {}, SENSOR)
    assert_same(read_clusters(tmp_path / "F.parquet"), whole)


# Memory


def test_only_the_wanted_columns_are_touched(tmp_path):
    """Every column of slices 1 to 18 is overwritten: a reader that looks at one of them finds its checksum
    wrong.
    """
    path = tmp_path / "F.parquet"
    clusters = cluster_set(40, slices=20)
    write_clusters(path, clusters, {})
    content = bytearray(path.read_bytes())
    group = pq.read_metadata(path).row_group(0)
    for k in range(12, 19 * 12):
        chunk = group.column(k)
        last = chunk.data_page_offset + chunk.total_compressed_size
        content[last - 20 : last] = bytes(20)
    path.write_bytes(content)
    assert_same(read_clusters(path, (0, 19)), clusters, (0, 19))
    for s in range(1, 19):
        with pytest.raises(InputError, match="not a readable parquet file"):
            read_clusters(path, (s,))


POOLS = []  # Arrow does not keep the pools it is told to use alive


@contextmanager
def watched_memory():
    """Gives a memory pool that knows the largest amount Arrow held."""
    before = pa.default_memory_pool()
    POOLS.append(pa.proxy_memory_pool(pa.system_memory_pool()))
    pa.set_memory_pool(POOLS[-1])
    yield POOLS[-1]
    pa.set_memory_pool(before)


def test_memory_for_two_of_twenty_slices_is_that_of_two(tmp_path, monkeypatch):
    clusters = cluster_set(5000, slices=20, shape=(5, 5))
    path = save_table(tmp_path / "one-row-group.parquet", clusters)
    monkeypatch.setattr(parquet, "COLUMNS", 25)
    for slices, limit in (((0, 19), 0.2), (None, 0.4)):
        with watched_memory() as pool:
            read_clusters(path, slices, shape=(5, 5))
        assert 0 < pool.max_memory() < limit * clusters.charge.nbytes


def test_memory_for_writing_does_not_grow_with_the_set(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster_write, "ROW_GROUP", 200)
    made = []
    most = 0

    def parts(n):
        nonlocal most
        for k in range(n):
            part = cluster_set(200, seed=k, slices=20, shape=(5, 5))
            made.append(weakref.ref(part.charge))
            most = max(most, sum(charge() is not None for charge in made))
            yield part
            del part

    peaks = []
    for n in (4, 16):
        with watched_memory() as pool:
            write_clusters(tmp_path / "F.parquet", parts(n), {})
        peaks.append(pool.max_memory())
    assert peaks[1] < 1.5 * peaks[0]
    assert most <= 4
