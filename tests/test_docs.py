"""The generated pages say what the code says."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from smartpix.shipped import data_path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text(encoding="utf-8")


def maker(name):
    """The module docs/make_NAME.py."""
    spec = importlib.util.spec_from_file_location(f"make_{name}", DOCS / f"make_{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["formats", "options", "benchmarks"])
def test_generated_page_is_current(name):
    written = (DOCS / f"{name}.md").read_text(encoding="utf-8")
    assert written == getattr(maker(name), name)(), f"run: python docs/make_{name}.py"


def test_numbers_of_the_readme_are_those_of_the_results():
    assert maker("benchmarks").readme(README) == README, "run: python docs/make_benchmarks.py"


def test_a_number_of_the_readme_that_is_changed_by_hand_comes_back():
    made = maker("benchmarks")
    start, end = README.index("<!-- headline -->"), README.index("<!-- /headline -->")
    places = [start + found.start() for found in re.finditer(r"\d+", README[start:end])]
    for sentence, numbers in made.prose().items():
        first = re.escape(sentence.split("{}")[0]).replace(r"\ ", r"\s+")
        (found,) = re.finditer(first + "(" + re.escape(numbers[0]) + ")", README)
        places.append(found.start(1))
    assert len(places) > 60
    for at in places:
        changed = README[:at] + ("8" if README[at] == "7" else "7") + README[at + 1 :]
        assert made.readme(changed) == README, README[at - 40 : at + 10]


def test_every_measured_number_of_the_readme_comes_from_the_results():
    """All with a decimal point or in per cent, but for those that are no measurement of ours."""
    made = maker("benchmarks")
    text = made.HEADLINE.sub("", re.sub(r"```.*?```", "", README, flags=re.DOTALL))
    for sentence in made.prose():
        parts = [re.escape(part).replace(r"\ ", r"\s+") for part in sentence.split("{}")]
        text = re.sub(made.NUMBER.join(parts), "", text)
    others = {
        "Python 3.11+", "torch==2.13.0", "ACTS 48.1", "`cone.quantile`", "abs(η) of 2.5", "at 99.9 %\n",
    }  # fmt: skip
    for phrase in others:
        text = text.replace(phrase, "")
    found = [text[max(m.start() - 50, 0) : m.end()] for m in re.finditer(r"\d+\.\d+|\d+(?= %)", text)]
    assert found == [], "take these from benchmarks/results in docs/make_benchmarks.py (prose)"


def test_no_unit_or_greek_letter_stands_inside_a_word():
    """As the micrometre of "number" that was replaced everywhere."""
    folders = ("smartpix", "seeding", "tracking", "benchmarks", "data", "docs", "examples")
    kinds = ("*.md", "*.py", "*.html", "*.js", "*.ipynb")
    paths = [
        *ROOT.glob("*.md"),
        *(p for folder in folders for kind in kinds for p in (ROOT / folder).rglob(kind)),
    ]
    assert len(paths) > 150
    micro = r"µ(?!(?:m|s|rad|A|V|W)(?![A-Za-z]))[A-Za-z]|[A-Za-z]µ"
    wrong = re.compile(rf"\w*(?:{micro}|[A-Za-z][°\u0391-\u03c9]+[A-Za-z])\w*")
    assert wrong.findall("a nµmber of colµmns, 3 µm, 2 µm², 5 µs, dφ, Δz") == ["nµmber", "colµmns"]
    found = {str(p.relative_to(ROOT)): wrong.findall(p.read_text(encoding="utf-8")) for p in paths}
    assert {path: words for path, words in found.items() if words} == {}


def test_the_graphs_example_of_the_formats_runs(tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / "formats.md").read_text(), flags=re.DOTALL)
    (code,) = [block for block in blocks if "to_pyg" in block]
    found = {}
    exec(compile(code.replace("F.root", str(data_path("sample.root"))), "formats.md", "exec"), found)
    assert found["data"].y.sum() > 100


def test_the_site_builds_without_a_warning(tmp_path):
    pytest.importorskip("mkdocs")
    pytest.importorskip("mkdocstrings")
    command = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "--quiet",
        "--site-dir",
        str(tmp_path / "site"),
    ]
    done = subprocess.run(
        command,
        cwd=DOCS.parent,
        capture_output=True,
        text=True,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
    )
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
