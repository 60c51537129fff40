"""Entry points of other packages: named without an import, imported when needed, and errors name the package."""

import sys

import pytest

from smartpix.plugins import load_plugin, plugins
from smartpix.schema import InputError
from tests.helpers import install

GROUP = "smartpix.tests"


def loaded(name, kind=dict):
    return load_plugin(plugins(GROUP)[name], kind)


def test_entry_points_are_listed_without_an_import(tmp_path, monkeypatch):
    install(tmp_path, "smartpix-toy", {"toy_module.py": "THING = {}"}, GROUP, {"b": "toy_module:THING"})
    monkeypatch.syspath_prepend(tmp_path)
    assert list(plugins(GROUP)) == ["b"]
    assert "toy_module" not in sys.modules
    assert loaded("b") == {}
    assert plugins("smartpix.nothing") == {}


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("raise RuntimeError('no\\nsuch driver')", r"cannot be loaded \(RuntimeError: no such driver\)"),
        ("THING = ", r"cannot be loaded \(SyntaxError: "),
        ("import nothing_like_it", r"cannot be loaded \(ModuleNotFoundError: "),
        ("OTHER = {}", r"cannot be loaded \(AttributeError: "),
        ("THING = 3", r"must be a dict and is a int"),
    ],
)
def test_a_broken_package_is_one_error_that_names_it(tmp_path, monkeypatch, code, message):
    install(tmp_path, "smartpix-toy", {"broken_module.py": code}, GROUP, {"toy": "broken_module:THING"})
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "broken_module", raising=False)
    start = r"^package smartpix-toy: its entry point 'toy = broken_module:THING' \(smartpix\.tests\) "
    with pytest.raises(InputError, match=f"{start}{message}.*; mend or uninstall the package$"):
        loaded("toy")


def test_a_name_is_given_once(tmp_path, monkeypatch):
    for package in ("one", "two"):
        install(tmp_path, package, {}, GROUP, {"toy": f"{package}:THING"})
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match=r"package two: .*'toy' .* has the name of one of package one;"):
        plugins(GROUP)
    with pytest.raises(InputError, match=r"package one: .*'toy' .* has the name of one of smartpix;"):
        plugins(GROUP, ("toy",))
