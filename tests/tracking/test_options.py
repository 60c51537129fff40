import dataclasses
import importlib
import re

import pytest

from seeding.cones import ConeOptions
from seeding.references import WindowOptions
from seeding.seeds import SeedOptions
from smartpix.beam import BeamSpot
from smartpix.estimate.shape import TrainShapeOptions
from smartpix.networks.weights import load_weights
from smartpix.schema import InputError
from smartpix.simulate.drift import Sensor
from smartpix.train.options import TrainMdnOptions
from tests.helpers import REPOSITORY
from tracking.acts.seeder import SeederOptions
from tracking.cli.options import read_options, set_option
from tracking.finders.gnn.options import TrainGnnOptions
from tracking.finders.options import BuildOptions
from tracking.fit.tracks import FitOptions
from tracking.fit.vertices import VertexOptions
from tracking.options import RunOptions, from_mapping


def test_nothing_given_is_the_defaults():
    assert from_mapping(RunOptions(), {}, "options") == RunOptions()


def test_values_go_where_they_belong_and_the_rest_stays():
    made = from_mapping(
        RunOptions(), {"estimates": "shape", "cone": {"quantile": 0.5}, "build": {"min_hits": 5}}, "options"
    )
    assert made.estimates == "shape"
    assert made.cone == dataclasses.replace(ConeOptions(), quantile=0.5)
    assert made.build.min_hits == 5
    assert (made.window, made.seed) == (RunOptions().window, RunOptions().seed)


def test_a_list_of_files_to_write_becomes_a_tuple():
    made = RunOptions(write=["tracks.csv"])
    assert made.write == ("tracks.csv",)
    assert {made: 1}[RunOptions(write=("tracks.csv",))] == 1


@pytest.mark.parametrize("write", ["tracks.csv", None, ["tracks.csv", "tracks.txt"]])
def test_what_is_no_list_of_files_to_write_is_refused(write):
    with pytest.raises(InputError, match="options: write must be "):
        RunOptions(write=write)


def test_whole_numbers_are_fine_for_floats():
    made = from_mapping(RunOptions(), {"cone": {"sigma_z0": 40}}, "options")
    assert made.cone.sigma_z0 == 40.0
    assert isinstance(made.cone.sigma_z0, float)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"estimate": "mdn"}, ["'estimate'", "Did you mean 'estimates'?"]),
        ({"cone": {"quantil": 0.9}}, ["'cone.quantil'", "Did you mean 'cone.quantile'?"]),
        (
            {"quantile": 0.9},
            [
                "'quantile'",
                "Did you mean mixture.quantile or cone.quantile or seed.quantile or displaced.cone.quantile?",
            ],
        ),
        ({"build": {"threads": 2}}, ["'build.threads'", "Did you mean threads?"]),
        (
            {"max_edgs": 2},
            ["'max_edgs'", "Did you mean cone.max_edges or window.max_edges or displaced.cone.max_edges?"],
        ),
        ({"zzz": 1}, ["'zzz'", "There are estimates"]),
    ],
)
def test_an_unknown_key_names_the_nearest_and_the_place(values, words):
    with pytest.raises(InputError) as error:
        from_mapping(RunOptions(), values, "my.toml")
    assert str(error.value).startswith("my.toml")
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"cone": {"quantile": "high"}}, ["quantile", "float", "'high'"]),
        ({"cone": {"quantile": True}}, ["quantile", "float"]),
        ({"cone": {"max_edges": 1.5}}, ["max_edges", "int", "1.5"]),
        ({"build": {"min_hits": True}}, ["min_hits", "int"]),
        ({"estimates": 3}, ["estimates", "str"]),
        ({"threads": [1]}, ["threads", "int"]),
        ({"cone": 0.9}, ["'cone' is a section", "[cone]"]),
        ({"cone": {"quantile": 2.0}}, ["quantile", "between 0 and 1"]),
        ({"cone": {"quantile": {"a": 1}}}, ["quantile", "float"]),
    ],
)
def test_a_wrong_value_is_refused_by_name(values, words):
    with pytest.raises(InputError) as error:
        from_mapping(RunOptions(), values, "options")
    for word in words:
        assert word in str(error.value)


@dataclasses.dataclass(frozen=True)
class Lists:
    any: tuple[int, ...] = ()
    two: tuple[float, float] = (0.0, 1.0)


def test_lists_become_tuples_of_the_right_kind():
    assert from_mapping(Lists(), {"any": [1, 2, 3], "two": [1, 2.5]}, "x") == Lists((1, 2, 3), (1.0, 2.5))
    for wrong in ({"any": [1.5]}, {"two": [1.0]}, {"two": 3.0}, {"any": "12"}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            from_mapping(Lists(), wrong, "x")


def test_a_file_of_options_is_read(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text('estimates = "shape"\n[cone]\nquantile = 0.9\n')
    assert read_options(path) == {"estimates": "shape", "cone": {"quantile": 0.9}}


def test_unreadable_option_files_are_refused(tmp_path):
    (tmp_path / "bad.toml").write_text("cone = = 3")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    for name, words in (
        ("missing.toml", "no such"),
        ("bad.toml", "not a TOML"),
        ("binary.toml", "not a TOML"),
        (".", "is a folder"),
    ):
        with pytest.raises(InputError, match=words) as error:
            read_options(tmp_path / name)
        assert str(tmp_path / name) in str(error.value)


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("cone.quantile=0.99", {"cone": {"quantile": 0.99}}),
        ("build.min_hits = 3", {"build": {"min_hits": 3}}),
        ("estimates=shape", {"estimates": "shape"}),
        ('gnn="a=b"', {"gnn": "a=b"}),
        ("x=[1, 2]", {"x": [1, 2]}),
        ("x=true", {"x": True}),
        ("gnn=folder/w.safetensors", {"gnn": "folder/w.safetensors"}),
        ("cone.min_pt=.2", {"cone": {"min_pt": 0.2}}),
        ("x=-.5", {"x": -0.5}),
        ("x= 1. ", {"x": 1.0}),
        ("x=+2.E-3", {"x": 0.002}),
        ("gnn=.", {"gnn": "."}),
        ("gnn=.2w", {"gnn": ".2w"}),
    ],
)
def test_set_reads_values_as_toml_and_words_as_text(assignment, expected):
    values = {}
    set_option(values, assignment)
    assert values == expected


def test_set_wins_over_what_was_there_and_keeps_the_rest():
    values = {"cone": {"quantile": 0.9, "sigma_z0": 40.0}}
    set_option(values, "cone.quantile=0.5")
    assert values == {"cone": {"quantile": 0.5, "sigma_z0": 40.0}}


@pytest.mark.parametrize(
    ("assignment", "words"),
    [("cone.quantile", "section.key=value"), ("gnn.name=3", "is an option, not a section")],
)
def test_set_refuses_what_is_no_assignment(assignment, words):
    with pytest.raises(InputError, match=words):
        set_option({"gnn": "name"}, assignment)


@pytest.mark.parametrize(
    "assignment",
    [
        "no\nequals\r\x1b[31m", "x" * 10_000, "gnn.a\nb=3", f"gnn.{'x' * 10_000}=3", "a\nb=3", f"{'x' * 10_000}=3",
        "cone.a\nb=3", "threads=a\nb", f"threads={'x' * 10_000}", "cone.min_pt=a\nb", "write=a\nb", 'write=["a\\nb"]',
        "estimates=a\nb", f"graph={'x' * 10_000}", "gnn=a\nb", f"mdn_barrel={'x' * 10_000}",
    ],
)  # fmt: skip
def test_whatever_is_set_the_message_is_one_short_line(assignment):

    def use():
        values = {"gnn": "name"}
        set_option(values, assignment)
        options = from_mapping(RunOptions(), values, "options")
        load_weights(options.mdn_barrel if "mdn_barrel" in assignment else options.gnn)

    with pytest.raises(InputError) as told:
        use()
    assert str(told.value).isprintable()
    # It lists all shipped weights.
    assert len(str(told.value)) < 900


def option_classes():
    """All dataclasses of the packages with options, and what they are made of."""
    found = [BeamSpot, Sensor]
    for package in ("smartpix", "seeding", "tracking"):
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            if names := re.findall(
                r"^class (\w+Options)\b", path.read_text(encoding="utf-8"), flags=re.MULTILINE
            ):
                module = importlib.import_module(".".join(path.relative_to(REPOSITORY).with_suffix("").parts))
                found += [getattr(module, name) for name in names]
    # Protocols say what options a function reads.
    return [made for made in found if dataclasses.is_dataclass(made)]


def test_every_option_of_every_dataclass_has_its_type_checked():
    classes = option_classes()
    assert len(classes) >= 22
    for made in classes:
        for field in dataclasses.fields(made):
            with pytest.raises(InputError, match=rf"{field.name} must be of type .* and is <object"):
                made(**{field.name: object()})
            if field.type in ("int", "float"):
                with pytest.raises(
                    InputError, match=rf"{field.name} must be of type {field.type} and is '5'"
                ):
                    made(**{field.name: "5"})


@pytest.mark.parametrize("threads", [0, -1])
def test_threads_out_of_range_are_refused_by_name(threads):
    with pytest.raises(InputError, match="threads"):
        RunOptions(threads=threads)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: RunOptions(threads="2"), "options: threads must be of type int and is '2'"),
        (lambda: RunOptions(gnn=3), "options: gnn must be of type str and is 3"),
        (lambda: RunOptions(cone={"min_pt": 0.3}), "options: cone must be of type ConeOptions"),
        (lambda: ConeOptions(quantile="0.9"), "cone: quantile must be of type float"),
        (lambda: SeedOptions(shared=1.0), "seed: shared must be of type int"),
        (lambda: WindowOptions(max_z0=None), "window: max_z0 must be of type float"),
        (lambda: BuildOptions(min_hits="4"), "build: min_hits must be of type int"),
        (lambda: FitOptions(angles="no"), "fit: angles must be of type bool"),
        (lambda: VertexOptions(min_tracks=2.0), "vertices: min_tracks must be of type int"),
        (lambda: TrainGnnOptions(epochs="1"), "train gnn: epochs must be of type int"),
        (lambda: TrainMdnOptions(epochs="1"), "train mdn: epochs must be of type int"),
        (lambda: TrainShapeOptions(epochs="1"), "train shape: epochs must be of type int"),
        (lambda: SeederOptions(min_pt="0.5"), "seeder: min_pt must be of type float"),
    ],
)
def test_values_of_the_wrong_type_are_named(make, words):
    with pytest.raises(InputError, match=words):
        make()


@pytest.mark.parametrize(
    "values",
    [
        {"threads": 10**6}, {"findable_layers": 1}, {"fit": {"sensor": 15.0}}, {"fit": {"pipe_radius": 19_000.0}},
        {"fit": {"support_gap": -1.0}}, {"fit": {"straight_momentum": float("inf")}}, {"fit": {"outlier_chi2": float("nan")}},
        {"build": {"overlap_distance": float("inf")}}, {"build": {"min_hits": 10**9}}, {"vertex": {"blur": 1e6}},
        {"vertex": {"attach": float("nan")}}, {"vertex": {"merge": float("inf")}},
    ],
)  # fmt: skip
def test_values_far_beyond_physics_are_refused_with_their_range(values):
    ((name, value),) = values.items()
    option = next(iter(value)) if isinstance(value, dict) else name
    with pytest.raises(InputError, match=f"{option} must be from .* to "):
        from_mapping(RunOptions(), values, "options")
