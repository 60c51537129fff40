"""Allpix Squared's text: a small one made here, and one of others where it is there."""

import awkward as ak
import numpy as np
import pytest
import uproot

from smartpix.convert.allpix import read, read_allpix
from smartpix.convert.format import ConvertOptions
from smartpix.convert.formats import detect
from smartpix.convert.pixel_frames import plane_detector
from smartpix.io.events import iterate
from smartpix.schema import InputError
from tests.helpers import SHARED_DATA, convert_folder
from tests.left_out import needs

OTHERS = SHARED_DATA / "others/allpix2"


def hit(x, y, signal, time, z, pitch=0.1, n=11):
    place = [(i - (n - 1) / 2) * pitch for i in (x, y)]
    return f"PixelHit {x}, {y}, {signal}, {time}, 21.875, {place[0]:g}, {place[1]:g}, {z:g}"


TEXT = "\n".join([
    "# Allpix Squared ASCII data - https://cern.ch/allpix-squared", "", "=== 1 ===", "=== 2 ===",
    "--- first ---", "--- Pixel charge information", "Pixel: (3, 4)", "Charge: 1000 e", "Local Position: (0, 0, 0) mm",
    "--- Pixel charge information", "Pixel: (3, 5)", "Charge: 3000 e", "--- Pixel charge information", "Pixel: (9, 9)",
    "Charge: 50 e", "--- first ---", hit(3, 4, 7, 12, 0), hit(3, 5, 9, 10, 0), hit(8, 2, 5, 11, 0),
    "--- second ---", hit(1, 1, 4, 3, 20.0), hit(9, 0, 6, 2, 20.0), "=== 3 ===",
]) + "\n"  # fmt: skip


def test_pixels_of_several_detectors_become_clusters_on_planes(tmp_path):
    path = tmp_path / "in.txt"
    path.write_text(TEXT)
    done = convert_folder(path, tmp_path / "out.root", field=0.0)
    assert {n: done[n] for n in ("kind", "n_events", "n_hits", "n_modules")} == {
        "kind": "allpix", "n_events": 3, "n_hits": 4, "n_modules": 2
    }  # fmt: skip
    opened, events = next(iterate(tmp_path / "out.root"))
    detector, clusters = opened.header.detector, events["clusters"][1]
    assert detector.n_rows.tolist() == detector.n_columns.tolist() == [11, 11]
    assert detector.columns["cz"].tolist() == [0, 20]
    # The charge where it is told, else the signal; times are those of the earliest pixels.
    assert ak.to_list(clusters["charge"]) == [4000, 5, 4, 6]
    assert ak.to_list(clusters["time"]) == [10, 11, 3, 2]
    np.testing.assert_allclose(clusters["x"], [-0.2, 0.3, -0.4, 0.4], atol=1e-5)
    np.testing.assert_allclose(clusters["y"], [0.75 * 0.1 - 0.1, -0.3, -0.4, -0.5], atol=1e-5)
    assert ak.to_list(ak.num(clusters["pixels"])) == [2, 1, 1, 1]


def test_a_given_table_takes_the_place_of_the_planes_that_are_guessed(tmp_path):
    path = tmp_path / "in.txt"
    path.write_text(TEXT)
    planes = plane_detector([(20, 20)] * 2, [(0.1, 0.1)] * 2, [0.0, 20.0], thickness=0.2)
    convert_folder(path, tmp_path / "out.root", field=0.0, detector=planes)
    opened, _ = next(iterate(tmp_path / "out.root"))
    np.testing.assert_allclose(opened.header.detector.thickness, 0.2)
    with pytest.raises(InputError, match=r"2 detectors \(first, second\) and the table has 1 modules"):
        convert_folder(path, tmp_path / "out.root", field=0.0,
                       detector=plane_detector([(20, 20)], [(0.1, 0.1)], [0.0]))  # fmt: skip
    small = plane_detector([(5, 5)] * 2, [(0.1, 0.1)] * 2, [0.0, 20.0])
    with pytest.raises(InputError, match=r"the pixel \(3, 5\) is off its module of 5 x 5"):
        convert_folder(path, tmp_path / "out.root", field=0.0, detector=small)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("=== 3 ===", "=== 2 ===", "event 2 is there twice"),
        ("PixelHit 3, 4, 7,", "PixelHit 3, 4, x,", "line 17 is 'PixelHit 3, 4, x"),
        ("PixelHit 3, 4, 7,", "PixelHit 3, 4,", "line 17 is"),
        ("=== 1 ===\n=== 2 ===\n--- first ---\n", "", "has a pixel before any event"),
        (", 20\nPixelHit 9", ", 21\nPixelHit 9", "second is not across z"),
        (
            "PixelHit 9, 0, 6, 2, 21.875, 0.4",
            "PixelHit 9, 0, 6, 2, 21.875, 0.47",
            "do not tell where its plane is",
        ),
    ],
)
def test_texts_that_cannot_be_used_are_refused(tmp_path, old, new, message):
    assert old in TEXT
    path = tmp_path / "in.txt"
    path.write_text(TEXT.replace(old, new, 1))
    with pytest.raises(InputError, match=message):
        convert_folder(path, tmp_path / "out.root", field=0.0)


def test_objects_in_a_root_file_are_refused_and_the_text_is_named(tmp_path):
    """As near as uproot can write it: trees by the names of the objects, and the configuration as a folder."""
    path = tmp_path / "modules.root"
    with uproot.recreate(path) as file:
        file["PixelHit"] = {"dut": np.zeros(2)}
        file["config/Allpix/number_of_events"] = "2"
    with pytest.raises(InputError, match=r"objects of Allpix Squared \(PixelHit; .*\[TextWriter\]"):
        detect(path)


@needs("../shared/data/others/allpix2")
def test_text_of_others_has_its_pixels_and_the_clusters_of_the_list():
    hits = read_allpix(OTHERS / "PixelHitCharge_24keV.txt")
    assert (len(hits.events), len(hits.event), hits.names) == (4000, 1299, ("detector1",))
    assert hits.value[:2].tolist() == [1411, 5215]
    source = read(detect(OTHERS / "PixelHitCharge_24keV.txt"), ConvertOptions())
    # The cluster list of the same run (elist2) has 948.
    assert sum(len(source.read_event(int(k)).hit_id) for k in np.unique(hits.event)) == 948
    detector = source.detector
    assert (detector.n_rows[0], detector.n_columns[0], detector.pitch_x[0]) == (256, 256, 0.055)
