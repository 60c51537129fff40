"""Which options a simulation gets from the command line."""

import pytest

from smartpix.simulate import events
from tracking.cli.main import main


class Stopped(Exception):  # noqa: N818
    """The simulation has its options."""


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ([], (200, 0)),
        (["--pileup", "20"], (20, 0)),
        (["--gun", "5"], (0, 5)),
        (["--set", "generate.gun=5"], (0, 5)),
        (["--gun", "5", "--set", "generate.pileup=0"], (0, 5)),
    ],
)
def test_there_is_no_pileup_beside_a_gun(monkeypatch, tmp_path, flags, expected):
    found = []

    def simulate(detector, options, *numbers):
        found.append((options.generate.pileup, options.generate.gun))
        raise Stopped

    monkeypatch.setattr(events, "simulate", simulate)
    with pytest.raises(Stopped):
        main(["simulate", "events", *flags, "--seed", "1", "-o", str(tmp_path / "F.root")])
    assert found == [expected]
