"""A page of an event."""

import pytest

from tests.tracking.show.pages import EVENT, data_of
from tracking.options import RunOptions
from tracking.show.display import display_event


@pytest.fixture(scope="package")
def options(weights):
    return RunOptions(gnn=str(weights))


@pytest.fixture(scope="package")
def page(tmp_path_factory, files, options):
    path = tmp_path_factory.mktemp("display") / "event.html"
    told = display_event(files["toy"], EVENT, path, options)
    return path, told, data_of(path)
