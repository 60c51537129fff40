"""Training of GarNet on sectors of event files: in floating point, then rounded as on the chip; and its
weights.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from smartpix.files import as_paths
from smartpix.io.events import open_events
from smartpix.networks.fused import check_shapes
from smartpix.networks.weights import REPAIR, check_output, load_arrays, load_weights
from smartpix.rules import check_json, fields, items, whole
from smartpix.schema import InputError
from smartpix.train.epoch import check_batch, descend
from tracking.finders.garnet.formats import ANSWER, INPUT
from tracking.finders.garnet.network import GarNet
from tracking.finders.garnet.options import (
    LARGEST_LAYER,
    MOST_VERTICES,
    GarNetOptions,
    TrainGarnetOptions,
)  # fmt: skip
from tracking.finders.garnet.sectors import Sectors, joined, sectors_of_file
from tracking.finders.garnet.whole import evaluate, whole_network
from tracking.finders.training import (
    EpochLoss,
    Fit,
    checkpoint_path,
    falling_rate,
    made_with,
    n_parameters,
    save_trained,
)

log = logging.getLogger(__name__)

__all__ = ["ARCHITECTURE", "auc_of", "load_garnet", "train_garnet"]

ARCHITECTURE = "garnet-v1"
SIZES = items(whole(1, LARGEST_LAYER))
DESCRIPTION = fields(
    {
        "options": fields(
            {
                "network": fields(
                    {
                        "vertices": whole(1, MOST_VERTICES), "aggregators": SIZES, "filters": SIZES,
                        "dense": SIZES,
                    }
                ),
            },
            more=True,
        ),
        "data": items(fields({}, more=True)),
    },
    more=True,
)  # fmt: skip
"""What the JSON of its weights must say."""
HELD_BATCH = 256


def train_garnet(
    files: str | Path | Sequence[str | Path],
    output: str | Path,
    options: TrainGarnetOptions,
    report: Callable[[str], None] = log.info,
) -> dict[str, Any]:
    """Train on event files and save the weights, those that were trained with rounding.

    A checkpoint ``OUTPUT.checkpoint`` is written after every epoch and taken up again if it was made with the
    same options and number of torch's threads.

    Returns:
        On sectors of events used for nothing else: ``auc_float``, in floating point before any rounding;
        ``auc_fixed``, in whole numbers with ternary weights; ``mismatches``, answers of the rounded network
        in torch that are not those of the whole numbers; ``share_stiff`` of sectors with a stiff track,
        ``hits`` of a sector and ``truncated``, the share with more than the vertices. ``parameters``,
        ``parameters_garnet`` of GarNet's layers alone; ``zero_weights``, the share of ternary weights that
        are 0; ``n_train``, ``n_test`` sectors.

    Raises:
        InputError: unusable files, too few sectors, or a checkpoint of other options.
    """
    check_output(output)
    files = as_paths(files)
    train, test = _sectors(files, options, report)
    torch.manual_seed(options.seed)
    network = GarNet(options.network)
    settings = made_with(options, files, sectors=[len(train), len(test)])
    state = _fit(network, train, test, options, checkpoint_path(output), settings, report)
    network.set_rounding(True)
    whole = whole_network(network)
    in_torch = np.concatenate([np.zeros(0), *_logits(network.double(), test)])
    answers = evaluate(whole, test.codes, test.mask)
    ternary = np.concatenate([w.weight.ravel() for layer in whole.layers for w in (layer.tell, layer.back)])
    metrics = {
        "auc_float": state["auc_float"],
        "auc_fixed": auc_of(test, answers),
        "mismatches": int(np.sum(in_torch * 2.0**ANSWER.fraction != answers)),
        "share_stiff": float(test.label.mean()),
        "hits": float(test.hits.mean()),
        "truncated": float(np.mean(test.hits > options.network.vertices)),
        "parameters": n_parameters(network),
        "parameters_garnet": n_parameters(network.layers),
        "zero_weights": float(np.mean(ternary == 0)),
        "n_train": len(train),
        "n_test": len(test),
    }
    save_trained(output, network.float(), ARCHITECTURE, options, files, metrics)
    return metrics


def auc_of(sectors: Sectors, answers: npt.NDArray[Any]) -> float | None:
    """Area under the curve of answers; None where all sectors are alike."""
    if sectors.label.all() or not sectors.label.any():
        return None
    return float(roc_auc_score(sectors.label, answers))


def _sectors(
    files: Sequence[Path], options: TrainGarnetOptions, report: Callable[[str], None]
) -> tuple[Sectors, Sectors]:
    """Of the events to train on, at all rotations, and of the last ones of every file, at one."""
    train: list[Sectors] = []
    test: list[Sectors] = []
    for path in files:
        n = open_events(path).n_events
        n_held = max(int(options.held_out_share * n), 1)
        for k, parts in enumerate(sectors_of_file(path, options.network.vertices, options.sectors)):
            if k < n - n_held:
                train += parts
            else:
                test.append(parts[0])
        report(f"{path}: {n - n_held} events to train on, {n_held} to report")
    if not train:
        raise InputError(
            f"{', '.join(map(str, files))}: too few events to train on; one of the files needs at least 2"
        )
    both = joined(train), joined(test)
    check_batch("train garnet", len(both[0]), options.batch_size)
    return both


def _fit(
    network: GarNet, train: Sectors, test: Sectors, options: TrainGarnetOptions, checkpoint: Path,
    settings: dict[str, Any],
    report: Callable[[str], None],
) -> dict[str, Any]:  # fmt: skip
    """Train in floating point, then with rounding.

    Returns:
        ``auc_float`` at the end of the first part.
    """
    optimizer = torch.optim.Adam(network.parameters(), lr=options.learning_rate)
    state: dict[str, Any] = {"auc_float": 0.0}

    def one_epoch(number: int) -> EpochLoss:
        rounding = number >= options.epochs
        network.set_rounding(rounding)
        done, ahead = (
            (number - options.epochs, options.fixed_epochs) if rounding else (number, options.epochs)
        )
        loss = _epoch(network, optimizer, train, options, number, (done, ahead))
        network.fit_formats()
        if number == options.epochs - 1:
            state["auc_float"] = auc_of(test, np.concatenate(_logits(network, test)))
        return EpochLoss(loss, None, done, ahead, "fixed" if rounding else "epoch")

    report("loss: binary cross-entropy of sectors with and without a stiff track; in floating point first")
    fit = Fit(
        "train garnet", network, optimizer, options.learning_rate, checkpoint, settings, report, state=state
    )
    fit.run(options.epochs + options.fixed_epochs, one_epoch)
    return state


def _epoch(
    network: GarNet, optimizer: torch.optim.Optimizer, train: Sectors, options: TrainGarnetOptions,
    number: int,
    course: tuple[int, int],
) -> float:  # fmt: skip
    """Mean loss of an epoch; ``course``: epochs of this part that are done, and of all."""
    random = np.random.default_rng([options.seed, number])
    n_steps = len(train) // options.batch_size
    order = random.permutation(len(train))[: n_steps * options.batch_size]
    total = 0.0
    for step, rows in enumerate(np.split(order, n_steps)):
        for group in optimizer.param_groups:
            group["lr"] = falling_rate(options.learning_rate, (course[0] + step / n_steps) / course[1])
        if network.kernels()[0].rounding:
            network.fit_formats()
        x, mask = _tensors(_reflected(train.codes[rows], random), train.mask[rows], torch.float32)
        label = torch.from_numpy(train.label[rows]).float()
        loss = binary_cross_entropy_with_logits(network(x, mask), label)
        descend(network, optimizer, loss)
        total += float(loss.detach())
    return total / n_steps


def _reflected(codes: npt.NDArray[np.int16], random: np.random.Generator) -> npt.NDArray[np.int16]:
    """Half of the sectors with azimuth and curvature of the opposite sign, and half, others, with
    pseudorapidity.
    """
    signs = np.ones((len(codes), 1, codes.shape[2]), dtype=np.int16)
    signs[:, 0, 1] = signs[:, 0, 3] = random.choice([-1, 1], len(codes))
    signs[:, 0, 2] = random.choice([-1, 1], len(codes))
    reflected: npt.NDArray[np.int16] = np.clip(codes * signs, INPUT.low, INPUT.high).astype(np.int16)
    return reflected


def _tensors(codes: npt.NDArray[Any], mask: npt.NDArray[Any], dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """What the network takes."""
    return torch.from_numpy(codes).to(dtype) * 2.0**-INPUT.fraction, torch.from_numpy(mask).to(dtype)


@torch.inference_mode()
def _logits(network: GarNet, sectors: Sectors) -> list[npt.NDArray[Any]]:
    """Of batches of sectors, in the precision of the network."""
    dtype = network.garnet_layers()[0].table.dtype
    starts = range(0, len(sectors), HELD_BATCH)
    return [
        network(*_tensors(sectors.codes[k : k + HELD_BATCH], sectors.mask[k : k + HELD_BATCH], dtype)).numpy()
        for k in starts
    ]


def load_garnet(name: str) -> GarNet:
    """Weights by path, with rounding on. None ship.

    Raises:
        InputError: missing or damaged files, or weights of another architecture.
    """
    arrays, description = load_weights(name, ARCHITECTURE)
    check_json(description, DESCRIPTION, Path(name).with_suffix(".json"), REPAIR)
    sizes = description["options"]["network"]
    aggregators, filters, dense = (tuple(sizes[name]) for name in ("aggregators", "filters", "dense"))
    options = GarNetOptions(int(sizes["vertices"]), aggregators, filters, dense)
    network = GarNet(options)
    shapes = {k: tuple(v.shape) for k, v in network.state_dict().items()}
    check_shapes(arrays, shapes, name)
    load_arrays(network, arrays, name)
    network.set_rounding(True)
    return network.eval()
