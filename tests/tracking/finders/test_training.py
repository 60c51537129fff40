"""What trainings of finders share: the learning rate, and what a checkpoint must match."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from tracking.finders.training import checkpoint_path, falling_rate, made_with


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
