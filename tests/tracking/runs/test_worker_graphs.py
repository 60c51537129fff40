"""Other work than a run's on dask's workers: the export of graphs."""

import numpy as np
import pytest

from tracking.graphs import GraphOptions, export_graphs

pytest.importorskip("distributed")


def test_workers_write_the_graphs_of_one_process(files, options, client, tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    export_graphs(files["toy"], here, GraphOptions("npz"), options)
    told = export_graphs(files["toy"], there, GraphOptions("npz"), options, client=client, events_per_unit=1)
    assert told["written"] == 4
    names = sorted(p.name for p in here.iterdir())
    assert names == sorted(p.name for p in there.iterdir())
    assert (here / "graphs.json").read_bytes() == (there / "graphs.json").read_bytes()
    for name in (n for n in names if n.endswith(".npz")):
        with np.load(here / name) as one, np.load(there / name) as other:
            assert one.files == other.files
            for column in one.files:
                # A process that compiled the kernels differs in the last digits from one that loads them.
                np.testing.assert_allclose(one[column], other[column], rtol=1e-3, atol=1e-4)
