"""Numbers with their errors."""

import pytest

from tracking.metrics import share_interval
from tracking.show.numbers import share, shown


@pytest.mark.parametrize(
    ("value", "interval", "text"),
    [
        (0.98765, (0.98734, 0.98796), "0.98765 ± 0.00031"), (0.5, (0.38, 0.61), "0.50 +0.11 -0.12"),
        (1.0, (0.9973, 1.0), "1.0000 +0.0000 -0.0027"), (4162.3, (3822.0, 4502.6), "4162 ± 340"),
        (2.5, None, "2.5"), (3.0, (3.0, 3.0), "3"),
    ],
)  # fmt: skip
def test_a_number_has_as_many_digits_as_its_errors(value, interval, text):
    assert shown(value, interval) == text
    assert shown(value, interval, sign=True) == f"+{text}"


def test_a_share_has_the_one_interval_of_shares():
    assert share(0.75, 400, 20) == shown(0.75, share_interval(300, 400)).rjust(20)
    assert share(None, 400, 3) == "  -"
    assert share(0.75, None) == "0.7500"
