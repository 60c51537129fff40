"""The chain of this tree against that of another revision: time of each stage, and whether results agree.

    python benchmarks/against.py REV [FILE ...] [--events N] [--rounds N] [--keep FOLDER] [--json]

Each tree runs in a process of its own, on one thread, and they take turns: a ratio is of two rounds that
followed each other, so that a machine that slows down does so for both. Processor time, after a round of
warm-up; ratios are this tree's time over the revision's, and their median is shown. Without files both read
the embedded sample of this tree. The revision's kernels are compiled first, which takes minutes; ``--keep``
keeps them.
"""

import argparse
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
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


class Side:
    """A process that runs the chain of one tree."""

    def __init__(self, tree: Path, files: list[str], events: int) -> None:
        command = [sys.executable, str(PROBE), str(events), *files]
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

    def sums(self) -> dict[str, str]:
        """Of the chain's results, by name, at the end of the warm-up."""
        first = self._answer()
        if not Path(first["home"]).is_relative_to(self.tree):
            raise SystemExit(f"{self.tree}: Python ran {first['home']} instead; unset what puts it first")
        return first["sums"]  # type: ignore[no-any-return]

    def times(self) -> dict[str, float]:
        """Of one more round, in ms by stage."""
        self.process.stdin.write("\n")  # type: ignore[union-attr]
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


def compare(new: Path, old: Path, files: list[str], events: int, rounds: int) -> dict[str, Any]:
    """Both trees in turn: the median ratio of each stage that both have, and which results agree."""
    times: list[list[dict[str, float]]] = [[], []]
    with Side(new, files, events) as this, Side(old, files, events) as other:
        one, two = this.sums(), other.sums()
        for turn in range(rounds):
            # The one that comes second may find the machine warmer: each is second half of the time.
            for side in (0, 1) if turn % 2 else (1, 0):
                times[side].append((this, other)[side].times())
    stages = {}
    for stage in [name for name in times[0][0] if name in times[1][0]]:
        ms = np.array([[spent[stage] for spent in side] for side in times])
        low, ratio, high = np.quantile(ms[0] / ms[1], [0.25, 0.5, 0.75])
        stages[stage] = {
            "ratio": ratio, "quarter": low, "three_quarters": high,
            "ms": float(np.median(ms[0])), "ms_revision": float(np.median(ms[1])),
        }  # fmt: skip
    common = [name for name in one if name in two]
    return {
        "rounds": rounds,
        "stages": stages,
        "identical": {
            kind: all(one[name] == two[name] for name in common if name.partition(".")[0] == kind)
            for kind in dict.fromkeys(name.partition(".")[0] for name in common)
        },
        "different": [name for name in common if one[name] != two[name]],
        "of_one_alone": sorted(one.keys() ^ two.keys()),
    }


def show(result: dict[str, Any]) -> None:
    """Print a comparison as a table."""
    print(f"{'stage':10s}{'ms':>10s}{'revision':>10s}{'ratio':>8s}   half of the ratios")
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
    parser.add_argument("--events", type=int, default=ALL_EVENTS, help="take the first N; default: all")
    parser.add_argument("--rounds", type=int, default=11, help="of each tree; default: 11")
    parser.add_argument("--keep", type=Path, help="folder in which the revision and its kernels are kept")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args(arguments)
    files = [str(Path(file).resolve()) for file in given.files] or [str(SAMPLE)]
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) if given.keep is None else given.keep.resolve()
        kept.mkdir(parents=True, exist_ok=True)
        tree = unpack(given.revision, kept)
        result = {"revision": tree.name} | compare(ROOT, tree, files, given.events, given.rounds)
    if given.json:
        print(json.dumps(result, indent=1))
    else:
        show(result)


if __name__ == "__main__":
    main(sys.argv[1:])
