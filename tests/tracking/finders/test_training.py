"""What trainings of finders share: the learning rate, and what a checkpoint must match."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from smartpix.schema import InputError
from tracking.finders.training import EpochLoss, Fit, checkpoint_path, falling_rate, made_with


@dataclass(frozen=True)
class Options:
    """Of a training."""

    epochs: int = 3
    seed: int = 1


def test_the_rate_is_torchs_cosine_from_the_largest_to_a_hundredth():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.02)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10, eta_min=0.0002)
    rates = []
    for _ in range(11):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        cosine.step()
    np.testing.assert_allclose([falling_rate(0.02, k / 10) for k in range(11)], rates, rtol=1e-9)
    assert falling_rate(0.02, 1.0) == pytest.approx(0.0002)


def test_a_checkpoint_tells_options_files_what_was_read_and_threads():
    files = [Path("a.root"), Path("b.root")]
    settings = made_with(Options(), files, edges=[120, 30])
    assert settings == {
        "epochs": 3, "seed": 1, "files": ["a.root", "b.root"], "edges": [120, 30], "threads": torch.get_num_threads(),
    }  # fmt: skip
    for other in (
        made_with(Options(seed=2), files, edges=[120, 30]),
        made_with(Options(), files[::-1], edges=[120, 30]),
        # Files of the same names with other events.
        made_with(Options(), files, edges=[121, 30]),
    ):
        assert other != settings
    assert checkpoint_path("w.safetensors") == Path("w.checkpoint")


def run(folder, held, epochs=6, patience=None, stop_at=None, settings=None):
    """A training that sets its weight to the number of its epoch, with given held-out losses."""
    network, lines = torch.nn.Linear(1, 1), []
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)

    def one_epoch(number):
        if number == stop_at:
            raise KeyboardInterrupt
        network.weight.data.fill_(number)
        loss = None if held is None else held[number]
        return EpochLoss(2.0, loss, number, epochs)

    fit = Fit(
        "train toy",
        network,
        optimizer,
        0.1,
        folder / "w.checkpoint",
        settings or {"a": 1},
        lines.append,
        patience,
    )
    return fit, network, lines, lambda: fit.run(epochs, one_epoch, "begins")


def test_the_best_epoch_is_kept_and_patience_ends(tmp_path):
    fit, network, lines, go = run(tmp_path, [5.0, 3.0, 4.0, 4.5, 9.0, 1.0], patience=2)
    assert go() == 4
    assert float(network.weight.detach()) == 1
    assert fit.state["losses"] == [5.0, 3.0, 4.0, 4.5]
    assert lines[0] == "begins"
    assert [line.split("  ")[:3] for line in lines[1:3]] == [
        ["epoch 1/6", "loss 2.0000", "held out 5.0000"], ["epoch 2/6", "loss 2.0000", "held out 3.0000"]
    ]  # fmt: skip


def test_without_patience_the_last_epoch_is_kept(tmp_path):
    _, network, lines, go = run(tmp_path, None)
    assert go() == 6
    assert float(network.weight.detach()) == 5
    assert all("held out" not in line for line in lines)


def test_a_stopped_training_goes_on_where_it_was(tmp_path):
    held = [5.0, 3.0, 4.0, 4.5, 2.0, 2.5]
    _, _, _, go = run(tmp_path, held, patience=3, stop_at=3)
    with pytest.raises(KeyboardInterrupt):
        go()
    fit, network, lines, go = run(tmp_path, held, patience=3)
    assert go() == 6
    assert fit.state["losses"] == held
    assert float(network.weight.detach()) == 4
    assert lines[1].startswith("epoch 4/6")
    with pytest.raises(InputError, match="other options"):
        run(tmp_path, held, patience=3, settings={"a": 2})[3]()


def test_a_training_that_diverges_is_refused(tmp_path):
    with pytest.raises(InputError, match="train toy: the training diverged in epoch 2"):
        run(tmp_path, [5.0, float("nan")], epochs=2)[3]()
