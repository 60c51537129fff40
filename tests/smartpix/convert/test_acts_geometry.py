import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smartpix.convert.acts_geometry import BARCODE, geometry_ids, pack_barcode, read_acts_detector
from smartpix.schema import InputError
from tests.acts_files import digitisation


@given(
    volume=st.integers(0, 255),
    layer=st.integers(0, 4095),
    sensitive=st.integers(0, 2**20 - 1),
    extra=st.integers(0, 255),
)
@settings(max_examples=50, deadline=None)
def test_identifiers_are_taken_apart_as_acts_does(volume, layer, sensitive, extra):
    acts = pytest.importorskip("acts")
    ids = acts.GeometryIdentifier(volume=volume, layer=layer, sensitive=sensitive, extra=extra)
    found = geometry_ids(np.array([ids.value], dtype=np.uint64))
    assert [int(a[0]) for a in found] == [volume, layer, sensitive]


bits = list(BARCODE.values())
parts = st.tuples(st.integers(0, 2 ** (bits[0] - 1) - 1), *(st.integers(0, 2**b - 1) for b in bits[1:]))


@given(a=parts, b=parts)
def test_packed_particles_are_positive_ordered_and_unique(a, b):
    packed = pack_barcode([np.array(column) for column in zip(a, b, strict=True)], "here")
    assert packed.min() >= 0
    assert (packed[0] == packed[1]) == (a == b)
    assert (packed[0] < packed[1]) == (a < b)


@pytest.mark.parametrize("part", range(5))
def test_a_part_that_does_not_fit_is_refused(part):
    numbers = [np.array([0, 1]) for _ in range(5)]
    numbers[part] = np.array([0, 2**16])
    with pytest.raises(InputError, match=f"here: a particle's {list(BARCODE)[part]} number is 65536"):
        pack_barcode(numbers, "here")


HEAD = (
    "geometry_id,volume_id,boundary_id,layer_id,module_id,extra_id,cx,cy,cz,rot_xu,rot_xv,rot_xw,rot_yu,rot_yv,rot_yw,"
    "rot_zu,rot_zv,rot_zw,bounds_type,bound_param0,bound_param1,bound_param2,bound_param3,module_t,pitch_u,pitch_v"
)
POSE = "32,0,0,0,0,1,1,0,0,0,1,0"


def module(volume, number, kind, *bounds):
    return f"1,{volume},0,2,{number},0,{POSE},{kind},{','.join(map(str, bounds))},0.1,-1,-1"


@pytest.fixture
def folder(tmp_path):
    """A rectangle, a trapezoid, a strip module and a layer."""
    rows = [
        module(8, 1, 6, -8.4, -36, 8.4, 36),
        module(7, 1, 7, 6.0, 8.4, 36, 0),
        module(13, 1, 6, -8.4, -36, 8.4, 36),
    ]
    (tmp_path / "detectors.csv").write_text("\n".join([HEAD, *rows, module(8, 0, 1, 30, 400, 3, 0)]) + "\n")
    digitisation(tmp_path / "digi.json")
    return tmp_path


def test_pixels_come_from_the_digitisation_and_the_rest_from_the_table(folder):
    detector = read_acts_detector(folder, None)
    columns = {n: np.asarray(v).tolist() for n, v in detector.columns.items()}
    assert columns["volume_id"] == [8, 7]
    assert columns["module_minhu"] == [8.4, 6.0]
    assert columns["module_maxhu"] == [8.4, 8.4]
    assert columns["module_t"] == [0.05, 0.05]
    np.testing.assert_allclose(columns["pitch_u"], 0.0125)
    np.testing.assert_allclose(columns["pitch_v"], 0.05)


def test_the_entry_for_the_least_part_of_the_detector_counts(folder):
    content = json.loads((folder / "digi.json").read_text())
    thick, thicker = (json.loads(json.dumps(content["entries"][1])) for _ in range(2))
    thick["layer"], thick["value"]["geometric"]["thickness"] = 2, 0.2
    thicker |= {"layer": 2, "sensitive": 1}
    thicker["value"]["geometric"]["thickness"] = 0.3
    for entries, thickness in (([thick], 0.2), ([thicker, thick], 0.3)):
        (folder / "digi.json").write_text(json.dumps(content | {"entries": [*entries, *content["entries"]]}))
        assert read_acts_detector(folder, None).thickness.tolist() == pytest.approx([thickness, 0.1])


def test_long_pixels_are_strips(folder):
    digitisation(folder / "digi.json", pitch_v=0.6)
    with pytest.raises(InputError, match="describes pixels for no module"):
        read_acts_detector(folder, None)


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ((6, -8.0, -36, 8.4, 36), "no centred rectangle"),
        ((3, 1, 2, 3, 4), r"bounds_type 3\)"),
        ((6, -8, -36, 8, 36), "half lengths"),
    ],
)
def test_other_shapes_and_sizes_are_refused(folder, bounds, message):
    (folder / "detectors.csv").write_text("\n".join([HEAD, module(8, 1, *bounds)]) + "\n")
    with pytest.raises(InputError, match=message):
        read_acts_detector(folder, None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bins": 0}, "must be positive"), ({"max": 9.0}, "axes centred"), ({"bins": "many"}, "not as ACTS writes it"),
        ({"type": "arbitrary"}, "describes pixels for no module"),
    ],
)  # fmt: skip
def test_a_digitisation_that_makes_no_sense_is_refused(folder, change, message):
    content = json.loads((folder / "digi.json").read_text())
    for entry in content["entries"][:3]:
        entry["value"]["geometric"]["segmentation"]["binningdata"][0] |= change
    (folder / "digi.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=message):
        read_acts_detector(folder, None)


def test_entries_for_more_than_modules_are_refused(folder):
    content = json.loads((folder / "digi.json").read_text())
    content["entries"][0]["extra"] = 1
    (folder / "digi.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="for more than volume, layer and sensitive"):
        read_acts_detector(folder, None)
