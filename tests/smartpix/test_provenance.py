"""Event files, cluster tables and weights say with which versions and of which files they were made."""

import hashlib
import json
from importlib.metadata import version

import numpy as np
import pytest

from smartpix.convert.format import ConvertOptions
from smartpix.convert.formats import convert, detect
from smartpix.describe import describe_file
from smartpix.io import cluster_metadata, write
from smartpix.io.events import Header, open_events
from smartpix.io.parquet import write_clusters
from smartpix.io.write import write_events
from smartpix.networks.weights import save_weights
from smartpix.provenance import VERSIONED, by_path, origin, provenance
from tests.helpers import SENSOR, one_module_detector, random_events
from tests.smartpix.clusters import cluster_set


def event_file(folder):
    header = Header(one_module_detector(), 3.8, (0, 19), {"command": "test"})
    write_events(folder / "f.root", header, [random_events(1, [2])])
    return folder / "f.root"


def cluster_table(folder):
    write_clusters(folder / "f.parquet", cluster_set(3), {"command": "test"}, SENSOR)
    return folder / "f.parquet"


def weights(folder):
    save_weights(folder / "f.safetensors", {"a": np.zeros(2)}, {"architecture": "test"})
    return folder / "f.safetensors"


def test_the_record_has_versions_and_checksums_of_inputs(tmp_path):
    (tmp_path / "a").write_bytes(b"a")
    record = origin(by_path([tmp_path / "a"]))
    assert record["inputs"] == {str(tmp_path / "a"): hashlib.sha256(b"a").hexdigest()}
    assert record["versions"].keys() == {"python", *VERSIONED}
    assert record["versions"]["numpy"] == np.__version__
    whole = provenance("test", [tmp_path / "a"], {"b": 1})
    assert record.items() <= whole.items()


@pytest.mark.parametrize("make", [event_file, cluster_table, weights])
def test_every_kind_of_file_says_the_versions_that_made_it(make, tmp_path):
    record = describe_file(make(tmp_path))["provenance"]
    assert record["versions"]["smartpix"] == version("smartpix")
    assert record == origin()


@pytest.mark.parametrize(("make", "module"), [(event_file, write), (cluster_table, cluster_metadata)])
def test_files_without_a_record_are_read(make, module, tmp_path, monkeypatch):
    """Those of before 0.2.0; shipped weights are such, too."""
    dumps = json.dumps
    with monkeypatch.context() as patch:
        patch.setattr(
            module.json, "dumps", lambda c: dumps({k: v for k, v in c.items() if k != "provenance"})
        )
        path = make(tmp_path)
    found = describe_file(path)
    assert (found["provenance"], found["made_by"]) == (None, {"command": "test"})
    assert "provenance" not in describe_file("mdn-2s-columns-2t-float")


def test_the_other_container_keeps_the_record(tmp_path):
    record = {"versions": {"smartpix": "0.0.1"}, "inputs": {"a": "b"}}
    header = Header(one_module_detector(), 3.8, (0, 19), {"command": "test"}, record)
    write_events(tmp_path / "f.root", header, [random_events(1, [2])])
    convert(detect(tmp_path / "f.root"), tmp_path / "g.root", ConvertOptions())
    assert open_events(tmp_path / "g.root").header.origin == record
