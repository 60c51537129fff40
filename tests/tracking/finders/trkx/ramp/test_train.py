"""Training of the RAMP challenge's finders: it learns, it goes on after an interruption, its weights run."""

import json

import numpy as np
import pytest

from smartpix.networks.weights import load_weights
from smartpix.schema import InputError
from smartpix.train.epoch import descend
from tracking.finders.trkx.ramp import finders, train
from tracking.finders.trkx.ramp.events import make_ramp
from tracking.finders.trkx.ramp.finders import load_ramp_network, ramp_finder
from tracking.finders.trkx.ramp.options import FINDERS, HELD_OUT_SEED, LEARNED, RampOptions, TrainRampOptions
from tracking.finders.trkx.ramp.score import clusters_of, event_scores
from tracking.finders.trkx.ramp.train import train_ramp

SMALL = {
    "events": 40,
    "batch_size": 10,
    "hidden": 8,
    "passes": 1,
    "epochs": 2,
    "seed": 610_500,
    "tracks": (4.0,),
}


@pytest.fixture(autouse=True)
def few_held_out(monkeypatch):
    monkeypatch.setattr(train, "HELD_OUT", 10)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Weights of small trainings by finder, and what the trainings told."""
    folder, made = tmp_path_factory.mktemp("trained"), {}
    for finder in LEARNED:
        lines = []
        output = folder / f"{finder}.safetensors"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(train, "HELD_OUT", 10)
            made[finder] = output, train_ramp(output, TrainRampOptions(finder, **SMALL), lines.append), lines
    return made


@pytest.mark.parametrize("finder", LEARNED)
def test_a_training_learns_and_its_weights_run(trained, finder):
    output, metrics, lines = trained[finder]
    losses = [float(line.split()[3]) for line in lines]
    assert len(losses) == 2
    assert losses[1] < losses[0]
    assert metrics["epochs"] == 2
    assert 0 <= metrics["score_4"] <= 1
    assert metrics["parameters"] == sum(
        p.numel() for p in load_ramp_network(finder, str(output)).parameters()
    )
    found = ramp_finder(finder, str(output))(make_ramp(RampOptions(tracks=4), 1, 1).hits(0))
    assert found.max() >= 0
    described = json.loads(output.with_suffix(".json").read_text())
    assert described["options"]["finder"] == finder
    assert described["options"]["tracks"] == [4.0]
    assert described["metrics"] == metrics
    assert not output.with_suffix(".checkpoint").exists()


@pytest.mark.parametrize("finder", LEARNED)
def test_a_training_that_was_interrupted_goes_on_to_the_same_weights(tmp_path, monkeypatch, trained, finder):
    output, options = tmp_path / "w.safetensors", TrainRampOptions(finder, **SMALL)

    def interrupt(line):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_ramp(output, options, interrupt)
    assert output.with_suffix(".checkpoint").exists()
    with pytest.raises(InputError, match="was made with other options"):
        train_ramp(output, TrainRampOptions(finder, **{**SMALL, "hidden": 9}))
    lines = []
    train_ramp(output, options, lines.append)
    assert [line.split()[1] for line in lines] == ["2/2"]
    expected, _ = load_weights(trained[finder][0], *_architectures())
    found, _ = load_weights(output, *_architectures())
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)


def _architectures():
    return [finders.new_network(name, 1, 1)[1] for name in LEARNED]


def test_epochs_have_other_events_than_one_another_and_than_the_report():
    options = TrainRampOptions(**{**SMALL, "tracks": (3.0, 9.0), "seed": HELD_OUT_SEED})
    batches = [events for epoch in (0, 1) for events in train._batches(options, epoch, 4)]
    sizes = [len(events.tracks.pt) for events in batches]
    assert max(sizes[0::2]) < min(sizes[1::2])
    held = make_ramp(RampOptions(tracks=3.0), 10, HELD_OUT_SEED)
    firsts = {float(events.tracks.pt[0]) for events in [*batches, held]}
    assert len(firsts) == 9


def test_the_rate_falls_and_the_loss_is_a_mean(tmp_path, monkeypatch):
    rates, losses, lines = [], [], []

    def kept(network, optimizer, loss):
        rates.append(optimizer.param_groups[0]["lr"])
        losses.append(float(loss.detach()))
        descend(network, optimizer, loss)

    monkeypatch.setattr(train, "descend", kept)
    options = TrainRampOptions(**SMALL)
    train_ramp(tmp_path / "w.safetensors", options, lines.append)
    # Eight steps along a cosine, from the largest rate to a hundredth of it.
    cosine = 0.505 + 0.495 * np.cos(np.pi * np.arange(8) / 8)
    assert rates == pytest.approx(options.learning_rate * cosine)
    told = [float(line.split()[3]) for line in lines]
    assert told == pytest.approx([np.mean(losses[:4]), np.mean(losses[4:])], abs=1e-4)


def test_numbers_of_the_report_are_of_events_of_its_own(tmp_path):
    """One set for each mean number of tracks, of one seed after the other."""
    path = tmp_path / "w.safetensors"
    found = train_ramp(path, TrainRampOptions(**{**SMALL, "epochs": 1, "tracks": (3.0, 9.0)}))
    held = [make_ramp(RampOptions(tracks=n), 10, HELD_OUT_SEED + k) for k, n in enumerate((3.0, 9.0))]
    finder = ramp_finder("graph", str(path))
    for name, events in zip(("score_3", "score_9"), held, strict=True):
        scores = event_scores(events.event, events.track, clusters_of(finder, events))
        assert found[name] == pytest.approx(np.mean(scores))
    network = load_ramp_network("graph", str(path))
    losses = [float(train._loss(network, events).detach()) for events in held]
    assert found["loss"] == pytest.approx(np.mean(losses), rel=1e-5)


def test_a_training_that_diverges_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(train, "_held_out_loss", lambda *_: float("nan"))
    with pytest.raises(InputError, match="diverged in epoch 1"):
        train_ramp(tmp_path / "w.safetensors", TrainRampOptions(**SMALL))


def test_weights_of_another_finder_are_refused(tmp_path, trained):
    with pytest.raises(InputError, match="give weights of smartpix train ramp --finder graph"):
        ramp_finder("graph", str(trained["phi-lstm"][0]))
    for name, words in (("kalman", "weights must be left out for kalman"), ("best", "finder must be one of")):
        with pytest.raises(InputError, match=words):
            ramp_finder(name, "w.safetensors")
    assert {ramp_finder(name)(make_ramp(RampOptions(), 1, 2).hits(0)).dtype for name in FINDERS[:2]} == {
        np.dtype(np.int64)
    }


@pytest.mark.parametrize(
    ("wrong", "words"), [({"tracks": ()}, "tracks must be one or more"), ({"finder": "kalman"}, "finder must be one of")]
)  # fmt: skip
def test_options_that_cannot_be_are_refused(wrong, words):
    with pytest.raises(InputError, match=words):
        TrainRampOptions(**wrong)
