"""``smartpix study trkx``: its parts put together, its table and its figures."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartpix.schema import InputError, ranges_of
from tests.tracking.bench.tiny_trkx import tiny_network, training_result
from tracking.bench import trkx
from tracking.bench.trkx import REFERENCE_TOYS, SAMPLES, earlier_study, trkx_study, with_parts_of
from tracking.bench.trkx_options import PARTS, TrkxStudyOptions
from tracking.bench.trkx_plots import plot_trkx
from tracking.bench.trkx_reference import line_accuracy
from tracking.bench.trkx_table import trkx_table
from tracking.finders.trkx.options import toy_options

PNG = b"\x89PNG"
SEED = 600_401
RAMP = {
    name: {"score_10": 0.95 - k / 20, "score_20": 0.9 - k / 20, "error_10": 0.003, "error_20": 0.004, "ms_per_event": 2.0 * k + 1}
    for k, name in enumerate(("kalman", "nearest"))
}  # fmt: skip


BOUNDS = {"shared_10": 8e-5, "wrong_10": 0.016, "ambiguous_10": 0.012, "missed_10": 0.004}


def coverage(n, shift=0.0):
    made = {"n": n, "area": 1.0, "area_kalman": 1.2}
    for key, share in (("68", 0.68), ("95", 0.95), ("997", 0.997)):
        made |= {
            f"coverage{key}": share - shift,
            f"coverage{key}_kalman": share + shift / 2,
            f"coverage{key}_error": 0.002,
            f"coverage{key}_kalman_error": 0.002,
            f"area_ratio{key}": 0.9,
            f"area_ratio{key}_error": 0.01,
        }
    return made


NEXT_LAYER = coverage(500) | {
    "by_pt": [{"pt": [0.3, 0.9]} | coverage(300, 0.004), {"pt": [0.9, 2.0], "n": 0}, {"pt": [2.0, 5.0]} | coverage(200)],
    "overlaps": coverage(90) | {"by_pt": [{"pt": [0.3, 0.9]} | coverage(90), {"pt": [2.0, 5.0], "n": 0}]},
    "by_layer": [{"layer": 8} | coverage(500)], "one_hit": {"n": 0}, "area_ratio_to_kalman": 0.9, "parameters": 12,
    "n_paths": 120, "seeds": [SEED],
}  # fmt: skip


@pytest.fixture
def others(monkeypatch):
    """The parts that take minutes, measured elsewhere: what they are called with."""
    called = {}

    def record(name, result):
        def call(*arguments):
            called[name] = arguments
            return result

        return call

    monkeypatch.setattr(trkx, "ramp_scores", record("ramp", RAMP))
    monkeypatch.setattr(trkx, "ramp_bounds", record("bounds", BOUNDS))
    monkeypatch.setattr(trkx, "next_layer_study", record("next", dict(NEXT_LAYER)))
    monkeypatch.setattr(trkx, "simulated_as", record("simulated", "events.root"))
    return called


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    tiny_network(folder / "conv.safetensors", "conv", "3d", 0.13)
    tiny_network(folder / "conv-2d.safetensors", "conv-2d", "2d-conv", 0.25)
    tiny_network(folder / "lstm-50.safetensors", "lstm-50", "2d-noise", 0.1)
    tiny_network(folder / "cov.safetensors", "caption-covariance", "lines-3")
    return folder


def test_all_parts_give_a_table_and_figures(others, weights, tmp_path):
    trained, out = tmp_path / "trained", tmp_path / "out"
    trained.mkdir()
    out.mkdir()
    rows = {
        k: {"loss": 1.0, "pixel_accuracy": 0.5, "hit_accuracy": 0.8} for k in ("1", "2", "3", "5", "8", "12")
    }
    training_result(trained / "deep.json", "deep-lstm", "3d", multiplicity=rows)
    options = TrkxStudyOptions(
        events=20, caption_events=20, ramp_events=7, pileup_events=3, steps=2, seed=SEED
    )
    result, filters = trkx_study(options, weights, trained, report=lambda line: None)
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert list(result["measured"]) == list(PARTS)
    assert result["measured"]["ramp"]["seed"] == SEED
    assert others["ramp"] == others["bounds"] == (7, SEED)
    assert result["ramp"] == RAMP
    generate, path, *others_of = others["simulated"]
    assert (generate.pileup, generate.jets, path.name, *others_of) == (
        200,
        300,
        "pileup-200-pions.root",
        3,
        SEED + 1,
    )
    assert others["next"] == (["events.root", "events.root"],)
    assert result["next_layer"]["coverage997"] == 0.997
    assert (result["next_layer"]["sample"], result["next_layer"]["n_events"]) == (list(SAMPLES), 6)
    assert list(result["references"]) == list(REFERENCE_TOYS)
    assert len({generate.jets for generate in SAMPLES.values()}) == 2
    line = line_accuracy(toy_options("2d-tracks"), 20, SEED)
    assert result["references"]["2d-tracks"]["hit_accuracy"] == line["hit_accuracy"]
    assert list(result["references"]["3d"]["multiplicity"]) == ["1", "2", "3", "5", "8", "12"]
    assert {"conv", "conv-2d"} <= set(filters)
    assert len(filters["conv"]) == 10
    text = trkx_table(result)
    for words in (
        "deep-lstm",
        "19,933,184",
        "0.9000",
        "straight line",
        "kalman",
        "0.9500 +- 0.0030",
        "pT 0.3-0.9 GeV",
        "10 tracks: 0.008 % of the crossings",
        "wrong in 1.6 % of the events, likelier than the truth in 1.2 %, less likely in 0.4 %",
    ):
        assert words in text
    assert (
        "no weights; train some into the folder of --weights: smartpix train trkx --model bidirectional"
        in text
    )
    assert "ellipses of 68 and 95 % hold" in text
    plot_trkx(out, result, filters)
    names = {path.name for path in out.glob("*.png")}
    assert names >= {
        "accuracies.png", "multiplicity.png", "samples.png", "captions-caption-covariance.png", "filters-conv.png",
        "filters-conv-2d.png", "ramp.png", "next-layer.png",
    }  # fmt: skip
    assert all(path.read_bytes().startswith(PNG) for path in out.glob("*.png"))
    assert {path.name for path in out.glob("*.csv")} == {name.replace(".png", "-data.csv") for name in names}


def test_parts_may_be_left_out(others, tmp_path):
    options = TrkxStudyOptions(parts=("ramp",), ramp_events=5, seed=SEED)
    result, filters = trkx_study(options, report=lambda line: None)
    assert set(others) == {"ramp", "bounds"}
    assert (result["models"], result["references"], result["next_layer"], filters) == (None, None, None, {})
    plot_trkx(tmp_path, result, filters)
    assert [path.name for path in tmp_path.glob("*.png")] == ["ramp.png"]
    assert "straight line" not in trkx_table(result)


def test_parts_of_an_earlier_study_are_kept_and_measured_ones_replaced(others, tmp_path):
    def study(*parts, seed):
        return trkx_study(TrkxStudyOptions(parts=parts, seed=seed), report=lambda line: None)[0]

    earlier = study("ramp", "next-layer", seed=SEED) | {"ramp": {"old": {}}}
    (tmp_path / "trkx.json").write_text(json.dumps(earlier))
    kept = with_parts_of(study("ramp", seed=SEED + 1), earlier_study(tmp_path / "trkx.json"))
    assert kept["ramp"] == RAMP
    assert kept["next_layer"] == earlier["next_layer"]
    assert {part: told["seed"] for part, told in kept["measured"].items()} == {
        "ramp": SEED + 1,
        "next-layer": SEED,
    }
    assert kept["models"] is None
    for content, words in (
        ("{", "JSON"),
        ('{"measured": {}, "ramp": 3}', "'models' must be"),
        (None, "cannot be read"),
    ):
        (tmp_path / "trkx.json").unlink()
        if content:
            (tmp_path / "trkx.json").write_text(content)
        with pytest.raises(InputError, match=f"trkx.json.*{words}.*--keep"):
            earlier_study(tmp_path / "trkx.json")
        (tmp_path / "trkx.json").touch()


def test_files_are_taken_in_place_of_simulated_events(others, tmp_path):
    files = [tmp_path / "a.root", tmp_path / "b.root"]
    result, _ = trkx_study(TrkxStudyOptions(parts=("next-layer",)), files=files, report=lambda line: None)
    assert others["next"] == (files,)
    assert "simulated" not in others
    assert result["next_layer"]["sample"] == ["a.root", "b.root"]
    # The study's own seed made none of their events.
    assert result["measured"]["next-layer"]["seed"] is None
    plot_trkx(tmp_path, result, {})
    assert (tmp_path / "next-layer.png").is_file()


def test_filters_are_left_out_without_steps(weights):
    options = TrkxStudyOptions(parts=("models",), events=4, caption_events=4, steps=0, seed=SEED)
    _, filters = trkx_study(options, weights, report=lambda line: None)
    assert filters == {}


def test_what_is_no_folder_is_refused(tmp_path):
    for weights, trained in ((tmp_path / "none", None), (None, tmp_path / "none")):
        with pytest.raises(InputError, match="none is no folder"):
            trkx_study(TrkxStudyOptions(), weights, trained, report=lambda line: None)


@given(
    st.lists(st.sampled_from(PARTS), min_size=1, max_size=3),
    st.integers(4, 10_000_000),
    st.integers(0, 100_000),
)
def test_options_within_their_ranges_are_taken(parts, events, steps):
    options = TrkxStudyOptions(parts=tuple(parts), events=events, steps=steps)
    assert options.parts == tuple(parts)


@pytest.mark.parametrize("name", ranges_of(TrkxStudyOptions))
def test_options_beyond_their_ranges_are_refused(name):
    least, most, _ = ranges_of(TrkxStudyOptions)[name]
    for value in (least - 1, most + 1):
        with pytest.raises(InputError, match=name):
            TrkxStudyOptions(**{name: value})


def test_unknown_parts_are_refused():
    with pytest.raises(InputError, match=r"part 'modles' is none of models.*mean 'models'"):
        TrkxStudyOptions(parts=("modles",))
    with pytest.raises(InputError, match="no part is asked for"):
        TrkxStudyOptions(parts=())


def test_seeds_are_not_those_of_any_training():
    assert 400_000 + 199_999 < TrkxStudyOptions().seed < 700_000
