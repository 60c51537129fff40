"""``smartpix display``: one event as a self-contained page with a 3-D view, for any browser, without a
network.
"""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from smartpix.files import check_writable, replace_when_done
from smartpix.io.events import event_numbers, iterate
from smartpix.schema import InputError
from tracking.beam_spot import chain_of_file
from tracking.options import RunOptions
from tracking.provenance import chain_provenance
from tracking.show.content import event_content, pack

__all__ = ["display_event"]

SCRIPTS = ("data.js", "gl.js", "scene.js", "panel.js", "main.js")


def display_event(
    path: str | Path, event: int | None, output: str | Path | None, options: RunOptions
) -> dict[str, Any]:
    """Run the chain on one event of a file and write its page, whole or not at all.

    Args:
        event: number of the event; None takes the file's first.
        output: of the page; None: ``event-N.html`` in the working directory.

    Returns:
        ``file`` (the page), ``events`` (the file), ``event``, ``bytes``, and counts of what it shows.

    Raises:
        InputError: a file that cannot be used, an event that is not in it, or a page that cannot be written.
    """
    if output is not None:
        check_writable(output, [path])
    entry, number = _find(Path(path), event)
    target = Path(f"event-{number}.html" if output is None else output)
    check_writable(target)
    ((file, events),) = iterate(path, step=1, start=entry, stop=entry + 1)
    chain, _ = chain_of_file(path, file.header, options)
    result = chain.event(number, events[0]["clusters"])
    content = event_content(chain, result, events[0], file.has_truth)
    record = chain_provenance("smartpix display", [path], options)
    whole = {"file": file.path.name, **content, "provenance": record}
    with replace_when_done(target) as beside:
        beside.write_text(page(whole), encoding="utf-8")
    return {
        "file": str(target),
        "events": str(path),
        "event": number,
        "bytes": target.stat().st_size,
        **content["counts"],
    }


def _find(path: Path, event: int | None) -> tuple[int, int]:
    """Entry and number of an event."""
    numbers = event_numbers(path)
    if len(numbers) == 0:
        raise InputError(f"{path}: holds no events; give another file")
    if event is None:
        return 0, int(numbers[0])
    found = np.flatnonzero(numbers == event)
    if len(found) == 0:
        shown = ", ".join(map(str, numbers[:10])) + (f", ... {numbers[-1]}" if len(numbers) > 10 else "")
        raise InputError(
            f"{path}: event: {event} is not there; it holds {len(numbers)}: {shown}. Give one of these with "
            f"--event"
        )
    return int(found[0]), event


def page(content: dict[str, Any]) -> str:
    """The page, with style, scripts and data inside."""
    folder = files("tracking.show") / "page"
    html, style = (folder.joinpath(name).read_text(encoding="utf-8") for name in ("page.html", "style.css"))
    scripts = "\n".join(folder.joinpath(name).read_text(encoding="utf-8") for name in SCRIPTS)
    # In a script element only "<" could end the data.
    data = json.dumps(pack(content), allow_nan=False).replace("<", "\\u003c")
    for mark, text in (("/* style */", style), ("/* scripts */", scripts), ("/* data */", data)):
        before, after = html.split(mark)
        html = before + text + after
    return html
