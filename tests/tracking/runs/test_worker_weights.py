"""Weights of every section reach a worker under paths that do not depend on its folder."""

import shutil

from smartpix.io.events import open_events
from smartpix.merged.options import SplitOptions
from smartpix.shipped import data_path
from tracking.chain import Chain
from tracking.options import RunOptions
from tracking.runs.workers import chain_of, packed_chain


def test_relative_paths_are_made_absolute_in_every_section(tmp_path, monkeypatch):
    for name, ending in ((name, e) for name in ("gnn", "count-barrel") for e in (".safetensors", ".json")):
        shutil.copy(data_path("weights") / f"{name}{ending}", tmp_path)
    monkeypatch.chdir(tmp_path)
    options = RunOptions(gnn="gnn.safetensors", split=SplitOptions(count_barrel="count-barrel.safetensors"))
    content = packed_chain(Chain.for_header(open_events(data_path("sample.root")).header, options))
    monkeypatch.chdir("/")
    found = chain_of(content).options
    assert (found.gnn, found.split.count_barrel) == tuple(
        str(tmp_path / f"{name}.safetensors") for name in ("gnn", "count-barrel")
    )
