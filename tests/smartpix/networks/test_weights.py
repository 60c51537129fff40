"""Weights on disk: round trip, and what wrong or damaged ones are answered with."""

import hashlib
import json
import re
import subprocess

import numpy as np
import pytest
import torch

from smartpix.networks import weights
from smartpix.networks.weights import (
    check_output,
    describe_weights,
    load_arrays,
    load_weights,
    save_description,
    save_weights,
    weights_path,
)
from smartpix.schema import InputError
from smartpix.shipped import data_path

ARRAYS = {
    "a": np.arange(6, dtype=np.float32).reshape(2, 3),
    "b": np.array([1.5]),
    "c": np.asfortranarray(np.eye(3) + 2),
}


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
    assert re.fullmatch("unknown|[0-9a-f]{40}(-dirty)?", description["commit"])
    assert description["sha256"] == hashlib.sha256(saved.read_bytes()).hexdigest()
    assert sorted(p.name for p in saved.parent.iterdir()) == ["w.json", "w.safetensors"]


def test_weights_are_as_readable_to_others_as_their_description(saved):
    assert saved.stat().st_mode == saved.with_suffix(".json").stat().st_mode


def test_another_architecture_is_refused_and_both_are_named(saved):
    with pytest.raises(InputError, match="weights of 'kind-1' and 'kind-2' was expected"):
        load_weights(saved, "kind-2")


def test_the_remedy_of_the_caller_is_told(saved):
    with pytest.raises(InputError, match="expected; train them again"):
        load_weights(saved, "kind-2", remedy="train them again")


def test_a_description_tells_all_the_json_holds(saved):
    told = describe_weights(saved)
    assert (told["file"], told["n_values"], told["architecture"], told["slices"]) == (
        str(saved),
        16,
        "kind-1",
        [0, 19],
    )
    saved.with_suffix(".json").write_text("[1]")
    with pytest.raises(InputError, match=r"w\.json: is not a description"):
        describe_weights(saved)


def test_one_of_several_architectures_is_enough_and_all_are_named_if_none_fits(saved):
    assert load_weights(saved, "kind-0", "kind-1", "kind-2")[1]["architecture"] == "kind-1"
    with pytest.raises(
        InputError, match=r"w\.safetensors: holds weights of 'kind-1' and 'kind-2' or 'kind-3' was expected"
    ):
        load_weights(saved, "kind-2", "kind-3")


def test_description_without_an_architecture_is_refused(tmp_path):
    save_weights(tmp_path / "w.safetensors", ARRAYS, {"slices": [0, 19]})
    with pytest.raises(InputError, match="holds weights of 'None' and 'kind-1' was expected"):
        load_weights(tmp_path / "w.safetensors", "kind-1")


def test_array_of_no_dimension_stays_one(tmp_path):
    """Batch normalisation counts its batches in one."""
    save_weights(tmp_path / "w.safetensors", {"count": np.array(7)}, {"architecture": "kind-1"})
    assert load_weights(tmp_path / "w.safetensors", "kind-1")[0]["count"].shape == ()


def module(width=3):
    torch.manual_seed(1)
    return torch.nn.Sequential(torch.nn.Linear(2, width), torch.nn.Linear(width, 1))


def test_arrays_are_put_into_a_module(saved):
    one, two = module(), module()
    arrays = {k: v.numpy() + 1 for k, v in one.state_dict().items()}
    load_arrays(two, arrays, "w")
    assert all(torch.equal(two.state_dict()[k], one.state_dict()[k] + 1) for k in arrays)
    # The module has its own copy.
    arrays["0.bias"] += 1
    assert torch.equal(two.state_dict()["0.bias"], one.state_dict()["0.bias"] + 1)


@pytest.mark.parametrize("change", ["missing", "more", "shape"])
def test_arrays_that_do_not_fit_the_module_are_refused(change):
    arrays = {k: v.numpy() for k, v in module(4 if change == "shape" else 3).state_dict().items()}
    if change == "missing":
        del arrays["1.bias"]
    if change == "more":
        arrays["2.bias"] = np.zeros(3)
    with pytest.raises(InputError, match="w: the weights do not fit the network"):
        load_arrays(module(), arrays, "w")


@pytest.mark.parametrize("ending", [".json", ".safetensors"])
def test_missing_half_is_named(saved, ending):
    saved.with_suffix(ending).unlink()
    with pytest.raises(
        InputError, match=rf"w\{ending}: no such file; weights are a \.safetensors with a \.json"
    ):
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
    with pytest.raises(
        InputError,
        match=r"'mdn-barel': no such shipped weights; there are .*, mdn-barrel, .*Did you mean 'mdn-barrel'",
    ):
        weights_path("mdn-barel")


def test_shipped_names_and_paths_are_told_apart(tmp_path):
    assert weights_path("mdn-barrel") == data_path("weights") / "mdn-barrel.safetensors"
    assert weights_path(str(tmp_path / "own.safetensors")) == tmp_path / "own.safetensors"


def test_missing_data_file_is_an_input_error():
    with pytest.raises(
        InputError, match=r"data file 'none' is not in this installation .* install smartpix again"
    ):
        data_path("none")
    with pytest.raises(InputError, match=r"Did you mean 'sample\.root'"):
        data_path("samples.root")


def test_failing_save_leaves_the_old_weights(saved):
    before = saved.read_bytes()
    with pytest.raises(Exception):  # noqa: B017, PT011 (whatever safetensors raises)
        save_weights(saved, {"a": np.array(["text"])}, {"architecture": "kind-1"})
    assert saved.read_bytes() == before
    assert sorted(p.name for p in saved.parent.iterdir()) == ["w.json", "w.safetensors"]


@pytest.mark.parametrize("name", ["net-0.5", "net", "net.json", "net.safetensors.bak"])
def test_output_that_would_be_renamed_is_refused(tmp_path, name):
    message = (
        rf"{re.escape(name)}: the output must end in \.safetensors; name it .*{re.escape(name)}\.safetensors"
    )
    for write in (check_output, lambda path: save_weights(path, ARRAYS, {"architecture": "kind-1"})):
        with pytest.raises(InputError, match=message):
            write(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_dots_in_a_name_do_not_make_two_weights_one(tmp_path):
    for k in (5, 6):
        save_weights(tmp_path / f"net-0.{k}.safetensors", {"a": np.array([k])}, {"architecture": "kind-1"})
    for k in (5, 6):
        assert load_weights(tmp_path / f"net-0.{k}.safetensors", "kind-1")[0]["a"] == k


@pytest.mark.parametrize("ending", [".json", ".safetensors"])
def test_weights_and_description_of_different_trainings_are_refused(saved, ending):
    """As a writing that was interrupted between the two leaves them."""
    before = saved.with_suffix(ending).read_bytes()
    save_weights(saved, ARRAYS | {"b": np.array([2.5])}, {"architecture": "kind-1"})
    saved.with_suffix(ending).write_bytes(before)
    with pytest.raises(
        InputError, match=r"w\.safetensors: is not what w\.json describes \(its sha256 differs\)"
    ):
        load_weights(saved, "kind-1")


@pytest.mark.parametrize("key", ["checksum", "sha256"])
def test_a_description_that_cannot_be_checked_is_refused(saved, key):
    description = json.loads(saved.with_suffix(".json").read_text())
    del description[key]
    saved.with_suffix(".json").write_text(json.dumps(description))
    with pytest.raises(
        InputError, match=rf"w\.json: has no '{key}', so that nothing tells whether it is whole; copy both"
    ):
        load_weights(saved, "kind-1")


def test_the_checksum_is_that_of_the_sorted_description_without_itself(saved):
    description = json.loads(saved.with_suffix(".json").read_text())
    found = description.pop("checksum")
    compact = {k: json.dumps(v, separators=(",", ":"), sort_keys=True) for k, v in description.items()}
    canonical = "{" + ",".join(f"{json.dumps(k)}:{compact[k]}" for k in sorted(compact)) + "}"
    assert description["slices"] == [0, 19]
    assert found == hashlib.sha256(canonical.encode()).hexdigest()


def test_a_description_that_was_changed_is_refused_until_it_is_saved_as_such(saved):
    path = saved.with_suffix(".json")
    path.write_text(path.read_text().replace("19", "18"))
    with pytest.raises(
        InputError, match=r"w\.json: was changed after it was written \(its checksum differs\); copy both"
    ):
        load_weights(saved, "kind-1")
    save_description(saved, json.loads(path.read_text()))
    assert load_weights(saved, "kind-1")[1]["slices"] == [0, 18]


def test_the_layout_of_the_json_does_not_matter(saved):
    path = saved.with_suffix(".json")
    description = json.loads(path.read_text())
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(dict(reversed(description.items()))).encode())
    assert load_weights(saved, "kind-1")[1] == description


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", ["f2", "f4", "f8"])
def test_one_value_that_is_not_finite_is_refused(saved, value, kind):
    damaged = np.arange(7).astype(kind)
    damaged[3] = value
    save_weights(saved, {**ARRAYS, "b": damaged}, {"architecture": "kind-1"})
    with pytest.raises(InputError, match=r"w\.safetensors: 'b' has values that are not finite; copy both"):
        load_weights(saved, "kind-1")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"slices": [0], "slices": [19]}', "'slices' is there twice"),
        ("[" * 100_000, "is nested too deeply"),
        ('{"a": ' * 5_000 + "1" + "}" * 5_000, "is nested too deeply"),
        ('{"a": ' + "[" * 200 + "]" * 200 + "}", "is nested too deeply"),
        ('{"a": ' + "9" * 5_000 + "}", "cannot be read"),
        (b'{"a": "\xff"}', "cannot be read"),
    ],
)
def test_json_that_is_none_is_named(saved, content, message):
    path = saved.with_suffix(".json")
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(
        InputError, match=rf"w\.json: .*{message}.*; .*copy both files again, or train again$"
    ) as error:
        load_weights(saved, "kind-1")
    assert "\n" not in str(error.value)


def test_commit_is_that_of_the_checkout_and_says_whether_it_was_changed(tmp_path, monkeypatch):
    def git(*arguments):
        told = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
        done = subprocess.run(
            ["git", *told, *arguments], cwd=tmp_path, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    for name in ("smartpix/networks/weights.py", "data/w.json", "venv/lib/smartpix/networks/weights.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1")
    monkeypatch.setattr(weights, "__file__", str(tmp_path / "smartpix" / "networks" / "weights.py"))
    assert weights._commit() == "unknown"
    git("init", "-q")
    git("add", "smartpix", "data")
    git("commit", "-q", "-m", "first")
    head = git("rev-parse", "HEAD")
    assert weights._commit() == head
    (tmp_path / "data/w.json").write_text("2")  # other weights, remade before these
    assert weights._commit() == head
    (tmp_path / "smartpix/networks/weights.py").write_text("2")
    assert weights._commit() == f"{head}-dirty"
    # Installed into an environment that lies in somebody's repository.
    monkeypatch.setattr(weights, "__file__", str(tmp_path / "venv/lib/smartpix/networks/weights.py"))
    assert weights._commit() == "unknown"
