import numpy as np

from smartpix.parquet import write_clusters
from smartpix.samples import from_clusters
from smartpix.simulate.readout import ReadoutOptions
from smartpix.teach import lesson_of
from tests.helpers import SENSOR


def test_a_lesson_is_in_the_frame_of_the_students_windows(tmp_path, clusters_2s):
    """A high threshold moves the student's windows by whole pixels; the teacher, who sees all charge, must not mislead."""
    path = tmp_path / "2s.parquet"
    write_clusters(path, clusters_2s, {"command": "tests"}, SENSOR)
    samples = from_clusters(clusters_2s, ReadoutOptions(noise=0.0, threshold=3000.0, adc_bits=0), SENSOR, {})
    seen = from_clusters(clusters_2s, None, SENSOR, {})
    moved = np.abs(seen.targets[:, 1] - samples.targets[:, 1]) > 0.5 * SENSOR["pitch_y"]
    assert moved.mean() > 0.1
    lesson = lesson_of("mdn-2s-columns-2t-float", [path], samples, "barrel", lambda line: None)
    off = np.abs(lesson.mean - samples.targets)[moved & ~samples.truncated]
    # In x and y far less than the pixels they were moved by.
    assert np.median(off[:, 0]) < 0.25 * SENSOR["pitch_x"]
    assert np.median(off[:, 1]) < 0.25 * SENSOR["pitch_y"]
    assert lesson.scaled(np.arange(5)).shape == (5, 4, 5)
