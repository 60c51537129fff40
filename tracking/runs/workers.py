"""The work units of a run on the workers of dask.distributed."""

from __future__ import annotations

import ctypes
import logging
import os
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from functools import lru_cache, partial
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from smartpix.beam import BeamSpot
from smartpix.calibration import Calibration
from smartpix.extras import missing_package
from smartpix.field_map import from_header, in_header
from smartpix.geometry import Detector
from smartpix.io.events import Header
from smartpix.packed import pack, unpack
from smartpix.schema import InputError
from tracking.chain import Chain
from tracking.options import RunOptions, from_mapping
from tracking.provenance import named_weights, sums_of_weights, used_weights
from tracking.runs.sources import Sources
from tracking.runs.units import Outcome, Unit, finished_unit

if TYPE_CHECKING:
    from distributed import Client, Future

__all__ = ["chain_of", "check_worker", "connect", "on_workers", "packed_chain", "run_on"]

log = logging.getLogger(__name__)

Part = TypeVar("Part")

CHAIN = "chain 4"
ON_THE_WAY = {"calibration": "", "field_map": ""}
"""Files of options that the header brings whole, so that workers need not see them."""
PER_WORKER = 2
"""Units at a worker: one runs and one waits, so that nothing large queues up at the scheduler."""
GONE = "dask: the scheduler is gone; start it again and run the same command, which goes on from where it was"
LOOPBACK = "127.0.0.1"
PATIENCE = 10
"""Seconds to wait for a scheduler's answer."""
DASK_TRIM = "65536"
"""What dask gives its workers as ``MALLOC_TRIM_THRESHOLD_`` if nobody says otherwise."""
MALLOPT_KEEP = {"M_MMAP_THRESHOLD": (-3, 32 << 20), "M_TRIM_THRESHOLD": (-1, 64 << 20)}
"""Numbers of glibc's mallopt(3), and the values to which its thresholds grow in a process that frees arrays
of this size.
"""


@contextmanager
def connect(address: str, workers: int | None = None) -> Iterator[Client]:
    """A client of the scheduler at an address or, for ``"local"``, of a cluster of processes on this machine,
    of one thread each.

    The local cluster, with its dashboard, can be reached from this machine alone.

    Args:
        workers: processes of the local cluster, for ``"local"`` alone; None: as many as cores.

    Raises:
        InputError: dask is not installed, no scheduler answers, or fewer than one worker is asked for.
    """
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise missing_package("distributed", "dask", error) from error
    if address == "local":
        if workers is not None and workers < 1:
            raise InputError(f"workers: must be at least 1 and is {workers}")
        with (
            LocalCluster(
                n_workers=workers or os.cpu_count(),
                threads_per_worker=1,
                processes=True,
                silence_logs=logging.CRITICAL,
                host=LOOPBACK,
                dashboard_address=f"{LOOPBACK}:0",
                worker_dashboard_address=f"{LOOPBACK}:0",
            ) as cluster,
            Client(cluster) as client,
        ):
            yield client
        return
    # What goes wrong later is said once, by run_on.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        client = Client(address, timeout=PATIENCE)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{address}: no dask scheduler answers there ({' '.join(str(error).split())[:120]}). Start one "
            f"with "
            f"`dask scheduler` and workers with `dask worker ADDRESS --nthreads 1`, or use the address "
            f"'local'"
        ) from error
    with client:
        yield client


def run_on(client: Client, chain: Chain, units: Iterable[Unit]) -> Iterator[Outcome]:
    """Run units on a client's workers: :func:`on_workers` with the chain's whole work.

    Raises:
        InputError: the scheduler is gone.
    """
    # With every unit: a worker that had to fetch it from another would wait for the end of the unit that one
    # is running.
    return on_workers(client, partial(_run_on_worker, packed_chain(chain)), units)


def on_workers(
    client: Client, work: Callable[[Unit, str], Part], units: Iterable[Unit]
) -> Iterator[tuple[Unit, Part | InputError]]:
    """Do some work for units on a client's workers, as they become free; the outcomes come in the order in
    which they are ready.

    A unit whose worker dies goes to another worker. One after which several workers died counts as a failure
    of its file.

    Args:
        work: of a unit, on a worker: what it gives is sent back. It is also told the version of smartpix that
            began, for :func:`check_worker`.
        units: taken one after another, so that it can leave out those of files that have failed.

    Raises:
        InputError: the scheduler is gone.
    """
    from distributed import KilledWorker, as_completed

    if not _threads(client):
        address = client.scheduler_info()["address"]
        log.warning("the scheduler at %s has no workers yet; waiting for them", address)
    waiting = iter(units)
    running: dict[str, tuple[Future[Part], Unit]] = {}
    ready = as_completed()
    with suppress(OSError, TimeoutError):
        client.register_plugin(_imports_first())
    try:
        while True:
            n_units = PER_WORKER * max(1, _threads(client))
            while len(running) < n_units and (unit := next(waiting, None)) is not None:
                future = client.submit(work, unit, version("smartpix"), pure=False)
                running[future.key] = future, unit
                ready.add(future)
            if not running:
                return
            future = next(ready)
            _, unit = running.pop(future.key)
            if future.status in ("lost", "cancelled"):
                raise InputError(GONE)
            error = future.exception()
            if isinstance(error, KilledWorker):
                error = InputError(
                    f"{unit.path}: events {unit.start} to {unit.stop - 1} could not be run: the workers they "
                    f"were given to died "
                    "one after another; give workers more memory, or run them in one process to see why"
                )
            if error is not None and not isinstance(error, InputError):
                future.result()
            yield unit, error if isinstance(error, InputError) else future.result()
            del future
    finally:
        with suppress(OSError, TimeoutError):
            client.cancel([future for future, _ in running.values()])


def _imports_first() -> Any:
    """What has workers, those that come later too, import smartpix before they get work of ``tracking``: a
    folder of that name may be first on their path.
    """
    from distributed import WorkerPlugin

    # Inside a function, so that it is sent whole: a worker would look for its module in ``tracking``.
    class ImportsFirst(WorkerPlugin):  # type: ignore[misc]
        name = "smartpix"

        def setup(self, worker: Any) -> None:
            import_module("smartpix")

    return ImportsFirst()


def _threads(client: Client) -> int:
    try:
        return sum(client.nthreads().values())
    except (OSError, TimeoutError) as error:
        raise InputError(GONE) from error


def packed_chain(chain: Chain) -> bytes:
    """All that a chain is made from, to be set up on a worker: the header of the files with its dead modules
    and its calibration, the options, and the checksums of the weights.
    """
    header = chain.header
    paths: dict[str, Any] = {}
    for name, value in named_weights(chain.options).items():
        if Path(value).suffix == ".safetensors":
            section, _, key = name.rpartition(".")
            (paths.setdefault(section, {}) if section else paths)[key] = str(Path(value).absolute())
    options = from_mapping(chain.options, paths, "options")
    content = {
        "field": header.field,
        "field_map": None if header.field_map is None else in_header(header.field_map),
        "slices": list(header.slices),
        "made_by": dict(header.made_by),
        "beam_spot": asdict(header.beam_spot),
        "detector": dict(header.detector.columns),
        "dead_modules": list(header.detector.dead),
        # The modules are where it says already. It goes along whole, so that workers need not see its file.
        "calibration": None if header.calibration is None else asdict(header.calibration),
        "options": asdict(options),
        "weights": sums_of_weights(replace(options, **ON_THE_WAY)),
    }
    return pack(content, CHAIN)


@lru_cache(maxsize=1)
def chain_of(content: bytes) -> Chain:
    """The chain, set up on this machine.

    Raises:
        InputError: the weights here are others.
    """
    made_from = unpack(content, CHAIN)
    options = from_mapping(RunOptions(), made_from["options"], "options")
    local_sums = sums_of_weights(options)
    for name, sums in made_from["weights"].items():
        if local_sums[name] != sums:
            raise InputError(
                f"{used_weights(options)[name]}: is not there on {socket.gethostname()}, or is another one; "
                "the workers need the weights under the same path"
            )
    detector = Detector(made_from["detector"], dead=tuple(made_from["dead_modules"]))
    known, table = made_from["calibration"], made_from["field_map"]
    header = Header(
        detector, made_from["field"], tuple(made_from["slices"]), made_from["made_by"],
        calibration=None if known is None else Calibration(**known),
        field_map=None if table is None else from_header(table, "field_map"),
    )  # fmt: skip
    # The process that began the run has shown the warnings, has calibrated, and has found beam and dead modules
    # where it was to.
    chain = Chain.for_header(header, replace(options, **ON_THE_WAY), report=lambda line: None)
    return replace(chain, options=options).at_beam(BeamSpot(**made_from["beam_spot"]))


def check_worker(unit: Unit, expected: str) -> None:
    """Check that this machine can work on a unit, and keep its memory.

    Raises:
        InputError: it has another version of smartpix than the one that began, or not the unit's file.
    """
    machine = socket.gethostname()
    if (found := version("smartpix")) != expected:
        raise InputError(
            f"{unit.path}: the worker on {machine} has smartpix {found} and {expected} started the run; "
            f"install one"
        )
    if not Path(unit.path).is_file():
        raise InputError(
            f"{unit.path}: is not there on {machine}; the workers need the files under the same path"
        )
    _keep_memory()


def _run_on_worker(content: bytes, unit: Unit, expected: str) -> bytes:
    """Run a unit in a worker's process; gives its packed part.

    Args:
        content: of :func:`packed_chain`.
        expected: the version of smartpix that began the run.
    """
    check_worker(unit, expected)
    with Sources() as sources:
        return finished_unit(chain_of(content), unit, sources).content


def _keep_memory() -> None:
    """Let this process keep the memory of arrays it frees, as processes do that dask did not start.

    Dask's nanny sets ``MALLOC_TRIM_THRESHOLD_``. By it glibc gives every freed array back to the system and
    gets the memory anew, page by page, for the next one: a run then takes half as long again. A value that
    the user has chosen stays. Other C libraries stay as they are.
    """
    if os.environ.get("MALLOC_TRIM_THRESHOLD_") == DASK_TRIM and hasattr(
        libc := ctypes.CDLL(None), "mallopt"
    ):
        for number, value in MALLOPT_KEEP.values():
            libc.mallopt(number, value)
