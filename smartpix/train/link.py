"""Training of the learned code of the link on the clusters of simulated events."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from smartpix.clusters import FlatClusters
from smartpix.estimate.choose import choose_estimator
from smartpix.estimate.mdn import MdnEstimator
from smartpix.files import as_paths
from smartpix.io.events import Header, open_events
from smartpix.link.arithmetic import N_CLASSES, box_class
from smartpix.link.autoencoders import LinkAutoencoder, fixed_encoder, side_information
from smartpix.link.images import Adc, adc_of, boxes_of, code_images
from smartpix.link.learned import ARCHITECTURE
from smartpix.link.losses import resolution_loss
from smartpix.link.samples import link_clusters
from smartpix.networks.modules import encode
from smartpix.networks.weights import check_output, save_weights
from smartpix.provenance import by_path, origin
from smartpix.train.checkpoint import resume, save_checkpoint
from smartpix.train.epoch import check_batch, check_converges, damped, descend
from smartpix.train.link_estimates import HostEstimates, host_estimates
from smartpix.train.link_options import TrainLinkOptions

log = logging.getLogger(__name__)

__all__ = ["train_link"]


HELD_OUT_BATCH = 4096
PRIOR_RATE = 0.02
"""Learning rate of the prior."""
IMAGE = 100.0
"""Weight of the images: their loss is a mean over pixels of which few have charge."""
STILL = 0.5
"""Share of the epochs after which the formats of the weights stay as they are."""


@dataclass(frozen=True)
class _Data:
    """Clusters for the training.

    Attributes:
        codes: (N, 2, 13, 21) of the ADC; charge: the same, compressed as for the estimates.
        side: (N, 9) of :func:`smartpix.link.autoencoders.side_information`; classes: (N,) of their boxes.
        mask: (N, 1, 13, 21) pixels in the box; barrel: (N,).
        teacher: (N, 14) the estimates' outputs.
    """

    codes: Tensor
    charge: Tensor
    side: Tensor
    classes: Tensor
    mask: Tensor
    barrel: Tensor
    teacher: Tensor

    def take(self, rows: Tensor) -> _Data:
        """Some of the clusters."""
        return _Data(*(getattr(self, field.name)[rows] for field in fields(self)))


class _Prior(nn.Module):
    """How likely the sent numbers are, by the class of the box: logistic distributions, cut into the steps of
    the link.
    """

    def __init__(self, latent: int, step: float) -> None:
        super().__init__()
        self.step = step
        self.center = nn.Parameter(torch.zeros(N_CLASSES, latent))
        self.log_width = nn.Parameter(torch.full((N_CLASSES, latent), -1.0))

    def forward(self, sent: Tensor, classes: Tensor) -> Tensor:
        """Information (N,) in bits."""
        width = self.log_width[classes].exp()
        low = (sent - self.center[classes]) / width
        chance = torch.sigmoid(low + self.step / width) - torch.sigmoid(low)
        return -torch.log2(chance.clamp(min=1e-6)).sum(1)


@dataclass(frozen=True)
class _State:
    """What is trained, and where it is kept between epochs.

    Attributes:
        path: of the checkpoint; made_with: what decides the weights.
        network, prior: with their parameters.
    """

    path: Path
    made_with: dict[str, Any]
    network: LinkAutoencoder
    prior: _Prior

    @property
    def both(self) -> nn.ModuleDict:
        """Network and prior as one module."""
        return nn.ModuleDict({"network": self.network, "prior": self.prior})


def train_link(
    files: str | Path | Sequence[str | Path],
    output: str | Path,
    options: TrainLinkOptions | None = None,
    report: Callable[[str], None] = log.info,
) -> dict[str, Any]:
    """Train the learned code on the clusters of event files, and save it.

    A checkpoint ``OUTPUT.checkpoint`` is written after every epoch. The same call takes it up again, and the
    result is that of a training without interruption.

    The encoder is rounded as on the chip from the first step on; the saved weights hold it in whole numbers.
    Decoder and encoder learn to give charges back at several resolutions, and estimates of the decoded
    cluster that are those of the cluster as it was.

    Args:
        files: event files (ROOT) with digitised charges.
        output: the weights (.safetensors).
        options: None: the defaults.
        report: called with a line per epoch.

    Returns:
        ``parameters`` of the ``encoder`` and in all, and of the held-out clusters the losses ``image`` and
        ``physics`` and the bits ``rate`` of the sent numbers in an arithmetic code.

    Raises:
        InputError: unusable files, no estimates for their sensor, a training that diverged, or a checkpoint
            of another one.
    """
    options, paths = options or TrainLinkOptions(), as_paths(files)
    check_output(output)
    header = open_events(paths[0]).header
    estimator = choose_estimator(header, "mdn")
    assert isinstance(estimator, MdnEstimator)
    clusters, header = link_clusters(paths, estimator.slices, options.clusters, options.seed)
    check_batch("train link", len(clusters), options.batch_size)
    host, adc = host_estimates(estimator, header), adc_of(header)
    torch.manual_seed(options.seed)
    order = torch.randperm(len(clusters), generator=torch.Generator().manual_seed(options.seed))
    data = _data(clusters, header, adc, host).take(order)
    held = max(1, round(options.validation_share * len(clusters)))
    rows = torch.arange(len(clusters))
    learned, kept = data.take(rows[held:]), data.take(rows[:held])
    network = LinkAutoencoder(options.network)
    prior = _Prior(options.network.latent, 2.0**-options.network.sent.fraction)
    smallest = float(encode(torch.tensor(float(np.abs(adc.values).min())), host.input)) / 2
    checkpoint = Path(output).with_suffix(".checkpoint")
    made_with = {
        "options": asdict(options), "files": [str(path) for path in paths], "clusters": len(clusters),
        "charge": float(data.charge.sum(dtype=torch.float64)), "estimates": dict(estimator.names),
        "threads": torch.get_num_threads(),
    }  # fmt: skip
    state = _State(checkpoint, made_with, network, prior)
    curve = _descend(state, host, learned, options, smallest, report)
    arrays, encoder = fixed_encoder(network, str(output))
    network.eval()
    with torch.inference_mode():
        parts = [
            _losses(network, prior, host, kept.take(r), smallest)
            for r in torch.split(torch.arange(held), HELD_OUT_BATCH)
        ]
    image, physics, rate = (float(torch.cat([part[k] for part in parts]).mean()) for k in range(3))
    metrics = {
        "encoder_parameters": encoder.parameters, "parameters": encoder.parameters + n_values(network.decoder),
        "n_clusters": len(clusters), "image": image, "physics": physics, "rate": rate, "loss_by_epoch": curve,
    }  # fmt: skip
    arrays |= {f"decoder.{key}": values.numpy() for key, values in network.decoder.state_dict().items()}
    save_weights(output, arrays, {
        "architecture": ARCHITECTURE, "options": asdict(options), "slices": list(estimator.slices),
        "adc": {"edges": adc.edges.tolist(), "values": adc.values.tolist()},
        "input": {"reference": host.input.reference, "compression": host.input.compression}, "smallest": smallest,
        "estimates": dict(estimator.names), "data": [dict(open_events(path).header.made_by) for path in paths],
        "metrics": metrics, "threads": torch.get_num_threads(), "provenance": origin(by_path(paths)),
    })  # fmt: skip
    checkpoint.unlink(missing_ok=True)
    return metrics


def n_values(module: nn.Module) -> int:
    """Parameters of a module."""
    return sum(values.numel() for values in module.parameters())


def _data(clusters: FlatClusters, header: Header, adc: Adc, host: HostEstimates) -> _Data:
    boxes, barrel = boxes_of(clusters), header.detector.barrel[clusters.module]
    codes = code_images(clusters, adc)
    charge = encode(torch.from_numpy(adc.charge(codes)), host.input)
    is_barrel = torch.from_numpy(barrel)
    with torch.inference_mode():
        rows = torch.split(torch.arange(len(codes)), HELD_OUT_BATCH)
        teacher = torch.cat([host.raw(charge[r], is_barrel[r]) for r in rows])
    return _Data(
        torch.from_numpy(codes), charge, side_information(boxes, barrel), torch.from_numpy(box_class(boxes)),
        torch.from_numpy(boxes.mask())[:, None], is_barrel, teacher.clone(),
    )  # fmt: skip


def decoded(network: LinkAutoencoder, sent: Tensor, side: Tensor, mask: Tensor, smallest: float) -> Tensor:
    """Compressed charge of sent numbers, 0 out of the box and below the smallest; gradients pass the
    threshold.
    """
    found = network.decode(sent, side) * mask
    return found + (torch.where(found.abs() < smallest, 0.0, found) - found).detach()


def _losses(
    network: LinkAutoencoder,
    prior: _Prior,
    host: HostEstimates,
    data: _Data,
    smallest: float,
    costs: bool = True,
) -> tuple[Tensor, Tensor, Tensor]:
    sent = network.latent(data.codes)
    found = decoded(network, sent, data.side, data.mask, smallest)
    image = resolution_loss(data.charge, found)
    return (
        image,
        damped(host.losses(found, data.barrel, data.teacher)),
        prior(sent if costs else sent.detach(), data.classes),
    )


def _descend(
    state: _State,
    host: HostEstimates,
    data: _Data,
    options: TrainLinkOptions,
    smallest: float,
    report: Callable[[str], None],
) -> list[float]:
    """Train from the checkpoint on, if there is one; mean losses of the epochs."""
    network, prior = state.network, state.prior
    optimizer = torch.optim.Adam(network.parameters(), lr=options.learning_rate)
    optimizer.add_param_group({"params": list(prior.parameters()), "lr": PRIOR_RATE})
    generator = torch.Generator().manual_seed(options.seed)
    n_batches = len(data.codes) // options.batch_size
    rates = _rates(options.learning_rate, options.epochs * n_batches)
    kept: dict[str, Any] = {"curve": []}
    first = resume(state.path, state.made_with, state.both, optimizer, kept)
    for epoch in range(options.epochs):
        started, total = time.perf_counter(), 0.0
        order = torch.randperm(len(data.codes), generator=generator)[: n_batches * options.batch_size]
        if epoch < first:
            continue
        for step, batch in enumerate(torch.split(order, options.batch_size), epoch * n_batches):
            if epoch < STILL * options.epochs:
                network.conv.fit_format()
                network.dense.fit_format()
            image, physics, rate = _losses(network, prior, host, data.take(batch), smallest, options.rate > 0)
            loss = (IMAGE * image + options.physics * physics).mean()
            total += float(loss.detach())
            optimizer.param_groups[0]["lr"] = rates[step]
            # Where bits cost nothing, only the prior learns from them.
            descend(network, optimizer, loss + (options.rate or 1.0) * rate.mean())
        check_converges("train link", total, epoch, options.learning_rate)
        kept["curve"].append(total / n_batches)
        save_checkpoint(state.path, state.made_with, epoch + 1, state.both, optimizer, kept)
        report(
            f"epoch {epoch + 1}/{options.epochs}  loss {kept['curve'][-1]:.5f}  "
            f"{time.perf_counter() - started:.1f} s"
        )
    return list(kept["curve"])


def _rates(largest: float, n_steps: int) -> list[float]:
    """The learning rate of each step: a cosine from the largest to 0."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=largest)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_steps)
    rates = []
    for _ in range(n_steps):
        rates.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        falling.step()
    return rates
