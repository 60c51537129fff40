"""What is said of a file, against what was put into it."""

import json

import awkward as ak
import pytest

from smartpix.describe import describe_file
from smartpix.io.events import Header
from smartpix.io.write import write_events
from smartpix.shipped import data_path
from tests.helpers import one_module_detector, random_events
from tests.smartpix.io.event_files import rewritten


def test_weights_are_described_by_path_and_by_name():
    by_name = describe_file("gnn")
    assert by_name == describe_file(data_path("weights/gnn.safetensors"))
    assert (by_name["options"]["hidden"], by_name["container"]) == (16, "safetensors")


def test_a_file_comes_before_shipped_weights_of_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    header = Header(one_module_detector(), 3.8, (0, 19), {"command": "test"})
    write_events(tmp_path / "gnn", header, [random_events(1, [2])])
    assert describe_file("gnn")["n_clusters"] == 2


@pytest.mark.parametrize("container", ["ttree", "rntuple"])
@pytest.mark.parametrize(
    ("clusters", "truth"), [((3, 0, 4), True), ((3, 0, 4), False), ((0,), True), ((), True)]
)
def test_description_counts_what_the_file_holds(tmp_path, container, clusters, truth):
    events = [random_events(k, [n]) for k, n in enumerate(clusters)]
    header = Header(one_module_detector(), 3.8, (0, 19), {"command": "test", "truth": truth})
    write_events(tmp_path / "f.root", header, events, container)
    told = describe_file(tmp_path / "f.root")
    assert (told["n_events"], told["n_clusters"], told["truth"]) == (len(clusters), sum(clusters), truth)
    assert told["n_pixels"] == sum(len(pixels) for e in events for pixels in e["clusters"][0]["pixels"])
    assert told["n_particles"] == (sum(len(e["particles"][0]) for e in events) if truth else 0)
    assert told["n_truncated"] == sum(sum(ak.to_list(e["clusters"][0]["truncated"])) for e in events)
    assert told["field_T"] == pytest.approx(3.8)
    assert (told["container"], told["slices"], told["n_modules"], told["layers"]) == (
        container,
        [0, 19],
        1,
        ["B1"],
    )
    json.dumps(told)


@pytest.mark.parametrize("container", ["ttree", "rntuple"])
def test_description_says_whether_there_are_checksums(tmp_path, container):
    header = Header(one_module_detector(), 3.8, (0, 19), {"command": "test"})
    write_events(tmp_path / "good.root", header, [random_events(1, [2])], container)
    assert describe_file(tmp_path / "good.root")["checksums"] == "crc32"
    assert describe_file(rewritten(tmp_path / "good.root"))["checksums"] == "none"
