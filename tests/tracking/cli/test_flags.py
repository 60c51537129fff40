"""Flags say what the options' dataclasses say."""

import argparse
import dataclasses
import importlib
import inspect
import re
import subprocess
import sys

import pytest

from smartpix.schema import InputError
from tests.helpers import REPOSITORY
from tracking.cli.flags import Option, documentation, option_flags, plain, shown
from tracking.cli.main import parser as whole_parser
from tracking.cli.options import option_values, set_flag


@dataclasses.dataclass(frozen=True)
class Inner:
    """A section.

    Attributes:
        width: width of :class:`a.b.Things` in mm. It has
            two lines.
    """

    width: float = 2.5


@dataclasses.dataclass(frozen=True)
class Outer:
    """All kinds.

    Attributes:
        count, extra: numbers of things (:func:`a.b.thing`).
        kind: ``one`` at 100 %.
        on: switch.
        ends: range in GeV.
        many: several.
        inner: section.
    """

    count: int = 3
    extra: int = 4
    kind: str = "one"
    on: bool = False
    ends: tuple[float, float] = (0.5, 2.0)
    many: tuple[str, ...] = ("a",)
    inner: Inner = dataclasses.field(default_factory=Inner)


@pytest.fixture
def parser():
    made = argparse.ArgumentParser(prog="x")
    option_flags(made, Outer(), "count", "on", "ends", "many", kind="--sort")
    option_flags(made, Inner(), "width", section="inner.")
    set_flag(made, Outer(), "count=1")
    return made


def test_help_is_the_docstring_with_the_default_and_the_unit(parser):
    text = " ".join(parser.format_help().split())
    assert "--count N numbers of things (default: 3)" in text
    assert "--width mm width of Things in mm. It has two lines (default: 2.5)" in text
    assert "--sort NAME one at 100 % (default: one)" in text
    assert "--ends LOW HIGH range in GeV (default: 0.5 2)" in text
    assert "--on switch --ends" in text


def test_what_is_given_is_kept_by_the_full_name_and_nothing_else(parser):
    assert option_values(parser.parse_args([])) == {}
    words = ["--count", "5", "--on", "--ends", "1", "2", "--many", "b", "c", "--sort", "two", "--width", "3"]
    assert option_values(parser.parse_args(words)) == {
        "count": 5, "on": True, "ends": (1.0, 2.0), "many": ("b", "c"), "kind": "two", "inner": {"width": 3.0},
    }  # fmt: skip
    assert option_values(parser.parse_args(["--many"])) == {"many": ()}


def test_flags_and_set_win_over_the_file(parser):
    options = parser.parse_args(["--count", "5", "--set", "inner.width=4"])
    file = {"count": 1, "extra": 7, "inner": {"width": 1.0}}
    assert option_values(options, file) == {"count": 5, "extra": 7, "inner": {"width": 4}}


@pytest.mark.parametrize("assignment", ["inner.width=4", "inner={width = 4}"])
def test_an_option_given_by_a_flag_and_by_set_is_an_error_that_names_both(parser, assignment):
    options = parser.parse_args(["--width", "5", "--set", assignment, "--set", "count=1"])
    with pytest.raises(InputError) as error:
        option_values(options)
    assert str(error.value) == f"--set '{assignment}' and --width both set inner.width; leave one of them out"


def test_repeated_flags_add_up_and_others_take_the_last():
    made = argparse.ArgumentParser()
    made.add_argument("--write", action=Option, repeated=True)
    option_flags(made, Outer(), "count")
    assert made.parse_args(["--write", "a", "--count", "1", "--write", "b", "--count", "2"]).flag_values == {
        "write": ("--write", ("a", "b")),
        "count": ("--count", 2),
    }


def test_defaults_are_short():
    assert shown(tuple(range(20))) == "0 1 ... 19"
    assert (shown(16_000.0), shown(0.005), shown(True), shown(""), shown(())) == (
        "16000",
        "0.005",
        "",
        "",
        "",
    )


def option_classes():
    """Every dataclass of options in the modules that the command line reads."""
    for path in sorted(
        p for room in ("smartpix", "seeding", "tracking") for p in (REPOSITORY / room).rglob("*.py")
    ):
        if "Options:" in path.read_text(encoding="utf-8"):
            name = ".".join(path.relative_to(REPOSITORY).with_suffix("").parts)
            if name.endswith("options") or name.startswith("smartpix.export."):
                module = importlib.import_module(name)
                yield from (
                    value for value in vars(module).values()
                    if isinstance(value, type) and dataclasses.is_dataclass(value) and value.__module__ == name
                    and value.__name__.endswith("Options")
                )  # fmt: skip


def test_every_option_says_what_it_is_and_which_words_it_takes():
    classes = list(option_classes())
    assert len(classes) > 15
    for kind in classes:
        said = documentation(kind)
        assert set(said) >= {option.name for option in dataclasses.fields(kind)}, kind
        for option in dataclasses.fields(kind):
            words = re.findall(r"[\w-]+", plain(said[option.name]))
            assert set(option.metadata.get("values", ())) <= set(words), (kind, option.name)


def commands(parser, path=()):
    """Every parser by the words that lead to it."""
    yield path, parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, inner in action.choices.items():
                yield from commands(inner, (*path, name))


def test_every_flag_has_help_and_every_default_of_an_option_comes_from_its_dataclass():
    for path, command in commands(whole_parser()):
        for action in command._actions:
            if action.option_strings and "--output" not in action.option_strings:
                assert action.help, (path, action.option_strings)
            if isinstance(action, Option):
                assert action.default is argparse.SUPPRESS


@pytest.mark.parametrize(
    ("command", "module", "name", "parameters"),
    [
        ("run", "tracking.runs.driver", "run", {"events_per_unit": "events_per_unit"}),
        ("bench mdn", "tracking.bench.mdn", "bench_mdn", {"clusters": "n_clusters", "threads": "threads"}),
        ("bench export", "tracking.bench.export", "bench_export", {"clusters": "n_clusters", "clock": "clock_ns"}),
        ("study front", "tracking.bench.front", "front_study", {"clusters": "n_clusters"}),
        ("study levers", "tracking.bench.levers", "StudyOptions", {n: n for n in ("clusters", "epochs", "dataset")}),
    ],
)  # fmt: skip
def test_defaults_of_heavy_functions_are_those_of_the_flags(command, module, name, parameters):
    """Their modules take seconds to import, so that the command line repeats these few numbers."""
    signature = inspect.signature(getattr(importlib.import_module(module), name))
    flags = {" ".join(path): made for path, made in commands(whole_parser())}[command]
    for flag, parameter in parameters.items():
        assert flags.get_default(flag) == signature.parameters[parameter].default, flag


@pytest.mark.parametrize(
    "words",
    [["--help"], ["rum"], ["run", "--nosuch"], ["run", "--set", "cone.quantil=1"], ["run", "--set", "cone.quantile=2"],
     ["train", "mdn", "x.root", "--region", "barrel", "-o", "w.safetensors", "--set", "epoch=1"],
     ["train", "gnn", "x.root", "-o", "w.safetensors", "--set", "degrade.nois=1"],
     ["train", "gnn", "x.root", "-o", "w.safetensors", "--epochs", "1", "--set", "epochs=2"],
     ["compress", "x.root", "--region", "barrel", "-o", "w.safetensors", "--lesson", "0.5"],
     ["simulate", "events", "--seed", "1", "-o", "x.root", "--set", "generate.pilup=1"],
     ["run", "none.root"], ["display", "none.root"], ["beamspot", "none.root"], ["train", "shape", "none.root", "-o", "w.safetensors"],
     ["train", "mdn", "none.root", "--region", "barrel", "-o", "w.safetensors"],
     ["simulate", "clusters", "--dataset", "2x", "-n", "1", "--seed", "1", "-o", "x.parquet"]],
)  # fmt: skip
def test_help_and_mistakes_are_answered_before_the_imports_that_take_seconds(words, tmp_path):
    code = (
        "import sys; from tracking.cli.main import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'numba', 'scipy', 'sklearn', 'awkward', 'uproot', 'matplotlib', 'pandas', 'pyarrow'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, encoding="utf-8", check=False,
        cwd=tmp_path, env={"PYTHONPATH": str(REPOSITORY)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: smartpix") if words == ["--help"] else done.stderr
