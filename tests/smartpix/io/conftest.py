"""An event file to change."""

import pytest

from smartpix.io.events import Header
from smartpix.io.write import write_events
from tests.helpers import one_module_detector
from tests.smartpix.io.changed_events import EVENTS


@pytest.fixture(scope="package")
def good(tmp_path_factory):
    path = tmp_path_factory.mktemp("checks") / "good.root"
    write_events(path, Header(one_module_detector(), 3.8, (0, 19)), [EVENTS])
    return path
