"""The chain of this tree against that of another revision: time of each stage, and whether results agree.

    python benchmarks/against.py REV [FILE ...] [--setting NAME ...] [--events N] [--rounds N]
                                 [--keep FOLDER] [--json]

Each tree runs in a process of its own, on one thread, and they take turns: a ratio is of two rounds that
followed each other, so that a machine that slows down does so for both. Processor time, after a round of
warm-up; ratios are this tree's time over the revision's, and their median is shown. Without ``--setting``
the chain runs in each of four: with its defaults, with the window's graph, and with estimates from cluster
shapes and from the quantised network. Without files both read the embedded sample of this tree. The
revision's kernels are compiled first, which takes minutes; ``--keep`` keeps them.
"""

import argparse
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "data" / "sample.root"
PROBE = Path(__file__).with_name("against_probe.py")
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)
ALL_EVENTS = 10**9
SETTINGS: dict[str, dict[str, str]] = {
    "default": {},
    "window": {"graph": "window", "gnn": "gnn-window"},
    "shape": {"estimates": "shape"},
    "quantised": {"estimates": "quantised"},
}
"""Options of a run, by the name of the setting: those that take kernels which the defaults do not take."""


@dataclass(frozen=True)
class Work:
    """What each side runs: the first ``events`` of each file, in each of some settings."""

    files: list[str]
    events: int
    settings: Mapping[str, Mapping[str, str]]


class Side:
    """A process that runs the chain of one tree."""

    def __init__(self, tree: Path, work: Work) -> None:
        # As JSON, since the probe cannot ask this tree: it imports from the other one.
        settings = json.dumps({name: dict(options) for name, options in work.settings.items()})
        command = [sys.executable, str(PROBE), str(work.events), settings, *work.files]
        environment = os.environ | ONE_THREAD | {"PYTHONPATH": str(tree)}
        # Not in the tree: Python would import from the folder it stands in, whatever PYTHONPATH says.
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8", env=environment,
            cwd=tempfile.gettempdir(),
        )  # fmt: skip
        self.tree = tree

    def _answer(self) -> Any:
        line = self.process.stdout.readline()  # type: ignore[union-attr]
        if not line:
            raise SystemExit(f"{self.tree}: its chain failed, see above")
        return json.loads(line)

    def sums(self) -> dict[str, dict[str, str]]:
        """Of the chain's results, by setting and name, at the end of the warm-up."""
        first = self._answer()
        if not Path(first["home"]).is_relative_to(self.tree):
            raise SystemExit(f"{self.tree}: Python ran {first['home']} instead; unset what puts it first")
        return first["sums"]  # type: ignore[no-any-return]

    def times(self, setting: str) -> dict[str, float]:
        """Of one more round in a setting, in ms by stage."""
        self.process.stdin.write(f"{setting}\n")  # type: ignore[union-attr]
        self.process.stdin.flush()  # type: ignore[union-attr]
        return self._answer()  # type: ignore[no-any-return]

    def __enter__(self) -> "Side":
        return self

    def __exit__(self, *error: object) -> None:
        """Let the process end."""
        self.process.communicate()


def unpack(revision: str, folder: Path) -> Path:
    """The files of a revision, in a folder named after its commit; they are there already if it was kept."""
    commit = git("rev-parse", "--verify", f"{revision}^{{commit}}").decode().strip()
    tree = folder / commit
    if not tree.exists():
        # Under another name until all is there, so that an interruption leaves no half of a tree.
        with tempfile.TemporaryDirectory(dir=folder) as half:
            with tarfile.TarFile(fileobj=io.BytesIO(git("archive", commit))) as archive:
                archive.extractall(half, filter="data")
            Path(half).rename(tree)
            Path(half).mkdir()
    return tree


def git(*arguments: str) -> bytes:
    """What git prints, in this repository."""
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(f"git {' '.join(arguments)}: {done.stderr.decode().strip()}")
    return done.stdout


def compare(new: Path, old: Path, work: Work, rounds: int) -> dict[str, dict[str, Any]]:
    """Both trees in turn, setting by setting: the median ratio of each stage that both have, and which
    results agree.
    """
    times: dict[str, tuple[list[dict[str, float]], ...]] = {name: ([], []) for name in work.settings}
    with Side(new, work) as this, Side(old, work) as other:
        sums = this.sums(), other.sums()
        for turn in range(rounds):
            for name in work.settings:
                # The one that comes second may find the machine warmer: each is second half of the time.
                for side in (0, 1) if turn % 2 else (1, 0):
                    times[name][side].append((this, other)[side].times(name))
    return {
        name: {"stages": ratios(*times[name])} | agreement(*(of_side[name] for of_side in sums))
        for name in work.settings
    }


def ratios(new: list[dict[str, float]], old: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Of each stage that both trees have: median and quartiles of this tree's time over the revision's."""
    stages = {}
    for stage in [name for name in new[0] if name in old[0]]:
        ms = np.array([[spent[stage] for spent in side] for side in (new, old)])
        low, ratio, high = (float(q) for q in np.quantile(ms[0] / ms[1], [0.25, 0.5, 0.75]))
        stages[stage] = {
            "ratio": ratio, "quarter": low, "three_quarters": high,
            "ms": float(np.median(ms[0])), "ms_revision": float(np.median(ms[1])),
        }  # fmt: skip
    return stages


def agreement(new: dict[str, str], old: dict[str, str]) -> dict[str, Any]:
    """Which results of the two trees are the same, by their sums."""
    common = [name for name in new if name in old]
    return {
        "identical": {
            kind: all(new[name] == old[name] for name in common if name.partition(".")[0] == kind)
            for kind in dict.fromkeys(name.partition(".")[0] for name in common)
        },
        "different": [name for name in common if new[name] != old[name]],
        "of_one_alone": sorted(new.keys() ^ old.keys()),
    }


def show(settings: Mapping[str, dict[str, Any]]) -> None:
    """Print a comparison, a table for each setting."""
    for name, result in settings.items():
        print(f"{name:10s}{'ms':>10s}{'revision':>10s}{'ratio':>8s}   half of the ratios")
        for stage, row in result["stages"].items():
            print(
                f"{stage:10s}{row['ms']:10.1f}{row['ms_revision']:10.1f}{row['ratio']:8.3f}"
                f"   {row['quarter']:.3f} to {row['three_quarters']:.3f}"
            )
        for kind, same in result["identical"].items():
            print(f"{kind:14s}{'identical' if same else 'DIFFERENT'}")
        for key, title in (("different", "different"), ("of_one_alone", "in one of the two alone")):
            if result[key]:
                print(f"{title}: {', '.join(result[key])}")


def main(arguments: list[str]) -> None:
    """Compare this tree with a revision."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("revision", help="of git: a commit, a tag, HEAD~3")
    parser.add_argument("files", nargs="*", help="event files; default: the embedded sample")
    parser.add_argument(
        "--setting", action="append", choices=SETTINGS, help="of the chain, may be repeated; default: all"
    )
    parser.add_argument("--events", type=int, default=ALL_EVENTS, help="take the first N; default: all")
    parser.add_argument("--rounds", type=int, default=11, help="of each tree and setting; default: 11")
    parser.add_argument("--keep", type=Path, help="folder in which the revision and its kernels are kept")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    files = [str(Path(file).resolve()) for file in options.files] or [str(SAMPLE)]
    settings = {name: SETTINGS[name] for name in options.setting or SETTINGS}
    work = Work(files, options.events, settings)
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) if options.keep is None else options.keep.resolve()
        kept.mkdir(parents=True, exist_ok=True)
        tree = unpack(options.revision, kept)
        compared = compare(ROOT, tree, work, options.rounds)
    if options.json:
        result = {"revision": tree.name, "rounds": options.rounds, "settings": compared}
        print(json.dumps(result, indent=1))
    else:
        show(compared)


if __name__ == "__main__":
    main(sys.argv[1:])
