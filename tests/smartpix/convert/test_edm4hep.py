"""EDM4hep files: small ones made here with uproot, and those of others where they are there."""

import awkward as ak
import numpy as np
import pytest

from smartpix.convert.edm4hep import read_hits
from smartpix.convert.formats import detect
from smartpix.convert.podio import open_podio
from smartpix.convert.podio_links import collection_id
from smartpix.io.events import iterate
from smartpix.schema import InputError
from tests.helpers import SHARED_DATA, convert_folder, detector_of, module_row
from tests.left_out import needs
from tests.smartpix.convert.podio_files import columns, hits_of, two_modules, write_podio

OTHERS = SHARED_DATA / "others/edm4hep"


@pytest.mark.parametrize("container", ["ttree", "rntuple"])
def test_hits_on_modules_come_with_places_times_and_crossings(tmp_path, container):
    path = write_podio(tmp_path / "in.root", columns(), container)
    assert detect(path).kind == "edm4hep"
    done = convert_folder(path, tmp_path / "out.root", detector=two_modules(), field=2.0)
    assert {n: done[n] for n in ("n_events", "n_hits", "n_left_out", "truth", "cells", "particles")} == {
        "n_events": 2, "n_hits": 5, "n_left_out": 2, "truth": True, "cells": False, "particles": True
    }  # fmt: skip
    _, events = next(iterate(tmp_path / "out.root"))
    for k in range(2):
        clusters, wanted = events["clusters"][k], [h for h in hits_of(k) if h[0] < 2]
        assert ak.to_list(clusters["module_index"]) == [h[0] for h in wanted]
        np.testing.assert_allclose(clusters["time"], [h[3] for h in wanted], rtol=1e-6)
        # On the midplane, at x = 32 mm, where the simulation's are within the sensor.
        np.testing.assert_allclose(clusters["x"], 32.0, atol=1e-5)
        for a, axis in enumerate("yz", 1):
            np.testing.assert_allclose(clusters[axis], [h[1][a] for h in wanted], atol=1e-5)
        truth = ak.flatten(clusters["truth"])
        assert ak.to_list(truth["particle_id"]) == [h[2] + 1 for h in wanted]
        order = {0: 0, 1: 1, 2: 0}
        assert ak.to_list(truth["order"]) == [order[i] for i in range(len(wanted))]
        # The momenta point away from the origin; n_z is along x, n_x along z.
        np.testing.assert_allclose(truth["cot_alpha"], [h[1][2] / h[1][0] for h in wanted], rtol=1e-5)
    particles = events["particles"][0]
    assert ak.to_list(particles["pdg_id"]) == [211, -11]
    assert ak.to_list(particles["particle_id"]) == [1, 2]
    assert particles["vz"][0] == 1.5


def planes(rows):
    return [
        {"cellID": 0, "time": t, "position": dict(zip("xyz", p, strict=True)), "u": {"a": np.pi / 2, "b": np.pi / 2},
         "v": {"a": 0.0, "b": 0.0}, "du": 0.003, "dv": 0.02} for _, p, _, t in rows
    ]  # fmt: skip


def test_collections_have_the_numbers_that_podio_gives_them():
    """Three of the table of collections in a file of podio."""
    known = {"EventHeader": 3616779153, "MCParticleCollection": 4183352422, "MCParticles": 2714477136}
    assert {name: collection_id(name) for name in known} == known


def test_measured_hits_are_preferred_and_bring_their_uncertainties(tmp_path):
    made = columns(1, Measured=[planes(hits_of(0)[:2])])
    done = convert_folder(
        write_podio(tmp_path / "in.root", made), tmp_path / "out.root", detector=two_modules(), field=2.0
    )
    assert (done["n_hits"], done["truth"], done["particles"]) == (2, False, True)
    clusters = next(iterate(tmp_path / "out.root"))[1]["clusters"][0]
    # u is along y, which is the sensor's y; v along z, its x.
    np.testing.assert_allclose(clusters["sigma_y"], 0.003, rtol=1e-5)
    np.testing.assert_allclose(clusters["sigma_x"], 0.02, rtol=1e-5)


def linked(rows, pairs, weight=1.0, **changes):
    """Measured hits of some simulated ones, and links (measured, simulated) between them."""
    made = columns(1, Measured=[planes(rows)], Relations=[[{"weight": weight}] * len(pairs)])
    for end, name, k in (("from", "Measured", 0), ("to", "PixelHits", 1)):
        number = collection_id(name)
        made[f"_Relations_{end}"] = [[{"index": p[k], "collectionID": number} for p in pairs]]
    return made | changes


def test_measured_hits_have_the_crossings_of_the_simulated_ones_that_they_are_linked_to(tmp_path):
    rows = hits_of(0)
    # The first measured hit is of two particles, the second of one, the third of none.
    made = linked([rows[0], rows[1], rows[2]], [(0, 2), (1, 1), (0, 0)])
    done = convert_folder(
        write_podio(tmp_path / "in.root", made), tmp_path / "out.root", detector=two_modules(), field=2.0
    )
    assert (done["n_hits"], done["truth"], done["n_hits_without_truth"]) == (3, True, 1)
    clusters = next(iterate(tmp_path / "out.root"))[1]["clusters"][0]
    assert [sorted(ids) for ids in ak.to_list(clusters["truth"]["particle_id"])] == [[1, 2], [1], []]
    one = clusters["truth"][1][0]
    assert one["cot_alpha"] == pytest.approx(rows[1][1][2] / rows[1][1][0], rel=1e-5)
    assert one["order"] == 1


def test_links_to_hits_that_are_not_there_are_refused(tmp_path):
    path = write_podio(tmp_path / "in.root", linked(hits_of(0)[:2], [(0, 7)]))
    with pytest.raises(InputError, match="Relations links to object 7 of PixelHits, and the event has 3"):
        convert_folder(path, tmp_path / "out.root", detector=two_modules(), field=2.0)
    made = linked(hits_of(0)[:2], [(0, 0)])
    made["_Relations_to"] = [made["_Relations_to"][0] * 2]
    with pytest.raises(InputError, match="Relations has ends of different lengths"):
        convert_folder(
            write_podio(tmp_path / "in.root", made), tmp_path / "out.root", detector=two_modules(), field=2.0
        )


def test_a_direction_that_is_not_measured_is_anywhere_along_the_module(tmp_path):
    """Strips have no dv, and u may be turned on the module."""
    turned = [{**h, "dv": dv, "u": {"a": np.pi / 2 - 0.1, "b": np.pi / 2}, "v": {"a": 0.1, "b": -np.pi / 2}}
              for h, dv in zip(planes(hits_of(0)[:3]), (0.0, 1e6, 0.02), strict=True)]  # fmt: skip
    made = columns(1, Measured=[turned])
    convert_folder(
        write_podio(tmp_path / "in.root", made), tmp_path / "out.root", detector=two_modules(), field=2.0
    )
    clusters = next(iterate(tmp_path / "out.root"))[1]["clusters"][0]
    module, (sin, cos) = two_modules(), (np.sin(0.1), np.cos(0.1))
    size = [2 * half[0] / 12**0.5 for half in (module.half_x, module.half_y)]
    long = cos * size[0] + sin * size[1]
    wanted = [(np.hypot(sin * 0.003, cos * dv), np.hypot(cos * 0.003, sin * dv)) for dv in (long, 1e6, 0.02)]
    for cluster, (x, y) in zip(clusters, wanted, strict=True):
        assert cluster["sigma_x"] == pytest.approx(min(x, size[0]), rel=1e-5)
        assert cluster["sigma_y"] == pytest.approx(min(y, size[1]), rel=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"detector": None}, "do not tell where modules are; give their table with --detector"),
        ({"field": None}, "do not tell the field"),
    ],
)
def test_what_files_do_not_tell_must_be_given(tmp_path, change, message):
    path = write_podio(tmp_path / "in.root", columns())
    with pytest.raises(InputError, match=message):
        convert_folder(path, tmp_path / "out.root", **({"detector": two_modules(), "field": 2.0} | change))


def test_files_that_do_not_belong_together_are_refused(tmp_path):
    def refused(made, message, detector=None, encoding=None):
        path = write_podio(tmp_path / "in.root", made, encoding=encoding)
        with pytest.raises(InputError, match=message):
            convert_folder(path, tmp_path / "out.root", detector=detector or two_modules(), field=2.0)

    good = columns()
    moved = [[{**h, "position": {**h["position"], "x": 33.0}} if k == 1 else h for k, h in enumerate(rows)]
             for rows in good["PixelHits"]]  # fmt: skip
    refused(columns(PixelHits=moved), r"hit 1 of PixelHits lies 0\.9\d* mm off the nearest module, .*in mm")
    refused(
        {n: v for n, v in good.items() if "Hits" not in n},
        "has no collection of TrackerHitPlane or SimTrackerHit",
    )
    refused(good | {"_PixelHits_particle": [[{"index": 7, "collectionID": 9}] * len(r) for r in good["PixelHits"]]},
            "links to particle 7, and the event has 2")  # fmt: skip
    one_link = [[{"index": 0, "collectionID": 9}], []]
    refused(good | {"_PixelHits_particle": one_link}, "has 1 links for 3 hits")
    # One sensor by its number, two modules by the places: the table is of another detector.
    one = [[{**h, "cellID": 0x21} for h in rows] for rows in good["PixelHits"]]
    refused(columns(PixelHits=one), "hits of one sensor of PixelHits .* lie on several modules",
            encoding="system:0:4,layer:4:4,sensor:8:4")  # fmt: skip
    refused(good, "the encoding of cell numbers 'system:0:99' cannot be read", encoding="system:0:99")


@needs("../shared/data/others/edm4hep")
def test_single_pions_of_the_open_data_detector_have_the_counts_that_were_stated():
    file = open_podio(OTHERS / "odd_single_pions.root")
    assert file.n_events == 10
    assert file.encodings["PixelBarrelReadout"]["stave"].width == 8
    events = [read_hits(file, k) for k in range(10)]
    of_pixels = [
        int(np.sum(e.group == e.names.index("PixelBarrelReadout"))) + int(np.sum(e.group == e.names.index("PixelEndcapReadout")))
        for e in events
    ]  # fmt: skip
    assert of_pixels == [8, 6, 5, 7, 5, 6, 4, 5, 6, 4]
    assert sum(len(e.hit_id) for e in events) == 196
    # The cell's layer of the barrel grows with the radius.
    from smartpix.convert.cell_ids import cell_field

    layers = file.encodings["PixelBarrelReadout"]["layer"]
    radii = {}
    for e in events:
        chosen = e.group == e.names.index("PixelBarrelReadout")
        for layer, r in zip(
            cell_field(e.cell[chosen], layers), np.hypot(*e.position[chosen, :2].T), strict=True
        ):
            radii.setdefault(int(layer), []).append(r)
    means = [np.mean(radii[k]) for k in sorted(radii)]
    assert means == sorted(means)
    assert means == pytest.approx([34, 70, 116, 172], rel=0.06)


@needs("../shared/data/others/edm4hep")
@pytest.mark.parametrize("container", ["TTree", "RNTuple"])
def test_one_of_each_collection_is_read_from_both_containers(tmp_path, container):
    """The RNTuple is one of the release candidate (0.2). Numbers of these files count up and are of no detector."""
    plane = detector_of([module_row((54.0, 55, 56), np.eye(3)[0], np.eye(3)[1], np.eye(3)[2], 2, 1)])
    path = OTHERS / f"EDM4hep_example_{container}.root"
    done = convert_folder(path, tmp_path / "out.root", detector=plane, field=2.0)
    # Its links are of hits of another type.
    counts = {n: done[n] for n in ("n_events", "n_hits", "truth", "particles")}
    assert counts == {"n_events": 3, "n_hits": 3, "truth": False, "particles": True}
    _, events = next(iterate(tmp_path / "out.root"))
    assert ak.to_list(ak.num(events["particles"])) == [3, 3, 3]
    assert ak.to_list(events["clusters"]["time"]) == [[45.0]] * 3
