"""Run the steps of a guide, those alone that were not done before."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from smartpix.files import replace_when_done
from smartpix.schema import InputError
from smartpix.text import read_json
from tracking.guide.plan import Step

__all__ = ["DONE", "run_steps"]

DONE = "steps.json"
"""What is done: commands by step, with the results that they printed."""


def run_steps(
    steps: Sequence[Step],
    folder: Path,
    about: str,
    run: Callable[[Sequence[str]], Mapping[str, Any]],
    report: Callable[[str], object],
) -> dict[str, Any]:
    """Run each step unless it was done with the same command, all before it are as they were, and what it wrote
    is there.

    Args:
        folder: that the steps write to, with :data:`DONE` beside their files.
        about: the detector's fingerprint: with another, all is done again.
        run: runs a command and returns the result that it prints.
        report: is told of each step.

    Returns:
        The results by step.

    Raises:
        InputError: a step fails, or :data:`DONE` is damaged.
    """
    done = _done(folder / DONE)
    results: dict[str, Any] = {}
    kept: dict[str, dict[str, Any]] = {}
    same = True
    for k, step in enumerate(steps):
        before = done.get(step.name, {})
        there = all(path.exists() for path in step.outputs)
        same = same and (before.get("command"), before.get("detector")) == (step.command, about) and there
        if same:
            report(f"{k + 1} of {len(steps)}, {step.name}: done before")
            results[step.name] = before["result"]
        else:
            report(f"{k + 1} of {len(steps)}, {step.name}: {step.command}")
            results[step.name] = run(step.words)
        kept[step.name] = {"command": step.command, "detector": about, "result": results[step.name]}
        with replace_when_done(folder / DONE) as beside:
            beside.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    return results


def _done(path: Path) -> dict[str, dict[str, Any]]:
    if not path.exists():
        return {}
    try:
        told = read_json(path)
        return {
            str(name): {key: step[key] for key in ("command", "detector", "result")}
            for name, step in told.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: is not what smartpix new-detector wrote ({error}); delete it, and all steps are done again"
        ) from error
