"""The generated pages say what the code says."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from smartpix.weights import data_path

DOCS = Path(__file__).parents[1] / "docs"


@pytest.mark.parametrize(("page", "maker"), [("formats.md", "formats"), ("options.md", "options")])
def test_generated_page_is_current(page, maker):
    path = DOCS / f"make_{maker}.py"
    spec = importlib.util.spec_from_file_location(f"make_{maker}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (DOCS / page).read_text() == getattr(module, maker)(), f"run: python docs/make_{maker}.py"


def test_the_graphs_example_of_the_formats_runs(tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / "formats.md").read_text(), flags=re.DOTALL)
    (code,) = [block for block in blocks if "to_pyg" in block]
    found = {}
    exec(compile(code.replace("F.root", str(data_path("sample.root"))), "formats.md", "exec"), found)
    assert found["data"].y.sum() > 100


def test_the_site_builds_without_a_warning(tmp_path):
    pytest.importorskip("mkdocs")
    pytest.importorskip("mkdocstrings")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=DOCS.parent, capture_output=True, text=True, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"})
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "index.html").is_file()


def test_the_training_example_of_the_notebooks_page_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", (DOCS / "notebooks.md").read_text(), flags=re.DOTALL)
    found = {}
    exec(compile(code, "notebooks.md", "exec"), found)
    assert set(found["mdn"].networks) == {"barrel", "endcap"}
    assert len(found["result"]) > 1000
    assert {path.stem for path in Path("weights").glob("*.safetensors")} == {"mdn-barrel", "mdn-endcap"}
