"""The generated pages say what the code says."""

import importlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from smartpix.merged import FrontOptions
from smartpix.shipped import data_path
from smartpix.train.front_files import train_front_on_files
from smartpix.train.front_options import TrainFrontOptions
from tests.smartpix.merged.toys import groups_file

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


PAGES = sorted(
    [*DOCS.rglob("*.md"), *(ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING"))]
    + [ROOT / folder / "README.md" for folder in ("data", "benchmarks")]
)


def maker(name):
    """The module docs/NAME.py."""
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


numbers = maker("make_numbers")
measured = importlib.import_module("measured.results")
page_text = maker("page_text")


@pytest.mark.parametrize("name", ["formats", "options", "benchmarks", "cite", "architecture"])
def test_generated_page_is_current(name):
    written = (DOCS / f"{name}.md").read_text(encoding="utf-8")
    assert written == getattr(maker(f"make_{name}"), name)(), f"run: python docs/make_{name}.py"


@pytest.mark.parametrize("package", ["smartpix", "seeding", "tracking"])
def test_pages_of_the_api_list_the_public_names(package):
    made = maker("make_api").api(package)
    assert (DOCS / "api" / f"{package}.md").read_text(encoding="utf-8") == made, (
        "run: python docs/make_api.py"
    )
    assert made.count(":::") > 5


@pytest.mark.parametrize("page", numbers.sentences())
def test_tables_and_numbers_of_a_page_are_those_of_the_results(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    assert page_text.wrap(numbers.current(page, text)) == text, "run: python docs/make_numbers.py"


def test_no_room_imports_another_in_a_circle():
    made = maker("make_architecture")
    assert made.circles(made.import_graph()) == []


NO_MODULES = {"smartpix.formats", "smartpix.finders", "smartpix.checksums"}
"""Dotted names that are groups of entry points and keys of files."""


def exists(name):
    """Whether a dotted name is a module of ours, or something in one."""
    parts = name.split(".")
    for k in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:k]))
        except ModuleNotFoundError:
            continue
        for part in parts[k:]:
            found = getattr(found, part, None)
        return found is not None
    return False


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_and_names_in_a_page_exist(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    spans = " ".join(re.findall(r"`([^`]+)`", text))
    folders = "smartpix|seeding|tracking|examples|benchmarks|docs|tests|data"
    paths = re.findall(rf"(?<![\w/.-])((?:{folders})/[\w/.-]*)(?![\w/.*{{-])", spans)
    results = {"benchmarks/results/kill.json"}  # not kept
    assert {path for path in paths if not (ROOT / path).exists()} - results == set()
    names = (
        set(re.findall(r"(?<![\w./-])((?:smartpix|seeding|tracking)(?:\.[A-Za-z_]\w*)+)", spans)) - NO_MODULES
    )
    files = {name for name in names if name.rpartition(".")[2] in ("py", "root", "parquet")}
    assert {name for name in names - files if not exists(name)} == set()


def test_the_map_sees_imports_in_functions_and_circles(tmp_path, monkeypatch):
    made = maker("make_architecture")
    for name, code in {
        "smartpix/__init__": "from smartpix.low import f",
        "smartpix/low": "",
        "smartpix/room/__init__": '"""A room. More."""',
        "smartpix/room/a": "import smartpix.low",
        "smartpix/room/inner/__init__": "from smartpix.room import a",
        "smartpix/above": "def f():\n    from smartpix.room.a import g",
        "seeding/__init__": "",
        "seeding/b": "from smartpix import above",
        "tracking/__init__": "",
        "tracking/one/__init__": "from seeding.b import x",
        "tracking/two": "from tracking.one import y",
        "tracking/one/c": "from tracking import two",
    }.items():
        (tmp_path / f"{name}.py").parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"{name}.py").write_text(code or "x = 1")
    monkeypatch.setattr(made, "ROOT", tmp_path)
    graph = made.import_graph()
    assert graph == {
        "smartpix.low": set(), "smartpix.room": {"smartpix.low"}, "smartpix.above": {"smartpix.room"},
        "seeding": {"smartpix.above"}, "tracking.one": {"seeding", "tracking.two"},
        "tracking.two": {"tracking.one"},
    }  # fmt: skip
    assert made.circles(graph) == [["tracking.one", "tracking.two"]]
    assert made.layers(graph)[:4] == [["smartpix.low"], ["smartpix.room"], ["smartpix.above"], ["seeding"]]
    assert "Circles that are still there:\n\n- `tracking.one`, `tracking.two`." in made.drawing()
    assert "tracking_one --> seeding" in made.drawing()
    assert "smartpix_above --> foundations" not in made.drawing()


def test_a_rate_comes_with_its_exact_interval():
    """Of none of n the upper bound is 1 - tail^(1 / n) by the binomial distribution itself."""
    tail = (1 - 0.6827) / 2
    assert measured.with_interval(0.0, 1949) == f"0.0000 (0.0000-{1 - tail ** (1 / 1949):.4f})"
    assert measured.with_interval(1.0, 10) == f"1.0000 ({tail ** (1 / 10):.4f}-1.0000)"
    with pytest.raises(ValueError, match="no rate of 10"):
        measured.with_interval(0.55, 10)


def test_every_page_with_a_measured_table_is_compared():
    found = {str(p.relative_to(ROOT)) for p in PAGES if numbers.TABLE.search(p.read_text(encoding="utf-8"))}
    assert len(found) >= 4
    assert found <= set(numbers.sentences())


@pytest.mark.parametrize("page", numbers.sentences())
def test_a_number_that_is_changed_by_hand_comes_back(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    places = []
    for part in (numbers.HEADLINE, numbers.TABLE):
        for made in part.finditer(text):
            places += [made.start() + found.start() for found in re.finditer(r"\d+", made[0])][3::7]
    for sentence in numbers.sentences()[page]:
        (found,) = re.finditer(numbers.pattern_of(sentence), text)
        places += [end for end in map(found.end, range(1, sentence.count("{}") + 1)) if text[end].isdigit()]
    assert places
    for at in places:
        changed = text[:at] + ("8" if text[at] == "7" else "7") + text[at + 1 :]
        assert page_text.wrap(numbers.current(page, changed)) == text, text[at - 40 : at + 10]


UNMEASURED = {
    "README.md": ("Python 3.11", "ACTS 48.1"),
    "docs/limits.md": ("the 68 % ellipsoid", "68 % intervals", "abs(η) of 2.5", "at 99.9 %"),
    "docs/acts.md": (
        "pyacts 48.1",
        "0.5 GeV",
        "0.9,",
        "pT 0.2 to 10",
        "50 x 12.5 x 100",
        "3.8 T",
        "0.46 to 0.49",
    ),
    "docs/speed.md": (
        "2.2 searches, each",
        "2.2 x 20",
        "8.7 candidates looked at | 8.7 x 16",
        "4.6 tested in full, 1.8 kept | 4.6 x 128",
        "1.8 edges, 4.0 pairs of edges | 1.8 x 48 + 4.0 x 32",
    ),
    "docs/chip.md": (
        "all but 0.1 %", "HGQ2 0.2", "2405.00645", "2510.06588", "within 5 %", "MDMM at 67 %", "50, 67 and 80 % within 0.5 %",
        "At 67 %", "0.81 / 1.23 / 1.46", "0.52 / 0.78 / 0.94", "0.39 / 0.60 / 0.72", "> 0.9 and > 0.5 GeV",
    ),
    "docs/sensor.md": (
        "16.7 eV", "3.68 eV", "0.115", "outermost 2 %", "2.5 pixels", "12.5 µm", "0.1-10 GeV", "1.4 < η < 3.0",
        "50 x 12.5", "0.3 q B R", "3.8 T", "68 % half", "below 0.005",
        "1904.10234",
    ),
    "docs/detectors.md": (
        "above 0.9 GeV", "abs(eta) of 2.5", "in 3.8 T", "slopes of up to 0.3", "30 % weaker on the axis at 1.6 m",
        "abs(eta) of 1.5",
    ),
    "docs/robustness.md": ("holds 68 % of the residuals", "that hold 68 %", "the 68 % ellipsoid"),
    "docs/scaling.md": (),
    "docs/trkx.md": ("| 0.2 |", "| 0.01 |", "l / 1.7", "68 and 95 %", "0.3 to 10 GeV", "3 % of the hits", "1 % of the tracks"),
    "docs/faq.md": ("and 2 % beyond", "to 20 % from the range", "pT > 0.9", "abs(η) < 2.5", "0.05 by default"),
    "docs/how-to-choose.md": (
        "of 99.9 % at", "50 x 12.5 x 100", "3.8 T", "below 0.001", "to 99.9 %, the chain to 99.99 %", ": 99.9 %",
        "keep 99.99 %", "99 % loses", "below 97 %",
    ),
}  # fmt: skip
"""By page, what has a decimal point or a per cent sign and is no measurement of ours."""


@pytest.mark.parametrize("page", UNMEASURED)
def test_every_measured_number_comes_from_the_results(page):
    """All with a decimal point or in per cent outside code, but for those in :data:`UNMEASURED`."""
    text = re.sub(r"```.*?```", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.DOTALL)
    text = numbers.TABLE.sub("", numbers.HEADLINE.sub("", text))
    for sentence in numbers.sentences()[page]:
        text = re.sub(numbers.pattern_of(sentence), "", text)
    text = re.sub(r"`[^`]*`", "", text)
    for phrase in UNMEASURED[page]:
        text = re.sub(re.escape(phrase).replace(r"\ ", r"\s+"), "", text)
    found = [text[max(m.start() - 50, 0) : m.end()] for m in re.finditer(r"\d+\.\d+|\d+(?= %)", text)]
    assert found == [], "take these from benchmarks/results in docs/make_numbers.py (sentences)"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_lines_are_short(page):
    lines = page.read_text(encoding="utf-8").split("\n")
    long = {n: line for n, line in enumerate(lines, 1) if len(line) > 110}
    assert long == {}, f"wrap it: python docs/page_text.py {page.relative_to(ROOT)}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_sentences_are_short(page):
    """Code blocks and headings are no prose; :func:`page_text.sentences` says what else is left out."""
    text = page.read_text(encoding="utf-8")
    assert [s for s in page_text.sentences(text) if page_text.n_words(s) > 40] == []


def test_sentences_of_a_page():
    text = """# A heading is none. Nor is it two.

Lines of a paragraph
belong together. A `code span. With dots` is a word, and J. Doe et al. (2020) end nothing
at 3.8 T. A [link of four words](https://a.b/c.d) is its text.

- An item ends without a stop
- and another: it goes on; and on.

| cell one. Cell | two |
|---|---|

```sh
no. Code.
```
"""
    assert list(page_text.sentences(text)) == [
        "Lines of a paragraph belong together.",
        "A `code` is a word, and J. Doe et al. (2020) end nothing at 3.8 T.",
        "A link of four words is its text.",
        "An item ends without a stop",
        "and another: it goes on; and on.",
        "cell one.", "Cell", "two", "---", "---",
    ]  # fmt: skip
    assert [page_text.n_words(s) for s in ("a `code`, - b.", "---", "2 - 3")] == [3, 0, 2]


def test_wrapping_keeps_words_code_and_tables():
    text = (
        "- " + "word " * 30 + "- 1. # | `code that is kept together` " + "x" * 120 + "\n\n```sh\n" + "a " * 80
    )
    wrapped = page_text.wrap(text)
    assert wrapped.split() == text.split()
    assert page_text.wrap(wrapped) == wrapped
    assert max(len(line) for line in wrapped.split("\n")[:2]) <= 100
    assert "`code that is kept together`" in wrapped
    assert "a " * 80 in wrapped
    assert not [line for line in wrapped.split("\n")[1:] if line.strip()[:1] in ("-", "#", "|")]


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
    # Two events of all: what it shows is the same for each.
    code = code.replace("F.root", str(data_path("sample.root"))).replace("step=1)", "step=1, stop=2)")
    exec(compile(code, "formats.md", "exec"), found)
    assert found["data"].y.sum() > 100


def test_the_counts_of_the_speed_page_can_be_repeated(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", (DOCS / "speed.md").read_text(), flags=re.DOTALL)
    code = code.replace('"F.root"', repr(str(data_path("sample.root"))))
    exec(compile(code.replace('.root")):', '.root"), stop=2):'), "speed.md", "exec"), {})
    for line in capsys.readouterr().out.splitlines():
        looked, tested, kept = map(float, line.split())
        assert looked > tested > kept > 0.5


def test_the_example_of_deepcore_with_weights_of_ones_own_runs(tmp_path, capsys):
    (code,) = re.findall(r"```python\n(.*?)```", (DOCS / "deepcore.md").read_text(), flags=re.DOTALL)
    for ending in (".safetensors", ".json"):
        shutil.copy(data_path(f"weights/deepcore{ending}"), tmp_path / f"mine{ending}")
    own = str(tmp_path / "mine.safetensors")
    code = code.replace("deepcore.safetensors", own).replace("F.root", str(data_path("sample.root")))
    found = {}
    exec(compile(code.replace("limit=10", "limit=1"), "deepcore.md", "exec"), found)
    assert found["mine"].options.weights == own
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    efficiency = {line[0]: float(line[1]) for line in lines if line[0] in ("chain", "mine")}
    assert efficiency["mine"] >= efficiency["chain"] > 0.5


def test_the_example_of_the_fronts_weights_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    groups_file("groups.root")
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / "dense.md").read_text(), flags=re.DOTALL)
    (code,) = [block for block in blocks if "load_front" in block]
    options = TrainFrontOptions(FrontOptions("ecal-shape"), epochs=1, batch_size=16)
    train_front_on_files("groups.root", "barrel", "front.safetensors", options)
    found = {}
    exec(compile(code, "dense.md", "exec"), found)
    assert found["several"].shape == found["clusters"].count.shape
    assert np.all((found["several"] > 0) & (found["several"] < 1))


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
    code = "".join(re.findall(r"```python\n(.*?)```", (DOCS / "notebooks.md").read_text(), flags=re.DOTALL))
    found = {}
    exec(compile(code, "notebooks.md", "exec"), found)
    assert set(found["mdn"].networks) == {"barrel", "endcap"}
    assert len(found["result"]) > 1000
    assert {path.stem for path in Path("weights").glob("*.safetensors")} == {"mdn-barrel", "mdn-endcap"}


def test_numbers_of_the_fuzz_session_are_its_results():
    results = json.loads((ROOT / "benchmarks" / "results" / "fuzz.json").read_text(encoding="utf-8"))
    assert results["inputs"] == results["input_errors"] + results["accepted"] >= 20_000
    assert [results[k] for k in ("other", "crashes", "hangs", "silent")] == [0, 0, 0, 0]
    page = " ".join((ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8").split())
    inputs, refused, accepted = (f"{results[k]:,}" for k in ("inputs", "input_errors", "accepted"))
    assert f"Of {inputs} inputs {refused} were refused in one line and {accepted} accepted" in page
