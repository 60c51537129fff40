"""Merged clusters, counted in straight loops."""

import numpy as np
import pytest

from tests.tracking.metrics.events import TRACK, by_loops, random_event, truth_of
from tracking import metrics


@pytest.mark.parametrize("seed", range(6))
def test_merged_clusters_are_those_of_several_particles(seed):
    event = random_event(seed)
    truth, layer = truth_of(*event), np.asarray(event[2], dtype=np.int32)
    made, _, _ = by_loops(*event)
    makers = [{who for who, hits in made.items() if row in {h for _, h in hits}} for row in range(len(layer))]
    merged = [len(who) > 1 for who in makers]
    assert metrics.is_merged(truth, len(layer)).tolist() == merged
    own = {
        who: [row for row in range(len(layer)) if who in makers[row]] for who in truth.particle_id.tolist()
    }
    numbers = [sum(merged[row] for row in own[who]) for who in truth.particle_id.tolist()]
    assert metrics.merged_of_particles(truth).tolist() == numbers
    rates = metrics.merged_rates([truth, truth], [layer, layer], [truth.accepted, truth.charge != 7])
    chosen = [w for w, good in zip(own, truth.accepted, strict=True) if good] + list(own)
    of = dict(zip(own, numbers, strict=True))
    assert rates["n"] == len(chosen)
    assert rates["per_particle"] == pytest.approx(np.mean([of[w] for w in chosen]))
    assert rates["particles"] == pytest.approx(np.mean([of[w] > 0 for w in chosen]))
    for k in set(layer.tolist()):
        on = [w for w in chosen if any(layer[row] == k for row in own[w])]
        hit = [w for w in on if any(layer[row] == k and merged[row] for row in own[w])]
        if on:
            assert rates["by_layer"][str(k)] == pytest.approx(len(hit) / len(on))
    assert sum(numbers) > 0


def test_without_particles_nothing_is_merged():
    truth = truth_of([[(7, 1.0, 0)]], TRACK, [0])
    rates = metrics.merged_rates([truth], [np.zeros(1, dtype=np.int32)], [np.zeros(1, dtype=bool)])
    assert rates == {"n": 0, "per_particle": 0.0, "particles": 0.0, "by_layer": {}}
