"""`make release`: build wheel and sdist, check both in an empty environment, prepare the tag. Uploads nothing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "docs"))

import make_changelog as changelog

ROOT = Path(__file__).parents[1]

CHECKS = (
    ("smartpix", "--version"),
    ("smartpix", "doctor"),
    ("smartpix", "examples", "cone_study", "-o", "examples"),
    ("smartpix", "run", "--no-figures", "--json", "-o", "out"),
)
"""What an installation has to do: the last one runs the embedded sample through the whole chain."""


def problems(root: Path) -> list[str]:
    """What is in the way of a release, one line each."""
    version, found = changelog.version_of(root), []
    if left := changelog.fragments(root):
        found.append(f"changelog.d/ holds {len(left)} files; run `make changelog` and commit")
    if not changelog.section((root / "CHANGELOG.md").read_text(encoding="utf-8"), version):
        found.append(f"CHANGELOG.md says nothing of {version}; run `make changelog` and commit")
    if f"\nversion: {version}\n" not in (root / "CITATION.cff").read_text(encoding="utf-8"):
        found.append(f"CITATION.cff is not of version {version}; write it, and the date")
    changed = _output(["git", "status", "--porcelain"], root)
    if changed:
        found.append(f"{len(changed.splitlines())} files are not committed; commit them first")
    if f"v{version}" in _output(["git", "tag", "--list"], root).split():
        found.append(f"the tag v{version} is there already; raise the version in pyproject.toml")
    return found


def tag_text(root: Path) -> str:
    """Message of the tag: the version, and its part of the changelog."""
    version = changelog.version_of(root)
    changes = changelog.section((root / "CHANGELOG.md").read_text(encoding="utf-8"), version)
    return f"smartpix {version} ({changelog.date_of(root)})\n\n{changes}\n"


def build(root: Path, folder: Path, python: str = sys.executable) -> list[Path]:
    """Wheel and sdist of a project, in a folder; needs hatchling.

    Its own command makes them without an isolated environment, which would ask a registry for hatchling.
    """
    subprocess.run([python, "-m", "hatchling", "build", "-d", str(folder)], cwd=root, check=True)
    return sorted([*folder.glob("*.whl"), *folder.glob("*.tar.gz")])


def check(files: Sequence[Path], constraints: Path) -> None:
    """Install each file into an environment of its own, far from the sources, and run :data:`CHECKS`."""
    for file in files:
        with tempfile.TemporaryDirectory(prefix="smartpix-release-") as name:
            place = Path(name)
            # Nothing of the caller's may help: no PYTHONPATH, no home with packages or caches.
            environment = {"PATH": os.environ["PATH"], "HOME": name} | {
                key: value for key, value in os.environ.items() if key.startswith("PIP_")
            }
            subprocess.run([sys.executable, "-m", "venv", "venv"], cwd=place, env=environment, check=True)
            install = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")
            _run(
                [str(place / "venv/bin/python"), *install, "-c", str(constraints), str(file)],
                place,
                environment,
            )
            for program, *arguments in CHECKS:
                _run([str(place / "venv/bin" / program), *arguments], place, environment)
        print(f"release: {file.name} installs and runs", flush=True)


def main() -> int:
    """The whole release but the tag and the upload; returns the exit code."""
    if found := problems(ROOT):
        print("\n".join(f"release: {line}" for line in found), file=sys.stderr)
        return 1
    folder = ROOT / "dist"
    shutil.rmtree(folder, ignore_errors=True)
    files = build(ROOT, folder)
    check(files, ROOT / "constraints.txt")
    (folder / "tag.txt").write_text(tag_text(ROOT), encoding="utf-8")
    version = changelog.version_of(ROOT)
    print(f"release: {', '.join(str(file.relative_to(ROOT)) for file in files)}")
    # A line that begins with # is a heading of the changelog, not a comment.
    print(f"release: now git tag --annotate --cleanup=verbatim --file dist/tag.txt v{version}")
    return 0


def _run(command: Sequence[str], folder: Path, environment: dict[str, str]) -> None:
    print(f"release: {re.sub(r'^.*/venv/bin/', '', ' '.join(command))}", flush=True)
    subprocess.run(command, cwd=folder, env=environment, check=True, stdin=subprocess.DEVNULL)


def _output(command: Sequence[str], folder: Path) -> str:
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, encoding="utf-8").stdout


if __name__ == "__main__":
    sys.exit(main())
