import numpy as np
import pytest

from smartpix.extras import import_acts
from tracking.acts.event import local_measurements
from tracking.acts.setup import acts_setup


def test_measurements_are_where_the_hits_are(sample):
    pytest.importorskip("acts")
    acts = import_acts()
    hits, _, _, header = sample
    setup = acts_setup(acts, header.detector, header.field)
    surfaces = []
    setup.geometry.visitSurfaces(surfaces.append)
    by_id = {s.geometryId.value: s for s in surfaces}
    context, forward = acts.GeometryContext.dangerouslyDefaultConstruct(), acts.Vector3(0, 0, 1)
    event = hits[0]
    local, variance = local_measurements(event, header.detector)
    for k in range(0, len(event), 7):
        point = by_id[setup.ids[event.module[k]].value].localToGlobal(
            context, acts.Vector2(*local[k]), forward
        )
        assert np.allclose([*point], event.position[k], rtol=0, atol=1e-6)
    # ACTS's first axis is across, which is our y.
    assert np.allclose(np.sqrt(variance), event.estimate.sigma()[:, 1::-1])
