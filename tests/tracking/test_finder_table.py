"""The table of finders: ours, those of other packages, and what is wrong with the latter."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from smartpix.io.events import iterate, open_events
from smartpix.schema import InputError
from smartpix.shipped import data_path
from tests.fields import falling_solenoid
from tests.helpers import REPOSITORY
from tracking.acts.reference import WORKING_POINTS as ACTS_POINTS
from tracking.bench.events import load_sample
from tracking.bench.finding import run_finder
from tracking.bench.judgement import judge, rates
from tracking.chain import WORKING_POINTS, Chain
from tracking.finder_table import FINDERS, finder_names, make_finder
from tracking.finders.finder import FinderInput
from tracking.options import RunOptions
from tracking.split_finder import SplitFinder

SAMPLE = data_path("sample.root")
TOY = REPOSITORY / "examples" / "toy_finder.py"


@pytest.fixture(scope="module")
def event():
    """Of the embedded sample: the header, what the chain made of an event, and a finder's input."""
    opened, records = next(iter(iterate(SAMPLE, step=1)))
    header, clusters = opened.header, records[0]["clusters"]
    result = Chain.for_header(header, RunOptions()).event(0, clusters)
    return header, result, FinderInput(clusters, result.hits, header.detector, header.field)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Installs a package of one module with one entry point, as pip would leave it, for this test."""
    modules = set(sys.modules)

    def install(entry, code="", name="their-finders"):
        folder = tmp_path / name
        info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[smartpix.finders]\n{entry}\n")
        (folder / f"{name.replace('-', '_')}.py").write_text(code)
        monkeypatch.syspath_prepend(folder)

    yield install
    for module in set(sys.modules) - modules:
        if module.startswith("their_") or module == "toy_finder":
            del sys.modules[module]


def same_tracks(one, other):
    return all(
        np.array_equal(getattr(one, name), getattr(other, name)) for name in ("hits", "start", "score")
    )


def test_the_chain_and_its_entry_give_the_same_tracks(event):
    header, result, seen = event
    assert same_tracks(make_finder("chain", header)(seen), result.tracks)
    assert len(result.tracks) > 50
    assert set(result.tracks.ms) == {"cone", "seed", "graph", "build"}


def test_the_chain_has_points_of_its_own(event):
    header, result, seen = event
    for name, point in WORKING_POINTS.items():
        finder = make_finder("chain" if name == "balanced" else f"chain-{name}", header)
        # Of one that splits clusters, the finder of the hits.
        assert getattr(finder, "finder", finder).search.cone == point.cone
        # Of hits that are split already none splits any.
        assert same_tracks(finder(seen), result.tracks) == (name in ("balanced", "unsplit"))


def test_the_window_is_a_finder_of_its_own(event):
    header, result, seen = event
    tracks = make_finder("window", header)(seen)
    assert len(tracks) > 50
    assert not same_tracks(tracks, result.tracks)


def test_acts_is_a_finder_that_fits_its_tracks(event):
    pytest.importorskip("acts")
    header, result, seen = event
    for name, point in ACTS_POINTS.items():
        finder = make_finder(f"acts-{name}", header)
        chosen = finder.options, finder.seeding, finder.algorithm
        assert chosen == (point.options, point.seeding, point.algorithm)
        tracks = finder(seen)
        assert len(tracks) > (0.3 if "fastest" in name else 0.5) * len(result.tracks)
        assert len(tracks.parameters.qop) == len(tracks)
        assert set(tracks.ms) == {"seeding", "parameters", "ckf", "ambiguity"}


def test_acts_on_split_hits_is_at_its_point_for_cores(event):
    pytest.importorskip("acts")
    finder = make_finder("acts-split", event[0])
    point = ACTS_POINTS["dense"]
    assert isinstance(finder, SplitFinder)
    assert (finder.finder.options, finder.finder.seeding) == (point.options, point.seeding)


def test_acts_points_for_cores_have_seeds_that_share_hits_and_one_more_shared_hit_apart(event):
    dense, loose, balanced = (ACTS_POINTS[name] for name in ("dense", "dense-loose", "balanced"))
    assert dense.seeding is loose.seeding
    # ACTS counts from 0: four seeds for each middle hit, where there is one at pile-up 200.
    assert (dense.seeding["maxSeedsPerSpM"], balanced.seeding["maxSeedsPerSpM"]) == (3, 0)
    assert (dense.options.branches, dense.options.shared_hits) == (4, 3)
    assert dataclasses.replace(dense.options, shared_hits=4) == loose.options


def test_an_event_without_hits_has_no_tracks(event):
    pytest.importorskip("acts")
    header, result, seen = event
    none = np.zeros(0, dtype=np.int64)
    empty = FinderInput(seen.clusters[:0], result.hits.take(none), header.detector, header.field)
    for name in FINDERS:
        assert len(make_finder(name, header)(empty)) == 0, name


def test_an_unknown_name_lists_what_there_is(event, package):
    package("mine = their_finders:make")
    with pytest.raises(InputError, match=r"finder 'chian' is unknown. Did you mean 'chain'") as caught:
        make_finder("chian", event[0])
    acts = ", ".join(f"acts-{name}" for name in ACTS_POINTS)
    assert f"window, {acts}, acts-split, mine" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_names_are_told_without_importing_a_finder(package):
    package("mine = their_finders:make", "raise SystemError")
    code = (
        "import sys; from tracking.finder_table import finder_names; print(*finder_names());"
        "print(*{'torch', 'awkward', 'numba', 'uproot', 'tracking.chain', 'their_finders'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True,
        env={"PYTHONPATH": ":".join([str(REPOSITORY), *sys.path])},
    )  # fmt: skip
    assert done.stdout == " ".join([*FINDERS, "mine"]) + "\n\n"


def test_a_finder_of_another_package(event, package):
    header, _, seen = event
    package(
        "mine = their_finders:make",
        "from tracking.finders import Tracks\n"
        "def make(header):\n"
        "    layers = len(header.detector.layers)\n"
        "    return lambda event: Tracks.from_rows([range(layers)])\n",
    )
    assert finder_names() == [*FINDERS, "mine"]
    assert make_finder("mine", header)(seen).hits.tolist() == list(range(len(header.detector.layers)))


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import no_such_module", "cannot be loaded (ModuleNotFoundError: No module named 'no_such_module')"),
        ("1 / 0", "cannot be loaded (ZeroDivisionError: division by zero)"),
        ("other = 1", "cannot be loaded (AttributeError: "),
        ("make = 1", "must be a function that makes a finder for a header and is a int"),
        ("def make(header): return header.nothing", "cannot make a finder (AttributeError: "),
        (
            "def make(header): return None",
            "must make a finder, which is called with an event, and makes a NoneType",
        ),
    ],
)
def test_a_package_that_cannot_be_used_is_named(event, package, code, words):
    package("mine = their_finders:make", code)
    with pytest.raises(InputError) as caught:
        make_finder("mine", event[0])
    for part in (
        "package their-finders",
        "entry point 'mine = their_finders:make' (smartpix.finders)",
        words,
    ):
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)
    make_finder("window", event[0])


def test_a_package_may_say_what_it_does_not_take(event, package):
    package(
        "mine = their_finders:make",
        "from smartpix.schema import InputError\ndef make(header): raise InputError('mine: no field')",
    )
    with pytest.raises(InputError, match=r"^mine: no field$"):
        make_finder("mine", event[0])


def test_two_finders_of_one_name_are_refused(event, package):
    package("chain = their_finders:make")
    with pytest.raises(InputError, match="package their-finders: its entry point 'chain'"):
        make_finder("chain", event[0])


def test_the_toy_is_found_and_judged_beside_the_chain(package, monkeypatch):
    text = TOY.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 60
    assert '[project.entry-points."smartpix.finders"]\n    toy = "toy_finder:make_finder"' in text
    package("toy = toy_finder:make_finder")
    monkeypatch.syspath_prepend(TOY.parent)
    sample = load_sample(SAMPLE, 3)
    finders = {name: make_finder(name, sample.header) for name in ("toy", "chain")}
    runs = {name: run_finder(name, finder, sample) for name, finder in finders.items()}
    toy, chain = (rates(judge(sample.events, run.tracks)) for run in runs.values())
    assert 0.75 < toy["efficiency"] < chain["efficiency"]
    assert chain["fake_rate"] < toy["fake_rate"] < 0.1
    assert set(runs["toy"].ms) == {"hits", "find", "fit"}
    assert set(runs["chain"].ms) == {"split", "hits", "cone", "seed", "graph", "build", "fit"}


def test_a_finder_that_does_not_know_the_table_of_the_field_says_so(caplog):
    header = open_events(data_path("sample.root")).header
    falling = dataclasses.replace(header, field_map=falling_solenoid(header.field))
    make_finder("path", header)
    make_finder("chain", falling)
    assert "tables of the field" not in caplog.text
    make_finder("path", falling)
    assert "finder 'path' does not know tables of the field, and takes its 3.8 T" in caplog.text
