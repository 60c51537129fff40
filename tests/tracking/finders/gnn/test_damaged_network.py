"""Weights of the graph network are refused, or harmless, whatever was changed in their files."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load

from smartpix.networks.weights import save_description, save_weights
from smartpix.schema import InputError
from smartpix.shipped import data_path
from tests.damage import change_an_array, change_somewhere
from tracking.finders.gnn.network import load_network

CONTENTS = {ending: data_path(f"weights/gnn{ending}").read_bytes() for ending in (".safetensors", ".json")}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("weights") / "gnn.safetensors"


def outcome(path):
    """The arrays that are run, or what the refusal says."""
    try:
        return {k: v.numpy() for k, v in load_network(str(path)).state_dict().items()}
    except InputError as error:
        return str(error)


def refused_or_finite(result):
    """Whether it was refused, in one line that names the file."""
    if isinstance(result, str):
        assert "gnn." in result
        assert "\n" not in result
        return True
    assert all(np.all(np.isfinite(v)) for v in result.values())
    return False


@pytest.mark.parametrize("sealed", [False, True])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_change_of_a_description_is_refused_or_harmless(path, sealed, data):
    path.write_bytes(CONTENTS[".safetensors"])
    description = json.loads(CONTENTS[".json"])
    # What is read of it; the rest is told to people only.
    change_somewhere({k: description[k] for k in ("architecture", "options", "data")}, description, data)
    if sealed:
        save_description(path, description)
    else:
        path.with_suffix(".json").write_text(json.dumps(description))
    unchanged = json.dumps(description) == json.dumps(json.loads(CONTENTS[".json"]))
    if not refused_or_finite(outcome(path)):
        assert unchanged or sealed


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_change_of_an_array_is_refused_or_harmless(path, data):
    arrays = load(CONTENTS[".safetensors"])
    same = change_an_array(arrays, data)
    save_weights(path, arrays, json.loads(CONTENTS[".json"]))
    assert refused_or_finite(outcome(path)) or same != "other"


@pytest.mark.parametrize("size", ["hidden", "passes", "screen"])
@pytest.mark.parametrize("value", [99, 10**9])
def test_nothing_is_allocated_for_sizes_that_the_file_does_not_have(path, size, value):
    path.write_bytes(CONTENTS[".safetensors"])
    description = json.loads(CONTENTS[".json"])
    description["options"][size] = value
    save_description(path, description)
    with pytest.raises(
        InputError, match=rf"gnn\.(json: 'options\.{size}' must be|safetensors: '.*' is .*, expected)"
    ):
        load_network(str(path))


@pytest.mark.parametrize("part", ["node", "edge"])
def test_features_need_a_spread_and_a_range(path, part):
    for name, value in (("std", 0.0), ("std", -1.0), ("low", 1e31)):
        arrays = {k: v.copy() for k, v in load(CONTENTS[".safetensors"]).items()}
        arrays[f"{part}_{name}"][3] = value
        save_weights(path, arrays, json.loads(CONTENTS[".json"]))
        with pytest.raises(InputError, match=rf"'{part}_std' must be positive and '{part}_low' not above"):
            load_network(str(path))
