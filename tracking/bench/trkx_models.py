"""The networks of HEP.TrkX on fresh toys, beside what was published; and those that nobody trained here."""

from __future__ import annotations

import dataclasses
import logging
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from smartpix.networks.options import LARGEST_BATCH
from smartpix.networks.weights import describe_weights
from smartpix.rules import (
    Rule,
    check_json,
    entries,
    fields,
    items,
    nullable,
    optional,
    parse_checked,
    real,
    text,
    whole,
)
from smartpix.schema import InputError
from smartpix.shipped import data_path
from tracking.bench.finding import check_fresh
from tracking.bench.trkx_captions import caption_numbers
from tracking.bench.trkx_options import TrkxStudyOptions
from tracking.bench.trkx_published import published
from tracking.finders.training import n_parameters
from tracking.finders.trkx.metrics import (
    ACCURACIES,
    COVERED,
    MULTIPLICITIES,
    SHARE,
    by_multiplicity,
    measured,
    measured_lines,
    told_lines,
)
from tracking.finders.trkx.models import MODELS, check_model
from tracking.finders.trkx.networks import make_network
from tracking.finders.trkx.options import KINDS, LINE_KINDS, ToyOptions, changed_options, toy_options
from tracking.finders.trkx.trained import load_network
from tracking.finders.trkx.training_options import TEST_SEED, VALIDATION_SEED, TrainTrkxOptions

__all__ = [
    "entry_name", "event_error", "model_numbers", "weights_by_name", "with_errors",
]  # fmt: skip

log = logging.getLogger(__name__)

Report = Callable[[str], None]

SHIPPED = "trkx-*.safetensors"
COUNTS = ("test", "validation")
"""Options of a training that say how many toys its numbers and its curve are of."""
TOLD = ("n_events", "n_curve")
"""Where a result says the same."""
_MEASURED_ON = whole(1, LARGEST_BATCH)
_COUNTED = fields({"command": fields(dict.fromkeys(COUNTS, _MEASURED_ON))})


def _number_or_flag(value: Any, where: str) -> None:
    if not isinstance(value, bool):
        real()(value, where)


_CHANGED = entries([option.name for option in dataclasses.fields(ToyOptions)], _number_or_flag)
_HEAD = fields({"model": text(*MODELS), "toy": text(*KINDS)}, more=True)
_SAMPLES = {"samples": whole(1, 10**15)}
_TRACK_NUMBERS = {"loss": real()} | {name: real(0, 1) for name in ACCURACIES}
_TRACK_NUMBERS["hit_accuracy_unseeded"] = optional(_TRACK_NUMBERS["hit_accuracy_unseeded"])
"""Earlier trainings did not measure the last one."""
_MAYBE = optional(nullable(real(0)))
_PAIR = optional(nullable(items(real(), 2, 2)))
_LINE_NUMBERS = {
    "loss": real(), "loss_error": _MAYBE, "likelihood_loss": optional(nullable(real())), "distance": _MAYBE,
    **dict.fromkeys(COVERED, optional(nullable(real(0, 1)))), **{f"{name}_error": _MAYBE for name in COVERED},
    "pull_means": _PAIR, "pull_widths": _PAIR,
}  # fmt: skip
"""What no line tells is null."""


def _result_rule(toy: str) -> Rule:
    """What ``smartpix train trkx --json`` prints, and a file of a training's result must have."""
    numbers = _LINE_NUMBERS if toy in LINE_KINDS else _TRACK_NUMBERS
    rules = {
        "model": text(*MODELS), "toy": text(*KINDS), "parameters": whole(1, 10**12), **_SAMPLES, **numbers,
        "width": optional(real(0, 100)), **dict.fromkeys(TOLD, optional(_MEASURED_ON)), "changed_toy": optional(_CHANGED),
        "seconds": optional(real(0)), "command": optional(text()),
        "curve": optional(items(fields(_SAMPLES | numbers), 1)), "published": optional(fields({}, more=True)),
    }  # fmt: skip
    if toy == "3d":
        rules["multiplicity"] = optional(entries([str(n) for n in MULTIPLICITIES], fields(numbers)))
    return fields(rules)


def entry_name(model: str, toy: str) -> str:
    """Name of a network in the results: with the kind of its toys where these are not the published ones."""
    return model if toy == MODELS[model].toy else f"{model}-{toy}"


def event_error(accuracy: float, n_events: int) -> float:
    """Binomial standard error of an accuracy over events.

    The planes of one event are not independent: it is as large as it would be if they were all right or all
        wrong.
    """
    return math.sqrt(max(accuracy * (1 - accuracy), 0.0) / n_events)


def model_numbers(
    options: TrkxStudyOptions, weights: Path | None, trained: Path | None, report: Report = log.info
) -> dict[str, dict[str, Any]]:
    """All networks by name: those with weights on fresh toys, others as their training measured them.

    Args:
        weights: folder of weights of networks of HEP.TrkX; None: those that ship alone.
        trained: folder of results of trainings whose weights are not at hand, as ``smartpix train trkx
            --json`` prints them; None: none.

    Returns:
        Of each ``model``, ``toy`` (its kind), ``about``, ``parameters``, ``published`` (
        :func:`tracking.bench.trkx_published.published`), ``source``: of the numbers, the name of a file or
        None; ``width`` (1: as published), ``samples`` it learned from and ``seconds`` that took, ``n_events``
        it was measured on; what :func:`tracking.finders.trkx.metrics.measured` gives, accuracies with their
        ``_error``; ``multiplicity`` by the number of background tracks, ``lines``
        (:func:`tracking.bench.trkx_captions.caption_numbers`), ``curve`` of the training and ``n_curve``, the
        toys of each of its points; ``command`` that trains it, and a ``note``. None where there is nothing.

    Raises:
        InputError: a folder without weights or results, damaged ones or of something else, two of one network
            and toys, or a network that was trained on toys of this seed.
    """
    files, results = weights_by_name(weights), _results(trained)
    check_fresh("study trkx", options.seed, {str(path): _seeds(path) for path in files.values()}, "network")
    found: dict[str, dict[str, Any]] = {}
    for name, path in files.items():
        report(f"{name}: {path.name} on fresh toys")
        found[name] = _measured(path, options)
    for name, (path, result) in results.items():
        if name in found:
            # Of the same training, not of a longer one.
            if all(
                result[key] == found[name][key] for key in ("samples", "parameters", "curve") if key in result
            ):
                found[name] |= {key: result[key] for key in ("seconds", "command") if key in result}
        else:
            found[name] = _as_trained(path, result)
    for model in MODELS:
        if model not in found:
            found[model] = _absent(model)
    order = list(MODELS)
    return dict(sorted(found.items(), key=lambda item: (order.index(item[1]["model"]), item[0])))


def weights_by_name(folder: Path | None) -> dict[str, Path]:
    """Weights of networks of HEP.TrkX: those that ship, and in their place those of a folder.

    Raises:
        InputError: no weights in the folder, some of something else, or two of one network and toys.
    """
    files = {_name_of(path): path for path in sorted(data_path("weights").glob(SHIPPED))}
    return files if folder is None else files | _by_name(folder, "*.safetensors", _name_of)


def _name_of(path: Path) -> str:
    load_network(path)
    told = describe_weights(path)["options"]
    return entry_name(told["model"], told["toy"]["kind"])


def _by_name(folder: Path, pattern: str, name_of: Callable[[Path], str]) -> dict[str, Path]:
    """Files of a folder by the name of the network that they are of."""
    found: dict[str, Path] = {}
    for path in sorted(folder.glob(pattern)):
        name = name_of(path)
        if name in found:
            raise InputError(
                f"{path}: is of {name}, as {found[name].name} is; leave one of the two in {folder}"
            )
        found[name] = path
    if not found:
        raise InputError(f"{folder}: has no {pattern}; give a folder that smartpix train trkx wrote to")
    return found


def _results(folder: Path | None) -> dict[str, tuple[Path, dict[str, Any]]]:
    """Results of trainings by the name of the network."""
    if folder is None:
        return {}
    made: dict[Path, dict[str, Any]] = {}

    def name_of(path: Path) -> str:
        fix = "keep what smartpix train trkx --json prints"
        try:
            content = path.read_bytes()
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error}); {fix}") from error
        made[path] = parse_checked(content, _HEAD, path, fix)
        model, toy = made[path]["model"], made[path]["toy"]
        check_json(made[path], _result_rule(toy), path, fix)
        try:
            check_model(model, toy_options(toy))
        except InputError as error:
            raise InputError(f"{path}: {error}; {fix}") from error
        counts = {name: _toys(made[path], name) for name in COUNTS}
        check_json({"command": counts}, _COUNTED, path, fix)
        return entry_name(model, toy)

    return {name: (path, made[path]) for name, path in _by_name(folder, "*.json", name_of).items()}


def _seeds(path: Path) -> frozenset[int]:
    """Seeds of the toys that a network and the one that it started from learned from and were measured on.

    Raises:
        InputError: weights that do not say with which seed their start was trained.
    """
    told = describe_weights(path)
    own = [told["options"]["seed"]]
    if told["options"].get("start"):
        if "started_from" not in told:
            raise InputError(
                f"{path}: does not say which toys its caption learned from; train it again (smartpix train trkx "
                f"--model caption-covariance)"
            )
        own.append(told["started_from"]["seed"])
    return frozenset(seed + more for seed in own for more in (0, VALIDATION_SEED, TEST_SEED))


def _measured(path: Path, options: TrkxStudyOptions) -> dict[str, Any]:
    """A network with weights, on toys of the study."""
    network, toy = load_network(path)
    told = describe_weights(path)
    training = told["options"]
    n, lines = options.events, None
    if toy.has_lines:
        n = options.caption_events
        answers = told_lines(network, toy, n, options.seed)
        numbers, lines = measured_lines(answers), caption_numbers(network, toy, answers, options.seed)
    else:
        numbers = measured(network, toy, n, options.seed)
    made = _entry(training["model"], toy.kind) | {
        "parameters": n_parameters(network), "source": path.name, "width": training["width"],
        "samples": told.get("metrics", {}).get("samples"), "n_events": n, **with_errors(numbers, n),
        "lines": lines, "curve": told.get("metrics", {}).get("curve"), "n_curve": training.get("validation"),
    }  # fmt: skip
    if toy.kind == "3d":
        fewer = max(n // SHARE, 1)
        counted = by_multiplicity(network, toy, fewer, options.seed)
        made["multiplicity"] = {k: with_errors(r, fewer) | {"n_events": fewer} for k, r in counted.items()}
    narrow = [] if training["width"] == 1 else [f"{training['width']:g} times as wide as published"]
    made["note"] = "; ".join([*narrow, *_changed(made, changed_options(toy))]) or None
    return made


def _changed(made: dict[str, Any], changed: Mapping[str, Any]) -> list[str]:
    """A note on toys that are not the published ones, whose published numbers are taken from the entry."""
    if not changed:
        return []
    made["published"], made["changed_toy"] = dict.fromkeys(made["published"]), dict(changed)
    return [
        f"on other toys than published ({', '.join(f'{name} {value}' for name, value in changed.items())})"
    ]


def _as_trained(path: Path, result: Mapping[str, Any]) -> dict[str, Any]:
    """A network without weights, as its training measured it on toys of its own."""
    n, n_curve = (_toys(result, name) for name in COUNTS)
    made = _entry(result["model"], result["toy"])
    whole = made["parameters"]
    kept = {k: v for k, v in result.items() if k not in ("multiplicity", "published", "changed_toy")}
    made |= kept
    made |= with_errors(kept, n) | {
        "source": path.name, "n_events": n, "n_curve": n_curve,
    }  # fmt: skip
    made["note"] = "weights are not at hand: measured at the end of the training, on other toys"
    if made["parameters"] != whole:
        made["note"] += f"; {made['parameters'] / whole:.3g} of the published parameters"
    made["note"] = "; ".join([made["note"], *_changed(made, result.get("changed_toy", {}))])
    if "multiplicity" in result:
        fewer = max(n // SHARE, 1)
        made["multiplicity"] = {
            k: with_errors(r, fewer) | {"n_events": fewer} for k, r in result["multiplicity"].items()
        }
    return made


def _toys(result: Mapping[str, Any], name: str) -> int:
    """Toys that a training measured with: what it says or its command sets, or the default."""
    if (counted := TOLD[COUNTS.index(name)]) in result:
        return int(result[counted])
    told = re.search(rf"\b{name}=(\d{{1,20}})", result.get("command", ""))
    return int(told[1]) if told else int(getattr(TrainTrkxOptions(), name))


def _absent(model: str) -> dict[str, Any]:
    """A network that nobody trained here."""
    made = _entry(model, MODELS[model].toy)
    return made | {"note": f"no weights; train some into the folder of --weights: {made['command']}"}


def _entry(model: str, toy: str) -> dict[str, Any]:
    """What is known of a network without its weights."""
    # Only shapes: the large ones have some twenty million parameters.
    with torch.device("meta"):
        n = n_parameters(make_network(model, toy_options(toy)))
    kind = "" if toy == MODELS[model].toy else f" --toy {toy}"
    return {
        "model": model, "toy": toy, "about": MODELS[model].about, "parameters": n,
        "published": published(model, toy), "source": None, "width": None, "samples": None, "seconds": None, "n_events": None,
        "loss": None, "loss_error": None, **dict.fromkeys(ACCURACIES), **{f"{name}_error": None for name in ACCURACIES},
        "multiplicity": None, "lines": None, "curve": None,
        "n_curve": None, "changed_toy": None,
        "command": f"smartpix train trkx --model {model}{kind} -o {entry_name(model, toy)}.safetensors", "note": None,
    }  # fmt: skip


def with_errors(numbers: Mapping[str, Any], n_events: int) -> dict[str, Any]:
    """Numbers, and of accuracies among them the errors."""
    there = [name for name in ACCURACIES if numbers.get(name) is not None]
    return dict(numbers) | {f"{name}_error": event_error(numbers[name], n_events) for name in there}
