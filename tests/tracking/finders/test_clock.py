"""The clock of stages: of the wall, or of the processor where it is asked for."""

import time

from tracking.finders.clock import StageClock, processor_time, stage_time


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
