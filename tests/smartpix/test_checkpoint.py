"""Checkpoints: round trip to the last bit, and what other or damaged ones are answered with."""

import pytest
import torch

from smartpix.checkpoint import resume, save_checkpoint
from smartpix.schema import InputError

MADE_WITH = {"options": {"epochs": 3, "augment": ("shift",)}, "clusters": 7, "charge": 0.1 + 0.2, "start": None}


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
        tmp_path / "w.checkpoint", MADE_WITH, 2, model, optimizer, {"history": [3.0, 2.5], "best": model.state_dict()}
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
    with pytest.raises(InputError, match=r"w\.checkpoint: damaged checkpoint .*; delete it to start again"):
        resume(saved[0], MADE_WITH, *network(2))


@pytest.mark.parametrize("content", [b"no checkpoint", b"PK\x03\x04" + bytes(100)])
def test_another_file_of_that_name_is_an_input_error(tmp_path, content):
    (tmp_path / "w.checkpoint").write_bytes(content)
    with pytest.raises(InputError, match="damaged checkpoint"):
        resume(tmp_path / "w.checkpoint", MADE_WITH, *network(2))


@pytest.mark.parametrize("content", [[1, 2], {"epoch": 1}])
def test_another_object_is_an_input_error(tmp_path, content):
    torch.save(content, tmp_path / "w.checkpoint")
    with pytest.raises(InputError, match="damaged checkpoint"):
        resume(tmp_path / "w.checkpoint", MADE_WITH, *network(2))


def test_a_failing_save_leaves_the_old_checkpoint(saved):
    path, model, optimizer = saved
    content = path.read_bytes()
    with pytest.raises((AttributeError, TypeError, RuntimeError, ValueError)):
        save_checkpoint(path, MADE_WITH, 3, model, optimizer, {"history": (line for line in [])})
    assert path.read_bytes() == content
    assert [p.name for p in path.parent.iterdir()] == ["w.checkpoint"]
