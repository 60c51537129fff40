"""Events in a table of the field: tracks, and drift in the sensors."""

import numpy as np
import pytest

from smartpix.layouts.named import named_detector
from smartpix.simulate.engines import chosen
from smartpix.simulate.events import _field_in_sensors, simulate
from smartpix.simulate.options import GenerateOptions, SimulateOptions
from smartpix.simulate.transport_options import TransportOptions


def test_events_in_a_table_of_a_uniform_field_are_those_of_the_field(tmp_path):
    path = tmp_path / "map.txt"
    path.write_text("\n".join(f"{r} {z} 0 3.0" for r in (0, 500) for z in (-1000, 1000)))
    detector = named_detector("barrel3").detector
    generate = GenerateOptions(pileup=0, gun=15, max_eta=1.0, gun_pt=(0.5, 2.0))
    made = [
        next(simulate(detector, SimulateOptions(generate=generate, field=field, transport=transport), 1, 3))
        for field, transport in (
            (3.0, TransportOptions("own")),
            (3.8, TransportOptions(field_map=str(path))),
        )
    ]
    for name in ("local_x", "local_y", "charge"):
        one, other = (np.asarray(event["clusters"][name][0]) for event in made)
        np.testing.assert_allclose(one, other, atol=1e-3)


def test_sensors_drift_in_the_field_where_they_are(tmp_path):
    path = tmp_path / "map.txt"
    path.write_text("\n".join(f"{r} {z} 0 {3.0 - 0.01 * abs(z)}" for r in (0, 500) for z in (-200, 0, 200)))
    detector = named_detector("barrel3").detector
    options, _ = chosen(SimulateOptions(transport=TransportOptions(field_map=str(path))), detector)
    local = _field_in_sensors(detector, options)
    # x of barrel sensors is along z; the table ends at 200 mm.
    expected = 3.0 - 0.01 * np.minimum(np.abs(detector.center[:, 2]), 200)
    np.testing.assert_allclose(local[:, 0], expected, atol=0.051)
    assert options.field == pytest.approx(3.0)
    assert len(np.unique(local[:, 0])) == 4
