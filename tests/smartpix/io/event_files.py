"""Event files to read and to damage."""

import json

import awkward as ak
import uproot

from smartpix import schema
from smartpix.io.events import Header, iterate
from tests.helpers import one_module_detector

CONTAINERS = ("ttree", "rntuple")
SLICES = (0, 19)


def header(slices=SLICES, **made_by):
    return Header(one_module_detector(), 3.8, slices, made_by)


def read_all(path, **options):
    parts = [events for _, events in iterate(path, **options)]
    return ak.concatenate(parts)


def assert_same(read, wanted):
    assert ak.to_list(read["event"]) == ak.to_list(wanted["event"])
    for name in schema.PARTICLES:
        assert ak.to_list(read["particles"][name]) == ak.to_list(wanted["particles"][name])
    assert set(read["clusters"].fields) == set(wanted["clusters"].fields)
    for name in read["clusters"].fields:
        assert ak.to_list(read["clusters"][name]) == ak.to_list(wanted["clusters"][name]), name


def rewritten(good, change=lambda branches: branches, metadata=None, leave_out=()):
    """The file written again branch by branch with uproot, as others write them: without checksums; with
    changes.
    """
    path = good.with_name("changed.root")
    with uproot.open(good) as file, uproot.recreate(path) as out:
        meta = json.loads(str(file["metadata"]))
        meta.pop("checksums", None)
        if "metadata" not in leave_out:
            out["metadata"] = json.dumps(meta if metadata is None else metadata(meta))
        if "detector" not in leave_out:
            columns = file["detector"].arrays(library="np")
            out.mktree("detector", {n: a.dtype for n, a in columns.items()}).extend(columns)
        names = [name for name, _ in file["events"].items() if not name.startswith(("n_", "checksum"))]
        branches = change({n: file["events"][n].array() for n in names})
        out.mktree("events", {n: ak.type(a).content for n, a in branches.items()}).extend(branches)
    return path
