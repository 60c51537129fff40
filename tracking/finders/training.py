"""What the trainings of finders on event files share: what a checkpoint must match, the loop over the epochs,
the learning rate, and the weights they leave.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from smartpix.io.events import open_events
from smartpix.networks.weights import save_weights
from smartpix.provenance import by_path, origin
from smartpix.schema import InputError
from smartpix.train.checkpoint import resume, save_checkpoint
from smartpix.train.epoch import check_converges

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = [
    "EpochLoss", "Fit", "checkpoint_path", "event_seed", "falling_rate", "made_with", "n_parameters", "save_trained",
    "trained_description",
]  # fmt: skip

LAST_RATE = 0.01
"""Share of the learning rate that is left at the end of the cosine."""


def checkpoint_path(output: str | Path) -> Path:
    """Where a training that writes these weights keeps its checkpoint."""
    return Path(output).with_suffix(".checkpoint")


def made_with(options: DataclassInstance, files: Sequence[Path], **more: Any) -> dict[str, Any]:
    """What decides the weights to the bit: a checkpoint of anything else is not taken up.

    Args:
        more: numbers of what was read of the files.
    """
    names = [str(file) for file in files]
    return {**asdict(options), "files": names, **more, "threads": torch.get_num_threads()}


@dataclass(frozen=True)
class EpochLoss:
    """What an epoch gave, and where in the training it is.

    Attributes:
        loss: mean of the epoch; held: of what is held out, None where it is not measured.
        done, ahead: epochs of this part of the training before it, and all of this part.
        part: name of the part; last: whether the network that is kept is chosen among this part's epochs.
    """

    loss: float
    held: float | None
    done: int
    ahead: int
    part: str = "epoch"
    last: bool = True


@dataclass(frozen=True)
class Fit:
    """A network on its way through the epochs, with a checkpoint behind each of them.

    Attributes:
        section: of the training, for messages.
        learning_rate: the largest one, for messages.
        settings: what a checkpoint must match, of :func:`made_with`.
        patience: epochs without progress of the held-out loss after which the training stops; the best
            network is kept. None: all epochs are made, and the last network is kept.
        state: what the checkpoint keeps besides.
    """

    section: str
    network: torch.nn.Module
    optimizer: torch.optim.Optimizer
    learning_rate: float
    checkpoint: Path
    settings: dict[str, Any]
    report: Callable[[str], None]
    patience: int | None = None
    state: dict[str, Any] = field(default_factory=dict)

    def run(self, epochs: int, one_epoch: Callable[[int], EpochLoss], opening: str = "") -> int:
        """Make the epochs that are left of all.

        Args:
            one_epoch: makes the epoch of a number, from 0.
            opening: line that is reported first, if an epoch is left.

        Returns:
            How many epochs the network was chosen among.

        Raises:
            InputError: a checkpoint of other options, or a training that diverges.
        """
        state, patience = self.state, self.patience
        if patience is not None:
            state |= {"losses": [], "best": None}
        first = resume(self.checkpoint, self.settings, self.network, self.optimizer, state)
        if opening and first < epochs:
            self.report(opening)
        made = first
        for number in range(first, epochs):
            if patience is not None and _is_patience_over(state["losses"], patience):
                break
            started = time.perf_counter()
            of = one_epoch(number)
            judged = of.loss if of.held is None else of.held
            check_converges(self.section, judged, of.done, self.learning_rate)
            if patience is not None and of.last:
                state["losses"].append(judged)
                if judged <= min(state["losses"]):
                    state["best"] = {k: v.clone() for k, v in self.network.state_dict().items()}
            made = number + 1
            save_checkpoint(self.checkpoint, self.settings, made, self.network, self.optimizer, state)
            held = "" if of.held is None else f"held out {of.held:.4f}  "
            self.report(
                f"{of.part} {of.done + 1}/{of.ahead}  loss {of.loss:.4f}  {held}"
                f"{time.perf_counter() - started:.1f} s"
            )
        if patience is None:
            return made
        self.network.load_state_dict(state["best"])
        return len(state["losses"])


def _is_patience_over(losses: Sequence[float], patience: int) -> bool:
    """Whether the last ``patience`` losses are all above the smallest."""
    return len(losses) > patience and min(losses[-patience:]) > min(losses)


def event_seed(file: str | Path) -> int:
    """The seed that the events of a file were simulated with, by which fresh ones are known.

    Raises:
        InputError: unusable file, or one that does not name its seed.
    """
    seed = dict(open_events(file).header.made_by).get("seed")
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise InputError(
            f"{file}: does not name the seed of its events, so that it may hold events of a training; give "
            f"a file of smartpix simulate, or of smartpix convert from one"
        )
    return seed


def falling_rate(largest: float, progress: float) -> float:
    """The learning rate at a share ``progress`` of a training: a cosine from the largest down to 1 %."""
    return largest * (LAST_RATE + (1 - LAST_RATE) * 0.5 * (1 + math.cos(math.pi * progress)))


def save_trained(
    output: str | Path,
    network: torch.nn.Module,
    architecture: str,
    options: DataclassInstance,
    files: Sequence[Path],
    metrics: dict[str, Any],
    **more: Any,
) -> None:
    """Save a trained network with what it was made of, and remove its checkpoint.

    Args:
        more: what else the description says.

    Raises:
        InputError: the weights cannot be written.
    """
    description = trained_description(architecture, options, files, metrics, **more)
    save_weights(output, {k: v.numpy() for k, v in network.state_dict().items()}, description)
    checkpoint_path(output).unlink(missing_ok=True)


def trained_description(
    architecture: str,
    options: DataclassInstance,
    files: Sequence[Path],
    metrics: dict[str, Any],
    **more: Any,
) -> dict[str, Any]:
    """What the JSON of weights says that were trained on event files; arguments as of
    :func:`save_trained`.
    """
    return {
        "architecture": architecture,
        "options": asdict(options),
        "data": [dict(open_events(file).header.made_by) for file in files],
        "metrics": metrics,
        **more,
        "threads": torch.get_num_threads(),
        "provenance": origin(by_path(files)),
    }


def n_parameters(network: torch.nn.Module) -> int:
    """Parameters of a network, those that its training left alone with them."""
    return sum(values.numel() for values in network.parameters())
