"""Other work than a run's on dask's workers: the export of graphs."""

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
    for name in names:
        assert (here / name).read_bytes() == (there / name).read_bytes()
