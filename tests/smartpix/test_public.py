"""What ``import smartpix`` shows, and how light it is."""

import re
from importlib.metadata import version

import smartpix
from tests.helpers import REPOSITORY


def test_the_public_names_are_those_of_the_page():
    page = (REPOSITORY / "docs" / "api" / "smartpix.md").read_text(encoding="utf-8")
    table = page.partition("## `smartpix`\n")[2].partition("\n## ")[0]
    assert re.findall(r"^- `smartpix\.(\w+)`", table, flags=re.MULTILINE) == sorted(
        dir(smartpix), key=lambda name: (name[0].islower(), name)
    )
    assert dir(smartpix) == sorted(smartpix.__all__)


def test_names_and_rooms_are_the_ones_of_their_modules():
    from tracking import metrics
    from tracking.runs import run

    assert smartpix.run is run
    assert smartpix.metrics is metrics
    assert smartpix.__version__ == version("smartpix")
