"""Weights on disk: round trip, and what wrong or damaged ones are answered with."""

import json

import numpy as np
import pytest

from smartpix.schema import InputError
from smartpix.weights import data_path, load_weights, save_weights, weights_path

ARRAYS = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array([1.5]), "c": np.asfortranarray(np.eye(3) + 2)}


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "w.safetensors"
    save_weights(path, ARRAYS, {"architecture": "kind-1", "slices": [0, 19]})
    return path


def test_round_trip(saved):
    arrays, description = load_weights(saved, "kind-1")
    assert set(arrays) == set(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], array)
        assert arrays[name].dtype == array.dtype
    assert description["slices"] == [0, 19]
    assert len(description["commit"]) in (7, 40)
    assert sorted(p.name for p in saved.parent.iterdir()) == ["w.json", "w.safetensors"]


def test_weights_are_as_readable_to_others_as_their_description(saved):
    assert saved.stat().st_mode == saved.with_suffix(".json").stat().st_mode


def test_another_architecture_is_refused_and_both_are_named(saved):
    with pytest.raises(InputError, match="weights of 'kind-1' and 'kind-2' was expected"):
        load_weights(saved, "kind-2")


@pytest.mark.parametrize("ending", [".json", ".safetensors"])
def test_missing_half_is_named(saved, ending):
    saved.with_suffix(ending).unlink()
    with pytest.raises(InputError, match=rf"w\{ending}: no such file; weights are a \.safetensors with a \.json"):
        load_weights(saved, "kind-1")


@pytest.mark.parametrize("ending", [".json", ".safetensors"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.95])
def test_cut_off_file_is_refused(saved, ending, share):
    path = saved.with_suffix(ending)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match="cut off"):
        load_weights(saved, "kind-1")


@pytest.mark.parametrize("content", [[1, 2], None, "text"])
def test_description_that_is_no_object_is_refused(saved, content):
    saved.with_suffix(".json").write_text(json.dumps(content))
    with pytest.raises(InputError):
        load_weights(saved, "kind-1")


def test_unknown_name_lists_the_shipped_ones():
    with pytest.raises(InputError, match=r"'mdn-barel': no such shipped weights; there are \[.*'mdn-barrel'"):
        weights_path("mdn-barel")


def test_shipped_names_and_paths_are_told_apart(tmp_path):
    assert weights_path("mdn-barrel") == data_path("weights") / "mdn-barrel.safetensors"
    assert weights_path(str(tmp_path / "own.safetensors")) == tmp_path / "own.safetensors"


def test_missing_data_file_is_an_input_error():
    with pytest.raises(InputError, match="data file 'none' is missing from this installation"):
        data_path("none")


def test_failing_save_leaves_the_old_weights(saved):
    before = saved.read_bytes()
    with pytest.raises(Exception):  # noqa: B017, PT011 (whatever safetensors raises)
        save_weights(saved, {"a": np.array(["text"])}, {"architecture": "kind-1"})
    assert saved.read_bytes() == before
    assert sorted(p.name for p in saved.parent.iterdir()) == ["w.json", "w.safetensors"]
