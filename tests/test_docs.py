"""The generated pages say what the code says."""

import importlib.util
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"


@pytest.mark.parametrize(("page", "maker"), [("formats.md", "formats"), ("options.md", "options")])
def test_generated_page_is_current(page, maker):
    path = DOCS / f"make_{maker}.py"
    spec = importlib.util.spec_from_file_location(f"make_{maker}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (DOCS / page).read_text() == getattr(module, maker)(), f"run: python docs/make_{maker}.py"
