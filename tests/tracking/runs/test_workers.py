"""Runs on workers: their bytes, their deaths, their memory, and what must be alike on them."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from smartpix.io.events import open_events
from smartpix.schema import InputError
from tests.helpers import REPOSITORY
from tests.left_out import needs
from tests.tracking.runs.toy_runs import parts, results, run_into
from tracking.chain import Chain
from tracking.cli.main import main
from tracking.options import RunOptions
from tracking.runs import units
from tracking.runs.driver import run
from tracking.runs.outputs import EXTRA
from tracking.runs.part import packed
from tracking.runs.sources import Sources
from tracking.runs.workers import DASK_TRIM, _run_on_worker, chain_of, packed_chain

pytest.importorskip("distributed")

pytestmark = pytest.mark.usefixtures("info")


def test_two_workers_give_the_bytes_of_one_process(copies, options, whole, whole_folder, client, tmp_path):
    assert results(run_into(tmp_path, copies, options, client)) == whole
    assert (tmp_path / "tracks.root").read_bytes() == (whole_folder / "tracks.root").read_bytes()
    assert not (tmp_path / "unfinished").exists()


def test_workers_import_ours_before_they_get_work(copies, options, client, tmp_path):
    """Sent whole: read where no module of ours is on the path, and a foreign one is."""
    run_into(tmp_path / "out", copies, options, client)
    plugins = client.run_on_scheduler(lambda dask_scheduler: dict(dask_scheduler.worker_plugins))
    (tmp_path / "tracking.py").write_text("raise SystemExit('tracking of the user')\n")
    (tmp_path / "sent").write_bytes(plugins["smartpix"])
    code = "import pickle, sys; pickle.load(open('sent', 'rb')).setup(None); print(sys.modules['tracking'].__file__)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(REPOSITORY)}, capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.stdout.strip() == str(REPOSITORY / "tracking" / "__init__.py"), done.stderr


def test_a_worker_killed_in_the_middle_loses_nothing(copies, options, whole, client, tmp_path):
    pids = client.run(os.getpid)
    assert len(set(pids.values())) == 2
    killed = []

    def kill():
        until = time.monotonic() + 60
        while len(parts(tmp_path)) < 2 and time.monotonic() < until:
            time.sleep(0.005)
        # The one that holds a unit now.
        busy = [worker for worker, tasks in client.processing().items() if tasks]
        killed.append(pids[(busy or list(pids))[0]])
        os.kill(killed[0], signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    run_into(tmp_path, copies, options, client)
    thread.join()
    assert results(tmp_path) == whole
    client.wait_for_workers(2, timeout=30)
    now = set(client.run(os.getpid).values())
    assert killed[0] not in now
    assert len(now) == 2


def test_workers_without_the_file_or_of_another_version_are_named(files, options):
    unit = units.plan_units([open_events(files["toy"])], 4)[0]
    with pytest.raises(InputError, match=r"elsewhere\.root: is not there on .*under the same path"):
        _run_on_worker(None, dataclasses.replace(unit, path="/elsewhere.root"), version("smartpix"))
    with pytest.raises(InputError, match=r"has smartpix .* and 0\.0 started the run"):
        _run_on_worker(None, unit, "0.0")


def test_the_command_runs_on_a_scheduler(capsys, copies, options, client, whole, tmp_path):
    address = client.scheduler_info()["address"]
    arguments = [
        "run",
        str(copies / "toy-*.root"),
        "-o",
        str(tmp_path),
        "--no-figures",
        "--json",
        "--set",
        f"gnn={options.gnn}",
    ]
    assert main([*arguments, "--dask", address, "--events-per-unit", "2"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert json.loads(out)["n_events"] == 24
    assert results(tmp_path) == whole


def test_without_dask_the_flag_says_what_to_install(capsys, monkeypatch, files, tmp_path):
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert main(["run", str(files["toy"]), "-o", str(tmp_path / "out"), "--dask", "local"]) == 1
    assert "pip install 'smartpix[dask]'" in capsys.readouterr().err


def page_faults():
    """Of a hundred arrays of 1 MB: 256 pages each where freed memory is given back."""
    import resource

    np.ones(1 << 17)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(100):
        np.ones(1 << 17)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@needs("glibc")
def test_workers_keep_freed_memory(client, files, options):
    """Where dask has them give it back, by the value that is known of it."""
    unit = units.plan_units([open_events(files["single"])], 1)[0]
    content = packed_chain(Chain.for_header(open_events(files["single"]).header, options))
    set_by_dask = client.run(lambda: os.environ["MALLOC_TRIM_THRESHOLD_"])
    assert set(set_by_dask.values()) == {DASK_TRIM}
    for worker in set_by_dask:
        client.submit(
            _run_on_worker, content, unit, version("smartpix"), workers=[worker], pure=False
        ).result()
        assert client.submit(page_faults, workers=[worker], pure=False).result() < 1000


@needs("glibc")
def test_memory_is_given_back_where_the_user_chose_so():
    script = "from tests.tracking.runs.test_workers import page_faults; from tracking.runs.workers import _keep_memory\n"
    script += "before = page_faults(); _keep_memory(); print(before, page_faults())"

    def faults(threshold):
        environment = {**os.environ, "MALLOC_TRIM_THRESHOLD_": threshold, "PYTHONPATH": str(REPOSITORY)}
        done = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
        )
        return [int(word) for word in done.stdout.split()]

    before, after = faults(DASK_TRIM)
    assert before > 20_000
    assert after < 1000
    assert min(faults("65537")) > 20_000


def test_a_unit_that_kills_its_workers_is_a_failure_of_its_file(options, files, client, tmp_path):
    def die(*arguments):
        os._exit(1)

    def poison():
        from tracking.runs import workers

        workers.finished_unit = die

    def heal():
        from tracking.runs import units, workers

        workers.finished_unit = units.finished_unit

    def allow(n, dask_scheduler=None):
        before, dask_scheduler.allowed_failures = dask_scheduler.allowed_failures, n
        return before

    before = client.run_on_scheduler(allow, 0)
    try:
        client.run(poison)
        with pytest.raises(
            InputError, match=r"toy\.root: events 0 to 3 could not be run: the workers .* died"
        ):
            run(files["toy"], tmp_path, options, client, figures=False)
    finally:
        client.run_on_scheduler(allow, before)
        client.run(heal)


def listening(process):
    """Addresses at which a process and its children wait for connections, but for those of the machine
    itself.
    """
    import psutil

    found = []
    for one in (process, *process.children(recursive=True)):
        for connection in one.net_connections(kind="inet"):
            if connection.status == psutil.CONN_LISTEN:
                found.append(connection.laddr.ip)
    return found


def test_the_local_cluster_can_be_reached_from_this_machine_alone(client):
    import psutil

    found = listening(psutil.Process())
    assert len(found) >= 4
    assert set(found) <= {"127.0.0.1", "::1"}


def test_weights_that_differ_on_a_worker_are_named(files, options, weights, tmp_path):
    for ending in (".safetensors", ".json"):
        shutil.copy(weights.with_suffix(ending), tmp_path / f"w{ending}")
    header = open_events(files["single"]).header
    unit = units.plan_units([open_events(files["single"])], 1)[0]
    content = packed_chain(Chain.for_header(header, RunOptions(gnn=str(tmp_path / "w.safetensors"))))
    (tmp_path / "w.json").write_text((tmp_path / "w.json").read_text() + " ")
    with pytest.raises(InputError, match=r"w\.safetensors: is not there on .*, or is another one"):
        _run_on_worker(content, unit, version("smartpix"))


def test_a_chain_is_the_same_on_a_worker(files, options, monkeypatch):
    from tracking.runs.workers import chain_of

    monkeypatch.chdir(Path(options.gnn).parent)
    narrow = dataclasses.replace(
        options, gnn=Path(options.gnn).name, write=EXTRA, cone=dataclasses.replace(options.cone, quantile=0.9)
    )
    chain = Chain.for_header(open_events(files["toy"]).header, narrow)
    again = chain_of(packed_chain(chain))
    assert again.options == dataclasses.replace(narrow, gnn=options.gnn)
    unit = units.plan_units([open_events(files["toy"])], 4)[0]
    with Sources() as sources:
        one, two = units.run_unit(chain, unit, sources), units.run_unit(again, unit, sources)
    one.totals.ms = two.totals.ms = {}
    assert packed(one) == packed(two)


def test_a_worker_says_no_warnings_again_and_its_stderr_stays(files, options, capsys, monkeypatch):
    class Told(Chain):
        @classmethod
        def for_header(cls, header, options, report=print):
            report("warning: said before")
            print("of another thread", file=sys.stderr)
            return Chain.for_header(header, options, report)

    chain = Chain.for_header(open_events(files["toy"]).header, options)
    monkeypatch.setattr("tracking.runs.workers.Chain", Told)
    chain_of.cache_clear()
    chain_of(packed_chain(chain))
    out, err = capsys.readouterr()
    assert (out, err) == ("", "of another thread\n")
