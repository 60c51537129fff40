"""Readers of the files of others on damaged ones: cut off, overwritten, random, with columns of other types or missing."""

import shutil
import tempfile
from pathlib import Path

import awkward as ak
import uproot
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.smartpix.damage import (
    ACTS,
    FEW,
    KINDS,
    TRACKML,
    bytes_changed,
    cells_changed,
    change_file,
    converted,
    damaged,
    retyped,
    survives,
)
from tests.smartpix.test_archives import PACK, zipped_folder


def with_change(folder, name, change):
    """A copy of a folder with one file changed."""
    copy = Path(tempfile.mkdtemp()) / "copy"
    shutil.copytree(folder, copy)
    change_file(copy / name, change)
    return copy


@FEW
@given(name=st.sampled_from(TRACKML), change=st.one_of(bytes_changed, cells_changed))
def test_trackml(trackml, name, change):
    copy = with_change(trackml, name, change)
    survives(converted, copy)
    shutil.rmtree(copy.parent)


@FEW
@given(name=st.sampled_from(ACTS), change=st.one_of(bytes_changed, cells_changed))
def test_acts_csv(acts, name, change):
    copy = with_change(acts, name, change)
    survives(converted, copy)
    shutil.rmtree(copy.parent)


@FEW
@given(
    changes=st.lists(
        st.tuples(st.sampled_from(TRACKML), st.one_of(bytes_changed, cells_changed)),
        min_size=2, max_size=4, unique_by=lambda c: c[0],
    )
)  # fmt: skip
def test_several_damaged_files(trackml, changes):
    copy = with_change(trackml, *changes[0])
    for name, change in changes[1:]:
        change_file(copy / name, change)
    survives(converted, copy)
    shutil.rmtree(copy.parent)


@FEW
@given(ending=st.sampled_from(sorted(PACK)), name=st.sampled_from(TRACKML), change=bytes_changed)
def test_compressed_tables(trackml, ending, name, change):
    """What is packed is good; the packed file is damaged."""
    copy = with_change(trackml, name, ("insert", 1.0, b""))
    packed = PACK[ending]((copy / name).read_bytes())
    (copy / name).unlink()
    (copy / f"{name}{ending}").write_bytes(damaged(packed, change))
    survives(converted, copy)
    shutil.rmtree(copy.parent)


@FEW
@given(change=bytes_changed)
def test_archives_of_events(trackml, change):
    with tempfile.TemporaryDirectory() as folder:
        path = zipped_folder(trackml, Path(folder) / "a.zip", "events/")
        path.write_bytes(damaged(path.read_bytes(), change))
        survives(converted, path)


@FEW
@given(name=st.sampled_from(["measurements", "clusters", "hits", "particles"]), change=bytes_changed)
def test_acts_root(acts_root, name, change):
    copy = with_change(acts_root, f"{name}.root", change)
    survives(converted, copy)
    shutil.rmtree(copy.parent)


@settings(FEW, max_examples=8)
@given(
    name=st.sampled_from(["measurements", "clusters", "hits", "particles"]),
    which=st.integers(0, 40),
    kind=st.sampled_from(KINDS),
)
def test_acts_root_with_a_branch_of_another_type(acts_root, name, which, kind):
    copy = with_change(acts_root, f"{name}.root", ("insert", 1.0, b""))
    with uproot.open(copy / f"{name}.root") as file:
        branches = {n: file[name][n].array() for n in file[name].keys()}  # noqa: SIM118
    branches = {n: v for n, v in branches.items() if not (n[0] == "n" and n[1:] in branches)}
    chosen = sorted(branches)[which % len(branches)]
    if kind == "missing":
        del branches[chosen]
    else:
        branches[chosen] = retyped(branches[chosen], kind)
    with uproot.recreate(copy / f"{name}.root") as file:
        types = {n: v.type.content if v.ndim > 1 else ak.to_numpy(v).dtype for n, v in branches.items()}
        file.mktree(name, types).extend(branches)
    survives(converted, copy)
    shutil.rmtree(copy.parent)
