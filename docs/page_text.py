"""Markdown as text: lines wrapped, tables, sentences counted.

``python docs/page_text.py PAGE...`` wraps the prose of these pages and prints their sentences of over 30
words.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

WIDTH = 100
FENCE = re.compile(r"^ *(```|~~~)")
ITEM = re.compile(r"^( *)([-*+]|\d+\.) +")
# What would be a list, a heading, a table or a quotation at the beginning of a line.
BLOCK_START = re.compile(r"^([-*+>]|#+|\d+[.)]|\|.*)$")
# A code span with the characters that touch it, or a word.
TOKEN = re.compile(r"(?:[^\s`]*`[^`]+`)+[^\s`]*|\S+")
ABBREVIATIONS = ("e.g", "i.e", "al", "Comput", "Softw", "Sci", "vs", "cf", "Eq", "Fig")
SENTENCE_END = re.compile(r"(?<=[.!?])[)*\"']*\s+(?=[\"'(*]*[A-ZΔ0-9`])")


def blocks(text: str) -> Iterator[tuple[str, str, list[str]]]:
    """The blocks of a page: kind (``prose``, ``table`` or ``verbatim``), indentation, lines.

    ``prose`` is a paragraph or an item of a list; ``verbatim`` is everything that is not text: code,
    headings, comments, directives of the site, empty lines.
    """
    fenced, kind, indent, lines = False, "", "", []
    for line in text.split("\n"):
        item = ITEM.match(line)
        if fenced or FENCE.match(line):
            fenced = fenced != bool(FENCE.match(line))
            this, starts = "verbatim", True
        elif not line.strip() or line.lstrip().startswith(("#", "<!--", "!!!", ":::")):
            this, starts = "verbatim", True
        elif line.lstrip().startswith("|"):
            this, starts = "table", kind != "table"
        else:
            this, starts = "prose", kind != "prose" or bool(item) or line.lstrip().startswith("![")
        if starts and lines:
            yield kind, indent, lines
            lines = []
        if starts:
            indent = " " * len(item[0]) if item else re.match(" *", line)[0]
        kind = this
        lines.append(line)
    yield kind, indent, lines


def fill(lines: list[str], indent: str, width: int) -> list[str]:
    """One paragraph or item with lines of at most ``width`` characters, where its words allow it."""
    item = ITEM.match(lines[0])
    first = item[0] if item else indent
    words = [
        part
        for word in TOKEN.findall(" ".join(lines)[len(item[0]) if item else 0 :])
        for part in (word.split(" ") if len(word) > width - 20 else [word])
    ]
    filled, line = [], first + words[0]
    for word in words[1:]:
        if len(line) + 1 + len(word) > width and not BLOCK_START.match(word):
            filled.append(line)
            line = indent + word
        else:
            line += " " + word
    return [*filled, line]


def wrap(text: str, width: int = WIDTH) -> str:
    """A page whose prose has lines of at most ``width`` characters; code and tables stay."""
    made: list[str] = []
    for kind, indent, lines in blocks(text):
        made += fill(lines, indent, width) if kind == "prose" else lines
    return "\n".join(made)


def table(head: list[str], body: list[list[str]]) -> str:
    """A table."""
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def sentences(text: str) -> Iterator[str]:
    """The sentences of a page's prose and of its tables' cells.

    Left out are code blocks, headings and comments. A code span counts as one word, a link as its text; a
    picture is its description. A sentence ends at a full stop, a question or an exclamation mark before a
    capital, a digit or a code span, and where its paragraph, item or cell ends; colons and semicolons end
    none. Initials and a few abbreviations (:data:`ABBREVIATIONS`) end none.
    """
    for kind, _, lines in blocks(text):
        if kind == "verbatim":
            continue
        joined = " ".join(line.strip() for line in lines)
        if kind == "prose":
            parts = [ITEM.sub("", joined)]
        else:
            parts = [cell for line in lines for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
        for part in parts:
            plain = re.sub(r"`[^`]+`", "`code`", part)
            plain = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", plain)
            start = 0
            for end in SENTENCE_END.finditer(plain):
                words = plain[start : end.start()].rstrip(".)*\"'").split(" ")
                initial = re.fullmatch(r"[A-Z]", words[-1]) and not re.match(r"\d", " ".join(words[-2:-1]))
                if initial or words[-1].lstrip("(") in ABBREVIATIONS:
                    continue
                yield plain[start : end.start()].strip()
                start = end.end()
            if plain[start:].strip():
                yield plain[start:].strip()


def n_words(sentence: str) -> int:
    """Words of a sentence; what has neither a letter nor a digit is none."""
    return sum(bool(re.search(r"\w", word)) for word in sentence.split())


def main(paths: list[str]) -> None:
    """Wrap these pages and print their long sentences."""
    for path in map(Path, paths):
        text = path.read_text(encoding="utf-8")
        path.write_text(wrap(text), encoding="utf-8")
        for number, line in enumerate(wrap(text).split("\n"), 1):
            if len(line) > 110:
                print(f"{path}:{number}: {len(line)} characters")
        for sentence in sentences(text):
            if n_words(sentence) > 30:
                print(f"{path}: {n_words(sentence)} words: {sentence}")


if __name__ == "__main__":
    main(sys.argv[1:])
