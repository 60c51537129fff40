"""What ``smartpix doctor`` looks at: packages, threads, caches, data, and the kernels on one event."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

import numpy as np

from smartpix.extras import EXTRAS
from smartpix.networks.weights import describe_weights
from smartpix.schema import InputError
from smartpix.shipped import data_path

__all__ = ["check_data", "examine", "self_test"]

TOOLS = ("g++", "verilator", "yosys")
THREAD_VARIABLES = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
ENOUGH_FOUND = 0.9
"""Share of the findable particles of the sample's first event that a sound installation finds.

It finds 93 of 94; the margin is for other processors, where sums round differently.
"""


def examine() -> dict[str, Any]:
    """Look at the installation and test it. This compiles what is not compiled yet.

    Returns:
        ``versions``, ``threads``, ``caches``, ``optional``, ``tools``, ``data``, ``self_test``, and
        ``problems``: a sentence for each thing that is wrong, with what to do. A missing optional part is no
        problem.
    """
    versions = _versions()
    problems = [
        f"{name} is not installed; install smartpix again"
        for name, found in versions.items()
        if found is None
    ]
    findings: dict[str, Any] = {
        "versions": versions,
        "optional": {extra: {name: _version(name) for name in names} for extra, names in EXTRAS.items()},
        "tools": {tool: shutil.which(tool) for tool in TOOLS},
        "data": check_data(data_path("README.md").parent),
    }
    problems += [
        f"data: {name} {state}; install smartpix again"
        for name, state in findings["data"].items()
        if state != "ok"
    ]
    if not problems:
        # Only a complete installation can be imported and tested.
        findings |= {"threads": _threads(), "caches": _caches(), "self_test": self_test()}
        problems += _problems(findings)
    return {**findings, "problems": problems}


def _problems(findings: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the caches and the self-test, and what to do."""
    for name, cache in findings["caches"].items():
        if not cache["writable"]:
            yield (
                f"{name}: the cache {cache['folder']} cannot be written, so that every start compiles anew; set "
                f"NUMBA_CACHE_DIR (kernels) or MPLCONFIGDIR (matplotlib) to a folder of yours"
            )
    for name, good in findings["self_test"]["checks"].items():
        if not good:
            yield (
                f"self-test: {name} failed; install smartpix again in a fresh environment, and report it if it "
                f"stays"
            )


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _versions() -> dict[str, str | None]:
    """Versions of Python, of the package and of what it requires."""
    required = [re.match(r"[\w-]+", line) for line in requires("smartpix") or [] if "extra ==" not in line]
    names = ["smartpix", *(m[0] for m in required if m)]
    system = {
        "python": sys.version.split()[0],
        "platform": f"{platform.system()} {platform.machine()}, {platform.python_implementation()}",
    }
    return system | {name: _version(name) for name in names}


def _threads() -> dict[str, Any]:
    import torch

    from smartpix.compiled import most_threads

    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    variables = {name: os.environ[name] for name in THREAD_VARIABLES if name in os.environ}
    return {
        "cores": os.cpu_count(), "affinity": affinity, "numba": most_threads(),
        "torch": torch.get_num_threads(),
        "environment": variables,
    }  # fmt: skip


def _caches() -> dict[str, dict[str, Any]]:
    """Folders of each package's compiled kernels, which Numba knows, and of matplotlib's fonts."""
    import matplotlib as mpl

    from seeding.kernels import search
    from smartpix.networks.fused_kernels import run
    from tracking.fit.kernels import fit_part

    folders = {
        "smartpix kernels": run.stats.cache_path, "seeding kernels": search.stats.cache_path,
        "tracking kernels": fit_part.stats.cache_path, "matplotlib": mpl.get_cachedir(),
    }  # fmt: skip
    return {
        name: {"folder": str(folder), "writable": _writable(Path(folder))} for name, folder in folders.items()
    }


def _writable(folder: Path) -> bool:
    """Whether a folder can be written, or made on first use."""
    there = next(f for f in (folder, *folder.parents) if f.exists())
    return there.is_dir() and os.access(there, os.W_OK)


def check_data(folder: Path) -> dict[str, str]:
    """State of each file that the folder's ``README.md`` lists with its sha256: ``ok`` or what is wrong with
    it.

    Weights must also be those that their JSON describes, and that JSON as it was written.

    Raises:
        InputError: there is no list.
    """
    sums = re.findall(
        r"^([\w./-]+)\s+([0-9a-f]{64})$",
        (folder / "README.md").read_text(encoding="utf-8"),
        flags=re.MULTILINE,
    )
    if not sums:
        raise InputError(f"{folder / 'README.md'}: has no list of sha256; install smartpix again")
    states = {}
    for name, expected in sums:
        path = folder / name
        if not path.is_file():
            states[name] = "is missing"
            continue
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        states[name] = "ok" if found == expected else "differs from what it should be (sha256)"
        if path.suffix == ".safetensors" and found == expected:
            try:
                describe_weights(path)
            except InputError as error:
                states[name] = str(error)
    return states


def self_test() -> dict[str, Any]:
    """Run the embedded sample's first event through all compiled kernels.

    Returns:
        ``checks`` by name: edges do not depend on the number of threads, everything is finite, and nearly all
        findable particles are found; ``seconds`` of the compilation (or loading) and ``ms`` of the event
        after it.
    """
    from dataclasses import fields, replace

    from smartpix.io.events import iterate
    from tracking.chain import Chain
    from tracking.finders.tracks import Parameters
    from tracking.metrics import score_tracks, truth_of_hits
    from tracking.options import RunOptions

    ((file, events),) = iterate(data_path("sample.root"), step=1, stop=1)
    clusters, options = events[0]["clusters"], RunOptions()
    start = time.perf_counter()
    chain = Chain.for_header(file.header, options)
    chain.warm_up(clusters)
    warm = time.perf_counter()
    result = chain.event(0, clusters)
    done = time.perf_counter()
    with_two_threads = replace(chain.finder.search, threads=2).edges(result.hits)
    same = all(
        np.array_equal(getattr(with_two_threads, f.name), getattr(result.edges, f.name))
        for f in fields(with_two_threads)
    )
    names = (*(f.name for f in fields(Parameters)), "residual", "pull")
    helices = [getattr(result.helices, name) for name in names]
    finite = all(np.isfinite(values).all() for values in (result.hits.estimate.mean, result.scores, *helices))
    truth = truth_of_hits(events[0], result.hits, chain.header.detector.frame)
    found = score_tracks(truth, result.tracks).found[truth.findable]
    return {
        "checks": {
            "edges on one and two threads": same, "finite results": finite,
            "findable particles": bool(len(found) and found.mean() >= ENOUGH_FOUND),
        },
        "n_findable": len(found), "n_found": int(found.sum()), "seconds_to_load": warm - start,
        "ms": 1e3 * (done - warm),
    }  # fmt: skip
