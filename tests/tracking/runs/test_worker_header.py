"""A worker's chain has the dead modules, the calibration and the table of the field of the process that
began the run.
"""

from dataclasses import replace

import numpy as np

from smartpix.calibration import nothing_known, write_calibration
from smartpix.field_map import same_table
from smartpix.io.events import iterate
from smartpix.shipped import data_path
from tests.fields import falling_solenoid, write_table
from tracking.chain import Chain
from tracking.dead_modules import with_known_dead
from tracking.finders.options import DeadOptions
from tracking.options import RunOptions
from tracking.runs.workers import chain_of, packed_chain


def test_dead_modules_calibration_and_field_reach_a_worker(tmp_path):
    ((file, events),) = iterate(data_path("sample.root"), step=1, stop=1)
    # As found in the data, of which the options do not tell.
    header = with_known_dead(file.header, DeadOptions(modules=(1, 20)))
    table = header.detector
    shift = np.random.default_rng(1).normal(0, 0.01, (len(table), 3))
    path = tmp_path / "calibration.json"
    write_calibration(path, replace(nothing_known(table), shift=shift, charge_scale=0.95))
    table_path = tmp_path / "field.txt"
    write_table(falling_solenoid(header.field), table_path)
    chain = Chain.for_header(header, RunOptions(calibration=str(path), field_map=str(table_path)))
    assert chain.header.detector.dead == (1, 20)
    content = packed_chain(chain)
    # It need not be there on another machine.
    path.unlink()
    table_path.unlink()
    there = chain_of(content)
    assert there.options == chain.options
    assert there.header.detector.dead == (1, 20)
    np.testing.assert_array_equal(there.header.detector.center, chain.header.detector.center)
    assert there.header.calibration.charge_scale == 0.95
    assert same_table(there.header.field_map, chain.header.field_map)
    clusters = events[0]["clusters"]
    here, far = chain.event(0, clusters), there.event(0, clusters)
    np.testing.assert_array_equal(here.hits.position, far.hits.position)
    np.testing.assert_array_equal(here.scores, far.scores)
    np.testing.assert_array_equal(here.tracks.hits, far.tracks.hits)
