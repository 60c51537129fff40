"""Train the networks of HEP.TrkX and keep what each is worth, beside what was published of it.

`python benchmarks/trkx.py NAME...` trains some of TRAININGS, or without names all of them, one after the
other, and writes results/trkx/NAME.json for each. Weights go to the folder --weights; a training that was
interrupted is taken up again.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import shlex
from pathlib import Path
from typing import Any

from smartpix.files import replace_when_done
from tracking.bench.trkx_published import published
from tracking.cli.main import main as smartpix

RESULTS = Path(__file__).parent / "results" / "trkx"
FROM = "{weights}"
"""In a training's arguments: the folder of the weights."""
FEWER = ["--set", "validation=1024", "--set", "test=5120"]
"""For networks that take long to measure."""
_LARGE = ["--samples", "128000", "--learning-rate", "0.003", *FEWER]
_OTHER_TOYS = ["--train-seed", "2"]
"""Than those of the caption, whose residuals on its own are too small."""
TRAININGS: dict[str, list[str]] = {
    "lstm-50": ["--model", "lstm-50", "--learning-rate", "0.005"],
    "lstm-100": ["--model", "lstm-100", "--samples", "512000", "--learning-rate", "0.01"],
    "conv-autoencoder-2d": ["--model", "conv-autoencoder-2d", "--samples", "1638400", "--learning-rate", "0.005"],
    "caption-lines-1": ["--model", "caption", "--toy", "lines-1", "--samples", "192000", "--batch-size", "128", "--learning-rate", "0.0005"],
    "caption-lines-3": ["--model", "caption", "--toy", "lines-3", "--samples", "640000", "--batch-size", "128", "--learning-rate", "0.003"],
    "caption-lines-poisson": ["--model", "caption", "--toy", "lines-poisson", "--samples", "1280000", "--batch-size", "128"],
    "caption-covariance-lines-1": [
        "--model", "caption-covariance", "--toy", "lines-1", "--from", f"{FROM}/caption-lines-1.safetensors",
        "--samples", "1024000", "--batch-size", "128", *_OTHER_TOYS,
    ],
    "caption-covariance-lines-3": [
        "--model", "caption-covariance", "--toy", "lines-3", "--from", f"{FROM}/caption-lines-3.safetensors",
        "--samples", "96000", "--batch-size", "128", *_OTHER_TOYS,
    ],
    "conv-2d": ["--model", "conv-2d", "--samples", "204800", "--learning-rate", "0.005"],
    "lstm-variable": ["--model", "lstm-variable", "--samples", "256000", "--learning-rate", "0.005"],
    "conv": ["--model", "conv", "--samples", "128000", "--learning-rate", "0.005", *FEWER],
    "autoencoder": ["--model", "autoencoder", "--samples", "128000", "--learning-rate", "0.002", *FEWER],
    "lstm": ["--model", "lstm", *_LARGE],
    "next-layer": ["--model", "next-layer", "--samples", "128000", "--learning-rate", "0.01", *FEWER],
    "deep-lstm": ["--model", "deep-lstm", *_LARGE],
    "bidirectional": ["--model", "bidirectional", *_LARGE],
}  # fmt: skip
"""Arguments of `smartpix train trkx` by the name of the result."""


def measure(name: str, weights: Path, threads: int) -> dict[str, Any]:
    """Train one network; its result with its command and what was published."""
    arguments = [word.replace(FROM, weights.name) for word in TRAININGS[name]]
    command = [
        "train",
        "trkx",
        *arguments,
        "--threads",
        str(threads),
        "-o",
        f"{weights.name}/{name}.safetensors",
    ]
    shown = shlex.join(["smartpix", *command, "--json"])
    weights.mkdir(parents=True, exist_ok=True)
    printed = io.StringIO()
    with contextlib.chdir(weights.parent), contextlib.redirect_stdout(printed):
        code = smartpix([*command, "--json"])
    if code:
        raise SystemExit(code)
    result = json.loads(printed.getvalue())
    told = published(result["model"], result["toy"])
    known = {key: value for key, value in told.items() if key != "parameters" and value is not None}
    return {"command": shown, **result, "published": known}


def main() -> None:
    """Train what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*TRAININGS, []], metavar="NAME")
    parser.add_argument("--weights", type=Path, default=Path("trkx-work"), help="folder of the weights")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    for name in options.names or TRAININGS:
        result = measure(name, options.weights.absolute(), options.threads)
        RESULTS.mkdir(parents=True, exist_ok=True)
        with replace_when_done(RESULTS / f"{name}.json") as beside:
            beside.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
