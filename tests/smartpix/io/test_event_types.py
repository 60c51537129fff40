"""Branches of other types than the schema's: errors, but for those whose numbers fit."""

import awkward as ak
import numpy as np
import pytest

from smartpix.io.event_checks import typed_branches
from smartpix.io.events import iterate
from smartpix.schema import InputError
from tests.smartpix.io.changed_events import EVENTS, retyped
from tests.smartpix.io.event_files import rewritten


def wide(values):
    return ak.values_astype(values, np.int64 if "int" in str(values.type) else np.float64)


def strings(values):
    return ak.Array(["a"] * len(values))


TYPES = {
    "flat where there are lists": (
        "cluster_hit_id",
        lambda v: ak.fill_none(ak.firsts(v), 0),
        "must hold a list of numbers an event",
    ),
    "lists where there is one": (
        "event",
        lambda v: v[:, None],
        "branch 'event' must hold one number an event",
    ),
    "strings": (
        "cluster_hit_id",
        strings,
        "must hold a list of numbers an event and is of type 4 \\* string",
    ),
    "half ids": (
        "cluster_hit_id",
        lambda v: v + 0.5,
        "event 20: column 'cluster_hit_id' has the value .*5 in row 0",
    ),
    "ids that were merged": (
        "cluster_hit_id",
        lambda v: v + 2.0**53,
        "event 20: .* a float64 does not tell from its neighbours",
    ),
    "particles that were merged": (
        "particle_particle_id",
        lambda v: v + 2.0**60,
        "event 2.: .* ids have been merged",
    ),
    "events that were merged": (
        "event",
        lambda v: v + 2.0**53,
        "entry 0: column 'event' .* ids have been merged",
    ),
    "ids beyond the type": (
        "cluster_module_id",
        lambda v: wide(v) + 2**40,
        "event 20: .* which is no number of type int32",
    ),
    "numbers for a truth value": (
        "cluster_truncated",
        lambda v: v + 2,
        "branch 'cluster_truncated' must be of type bool",
    ),
    "truth values for a number": (
        "cluster_x",
        lambda v: v > 0,
        "branch 'cluster_x' must be of type float32 and is of type bool",
    ),
    "beyond single precision": (
        "cluster_x",
        lambda v: wide(v) * 1e300,
        "event 20: cluster_x must be a finite number and is inf",
    ),
}


@pytest.mark.parametrize("case", TYPES)
def test_branches_of_other_types_are_one_error(good, case):
    name, change, message = TYPES[case]
    branches = retyped(
        name, lambda values: change(ak.values_astype(values, np.float64) if "merged" in case else values)
    )
    with pytest.raises(InputError, match=message) as raised:
        list(iterate(rewritten(good, branches)))
    assert "changed.root: " in str(raised.value)


def test_lists_of_strings_for_numbers_are_one_error(tmp_path, good):
    values = {"cluster_hit_id": ak.Array([["a"], [], ["b"]]), "event": ak.Array([1, 2, 3])}
    with pytest.raises(
        InputError, match="F: branch 'cluster_hit_id' must hold a list of numbers an event and is of type"
    ):
        typed_branches(values, {"event": "i8", "cluster_hit_id": "i8"}, "F")


def test_numbers_of_wider_types_that_fit_are_read_as_the_schemas(good):
    def widened(branches):
        wider = {
            "cluster_x": np.float64,
            "cluster_hit_id": np.float64,
            "pixel_row": np.int64,
            "cluster_truncated": np.int8,
        }
        return branches | {name: ak.values_astype(branches[name], kind) for name, kind in wider.items()}

    read = ak.concatenate([events for _, events in iterate(rewritten(good, widened))])
    assert ak.to_list(read["clusters"]) == ak.to_list(EVENTS["clusters"])
    assert read["clusters"].type.content.content == next(iterate(good))[1]["clusters"].type.content.content
