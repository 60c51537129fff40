"""Networks of several components as ``bench dense`` calls them: which files, seeds and weights."""

from tests.helpers import REPOSITORY
from tracking.bench import dense_components
from tracking.bench.dense_components import (
    ALONE,
    END_CAP_EVENTS,
    endcap_comparison,
    networks_seeds,
    position_numbers,
)
from tracking.bench.merged_positions import ETA_BINS, endcap_clusters, endcap_numbers

SAMPLE = REPOSITORY / "data" / "sample.root"


def test_positions_are_of_all_networks_there_are(monkeypatch):
    seen = []
    monkeypatch.setattr(
        dense_components, "merged_positions", lambda files, networks: seen.append(networks) or {}
    )
    assert position_numbers(SAMPLE) == {}
    assert list(seen[0]) == [2, 3]
    monkeypatch.setattr(dense_components, "have_weights", lambda names: "triple-barrel" not in names)
    position_numbers(SAMPLE)
    assert list(seen[1]) == [2]
    monkeypatch.setattr(dense_components, "have_weights", lambda names: False)
    assert position_numbers(SAMPLE) is None
    assert endcap_comparison(SAMPLE.parent, 1, None, print) is None
    assert networks_seeds() == {}


def test_the_end_caps_are_measured_on_crossings_and_edges_on_collisions(monkeypatch, tmp_path):
    made = []

    def simulated(path, n_events, seed, options):
        made.append((path.parent, n_events, seed, options))
        return SAMPLE

    monkeypatch.setattr(dense_components, "simulated_crossings", simulated)
    monkeypatch.setattr(
        dense_components, "mixture_edges", lambda files, mixture, limit: {"of": (files, mixture.n, limit)}
    )
    monkeypatch.setattr(dense_components, "mixture_tracks", lambda path, limit: {"tracks of": (path, limit)})
    found = endcap_comparison(tmp_path, 52905, (SAMPLE, 3), lambda line: None)
    assert made == [(tmp_path, END_CAP_EVENTS, 52905, ALONE)]
    assert found["edges"] == {"of": ([SAMPLE], 2, 3)}
    assert found["tracks"] == {"tracks of": (SAMPLE, 3)}
    mixture = dense_components.MixtureNetwork.load(dense_components.MIXTURE)
    expected = endcap_numbers(endcap_clusters([SAMPLE], mixture))
    assert {kind: found[kind] for kind in ("mixture", "single")} == expected
    assert len(found["mixture"]) == len(ETA_BINS) - 1 == 5
    # Once is enough of what takes long.
    monkeypatch.setattr(dense_components, "endcap_numbers", lambda clusters: expected)
    without = endcap_comparison(tmp_path, 52905, None, lambda line: None)
    assert (without["edges"], without["tracks"]) == (None, None)


def test_seeds_of_the_networks_are_those_of_their_descriptions():
    seeds = networks_seeds()
    assert {"count-barrel", "fixed-count-barrel", "bimodal-endcap", "pair-endcap", "triple-barrel"} <= set(
        seeds
    )
    # Of data/make.sh: groups-apart, and groups-area-nominal for the calibration.
    assert seeds["pair-barrel"] == {
        50001, 50002, 50101, 50103, *range(50211, 50219), 51001, 51011,
    }  # fmt: skip
    assert seeds["bimodal-endcap"] == {11, 31}
    assert seeds["count-barrel"] == {50001, 51001}
