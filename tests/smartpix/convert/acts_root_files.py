"""ROOT files of ACTS with something changed."""

import awkward as ak
import uproot

from tests.helpers import REPOSITORY

TABLE = REPOSITORY / "data" / "detector.csv"


def rewritten(path, change):
    """The file with its branches changed."""
    with uproot.open(path) as file:
        (name,) = {n.split(";")[0] for n in file.keys()}  # noqa: SIM118
        branches = {b: file[name][b].array() for b in file[name].keys()}  # noqa: SIM118
    branches = {n: a for n, a in change(branches).items() if not n.startswith("n") or n.startswith("number")}
    with uproot.recreate(path) as file:
        types = {n: a.type.content if a.ndim > 1 else ak.to_numpy(a).dtype for n, a in branches.items()}
        file.mktree(name, types).extend(branches)
