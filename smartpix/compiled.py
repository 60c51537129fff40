"""Numba's ``njit`` for the kernels of all packages, and where their machine code is kept.

Numba keeps it beside the sources, or in ``NUMBA_CACHE_DIR``. Where that cannot be written, as in an
installation of an administrator, Numba would compile again what lies there ready, and without a home it would
not start at all. Here what lies there is used. What is missing is kept in the user's cache folder or, without
one, in a folder for temporary files.
"""

from __future__ import annotations

import atexit
import hashlib
import logging
import os
import re
import shutil
import stat
import tempfile
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from smartpix.schema import InputError

THREADS = "NUMBA_NUM_THREADS"
# Numba's own way to tell is a traceback from amid its import, or inside a warning after which it goes on
# without the variable.
if THREADS in os.environ and not re.fullmatch("0*[1-9][0-9]{0,3}", os.environ[THREADS].strip(), re.ASCII):
    raise InputError(
        f"{THREADS}: the environment variable must be a whole number from 1 to 9999 and is "
        f"{os.environ[THREADS]!r:.60}; set it so, or unset it"
    )
with warnings.catch_warnings():
    warnings.filterwarnings("error", "Environment variable 'NUMBA_", RuntimeWarning)
    try:
        import numba
        from numba.core import config
        from numba.core.caching import InTreeCacheLocator
    except RuntimeWarning as error:
        raise InputError(f"{str(error).splitlines()[0]:.200} Set it right, or unset it") from None

__all__ = ["FAST", "BesideReadOnly", "is_cold", "most_threads", "njit"]

FAST = {"contract", "arcp", "nsz", "reassoc"}
"""For ``fastmath``: liberties with rounding, none with what is not finite. A loop with these still tells
whether a number is one.

Numba compiles a function alone and again with each caller, and the two may round differently. Which of them
runs depends on whether this process compiled the caller or loaded it. Where the numbers of edges and seeds come
from, ``forceinline`` leaves one of them.
"""

log = logging.getLogger(__name__)

LOCATORS = (
    "UserProvidedCacheLocator", "InTreeCacheLocator", f"{__name__}.BesideReadOnly", "IPythonCacheLocator",
    "ZipCacheLocator",
)  # fmt: skip
"""Numba's own places but the user's folder, which is one of ours."""


def njit(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """``numba.njit`` with these options, whose cache needs no folder that can be written."""

    def compiled(function: Callable[..., Any]) -> Any:
        chosen = config.CACHE_LOCATOR_CLASSES
        # Of these functions alone: other packages' caches are not our business.
        config.CACHE_LOCATOR_CLASSES = chosen or ",".join(LOCATORS)
        try:
            return numba.njit(**options)(function)
        except RuntimeError as error:
            if not options.get("cache"):
                raise
            _warn(
                f"compiled kernels are not kept, so that every start compiles anew ({error}); make some "
                "folder writable"
            )
            return numba.njit(**options | {"cache": False})(function)
        finally:
            config.CACHE_LOCATOR_CLASSES = chosen

    return compiled


def most_threads() -> int:
    """Threads that Numba may use; unlike ``numba.get_num_threads`` it starts none, and does not set torch's
    as well.
    """
    return int(config.NUMBA_NUM_THREADS)


def is_cold(*kernels: Any) -> bool:
    """Whether one of these functions of :func:`njit` has no machine code yet that was made for this machine's
    kind.

    What cannot be looked up is taken for ready: the answer decides about a line of the log, and on Numba's
    private parts.
    """
    if config.DISABLE_JIT:
        return False
    try:
        # Keys of an index are signature, machine and hashes of the function.
        return any(
            not kernel.signatures and all(key[1] != _machine() for key in _index(kernel))
            for kernel in kernels
        )
    except Exception:
        return False


def _machine() -> Any:
    """This machine's kind, as in the keys of Numba's indices."""
    from numba.core.registry import cpu_target

    return cpu_target.target_context.codegen().magic_tuple()


def _index(kernel: Any) -> Any:
    """What Numba has kept of a kernel, by its key; nothing of one that is not kept."""
    kept = getattr(kernel._cache, "_cache_file", None)
    return {} if kept is None else kept._load_index()


class BesideReadOnly(InTreeCacheLocator):  # type: ignore[misc]
    """Caches that cannot be written, with a folder of the user's before them.

    The folder of a function begins with links to what is ready, and takes what is compiled besides. Its name
    has a hash of the ready index, so that it starts anew when the administrator compiles again.
    """

    _cache_path: str
    _found: Sequence[Path] = ()

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> Any:
        """The place of a function's cache; None where there is none."""
        with suppress(OSError):
            return super().from_function(py_func, py_file)
        return None

    def __init__(self, py_func: Any, py_file: str) -> None:
        super().__init__(py_func, py_file)
        subpath = self.get_suitable_cache_subpath(py_file)
        self._ready = Path(config.CACHE_DIR, subpath) if config.CACHE_DIR else Path(self._cache_path)
        base = f"{Path(py_file).stem}.{py_func.__qualname__}-{self.get_disambiguator()}."
        with suppress(OSError):
            self._found = sorted(path for path in self._ready.iterdir() if path.name.startswith(base))
        index = [path.read_bytes() for path in self._found if path.suffix == ".nbi"]
        name = hashlib.sha256(repr((py_file, base, index)).encode()).hexdigest()[:16]
        self._cache_path = str(_folder() / subpath / f"{py_func.__name__}-{name}")

    def ensure_cache_path(self) -> None:
        """Make the folder and link what is ready, the index last.

        Raises:
            OSError: it cannot be made.
        """
        super().ensure_cache_path()
        for path in sorted(self._found, key=lambda path: path.suffix == ".nbi"):
            with suppress(FileExistsError):
                Path(self._cache_path, path.name).symlink_to(path.absolute())


@cache
def _folder() -> Path:
    """The user's cache folder if it can be written, else one for temporary files that only this user can
    write.
    """
    # Without a home there is a RuntimeError.
    with suppress(OSError, RuntimeError):
        folder = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "smartpix" / "kernels"
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
        return folder.absolute()
    folder = Path(tempfile.gettempdir(), f"smartpix-kernels-{os.getuid()}")
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    # What lies there is run as machine code, so that nobody else may have put it there.
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        folder = Path(tempfile.mkdtemp(prefix="smartpix-kernels-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _warn(
        f"compiled kernels are kept in {folder}, since neither the installation nor a home can be written; "
        "NUMBA_CACHE_DIR names another folder"
    )
    return folder


@cache
def _warn(line: str) -> None:
    """Log a warning once, though there are many kernels."""
    log.warning(line)
