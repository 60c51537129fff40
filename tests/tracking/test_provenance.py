"""Every output tells what it was made from: in itself, or with its checksum in the summary beside it."""

import hashlib
import json
from dataclasses import asdict
from importlib.metadata import version

import pyarrow.parquet as pq
import pytest
import uproot

from smartpix.shipped import data_path
from tests.seeding import toys
from tests.tracking.show.pages import data_of
from tracking.finders.gnn.network import network_name
from tracking.finders.options import DeadOptions
from tracking.options import RunOptions
from tracking.provenance import chain_provenance, sums_of_weights
from tracking.runs.driver import run
from tracking.runs.outputs import EXTRA
from tracking.show.display import display_event


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def options(weights):
    return RunOptions(gnn=str(weights), write=EXTRA)


def plain(value):
    """As JSON gives it back."""
    return json.loads(json.dumps(value))


def record_in(path):
    if path.suffix == ".root":
        with uproot.open(path) as file:
            return json.loads(str(file["metadata"]))["provenance"]
    if path.suffix == ".parquet":
        return json.loads(pq.read_schema(path).metadata[b"smartpix"])["provenance"]
    return json.loads(path.read_text())["provenance"]


def test_a_record_has_inputs_weights_options_and_versions(files, weights, options):
    record = chain_provenance("smartpix run", [files["first"]], options)
    assert record["command"] == "smartpix run"
    assert record["inputs"] == {str(files["first"]): sha256(files["first"])}
    assert record["weights"]["gnn"] == [sha256(weights), sha256(weights.with_suffix(".json"))]
    assert record["options"] == asdict(options)
    assert record["versions"]["smartpix"] == version("smartpix")
    assert {"python", "numpy", "numba", "torch"} <= record["versions"].keys()
    assert "shape" not in sums_of_weights(options)


def test_a_record_has_the_weights_of_all_sections():
    """By the defaults: an option whose default names weights that ship."""
    shipped = {path.stem for path in data_path("weights").glob("*.safetensors")}

    def naming(values, above=""):
        for name, value in values.items():
            if isinstance(value, dict):
                yield from naming(value, f"{above}{name}.")
            elif value in shipped:
                yield f"{above}{name}"

    assert {*naming(asdict(RunOptions())), OVER_DEAD} == set(sums_of_weights(RunOptions()))


OVER_DEAD = "gnn over dead modules"


def test_a_record_has_the_network_that_takes_over_where_modules_are_dead():
    taken = network_name("gnn", "cone", toys.detector().with_dead([1]))
    path = data_path("weights") / f"{taken}.safetensors"
    sums = sums_of_weights(RunOptions())
    assert sums[OVER_DEAD] == [sha256(path), sha256(path.with_suffix(".json"))]
    assert sums[OVER_DEAD] != sums["gnn"]
    others = (
        {"graph": "window", "gnn": "gnn-window"},
        {"dead": DeadOptions(source="none")},
        {"gnn": "gnn-window"},
    )
    for options in others:
        assert OVER_DEAD not in sums_of_weights(RunOptions(**options))


def test_every_result_of_a_run_has_the_record_or_its_checksum_beside_it(files, options, tmp_path):
    summary = run([files["first"], files["second"]], tmp_path, options, join=files["toy"])
    record = plain(chain_provenance("smartpix run", [files["first"], files["second"]], options))
    told = json.loads((tmp_path / "summary.json").read_text())
    with_record = {
        "tracks.root",
        "edges.root",
        "edges.parquet",
        "tracks.parquet",
        "summary.json",
        "toy-tracks.root",
    }
    for name in with_record:
        assert record_in(tmp_path / name) == record, name
    # The times are of one run on one machine, and sign themselves.
    for name in set(summary["written"]) - {"summary.json", "times.json"}:
        assert told["sha256"][name] == sha256(tmp_path / name), name
    assert any(name.endswith("_smartpix.csv") for name in told["sha256"])


def test_a_page_has_the_record(files, options, tmp_path):
    display_event(files["first"], None, tmp_path / "x.html", options)
    record = chain_provenance("smartpix display", [files["first"]], options)
    assert data_of(tmp_path / "x.html")["provenance"] == plain(record)
