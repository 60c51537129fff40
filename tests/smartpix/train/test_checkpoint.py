"""Checkpoints: round trip to the last bit, and what other or damaged ones are answered with."""

import os

import numpy as np
import pytest
import torch

from smartpix.packed import pack, unpack
from smartpix.schema import InputError
from smartpix.train.checkpoint import KIND, resume, save_checkpoint

MADE_WITH = {
    "options": {"epochs": 3, "augment": ("shift",)},
    "clusters": 7,
    "charge": 0.1 + 0.2,
    "start": None,
}


def network(seed):
    torch.manual_seed(seed)
    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3), torch.nn.Linear(3, 1))
    return model, torch.optim.Adam(model.parameters(), lr=1e-2)


def steps(model, optimizer, n, seed):
    generator = torch.Generator().manual_seed(seed)
    for _ in range(n):
        loss = model(torch.randn(20, 4, generator=generator)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@pytest.fixture
def saved(tmp_path):
    model, optimizer = network(1)
    steps(model, optimizer, 5, 1)
    save_checkpoint(
        tmp_path / "w.checkpoint",
        MADE_WITH,
        2,
        model,
        optimizer,
        {"history": [3.0, 2.5], "best": model.state_dict()},
    )
    return tmp_path / "w.checkpoint", model, optimizer


def test_without_a_checkpoint_a_training_starts_at_epoch_0(tmp_path):
    model, optimizer = network(1)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    more = {"history": []}
    assert resume(tmp_path / "none.checkpoint", MADE_WITH, model, optimizer, more) == 0
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    assert more == {"history": []}


def test_what_goes_on_from_a_checkpoint_is_what_went_on_without(saved):
    path, model, optimizer = saved
    other, other_optimizer = network(2)
    more = {"history": [], "best": None}
    assert resume(path, MADE_WITH, other, other_optimizer, more) == 2
    assert more["history"] == [3.0, 2.5]
    assert all(torch.equal(more["best"][k], v) for k, v in model.state_dict().items())
    for one, one_optimizer in ((model, optimizer), (other, other_optimizer)):
        steps(one, one_optimizer, 4, 2)
    assert all(torch.equal(other.state_dict()[k], v) for k, v in model.state_dict().items())


def test_a_checkpoint_of_a_training_with_nothing_more_is_taken(tmp_path):
    model, optimizer = network(1)
    save_checkpoint(tmp_path / "w.checkpoint", MADE_WITH, 1, model, optimizer)
    more = {"history": []}
    assert resume(tmp_path / "w.checkpoint", MADE_WITH, *network(2)) == 1
    assert resume(tmp_path / "w.checkpoint", MADE_WITH, *network(2), more) == 1
    assert more == {"history": []}


@pytest.mark.parametrize(
    ("change", "named"),
    [({"clusters": 8}, "clusters"), ({"start": "x"}, "start"), ({"options": {"epochs": 4, "augment": ("shift",)}}, "options"),
     ({"clusters": 8, "charge": 0.3}, "charge, clusters"), ({"new": 1}, "new")],
)  # fmt: skip
def test_a_checkpoint_of_another_training_is_refused_and_left_alone(saved, change, named):
    path, *_ = saved
    content = path.read_bytes()
    model, optimizer = network(2)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    with pytest.raises(InputError) as error:
        resume(path, MADE_WITH | change, model, optimizer)
    assert f"w.checkpoint: was made with other options ({named}" in str(error.value)
    assert path.read_bytes() == content
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())


def test_an_option_that_is_no_longer_given_is_named(saved):
    with pytest.raises(InputError, match=r"\(start\)"):
        resume(saved[0], {k: v for k, v in MADE_WITH.items() if k != "start"}, *network(2))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.99])
def test_a_checkpoint_that_is_cut_off_is_an_input_error(saved, share):
    content = saved[0].read_bytes()
    saved[0].write_bytes(content[: int(share * len(content))])
    with pytest.raises(
        InputError,
        match=r"w\.checkpoint: damaged checkpoint, or of another version .*; delete it to start again",
    ):
        resume(saved[0], MADE_WITH, *network(2))


@pytest.mark.parametrize("content", [b"no checkpoint", b"PK\x03\x04" + bytes(100)])
def test_another_file_of_that_name_is_an_input_error(tmp_path, content):
    (tmp_path / "w.checkpoint").write_bytes(content)
    with pytest.raises(InputError, match="damaged checkpoint"):
        resume(tmp_path / "w.checkpoint", MADE_WITH, *network(2))


@pytest.mark.parametrize("content", [[1, 2], {"epoch": 1}])
def test_another_object_is_an_input_error(tmp_path, content):
    for write in (torch.save, lambda tree, path: path.write_bytes(pack(tree, KIND))):
        write(content, tmp_path / "w.checkpoint")
        with pytest.raises(InputError, match="damaged checkpoint"):
            resume(tmp_path / "w.checkpoint", MADE_WITH, *network(2))


class Attack:
    """What runs code where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_no_code_in_a_checkpoint_runs(tmp_path):
    torch.save({"made_with": Attack(str(tmp_path / "hacked"))}, tmp_path / "w.checkpoint")
    with pytest.raises(InputError, match="damaged checkpoint"):
        resume(tmp_path / "w.checkpoint", MADE_WITH, *network(2))
    assert not (tmp_path / "hacked").exists()


def without(name):
    return lambda state: {k: v for k, v in state.items() if k != name}


@pytest.mark.parametrize(
    "change",
    [
        *map(without, ("made_with", "epoch", "model", "optimizer", "more")),
        lambda s: s | {"epoch": -1}, lambda s: s | {"epoch": "2"}, lambda s: s | {"epoch": True},
        lambda s: s | {"model": {}}, lambda s: s | {"model": 3}, lambda s: s | {"model": s["model"] | {"0.bias": None}},
        lambda s: s | {"model": s["model"] | {"0.bias": np.zeros(4, np.float32)}},
        lambda s: s | {"model": s["model"] | {"0.bias": np.zeros(3)}},
        lambda s: s | {"optimizer": {"99": s["optimizer"]["0"]}}, lambda s: s | {"optimizer": {"x": s["optimizer"]["0"]}},
        lambda s: s | {"optimizer": 3}, lambda s: s | {"optimizer": {"0": 3}}, lambda s: s | {"optimizer": {"0": {"step": 3}}},
        lambda s: s | {"optimizer": {"0": s["optimizer"]["0"] | {"exp_avg": np.zeros((2, 2), np.float32)}}},
        lambda s: s | {"more": {"history": 3}}, lambda s: s | {"more": {"best": {"0.bias": 1}}}, lambda s: s | {"more": []},
        lambda s: s | {"more": {"history": ["a"]}}, lambda s: s | {"more": {"lowest": "a"}},
        lambda s: [s], lambda s: None,
    ],
)  # fmt: skip
def test_damaged_entries_are_an_input_error_and_nothing_is_loaded(saved, change):
    """Whoever wrote them: the checksum is right."""
    path, *_ = saved
    state = unpack(path.read_bytes(), KIND)
    path.write_bytes(pack(change(state), KIND))
    model, optimizer = network(2)
    more = {"history": [], "best": None, "lowest": np.inf}
    with pytest.raises(InputError, match=r"w\.checkpoint: damaged checkpoint.*; delete it to start again"):
        resume(path, MADE_WITH, model, optimizer, more)
    assert more["history"] == []


def test_one_changed_byte_anywhere_is_an_input_error(saved):
    path, *_ = saved
    content = path.read_bytes()
    for k in np.random.default_rng(1).integers(0, len(content), 50):
        path.write_bytes(content[:k] + bytes([content[k] ^ 4]) + content[k + 1 :])
        with pytest.raises(InputError, match="damaged checkpoint"):
            resume(path, MADE_WITH, *network(2))


def test_a_failing_save_leaves_the_old_checkpoint(saved):
    path, model, optimizer = saved
    content = path.read_bytes()
    with pytest.raises(TypeError, match="generator is none of what can be packed"):
        save_checkpoint(path, MADE_WITH, 3, model, optimizer, {"history": (line for line in [])})
    assert path.read_bytes() == content
    assert [p.name for p in path.parent.iterdir()] == ["w.checkpoint"]


def convolutions(optimizer, seed):
    """A network whose weights lie in another order in memory, with the channels last."""
    torch.manual_seed(seed)
    model = torch.nn.Sequential(
        torch.nn.Linear(4, 18), torch.nn.Unflatten(1, (2, 3, 3)), torch.nn.Conv2d(2, 3, 2)
    )
    torch.nn.utils.convert_conv2d_weight_memory_format(model, torch.channels_last)
    return model, optimizer(model.parameters())


@pytest.mark.parametrize(
    "optimizer",
    [torch.optim.NAdam, lambda values: torch.optim.Adam(values, fused=True), torch.optim.Adam],
    ids=["nadam", "fused", "adam"],
)
def test_optimisers_go_on_whatever_the_order_in_memory(optimizer, tmp_path):
    model, made = convolutions(optimizer, 1)
    steps(model, made, 5, 1)
    save_checkpoint(tmp_path / "w.checkpoint", MADE_WITH, 2, model, made)
    steps(model, made, 5, 2)
    other, taken_up = convolutions(optimizer, 3)
    assert resume(tmp_path / "w.checkpoint", MADE_WITH, other, taken_up) == 2
    steps(other, taken_up, 5, 2)
    for one, two in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(one, two)
