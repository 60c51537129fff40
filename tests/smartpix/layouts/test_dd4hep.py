"""The Open Data Detector from its files: a small one by hand, and the whole one, on whose modules all hits of
others must lie.
"""

import json

import numpy as np
import pytest

from smartpix.layouts.dd4hep import open_data_detector
from smartpix.layouts.named import named_detector
from smartpix.layouts.options import Sensors
from smartpix.schema import InputError
from tests.helpers import SHARED_DATA
from tests.left_out import needs

MAIN = """<lccdd><define><constant name="Field_nominal_value" value="2*tesla"/></define>
<include ref="define.xml"/><include ref="nosuch.xml"/><include ref="pixels.xml"/></lccdd>"""
DEFINE = """<define><constant name="r0" value="3*cm"/><constant name="n" value="4"/><include ref="main.xml"/></define>"""
PIXELS = """<lccdd><readouts><readout name="R"><segmentation grid_size_x="0.025*mm" grid_size_y="0.05*mm"/></readout></readouts>
<detectors>
<detector name="Pipe" type="ODDCylinder"><beampipe/><tubs rmin="20*mm" rmax="21*mm" material="Beryllium"/></detector>
<detector name="B" type="ODDPixelBarrel" readout="R">
 <module><module_component dx="16*mm" dy="20*mm" dz="0.2*mm" z_offset="-1.*mm" material="Silicon" sensitive="true"/>
 <module_component dx="16*mm" dy="20*mm" dz="0.1*mm" material="Kapton" sensitive="false"/></module>
 <stave nmodules="3" gap="1*mm"/>
 <layer r="r0" nphi="n" phi_tilt="0.5" phi0="0.1"><support rmin="4*cm" rmax="4.1*cm" material="CarbonFiber"/></layer>
</detector>
<detector name="N" type="ODDPixelEndcap" readout="R">
 <ring r="40*mm" nphi="n" z_offset="2*mm" gap="1*mm">
  <module><module_component x1="5*mm" x2="8*mm" length="10*mm" thickness="0.2*mm" y_offset="-0.03" z_offset="-1*mm"
   material="Silicon" sensitive="true"/></module></ring>
 <ring_support dz="1*mm" material="CarbonFiber"/>
 <layer z_offset="-100*mm"/><layer z_offset="-150*mm"/>
</detector></detectors></lccdd>"""
ODD = SHARED_DATA / "others/odd/xml/OpenDataDetector.xml"


def written(folder, pixels=PIXELS):
    for name, text in (("main.xml", MAIN), ("define.xml", DEFINE), ("pixels.xml", pixels)):
        (folder / name).write_text(text)
    return folder / "main.xml"


def test_a_small_detector_is_placed_by_hand(tmp_path):
    made = open_data_detector(written(tmp_path))
    detector = made.detector
    assert made.field == 2.0
    assert made.missing == ("nosuch.xml",)
    assert len(detector) == 12 + 8
    barrel = detector.columns["volume_id"] == 17
    # Fourth stave (module rows 9 to 11), middle module.
    phi, facing = 0.1 + 1.5 * np.pi, 0.6 + 1.5 * np.pi
    expected = [30 * np.cos(phi) - np.cos(facing), 30 * np.sin(phi) - np.sin(facing), 0]
    np.testing.assert_allclose(detector.center[barrel][10], expected, atol=1e-9)
    np.testing.assert_allclose(
        detector.axes[barrel][10][:, 2], [np.cos(facing), np.sin(facing), 0], atol=1e-9
    )
    np.testing.assert_allclose(detector.center[barrel][:3, 2], [-21, 0, 21])
    ends = detector.columns["volume_id"] == 16
    assert detector.columns["layer_id"][ends].tolist() == [2] * 4 + [4] * 4
    # The second module is behind the ring by its gap; 0.03 is in cm, along -y of the module, which is +z.
    np.testing.assert_allclose(detector.center[ends][5], [0, 39, -100 + 2 - 1 + 0.3], atol=1e-9)
    np.testing.assert_allclose(detector.center[ends][0], [39, 0, -150 + 2 + 1 + 0.3], atol=1e-9)
    corners = detector.outline[ends][0]
    np.testing.assert_allclose(np.sort(np.abs(corners[:, 1])), [5, 5, 8, 8], atol=1e-9)
    np.testing.assert_allclose(
        sorted(corners[np.abs(np.abs(corners[:, 1]) - 8) < 1e-6, 0]), [49, 49], atol=1e-9
    )
    assert made.material.layers == pytest.approx((2 / 280.8, 2 / 280.8, 1 / 280.8))
    assert (made.material.pipe, made.material.pipe_radius) == pytest.approx((1 / 352.8, 20.5))
    np.testing.assert_allclose(
        [detector.pitch_y[0], detector.pitch_x[0], detector.thickness[0]], [0.025, 0.05, 0.2]
    )
    ours = open_data_detector(written(tmp_path), Sensors(0.0125, 0.05, 0.1)).detector
    assert ours.thickness[0] == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('r="r0"', 'r="r1"'), "names 'r1', which no file defines"), ((' r="r0"', ""), "no attribute 'r'"),
        (("<stave", "<stove"), "has no <stave>"), (('sensitive="true"', 'sensitive="false"'), "0 sensitive components"),
        (("ODDPixel", "Other"), "has no detector of the types"), (("</lccdd>", ""), "is no XML"),
        (("<lccdd>", '<!DOCTYPE x [<!ENTITY a "b">]><lccdd>'), "declares entities"),
        (('material="CarbonFiber"', 'material="Lead"'), "radiation length of the material 'Lead'"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_named(tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        open_data_detector(written(tmp_path, PIXELS.replace(*change)))


needs_odd = needs("../shared/data/others")


@pytest.fixture(scope="module")
def odd():
    return open_data_detector(ODD)


@needs_odd
def test_the_open_data_detector_has_its_modules(odd):
    detector = odd.detector
    assert len(detector) == 14 * (16 + 32 + 52 + 78) + 2 * 7 * (24 + 36)
    assert odd.field == 3.0
    assert (odd.material.pipe_radius, len(odd.material.layers)) == (24.0, 18)
    config = json.loads((ODD.parents[1] / "odd-digi-geometric-config.json").read_text())
    for entry in config["entries"]:
        if entry["volume"] in (16, 17, 18):
            value = entry["value"]["geometric"]
            rows = detector.columns["volume_id"] == entry["volume"]
            u, v = (axis["max"] for axis in value["segmentation"]["binningdata"])
            # The digitisation has one size for the volume, that of its widest module.
            assert detector.half_y[rows].max() == pytest.approx(u)
            np.testing.assert_allclose(detector.half_x[rows], v)
            np.testing.assert_allclose(detector.thickness[rows], value["thickness"])


@needs_odd
def test_the_layout_without_files_is_like_it(odd):
    ours, theirs = named_detector("odd"), odd.detector.layers
    layers = ours.detector.layers
    np.testing.assert_array_equal(
        np.bincount(ours.detector.layer_index), np.bincount(odd.detector.layer_index)
    )
    for name in ("r_min", "r_max", "z_min", "z_max"):
        np.testing.assert_allclose(getattr(layers, name), getattr(theirs, name), atol=0.7)
    np.testing.assert_allclose(ours.material.layers, odd.material.layers)
    for name in ("sensor", "pipe", "pipe_radius"):
        assert getattr(ours.material, name) == pytest.approx(getattr(odd.material, name))
    barrel = ours.detector.columns["volume_id"] == 8
    of_odd = odd.detector.columns["volume_id"] == 17
    np.testing.assert_allclose(ours.detector.outline[barrel], odd.detector.outline[of_odd], atol=1e-6)


def outside(detector, points, volume):
    """How far (mm) each point lies outside of the nearest module of a volume."""
    rows = np.flatnonzero(detector.columns["volume_id"] == volume)
    local = np.einsum("mji,pmj->pmi", detector.axes[rows], points[:, None] - detector.center[rows])
    low, high = detector.half_y_ends[rows].T
    width = low + (high - low) * np.clip(local[..., 0] / detector.half_x[rows] + 1, 0, 2) / 2
    beyond = [
        np.abs(local[..., 0]) - detector.half_x[rows], np.abs(local[..., 1]) - width,
        np.abs(local[..., 2]) - 0.5 * detector.thickness[rows],
    ]  # fmt: skip
    return np.sqrt(sum(np.maximum(b, 0) ** 2 for b in beyond)).min(axis=1)


@needs_odd
@pytest.mark.parametrize("event", [0, 1, 2])
def test_hits_of_colliderml_lie_on_modules(odd, event):
    hits = json.loads((SHARED_DATA / f"others/colliderml/event_{event}.json").read_text())["all_tracker_hits"]
    for volume in (16, 17, 18):
        points = np.array([[h["x"], h["y"], h["z"]] for h in hits if h["volume_id"] == volume])
        assert len(points) > 20
        assert outside(odd.detector, points, volume).max() < 1e-3


@needs_odd
def test_hits_of_edm4hep_lie_on_modules(odd):
    import awkward as ak
    import uproot

    with uproot.open(SHARED_DATA / "others/edm4hep/odd_single_pions.root") as file:
        tree = file["events"]
        name = "PixelBarrelReadout/PixelBarrelReadout.position"
        points = np.stack([ak.to_numpy(ak.flatten(tree[f"{name}.{c}"].array())) for c in "xyz"], axis=1)
    assert len(points) == 56
    assert outside(odd.detector, points.astype(float), 17).max() < 1e-3
