"""``smartpix display``: one event as a self-contained page with a 3-D view, for any browser, without a
network.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
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

COUNTED = {
    "n_hits": "hits", "n_window_edges": "edges of the window", "n_edges": "edges to be scored", "n_kept_edges": "edges kept",
    "n_tracks": "tracks", "n_vertices": "vertices", "n_findable": "findable particles", "n_found": "found of them",
    "n_fake": "fakes",
}  # fmt: skip
"""What the page of two calls its numbers."""
SCRIPTS = ("data.js", "gl.js", "scene.js", "panel.js", "main.js")


def display_event(
    path: str | Path,
    event: int | None,
    output: str | Path | None,
    options: RunOptions,
    against: RunOptions | None = None,
    names: tuple[str, str] = ("left", "right"),
) -> dict[str, Any]:
    """Run the chain on one event of a file and write its page, whole or not at all.

    Args:
        event: number of the event; None takes the file's first.
        output: of the page; None: ``event-N.html`` in the working directory.
        against: other options: the page then shows the same event as both make it, side by side.
        names: of both, in the page.

    Returns:
        ``file`` (the page), ``events`` (the file), ``event``, ``bytes``, and counts of what it shows; with
        ``against`` those of the other under that name.

    Raises:
        InputError: a file that cannot be used, an event that is not in it, or a page that cannot be written.
    """
    if output is not None:
        check_writable(output, [path])
    entry, number = _find(Path(path), event)
    target = Path(f"event-{number}.html" if output is None else output)
    check_writable(target)
    ((file, events),) = iterate(path, step=1, start=entry, stop=entry + 1)
    record, has_truth = events[0], file.has_truth
    contents = []
    for chosen in [options] if against is None else [options, against]:
        chain, _ = chain_of_file(path, file.header, chosen)
        content = event_content(chain, chain.event(number, record["clusters"]), record, has_truth)
        made = chain_provenance("smartpix display", [path], chosen)
        contents.append({"file": file.path.name, **content, "provenance": made})
    content = contents[0]
    with replace_when_done(target) as beside:
        text = page(content) if against is None else page_of_two(contents, names)
        beside.write_text(text, encoding="utf-8")
    other = {} if against is None else {"against": contents[1]["counts"]}
    return {
        "file": str(target),
        "events": str(path),
        "event": number,
        "bytes": target.stat().st_size,
        **content["counts"],
        **other,
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
    return _filled(
        html, {"/* style */": style, "/* scripts */": scripts, "/* data */": _embedded(pack(content))}
    )


def page_of_two(contents: Sequence[Mapping[str, Any]], names: tuple[str, str]) -> str:
    """A page of two pages side by side, which turn together, with the numbers of both above them."""
    html = (files("tracking.show") / "page" / "pair.html").read_text(encoding="utf-8")
    counts = [c["counts"] for c in contents]
    table = [[COUNTED.get(name, name), [c[name] for c in counts]] for name in counts[0]]
    data = {"names": list(names), "pages": [page(dict(c)) for c in contents], "counts": table}
    return _filled(html, {"/* data */": _embedded(data)})


def _embedded(data: Any) -> str:
    """As JSON inside a script element, which only "<" could end."""
    return json.dumps(data, allow_nan=False).replace("<", "\\u003c")


def _filled(html: str, texts: Mapping[str, str]) -> str:
    for mark, text in texts.items():
        before, after = html.split(mark)
        html = before + text + after
    return html
