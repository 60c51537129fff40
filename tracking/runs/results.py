"""The results in a folder: which files a run wrote and nobody changed since, so that the next run may replace
them.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from smartpix.files import sha256_of
from smartpix.schema import InputError
from smartpix.text import read_json, read_text

__all__ = ["SUMMARY", "TIMES", "check_in_the_way", "old_results", "signed", "written_before"]

SUMMARY = "summary.json"
TIMES = "times.json"
"""The timings. All other files are the same whenever the same command is given."""
SUMS = "sha256"


def signed(name: str, content: Mapping[str, Any]) -> str:
    """The text of a JSON file with its own name under ``sha256``.

    Its sum is that of the text without it.
    """
    others = {other: value for other, value in content.get(SUMS, {}).items() if other != name}
    signature = hashlib.sha256(_text({**content, SUMS: others}).encode()).hexdigest()
    return _text({**content, SUMS: {**others, name: signature}})


def _text(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=1) + "\n"


def written_before(*lists: Path) -> dict[str, set[str]]:
    """Names and sha256 of the files that runs wrote, of JSON files that have them; one that cannot be read
    has none.
    """
    checksums: dict[str, set[str]] = {}
    for path in lists:
        try:
            sums = read_json(path)[SUMS].items() if _is_file(path) else ()
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue
        for name, value in sums:
            checksums.setdefault(name, set()).add(str(value))
    return checksums


def old_results(output: Path, checksums: Mapping[str, set[str]]) -> set[str]:
    """Names of the files there that a run wrote and nobody changed since."""
    return {name for name in checksums if Path(name).name == name and _is_result(output / name, checksums)}


def check_in_the_way(output: Path, names: Iterable[str], checksums: Mapping[str, set[str]]) -> None:
    """Check that nothing has the name of a result but old results.

    Args:
        names: of the files that a run is going to write.
        checksums: of :func:`written_before`.

    Raises:
        InputError: something has, that no run wrote there or that was changed since.
    """
    for name in sorted(names):
        path = output / name
        if os.path.lexists(path) and not _is_result(path, checksums):
            why = "was changed since a run wrote it" if name in checksums else "was not written by a run"
            raise InputError(
                f"{path}: {why}, so that it is not overwritten; move it, or give another folder with -o"
            )


def _is_result(path: Path, checksums: Mapping[str, set[str]]) -> bool:
    if not _is_file(path):
        return False
    return sha256_of(path) in checksums.get(path.name, ()) or (
        path.name in (SUMMARY, TIMES) and _is_signed(path)
    )


def _is_signed(path: Path) -> bool:
    try:
        text, content = read_text(path), read_json(path)
        return path.name in content[SUMS] and text == signed(path.name, content)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return False


def _is_file(path: Path) -> bool:
    """Whether it is there and no link."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except (OSError, ValueError):
        return False
