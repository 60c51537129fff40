import awkward as ak
import numpy as np
import pytest

from seeding.hits import estimated_hits
from smartpix.estimate.choose import choose_estimator
from smartpix.io.events import iterate
from smartpix.shipped import data_path
from tracking import metrics
from tracking.acts.reference import acts_tracks

N_EVENTS = 2


@pytest.fixture(scope="session")
def sample():
    """Hits, truth and particles of a few pile-up-20 events, and the header."""
    hits, truths, particles = [], [], []
    for opened, events in iterate(data_path("sample.root"), step=1, stop=N_EVENTS):
        header, record = opened.header, events[0]
        hits.append(estimated_hits(record["clusters"], header, choose_estimator(header)))
        truths.append(metrics.event_truth(record["clusters"], record["particles"], hits[-1].layer))
        particles.append(
            record["particles"][np.argsort(ak.to_numpy(record["particles"]["particle_id"]), kind="stable")]
        )
    return hits, truths, particles, header


@pytest.fixture(scope="session")
def reference(sample):
    pytest.importorskip("acts")
    hits, _, _, header = sample
    return acts_tracks(hits, header.detector, header.field)
