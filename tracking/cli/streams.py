"""Standard output and error of a command.

They take every character. They may be closed or full, and ``head`` may cut them off.
"""

from __future__ import annotations

import codecs
import io
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from smartpix.schema import InputError

__all__ = ["ReaderGoneError", "results_alone", "show", "silence", "streams"]

UNIT = re.compile(r"(?<![^\s\[(])µm(?![^\s\]),;])")
"""Where a µ is ours, and a u does for it on terminals without it. Names of files keep what tells them apart:
a backslash and the character's number."""
ERRORS = re.compile(r"(?<= )±(?= \d)")
"""Where a ± is ours, and +- does for it."""
STRICT = ("strict", "surrogateescape", "backslashreplace")
"""Ways of a stream with characters it lacks that Python chose, not the user."""

_results: TextIO | None = None


class ReaderGoneError(Exception):
    """Whoever read the output wants no more of it."""


def show(text: str) -> None:
    """Lines of results, to stdout.

    Raises:
        ReaderGoneError: the pipe is closed.
        InputError: stdout cannot be written, on a full disk for example.
    """
    stream = _results or sys.stdout
    try:
        print(text, file=stream, flush=True)
    except BrokenPipeError:
        silence(stream)
        raise ReaderGoneError from None
    except OSError as error:
        silence(stream)
        raise InputError(
            f"standard output cannot be written ({error.strerror}); make room or send it elsewhere"
        ) from error


@contextmanager
def streams() -> Iterator[None]:
    """Make standard streams of this process fit to be written to: there, and with a spelling for what they
    lack.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # Else the next file that is opened gets the number, and everything that libraries print.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
    codecs.register_error("smartpix.spelled", _spelled)
    before: list[tuple[io.TextIOWrapper, str]] = []
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors in STRICT:
            before.append((stream, stream.errors))
            stream.reconfigure(errors="smartpix.spelled")
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                with suppress(ValueError):
                    stream.flush()
            except OSError:
                silence(stream)
        for stream, errors in before:
            with suppress(ValueError):
                stream.reconfigure(errors=errors)


@contextmanager
def results_alone() -> Iterator[None]:
    """Keep stdout for :func:`show` alone: what libraries print there goes to stderr."""
    global _results
    try:
        sys.stdout.flush()
        number = sys.stdout.fileno()
        kept = os.dup(number)
    except (OSError, ValueError):
        # No file of the system's, in a notebook or a test.
        yield
        return
    stdout = sys.stdout
    with os.fdopen(kept, "w", encoding=stdout.encoding, errors=stdout.errors) as _results:
        os.dup2(2, number)
        try:
            yield
        finally:
            with suppress(OSError):
                stdout.flush()
            os.dup2(kept, number)
            _results = None


def _spelled(error: UnicodeError) -> tuple[str | bytes, int]:
    """Error handler of an encoder: the unit's u, the errors' +- or the character's number; of a path's
    undecodable byte the byte itself.
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    character = error.object[error.start]
    if "\udc80" <= character <= "\udcff":
        return bytes([ord(character) - 0xDC00]), error.start + 1
    if UNIT.match(error.object, error.start):
        return "u", error.start + 1
    if ERRORS.match(error.object, error.start):
        return "+-", error.start + 1
    return character.encode("ascii", "backslashreplace").decode(), error.start + 1


def silence(stream: TextIO) -> None:
    """Let a stream that cannot be written swallow what it still holds, so that Python's end says nothing of
    it.
    """
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
