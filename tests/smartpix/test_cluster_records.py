"""Records of hits without pixels, and what is made of them."""

import awkward as ak
import numpy as np
import pytest

from smartpix.cluster_records import bare_records, one_event
from smartpix.clusters import flatten
from smartpix.io.event_header import Header
from smartpix.io.events import iterate, open_events
from smartpix.io.write import write_events
from smartpix.schema import InputError
from tests.helpers import one_module_detector

SLICES = (0, 19)


def bare_hits(detector, n=50, seed=3, off=0.0):
    rng = np.random.default_rng(seed)
    module = rng.integers(0, len(detector), n).astype(np.int32)
    local = rng.uniform(-1, 1, (n, 2)) * np.stack([detector.half_x, detector.half_y], axis=1)[module]
    local[0, 0] += off + (detector.half_x[module[0]] - local[0, 0] if off else 0)
    sigma = np.tile([0.016, 0.004], (n, 1))
    position = detector.to_global(module, local)
    return bare_records(detector, module, position, sigma, None, SLICES, np.arange(n) * 3), local


def written(path, records, **made_by):
    particles = {"particle_id": np.array([4]), "pdg_id": np.array([211], dtype=np.int32)}
    particles |= {n: np.ones(1, dtype=np.float32) for n in ("charge", "vx", "vy", "vz", "px", "py", "pz")}
    header = Header(one_module_detector(), 3.8, SLICES, {"truth": False, "cells": False, **made_by})
    write_events(path, header, [one_event(5, records, ak.zip(particles))])
    return path


@pytest.mark.parametrize("particles", [False, True])
def test_hits_without_pixels_come_back_as_they_were_written(tmp_path, particles):
    records, local = bare_hits(one_module_detector())
    path = written(tmp_path / "bare.root", records, **({"particles": True} if particles else {}))
    opened, events = next(iterate(path))
    assert not opened.header.has_pixels
    assert (opened.has_truth, opened.has_particles) == (False, particles)
    assert ("particles" in events.fields) == particles
    clusters = events["clusters"][0]
    assert ak.to_list(clusters["hit_id"]) == [3 * k for k in range(50)]
    flat = flatten(clusters, SLICES)
    assert flat.bare.all()
    assert flat.charge.shape == (0, 2)
    np.testing.assert_allclose(flat.local, local, atol=1e-4)
    np.testing.assert_allclose(flat.sigma, np.tile([0.016, 0.004], (50, 1)), rtol=1e-6)
    some = flat.take(np.array([7, 3]))
    np.testing.assert_allclose(some.local, local[[7, 3]], atol=1e-4)
    assert some.sigma.shape == (2, 2)


def test_files_that_say_nothing_have_pixels_and_no_particles_of_their_own(tmp_path):
    records, _ = bare_hits(one_module_detector())
    path = written(tmp_path / "bare.root", records)
    assert not open_events(path).has_particles
    assert Header(one_module_detector(), 3.8, SLICES).has_pixels


def test_hits_without_pixels_beside_their_module_or_with_charge_are_refused(tmp_path):
    records, _ = bare_hits(one_module_detector(), off=0.3)
    with pytest.raises(
        InputError, match=r"local_x of a hit without pixels must lie on the module.* 0\.\d+ mm off its edge"
    ):
        next(iterate(written(tmp_path / "off.root", records)))
    records, _ = bare_hits(one_module_detector())
    charged = ak.with_field(records, np.full(50, -10, dtype=np.float32), "charge")
    with pytest.raises(
        InputError, match=r"cluster_charge of a hit without pixels must be from 0 to 1e.15 e and is -10"
    ):
        next(iterate(written(tmp_path / "charged.root", charged)))
