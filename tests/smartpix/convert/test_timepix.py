"""Lists of Timepix3: hand-made ones, and pixels against clusters of the same run where they are there."""

import awkward as ak
import numpy as np
import pytest

from smartpix.convert.format import ConvertOptions
from smartpix.convert.formats import detect
from smartpix.convert.timepix import PITCH, pixel_times, read, read_elist, read_t3pa
from smartpix.io.events import iterate
from smartpix.schema import InputError
from tests.helpers import SHARED_DATA, convert_folder
from tests.left_out import needs

OTHERS = SHARED_DATA / "others/allpix2"
HEAD = "Index\tMatrix Index\tToA\tToT\tFToA\tOverflow"
# Two clusters at one time, of which one has a corner; a later one.
PIXELS = [(100, 50, 4000, 10, 2), (101, 51, 4001, 30, 6), (200, 9, 4000, 5, 0), (100, 50, 9000, 7, 1)]


def t3pa(path, pixels=PIXELS, head=HEAD):
    rows = [f"{k}\t{256 * y + x}\t{toa}\t{tot}\t{fine}\t0" for k, (x, y, toa, tot, fine) in enumerate(pixels)]
    path.write_text("\n".join([head, *rows]) + "\n")
    return path


@pytest.mark.parametrize("head", [HEAD, HEAD.replace("Matrix Index", "Matrix\tIndex")])
def test_pixels_become_clusters_of_events_with_charges_and_times(tmp_path, head):
    done = convert_folder(t3pa(tmp_path / "in.t3pa", head=head), tmp_path / "out.root", field=0.0)
    assert {n: done[n] for n in ("kind", "n_events", "n_hits", "cells")} == {
        "kind": "timepix", "n_events": 2, "n_hits": 3, "cells": True
    }  # fmt: skip
    opened, events = next(iterate(tmp_path / "out.root"))
    assert opened.header.has_times
    clusters = ak.flatten(events["clusters"])
    assert ak.to_list(clusters["charge"]) == [40.0, 5.0, 7.0]
    assert ak.to_list(ak.num(clusters["pixels"])) == [2, 1, 1]
    # 25 ns a tick, and fine ticks count back from it: the earliest pixel.
    np.testing.assert_allclose(clusters["time"], [4000 * 25 - 3.125, 100_000, 9000 * 25 - 1.5625], rtol=1e-7)
    x = (np.array([(100 * 10 + 101 * 30) / 40, 200, 100]) - 127.5) * PITCH
    np.testing.assert_allclose(clusters["x"], x, atol=1e-4)


def test_cluster_lists_become_hits_with_charge_and_time(tmp_path):
    path = tmp_path / "in.elist2"
    path.write_text(
        "DetectorID\tEventID\tX\tY\tE\tT\n-\t-\tpx\tpx\tkeV\tns\n0\t4\t128.5\t100.25\t3.62\t17.5\n0\t9\t1\t2\t7.24\t18\n"
    )
    done = convert_folder(path, tmp_path / "out.root", field=0.0)
    assert (done["n_events"], done["n_hits"], done["cells"]) == (2, 2, False)
    _, events = next(iterate(tmp_path / "out.root"))
    clusters = ak.flatten(events["clusters"])
    assert ak.to_list(events["event"]) == [4, 9]
    np.testing.assert_allclose(clusters["charge"], [1000, 2000], rtol=1e-6)
    np.testing.assert_allclose(clusters["x"], [0.5 * PITCH, -127 * PITCH], atol=1e-5)
    np.testing.assert_allclose(clusters["time"], [17.5, 18], rtol=1e-6)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (f"{HEAD}\n0\t1\t2\n", "line 2 is .* and 6 columns of numbers are expected"),
        (f"{HEAD}\n0\tx\t1\t1\t1\t0\n", "line 2 is"),
        (f"{HEAD}\n0\t65536\t1\t1\t1\t0\n", "'Matrix Index' is 65536 in row 0; expected 0 to 65535"),
        (
            f"{HEAD}\n0\t7\t1\t1\t1\t0\n1\t7\t1\t2\t1\t0\n",
            r"the pixel \(7, 0\) is there more than once in a frame",
        ),
    ],
)
def test_lists_that_cannot_be_used_are_refused(tmp_path, content, message):
    path = tmp_path / "in.t3pa"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        convert_folder(path, tmp_path / "out.root", field=0.0)


@needs("../shared/data/others/allpix2")
def test_clusters_of_the_pixels_are_those_that_another_program_found():
    column, row, _, time = read_t3pa(OTHERS / "PixelHit_24keV.t3pa")
    assert len(column) == 1299
    assert (row.min(), column.max() < 256) >= (0, True)
    listed = read_elist(OTHERS / "PixelHit_24keV.elist2")
    assert len(listed.time) == 948
    assert len(read_t3pa(OTHERS / "PixelCharge_24keV.t3pa")[0]) == 2412
    source = read(detect(OTHERS / "PixelHit_24keV.t3pa"), ConvertOptions())
    events = [source.read_event(k) for k in source.numbers]
    times = np.concatenate([event.time for event in events])
    np.testing.assert_allclose(np.sort(times), np.sort(listed.time), rtol=1e-7)
    assert time.min() == pixel_times(np.array([4001.0]), np.array([6.0]))[0]
