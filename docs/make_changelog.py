"""Move the entries of changelog.d/ into CHANGELOG.md, below the version of pyproject.toml: `make changelog`.

A change brings its entry as a file of its own, so that two changes never touch the same line.
"""

import re
import sys
import tomllib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from page_text import wrap

ROOT = Path(__file__).parents[1]
LONGEST = 300
"""Characters of an entry."""


def version_of(root: Path) -> str:
    """Version of the project in a folder."""
    return str(tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])


def date_of(root: Path) -> str:
    """Date of the version, which CITATION.cff says."""
    citation = (root / "CITATION.cff").read_text(encoding="utf-8")
    (found,) = re.findall(r"^date-released: (\S+)$", citation, flags=re.MULTILINE)
    return str(found)


def entries(text: str) -> list[str]:
    """Bullets of a file of entries, each on one line.

    Raises:
        ValueError: something is no bullet, or one is too long.
    """
    bullets = [" ".join(bullet.split()) for bullet in re.split(r"^(?=- )", text.strip(), flags=re.MULTILINE)]
    for bullet in bullets:
        if bullet and not bullet.startswith("- "):
            raise ValueError(f"'{bullet[:40]}...' is no bullet; begin it with '- '")
        if len(bullet) > LONGEST:
            raise ValueError(f"'{bullet[:40]}...' has {len(bullet)} characters; write at most {LONGEST}")
    return [bullet for bullet in bullets if bullet]


def fragments(root: Path) -> list[Path]:
    """Files of entries, by name."""
    return sorted((root / "changelog.d").glob("*.md"))


def assembled(changelog: str, version: str, date: str, bullets: list[str]) -> str:
    """The changelog with the bullets in the section of a version, which is made above all others if it is
    not there.
    """
    title = f"## {version} ({date})"
    if title not in changelog.splitlines():
        head, space, rest = changelog.partition("\n\n")
        changelog = f"{head}{space}{title}\n\n\n{rest}"
    before, heading, after = changelog.partition(f"{title}\n\n")
    mine, space, others = after.partition("\n\n") if not after.startswith("\n") else ("", "\n", after[1:])
    text = "\n".join([*filter(None, [mine.strip("\n")]), *bullets])
    return wrap(f"{before}{heading}{text}\n{space and chr(10)}{others.lstrip(chr(10))}")


def section(changelog: str, version: str) -> str:
    """What a changelog says of a version, without the title; "" where it says nothing."""
    found = re.search(
        rf"^## {re.escape(version)} \([^)]*\)\n(.*?)(?=^## |\Z)", changelog, re.DOTALL | re.MULTILINE
    )
    return found[1].strip() if found else ""


def main(root: Path = ROOT) -> None:
    """Move the entries of a project."""
    paths = fragments(root)
    bullets = [bullet for path in paths for bullet in entries(path.read_text(encoding="utf-8"))]
    page = root / "CHANGELOG.md"
    text = page.read_text(encoding="utf-8")
    page.write_text(assembled(text, version_of(root), date_of(root), bullets), encoding="utf-8")
    for path in paths:
        path.unlink()


if __name__ == "__main__":
    main()
