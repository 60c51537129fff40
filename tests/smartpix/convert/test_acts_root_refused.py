"""ACTS's ROOT files: jobs put together, entries apart, ids that stand for several."""

import shutil

import awkward as ak
import numpy as np
import pytest
import uproot

from smartpix.schema import InputError
from tests.acts_files import write_acts_root
from tests.helpers import convert_folder
from tests.smartpix.convert.acts_root_files import TABLE, rewritten


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("measurements", lambda b: {n: v for n, v in b.items() if n != "rec_loc1"}, "'rec_loc1' is missing"),
        ("measurements", lambda b: {n: v for n, v in b.items() if n != "channel_value"}, r"channel_loc0, .* no clusters\.root"),
        ("measurements", lambda b: b | {"rec_gx": b["rec_gx"] + 1}, r"lies 1 mm from where the detector table"),
        ("measurements", lambda b: b | {"surface_id": b["surface_id"] + 4000}, "no module with volume_id"),
        ("measurements", lambda b: b | {"rec_loc0": b["channel_value"]}, "'rec_loc0' must hold one number an entry"),
        ("measurements", lambda b: b | {"channel_loc0": b["rec_loc0"]}, "'channel_loc0' must hold a list"),
        ("measurements", lambda b: b | {"measurement_id": b["measurement_id"] * 0}, "hit 0 is there more than once"),
        (
            "measurements", lambda b: b | {"measurement_id": ak.values_astype(b["measurement_id"], "i8") - 1},
            "'measurement_id' has the value -1 in row 0 .*ids start at 0",
        ),
        ("measurements", lambda b: b | {"rec_loc0": b["rec_loc0"] * np.nan}, "'rec_loc0' has a value that is not finite"),
        ("hits", lambda b: b | {"barcode_particle": b["barcode_particle"] + 1000}, "has no hit of particle"),
        ("hits", lambda b: {n: v for n, v in b.items() if n != "tpx"}, "'tpx' is missing"),
        ("hits", lambda b: {n: v for n, v in b.items() if n != "barcode_particle"}, "'barcode_particle' is missing"),
        ("hits", lambda b: b | {"barcode": ak.from_regular(np.ones((len(b["index"]), 4), np.uint32))}, "lists of 5"),
        ("measurements", lambda b: b | {"particles": b["channel_loc0"]}, "must hold lists of particles"),
        ("particles", lambda b: b | {"particle": b["particle"] + 1000}, r"hits of particle \d+, which .*particles\.root lacks"),
        ("measurements", lambda b: {n: v for n, v in b.items() if n != "particles_generation"}, "'particles_generation' is"),
        ("particles", lambda b: b | {"q": b["q"][:, :-1]}, "different lengths"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said(copied, tmp_path, file, change, message):
    rewritten(copied / f"{file}.root", change)
    with pytest.raises(InputError, match=message):
        convert_folder(copied, tmp_path / "e.root", detector=TABLE)
    assert not (tmp_path / "e.root").exists()


def test_entries_of_an_event_that_are_apart_are_refused(copied, tmp_path):
    rewritten(
        copied / "measurements.root", lambda b: {n: ak.concatenate([v[1:], v[:1]]) for n, v in b.items()}
    )
    with pytest.raises(
        InputError, match=r"event 0 are in 2 places: two jobs .* \(hadd\).* Only where .* shuffled: sort"
    ):
        convert_folder(copied, tmp_path / "e.root", detector=TABLE)


def joined(path, jobs, then=lambda b: b):
    """One file from those of several jobs, entry after entry, as hadd does."""
    parts = []
    for job in jobs:
        with uproot.open(job / path.name) as file:
            (name,) = {n.split(";")[0] for n in file.keys()}  # noqa: SIM118
            parts.append({b: file[name][b].array() for b in file[name].keys()})  # noqa: SIM118
    branches = {n: ak.concatenate([part[n] for part in parts]) for n in parts[0]}
    branches = {n: a for n, a in then(branches).items() if not n.startswith("n") or n.startswith("number")}
    with uproot.recreate(path) as file:
        types = {n: a.type.content if a.ndim > 1 else ak.to_numpy(a).dtype for n, a in branches.items()}
        file.mktree(name, types).extend(branches)


def by_event(branches):
    (number,) = {"event_nr", "event_id"} & set(branches)
    order = np.argsort(ak.to_numpy(branches[number]), kind="stable")
    return {n: v[order] for n, v in branches.items()}


def only(*events):
    def keep(branches):
        (number,) = {"event_nr", "event_id"} & set(branches)
        rows = np.isin(ak.to_numpy(branches[number]), events)
        return {n: v[rows] for n, v in branches.items()}

    return keep


@pytest.mark.parametrize("sorted_", [False, True])
@pytest.mark.parametrize("truth", [False, True])
@pytest.mark.parametrize("ids", [False, True])
def test_jobs_whose_event_numbers_repeat_never_become_one_event(acts_folder, tmp_path, sorted_, truth, ids):
    """hadd, and the sorting that the message must not lead to; with and without what shows it easily."""
    job = write_acts_root(acts_folder, tmp_path / "job", measurement_id=ids)
    folder = shutil.copytree(job, tmp_path / "joined")
    for name in ("measurements", "hits", "particles") if truth else ("measurements",):
        joined(folder / f"{name}.root", [job, job], by_event if sorted_ else lambda b: b)
    if not truth:
        (folder / "hits.root").unlink()
        (folder / "particles.root").unlink()
    with pytest.raises(InputError, match=r"hadd.*repeat|repeat.*hadd") as caught:
        convert_folder(folder, tmp_path / "e.root", detector=TABLE)
    assert "sort" not in str(caught.value) or "Only where all entries are of one job" in str(caught.value)
    assert not (tmp_path / "e.root").exists()


def test_jobs_of_one_event_each_with_the_same_number_are_told_apart(acts_folder, tmp_path):
    """Their entries follow one another. The second job's event is another one, that never shares an id with
    the first.
    """
    job = write_acts_root(acts_folder, tmp_path / "job")
    other = shutil.copytree(job, tmp_path / "other")
    for folder, event in ((job, 0), (other, 1)):
        for name in ("measurements", "hits", "particles"):
            rewritten(folder / f"{name}.root", lambda b, event=event: only(event)(b))
            number = "event_nr" if name == "measurements" else "event_id"
            rewritten(folder / f"{name}.root", lambda b, number=number: b | {number: b[number] * 0})
    rewritten(other / "measurements.root", lambda b: b | {"measurement_id": b["measurement_id"] + 100_000})
    folder = shutil.copytree(job, tmp_path / "joined")
    for name in ("measurements", "hits", "particles"):
        joined(folder / f"{name}.root", [job, other])
    with pytest.raises(
        InputError, match=r"particles\.root: the entries of event 0 are in 2 places: two jobs"
    ):
        convert_folder(folder, tmp_path / "e.root", detector=TABLE)


IDS = {
    "measurements": (
        "event_nr",
        "measurement_id",
        "volume_id",
        "layer_id",
        "surface_id",
        "channel_loc0",
        "particles_particle",
    ),
    "hits": (
        "event_id",
        "volume_id",
        "layer_id",
        "sensitive_id",
        "index",
        "barcode_particle",
        "barcode_generation",
    ),
    "particles": ("event_id", "particle_type", "particle", "vertex_primary"),
}


@pytest.mark.parametrize(
    ("file", "branch", "kind", "merged"),
    [
        *((f, b, "float64", 2.0**53) for f, branches in IDS.items() for b in branches),
        ("measurements", "measurement_id", "float32", 2.0**24),
        ("hits", "barcode_particle", "float32", 2.0**24),
    ],
)
def test_no_id_may_be_a_float_that_stands_for_several(copied, tmp_path, file, branch, kind, merged):
    """Exact ones are taken: the branch as floats alone gives no error of this kind."""

    def as_floats(branches, more=0.0):
        values = ak.values_astype(branches[branch], kind)
        first = np.zeros(len(values))
        first[0] = more
        return branches | {branch: ak.values_astype(values + ak.Array(first), kind)}

    rewritten(copied / f"{file}.root", as_floats)
    convert_folder(copied, tmp_path / "e.root", detector=TABLE)
    (tmp_path / "e.root").unlink()
    rewritten(copied / f"{file}.root", lambda b: as_floats(b, merged))
    why = (
        "no number of type int32$"
        if branch == "channel_loc0"
        else f"{kind} does not tell .* left join of pandas"
    )
    with pytest.raises(InputError, match=rf"{file}\.root: column '{branch}' .*{why}"):
        convert_folder(copied, tmp_path / "e.root", detector=TABLE)
    assert not (tmp_path / "e.root").exists()


def test_sizes_of_the_pixels_have_to_be_given(folder, tmp_path):
    with pytest.raises(InputError, match="nothing says how large the pixels are; give --detector"):
        convert_folder(folder, tmp_path / "e.root")
