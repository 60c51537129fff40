"""PixelAV's text: what is written comes back; two clusters of a real run where they are there."""

import numpy as np
import pytest

from smartpix.convert.pixelav import is_pixelav, read_pixelav
from smartpix.schema import InputError
from tests.helpers import SHARED_DATA
from tests.left_out import needs
from tests.smartpix.convert.pixelav_files import clusters, text


@pytest.mark.parametrize("scale", [1.0, 10.0])
def test_charges_labels_and_sensor_come_back_in_electrons(tmp_path, scale):
    """Older versions print a tenth of the electrons."""
    labels, charge = clusters()
    path = tmp_path / "run.out"
    path.write_text(text(labels, charge, scale))
    assert is_pixelav(path)
    found, sensor = read_pixelav(path)
    assert found.slices == (0, 1, 2, 3)
    np.testing.assert_allclose(found.charge, charge, atol=0.51 * (scale > 1))
    assert sensor == {"pitch_x": 0.05, "pitch_y": 0.0125, "thickness": 0.1, "field": 3.8}
    np.testing.assert_allclose(found.labels["cotAlpha"], labels[:, 3] / labels[:, 5], rtol=1e-6)
    np.testing.assert_allclose(
        found.labels["y-midplane"], labels[:, 1] + labels[:, 4] / labels[:, 5] * (50 - 100), rtol=1e-6
    )
    np.testing.assert_allclose(found.labels["pt"], labels[:, 8], rtol=1e-6)


def test_newer_versions_have_more_words(tmp_path):
    labels, charge = clusters()
    more = np.concatenate([labels[:, :8], [[29.0, 45.0, 0.14, 13.0]] * 3], axis=1)
    (tmp_path / "run.out").write_text(text(more, charge))
    found, _ = read_pixelav(tmp_path / "run.out")
    np.testing.assert_allclose(found.labels["pt"], 45.0)
    assert "time" not in found.labels


def test_damage_is_named(tmp_path):
    labels, charge = clusters()
    path, good = tmp_path / "run.out", text(*clusters())
    lines = good.splitlines()
    for content, message in (
        ("\n".join(lines[:-3]), r"cluster 2 \(line \d+\): a slice has other rows or columns"),
        ("\n".join(lines[:-14]), "cluster 2 has other slices, rows or words than the first one"),
        (
            good.replace("<time slice 200.000000 ps>", "", 1),
            r"cluster 0 \(line 3\): expected a line of 9, 10, 12 numbers",
        ),
        (
            good.replace("<time slice 200.000000 ps>", "<time slice 2e-e00 ps>", 1),
            r"cluster 0 \(line 3\): expected a line of 9, 10, 12 numbers",
        ),
        (good.replace(lines[3], lines[3] + " 5 5", 1), "cluster 0 .* there are 11"),
        (good.replace(lines[6], "1 2 x", 1), r"line 7 must hold numbers and is '1 2 x'"),
        (text(labels, charge, 3.0), r"the pixels hold 0\.333 of the pairs"),
        (text(labels, charge, step=50.0), "its slices end at"),
        ("\n".join(lines[:2]), "no file of PixelAV"),
    ):
        path.write_text(content)
        with pytest.raises(InputError, match=message):
            read_pixelav(path)


@needs("../shared/data/pixelav_raw")
def test_two_clusters_of_a_real_run_come_back(tmp_path):
    real = np.load(SHARED_DATA / "pixelav_raw/muc_25x25x50_2clusters.npz")
    path = tmp_path / "muc.out"
    path.write_text(
        text(real["truth"], real["images"])
        .replace("50 12.5 100 200", "25 25 50 200")
        .replace("3.8T", "3.57T")
    )
    found, sensor = read_pixelav(path)
    np.testing.assert_allclose(found.charge, real["images"], atol=0.06)
    assert (sensor["pitch_x"], sensor["thickness"], sensor["field"]) == (0.025, 0.05, 3.57)
    assert found.slices == tuple(range(20))
