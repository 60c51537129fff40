"""What is said where an optional package is missing: a call that works from a wheel and from a clone."""

import re
import sys
import tomllib

import pytest

from smartpix.extras import EXTRAS, missing_package
from smartpix.schema import InputError
from smartpix.simulate.transport import generic_detector
from tests.helpers import REPOSITORY

OPTIONAL = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["optional-dependencies"]


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_brings_its_packages(extra):
    brought = {re.match(r"[\w-]+", line)[0] for line in OPTIONAL[extra]}
    assert brought == set(EXTRAS[extra]) - {"onnxruntime"}


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "acts", None)
    with pytest.raises(
        InputError, match=r"^pyacts: cannot be imported \(.*acts.*\); call: pip install 'smartpix\[acts\]'$"
    ):
        generic_detector()


def test_every_hint_of_the_packages_comes_from_there_and_needs_no_clone():
    sources = [
        p for package in ("smartpix", "seeding", "tracking") for p in (REPOSITORY / package).rglob("*.py")
    ]
    named = set()
    for path in sources:
        text = path.read_text()
        assert "constraints" not in text, path
        if path.name != "extras.py":
            assert "pip install" not in text, path
        named |= set(re.findall(r'missing_package\("([\w-]+)", "(\w+)"', text))
    assert len(named) >= 6
    for package, extra in named:
        assert package in EXTRAS[extra], package
        assert f"[{extra}]" in str(missing_package(package, extra, ImportError("no")))
