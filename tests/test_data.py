"""The embedded data are the files data/README.md describes."""

import hashlib
import json
import re
from pathlib import Path

import pytest

from smartpix.io.events import open_events
from smartpix.networks.weights import describe_weights

DATA = Path(__file__).parents[1] / "data"
SUMS = dict(
    re.findall(r"^([\w./-]+)\s+([0-9a-f]{64})$", (DATA / "README.md").read_text(), flags=re.MULTILINE)
)
FILES = sorted(p for p in DATA.rglob("*") if p.suffix in (".root", ".csv", ".safetensors"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_checksum_is_the_documented_one(path):
    assert hashlib.sha256(path.read_bytes()).hexdigest() == SUMS[str(path.relative_to(DATA))]


def test_sample_is_small_and_holds_ten_events():
    assert (DATA / "sample.root").stat().st_size < 8_000_000
    assert open_events(DATA / "sample.root").n_events >= 10


@pytest.mark.parametrize("path", [p for p in FILES if p.suffix == ".safetensors"], ids=lambda p: p.stem)
def test_weights_say_how_they_were_made(path):
    description = json.loads(path.with_suffix(".json").read_text())
    assert describe_weights(path)["checksum"] == description["checksum"]
    assert {"architecture", "options", "data", "metrics", "commit"} <= set(description)


@pytest.mark.parametrize("path", sorted((DATA / "weights").glob("*.json")), ids=lambda p: p.stem)
def test_weights_name_the_files_they_were_made_of_without_their_folders(path):
    described = json.loads(path.read_text())
    assert not [name for name in described.get("provenance", {}).get("inputs", {}) if "/" in name]
