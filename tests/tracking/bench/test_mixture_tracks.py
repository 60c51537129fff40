"""The chain with mixtures beside the chain without, on the embedded sample."""

import pytest

from smartpix.estimate.options import MixtureOptions
from tests.helpers import REPOSITORY
from tracking.bench import mixture_tracks as module
from tracking.bench.mixture_tracks import EQUAL_SHARE, mixture_tracks
from tracking.chain import Chain

SAMPLE = REPOSITORY / "data" / "sample.root"


def test_both_chains_run_on_the_same_events(monkeypatch):
    options, events = [], []
    made = Chain.for_header

    def for_header(header, own):
        options.append(own.mixture)
        return made(header, own)

    def event(self, number, clusters):
        events.append((self.options.mixture.mode, number))
        return found(self, number, clusters)

    found = Chain.event
    monkeypatch.setattr(module.Chain, "for_header", for_header)
    monkeypatch.setattr(module.Chain, "event", event)
    numbers = mixture_tracks(SAMPLE, 2)
    assert options == [MixtureOptions(), MixtureOptions("on", EQUAL_SHARE)]
    # Each once before the clock, then in turn.
    turns = [(mode, k) for k in range(2) for _ in range(module.REPEATS) for mode in ("off", "on")]
    assert events == [("off", 0), ("on", 0), *turns]
    assert (numbers["quantile"], numbers["n_events"]) == (EQUAL_SHARE, 2)
    single, mixture, less = numbers["single"], numbers["mixture"], numbers["difference"]
    assert single["n_findable"] == mixture["n_findable"] > 100
    assert single["efficiency"] > 0.95
    assert less["efficiency"] == pytest.approx(mixture["efficiency"] - single["efficiency"])
    assert less["n_won"] - less["n_lost"] == round(less["efficiency"] * single["n_findable"])
    assert min(single["ms"], mixture["ms"]) > 0


def test_what_the_mixture_loses_is_told(monkeypatch):
    # So few edges of the end-caps that tracks are lost, and none elsewhere.
    numbers = mixture_tracks(SAMPLE, 1, 1e-6)
    assert numbers["quantile"] == 1e-6
    assert numbers["difference"]["n_lost"] > 0
    assert numbers["difference"]["efficiency"] < 0
    assert numbers["mixture"]["n_tracks"] < numbers["single"]["n_tracks"]
