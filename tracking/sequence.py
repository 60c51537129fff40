"""Sequences of commands whose steps are kept: those alone are run that were not done before."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smartpix.files import replace_when_done
from smartpix.schema import InputError
from smartpix.text import read_json

__all__ = ["DONE", "Step", "run_process", "run_steps"]

DONE = "steps.json"
"""What is done: commands by step, with the results that they printed."""


@dataclass(frozen=True)
class Step:
    """One command of the sequence.

    Attributes:
        name: of the step.
        why: what it is for, in one sentence.
        words: of the command line, without ``smartpix`` and ``--json``.
        outputs: files that it writes.
    """

    name: str
    why: str
    words: tuple[str, ...]
    outputs: tuple[Path, ...]

    @property
    def command(self) -> str:
        """As it is typed."""
        return shlex.join(["smartpix", *self.words])


def run_process(words: Sequence[str]) -> dict[str, Any]:
    """Run one command of smartpix in a process of its own and return the result that it prints; what it says
    goes to stderr.

    Raises:
        InputError: it fails; it has said why.
    """
    # -P: no folder of the user's is taken for a package of ours; what PYTHONPATH names, smartpix sees to.
    done = subprocess.run(
        [sys.executable, "-P", "-m", "smartpix", *words, "--json"],
        stdout=subprocess.PIPE,
        encoding="utf-8",
        check=False,
    )
    if done.returncode:
        raise InputError(
            f"`{shlex.join(['smartpix', *words])}` failed, as it says above; mend that, and the same command goes on "
            "from there"
        )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def run_steps(
    steps: Sequence[Step],
    folder: Path,
    about: str,
    report: Callable[[str], object],
    run: Callable[[Sequence[str]], Mapping[str, Any]] = run_process,
) -> dict[str, Any]:
    """Run each step unless it was done with the same command, all before it are as they were, and what it
    wrote is there.

    Args:
        folder: that the steps write to, with :data:`DONE` beside their files.
        about: what the commands do not tell, as the fingerprint of a detector: with another, all is done
            again.
        report: is told of each step.
        run: runs a command and returns the result that it prints.

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
        same = same and (before.get("command"), before.get("about")) == (step.command, about) and there
        if same:
            report(f"{k + 1} of {len(steps)}, {step.name}: done before")
            results[step.name] = before["result"]
        else:
            report(f"{k + 1} of {len(steps)}, {step.name}: {step.command}")
            results[step.name] = run(step.words)
        kept[step.name] = {"command": step.command, "about": about, "result": results[step.name]}
        with replace_when_done(folder / DONE) as beside:
            beside.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    return results


def _done(path: Path) -> dict[str, dict[str, Any]]:
    if not path.exists():
        return {}
    try:
        told = read_json(path)
        return {str(name): _kept(step) for name, step in told.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: is no list of steps that are done ({error}); delete it, and all steps are done again"
        ) from error


def _kept(step: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of a step that is done."""
    if not isinstance(step["result"], dict):
        raise TypeError("a result is no object")
    return {key: step[key] for key in ("command", "about", "result")}
