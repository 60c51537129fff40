"""Which transport is taken, and that Fatras and our own agree."""

from dataclasses import replace

import numpy as np
import pytest

from smartpix.field_map import FieldMap
from smartpix.material import Material
from smartpix.schema import InputError
from smartpix.simulate.engines import carried, chosen, field_of
from smartpix.simulate.generate import gun
from smartpix.simulate.options import GenerateOptions, SimulateOptions
from smartpix.simulate.transport_options import TransportOptions
from tests.helpers import embedded_detector, one_module_detector


def test_another_detector_than_the_generic_one_gets_our_own():
    made, why = chosen(SimulateOptions(), one_module_detector())
    assert made.transport.engine == "own"
    assert why
    made, why = chosen(SimulateOptions(transport=TransportOptions(efficiency=0.98)), embedded_detector())
    assert made.transport.engine == "own"
    assert "efficiency" in why


def test_fatras_takes_the_generic_detector_and_no_options_of_ours():
    pytest.importorskip("acts")
    made, _ = chosen(SimulateOptions(), embedded_detector())
    assert made.transport.engine == "fatras"
    with pytest.raises(InputError, match="turns is given and the engine is 'fatras'"):
        chosen(SimulateOptions(transport=TransportOptions("fatras", turns=1.0)), embedded_detector())
    with pytest.raises(InputError, match="is not one of ACTS's generic detector"):
        chosen(SimulateOptions(transport=TransportOptions("fatras")), one_module_detector())


def test_a_table_of_the_field_says_the_field_at_the_origin(tmp_path):
    path = tmp_path / "map.txt"
    path.write_text("\n".join(f"{r} {z} 0 {2.5 - 1e-3 * r}" for r in (0, 500) for z in (-1000, 1000)))
    options = SimulateOptions(transport=TransportOptions(field_map=str(path)))
    made, _ = chosen(options, one_module_detector())
    assert made.field == pytest.approx(2.5)
    assert isinstance(field_of(made), FieldMap)
    assert field_of(SimulateOptions()) == 3.8
    with pytest.raises(InputError, match="nosuch"):
        chosen(SimulateOptions(transport=TransportOptions(field_map="nosuch.txt")), one_module_detector())


def test_our_own_and_fatras_agree_on_the_generic_detector():
    pytest.importorskip("acts")
    detector = embedded_detector()
    options = SimulateOptions(generate=GenerateOptions(pileup=0, gun=1000, gun_pt=(0.3, 2.0), max_eta=2.5))
    event = gun(options.generate, options.beam_spot, np.random.default_rng(1))
    own, fatras, bare = (
        carried([event], detector, replace(options, transport=transport), 4)[0]
        for transport in (
            TransportOptions("own"), TransportOptions("fatras"),
            TransportOptions("own", material=Material(sensor=0, support=0, pipe=0)),
        )
    )  # fmt: skip
    assert len(own.module) == pytest.approx(len(fatras.module), rel=0.01)
    # The scatter about the helix without material, in y on the fourth layer, times the momentum.
    widths = []
    for made in (own, fatras):
        keys = [c.particle.astype(np.int64) * len(detector) + c.module for c in (made, bare)]
        _, a, b = np.intersect1d(*keys, return_indices=True)
        last = detector.layers.radius[detector.layer_index[made.module[a]]] > 150
        a, b = a[last & detector.barrel[made.module[a]]], b[last & detector.barrel[made.module[a]]]
        y, y0 = (detector.to_local(c.module[k], c.point[k])[:, 1] for c, k in ((made, a), (bare, b)))
        apart = (y - y0) * np.hypot(*event.momentum[made.particle[a], :2].T)
        assert abs(np.median(apart)) < 0.15 * apart.std()
        widths.append(np.subtract(*np.percentile(apart, [84, 16])))
    assert widths[0] == pytest.approx(widths[1], rel=0.1)
