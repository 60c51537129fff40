"""Named samples."""

import awkward as ak
import numpy as np
import pytest

from smartpix.io.events import open_events
from smartpix.simulate.options import GenerateOptions
from tracking.bench import events
from tracking.bench.events import SAMPLES, load_sample, simulated_sample


def test_named_samples_have_the_jets_that_they_are_named_after():
    jets, cores = SAMPLES["jets"], SAMPLES["cores"]
    assert (jets.pileup, jets.jets, jets.jet_particles, jets.jet_pt) == (60, 20, (10,), ())
    assert (cores.pileup, cores.jets, cores.jet_particles, cores.jet_pt) == (
        60,
        10,
        (15, 30),
        (500.0, 2000.0),
    )
    assert SAMPLES["pileup-200"] == GenerateOptions()


def test_a_named_sample_is_simulated_with_its_options(tmp_path, monkeypatch):
    pytest.importorskip("acts")
    tiny = GenerateOptions(pileup=0, jets=2, jet_particles=(3, 4), jet_pt=(50.0,), jet_radius=0.03)
    monkeypatch.setattr(events, "SAMPLES", {"tiny": tiny})
    path = simulated_sample("tiny", 1, 52904, tmp_path)
    assert open_events(path).header.made_by["options"]["generate"]["jet_pt"] == [50.0]
    sample = load_sample(path, 1)
    (event,) = sample.events
    assert 6 <= len(event.truth.pt) <= 8
    assert event.truth.pt.sum() == pytest.approx(100, rel=1e-5)
    assert ak.to_numpy(event.clusters["hit_id"]).size == len(event.hits)
    assert np.any(event.truth.findable)
