"""Other work than a run's on dask's workers: the export of graphs."""

import pytest

from smartpix.schema import InputError
from tracking.graphs import GraphOptions, export_graphs

pytest.importorskip("distributed")


def test_workers_write_the_graphs_of_one_process(files, options, client, tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    export_graphs(files["toy"], here, GraphOptions("npz"), options)
    told = export_graphs(files["toy"], there, GraphOptions("npz"), options, client=client, events_per_unit=1)
    assert told["written"] == 4
    assert {p.name: p.read_bytes() for p in here.iterdir()} == {
        p.name: p.read_bytes() for p in there.iterdir()
    }


def test_what_fails_on_a_worker_is_told(files, options, client, tmp_path):
    (tmp_path / "event000000000.npz").mkdir()
    with pytest.raises(InputError, match=r"event000000000\.npz: is a folder"):
        export_graphs(files["single"], tmp_path, GraphOptions("npz"), options, client=client)
