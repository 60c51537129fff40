"""Every file of others that is there: read with the counts that are stated for it, or refused with a reason."""

from dataclasses import dataclass

import numpy as np
import pytest

from smartpix.convert.cluster_files import cluster_format, read_filter_clusters
from smartpix.convert.formats import detect
from smartpix.io.events import iterate
from smartpix.layouts import open_data_detector
from smartpix.schema import InputError
from tests.helpers import SHARED_DATA, convert_folder, detector_of, module_row
from tests.left_out import needs

OTHERS = SHARED_DATA / "others"
ODD = OTHERS / "odd/xml/OpenDataDetector.xml"


@dataclass(frozen=True)
class Given:
    """The reader of a path, what its conversion must count, and its options."""

    kind: str
    counts: dict
    detector: str = ""
    field: float | None = None
    volumes: str = "pixels"


def counted(n_events, n_hits, n_left_out=0, **more):
    return {"n_events": n_events, "n_hits": n_hits, "n_left_out": n_left_out, **more}


READ = {
    "trackml_full/event000001001": Given(
        "trackml", counted(1, 93_680, cells=False, particles=True, n_modules=18_728), volumes="all"
    ),
    "trackml_full/event000001018": Given("trackml", counted(1, 46_953, 45_568, n_modules=4_004)),
    "edm4hep/odd_single_pions.root": Given("edm4hep", counted(10, 56, 140, truth=True), "odd", 3.0),
    "edm4hep/EDM4hep_example_TTree.root": Given("edm4hep", counted(3, 3, particles=True), "plane", 2.0),
    "edm4hep/EDM4hep_example_RNTuple.root": Given("edm4hep", counted(3, 3, particles=True), "plane", 2.0),
    "colliderml/event_0.json": Given("colliderml", counted(1, 263, 202, truth=False), "odd"),
    "colliderml/event_1.json": Given("colliderml", counted(1, 284, 355), "odd"),
    "colliderml/event_2.json": Given("colliderml", counted(1, 330, 449), "odd"),
    "allpix2/PixelHitCharge_24keV.txt": Given("allpix", counted(4000, 948, cells=True), field=0.0),
    "allpix2/PixelHit_24keV.t3pa": Given("timepix", counted(947, 948, cells=True), field=0.0),
    "allpix2/PixelCharge_24keV.t3pa": Given("timepix", counted(997, 1018, cells=True), field=0.0),
    "allpix2/PixelHit_24keV.elist2": Given("timepix", counted(947, 948, cells=False), field=0.0),
}
"""Paths below ``others``. PROVENANCE.md states hits, pixels and particles of TrackML, pions, and hits of ColliderML's
displays (of all detectors: 465, 639, 779)."""
PARTICLES = {"trackml_full/event000001001": 8_915, "trackml_full/event000001018": 8_796}
CLUSTERS = {
    "tfrecord/filtering_records300_validation_batch_0.tfrecord": 300,
    "tfrecord/tfRecDirDaniel_batch_0.tfrecord": 3000,
}
REFUSED = {
    "acts_mock": "nothing says how large the pixels are; give --detector",
    "acts_vertexing": "holds no event.-hits.csv",
}
"""A CSV set of ACTS without its detector, and tracks without hits."""
NOT_EVENTS = (
    "odd/",
    "trackml_full/detectors.csv.gz",
    "trackml_full/event000001001-",
    "trackml_full/event000001018-",
)
"""Layouts, and the tables of what is read by the beginning of its name."""


@pytest.fixture(scope="module")
def detectors():
    """By name, each made once."""
    plane = detector_of([module_row((54.0, 55, 56), np.eye(3)[0], np.eye(3)[1], np.eye(3)[2], 2, 1)])
    return {"": None, "plane": plane, "odd": open_data_detector(ODD).detector}


@needs("../shared/data/others")
def test_no_file_is_left_out_of_these_tables():
    known = (*READ, *CLUSTERS, *REFUSED, *NOT_EVENTS)
    files = [str(path.relative_to(OTHERS)) for path in OTHERS.rglob("*") if path.is_file()]
    assert [file for file in files if not file.startswith(known)] == []


@needs("../shared/data/others")
@pytest.mark.parametrize("name", READ)
def test_events_have_the_counts_that_were_stated(tmp_path, detectors, name):
    given = READ[name]
    assert detect(OTHERS / name).kind == given.kind
    done = convert_folder(
        OTHERS / name, tmp_path / "out.root", detector=detectors[given.detector], field=given.field,
        volumes=given.volumes,
    )  # fmt: skip
    assert {key: done[key] for key in given.counts} == given.counts
    if name in PARTICLES:
        assert len(next(iterate(tmp_path / "out.root"))[1]["particles"][0]) == PARTICLES[name]


@needs("../shared/data/others")
@pytest.mark.parametrize("name", CLUSTERS)
def test_clusters_have_the_counts_that_were_stated(name):
    assert cluster_format(OTHERS / name) == "tfrecord"
    assert read_filter_clusters(OTHERS / name)["charge"].shape == (CLUSTERS[name], 13, 21)


@needs("../shared/data/others")
@pytest.mark.parametrize("name", REFUSED)
def test_what_lacks_something_says_what(tmp_path, name):
    with pytest.raises(InputError, match=REFUSED[name]):
        convert_folder(OTHERS / name, tmp_path / "out.root", field=2.0)
