"""The clock of stages: of the wall, or of the processor where it is asked for."""

import time

from tracking.finders import clock as clocks
from tracking.finders.clock import FIND, StageClock, processor_time, stage_time


def test_a_pause_takes_time_of_the_wall_and_none_of_the_processor():
    wall = StageClock()
    with processor_time():
        processor = StageClock()
        assert stage_time() is time.process_time
    time.sleep(0.1)
    wall.lap("pause")
    processor.lap("pause")
    assert wall.ms["pause"] > 90
    assert processor.ms["pause"] < 50
    assert stage_time() is time.perf_counter


def test_times_of_a_finder_are_added_and_one_that_tells_none_has_all_since_the_lap(monkeypatch):
    seconds = [0.0]
    monkeypatch.setattr(clocks, "stage_time", lambda: lambda: seconds[0])
    clock = StageClock()
    seconds[0] = 2.0
    clock.lap("hits")
    seconds[0] = 7.0
    clock.adopt({"hits": 100.0, "graph": 200.0})
    seconds[0] = 10.0
    clock.adopt({})
    seconds[0] = 11.0
    clock.lap("fit")
    assert clock.ms == {"hits": 2100.0, "graph": 200.0, FIND: 3000.0, "fit": 1000.0}
