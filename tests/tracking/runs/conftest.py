"""Six copies of the toy events, their runs in one process, another one and on workers, and one that was stopped."""

import shutil

import pytest

from tests.tracking.runs.toy_runs import ALONE, call, parts, results, run_into
from tracking.options import RunOptions
from tracking.runs import driver, figures
from tracking.runs.workers import connect


@pytest.fixture
def info(caplog):
    """What a run logs of its progress is there for tests to read."""
    caplog.set_level("INFO", "tracking")


@pytest.fixture(scope="module")
def few_figures():
    """Of all figures only the efficiency, the cone study and the event display, since figures take most of the
    time of small runs.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name in ("residuals", "fakes", "track_pulls", "track_resolutions", "vertices"):
            patch.setattr(figures, name, lambda *arguments: None)
        yield


@pytest.fixture(scope="package")
def options(weights):
    return RunOptions(gnn=str(weights))


@pytest.fixture(scope="package")
def copies(files, tmp_path_factory):
    """Six copies of the four toy events under names in order."""
    folder = tmp_path_factory.mktemp("copies")
    for k in range(6):
        shutil.copy(files["toy"], folder / f"toy-{k}.root")
    return folder


@pytest.fixture(scope="package")
def here(copies, options, tmp_path_factory):
    """Of this process, in units of one event."""
    return results(run_into(tmp_path_factory.mktemp("here"), copies, options))


@pytest.fixture(scope="package")
def whole_folder(here, copies, options, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    call(ALONE, copies, folder, options)
    return folder


@pytest.fixture(scope="package")
def whole(whole_folder):
    """Of one other process, in units of one event, never stopped."""
    return results(whole_folder)


@pytest.fixture(scope="package")
def client(whole):
    with connect("local", 2) as client:
        yield client


@pytest.fixture
def stopped(copies, options, tmp_path, monkeypatch):
    """A folder with a run of the six files that was stopped after ten units of one event."""
    with monkeypatch.context() as patched:
        store = driver.store_part

        def stop(folder, unit, part):
            store(folder, unit, part)
            if len(parts(tmp_path)) == 10:
                raise KeyboardInterrupt

        patched.setattr(driver, "store_part", stop)
        with pytest.raises(KeyboardInterrupt):
            run_into(tmp_path, copies, options)
    return tmp_path
