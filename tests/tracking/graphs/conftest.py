"""A chain on the toy events, and their graphs as files."""

import pytest

from smartpix.io.events import open_events
from tracking.chain import Chain
from tracking.graphs import GraphOptions, export_graphs
from tracking.options import RunOptions


@pytest.fixture(scope="session")
def chain(files, weights):
    return Chain.for_header(open_events(files["toy"]).header, RunOptions(gnn=str(weights)))


@pytest.fixture(scope="session")
def folder(files, weights, tmp_path_factory):
    """Graphs of the four toy events; not to be changed."""
    made = tmp_path_factory.mktemp("graphs") / "npz"
    export_graphs(files["toy"], made, GraphOptions("npz"), RunOptions(gnn=str(weights)), events_per_unit=2)
    return made
