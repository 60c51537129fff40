"""Label columns of the public layout: what is computed, what contradicts itself, how parts of a set are
checked and cut.
"""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smartpix.io.cluster_set import (
    LABELS,
    TARGETS,
    ClusterSet,
    check_labels,
    checked_parts,
    complete_labels,
    regroup,
)
from smartpix.schema import InputError
from tests.smartpix.clusters import THICKNESS, cluster_set, some_labels


def without(labels, *names):
    return {name: values for name, values in labels.items() if name not in names}


@pytest.mark.parametrize("from_pixel_side", [False, True])
@pytest.mark.parametrize("missing", [("cotAlpha",), ("cotBeta", "y-midplane"), TARGETS])
def test_missing_targets_are_computed(missing, from_pixel_side):
    labels = some_labels(50, 3, from_pixel_side)
    found = complete_labels(without(labels, *missing), THICKNESS, "here")
    assert list(found) == list(LABELS)
    for row in range(50):
        height = 1e3 * THICKNESS / 2 - labels["z-entry"][row]
        for axis, cot in (("x", "cotAlpha"), ("y", "cotBeta")):
            slope = labels[f"n_{axis}"][row] / labels["n_z"][row]
            assert found[cot][row] == pytest.approx(slope, rel=1e-12)
            assert found[f"{axis}-midplane"][row] == pytest.approx(
                labels[f"{axis}-entry"][row] + slope * height, rel=1e-9, abs=1e-9
            )


def test_targets_are_the_labels_in_mm():
    clusters = cluster_set(4)
    expected = [
        [clusters.labels[name][k] * (1e-3 if "mid" in name else 1) for name in TARGETS] for k in range(4)
    ]
    np.testing.assert_allclose(clusters.targets(), expected, rtol=1e-12)


def test_slices_are_chosen_by_their_numbers_and_all_of_them_are_not_copied():
    clusters = cluster_set(4, slices=(0, 7, 19))
    chosen = clusters.select((19, 0))
    np.testing.assert_array_equal(chosen.charge, clusters.charge[:, [2, 0]])
    assert chosen.slices == (19, 0)
    assert clusters.select((0, 7, 19)).charge is clusters.charge
    with pytest.raises(InputError, match=r"the slices \[3\] are not there; there are \[0, 7, 19\]"):
        clusters.select((0, 3))


def test_a_label_that_can_neither_be_found_nor_computed_is_named_with_the_fix():
    present = list(LABELS)
    check_labels(present, None, "here")
    check_labels([n for n in present if n not in TARGETS], 0.1, "here")
    with pytest.raises(
        InputError, match=r"here: 'x-midplane' is missing.*Did you mean 'x_midplane'\?.*thickness"
    ):
        check_labels([*(n for n in present if n != "x-midplane"), "x_midplane"], None, "here")
    with pytest.raises(
        InputError,
        match=r"here: 'cotAlpha' is missing \(1 missing in all: cotAlpha\)\. It .*'n_z' is missing as well",
    ):
        check_labels([n for n in present if n not in ("cotAlpha", "n_z")], 0.1, "here")
    with pytest.raises(InputError, match=r"'y-midplane' is missing.*'y-entry' is missing as well"):
        check_labels([n for n in present if n not in ("y-midplane", "y-entry")], 0.1, "here")


@pytest.mark.parametrize(("name", "column"), [("cotAlpha", "n_x"), ("cotBeta", "n_y")])
def test_angles_that_contradict_the_momentum_are_refused_with_the_row(name, column):
    labels = some_labels(20, 5)
    labels[name][:] *= 1 + 5e-4  # rounding
    complete_labels(labels, None, "here")
    labels[name][13] += 5e-3 * (1 + abs(labels[name][13]))
    message = rf"here: row 113 .* has {name} .*{column} / n_z = .*1 such rows.*different clusters"
    with pytest.raises(InputError, match=message):
        complete_labels(labels, None, "here", first_row=100)


@pytest.mark.parametrize("axis", ["x", "y"])
@pytest.mark.parametrize("from_pixel_side", [False, True])
def test_midplane_that_contradicts_the_entry_is_refused_with_the_row(axis, from_pixel_side):
    name = f"{axis}-midplane"
    labels = some_labels(20, 5, from_pixel_side)
    labels[name][:] += 1e-4  # rounding
    np.testing.assert_array_equal(complete_labels(labels, THICKNESS, "here")[name], labels[name])
    labels[name][13] += 1.0
    message = rf"here: row 113 .* has {name} .*, and by {axis}-entry, .*100 um it is .*1 such rows"
    with pytest.raises(InputError, match=message):
        complete_labels(labels, THICKNESS, "here", first_row=100)
    # Nothing to compare with.
    complete_labels(labels, None, "here")
    complete_labels(without(labels, f"{axis}-entry"), THICKNESS, "here")
    complete_labels(without(labels, "z-entry"), THICKNESS, "here")


def test_midplane_labels_of_a_sensor_of_another_thickness_are_refused():
    with pytest.raises(
        InputError, match=r"a thickness of 150 um .* thickness or sensor type given is likely another"
    ):
        complete_labels(some_labels(20, 5), 0.15, "here")


@pytest.mark.parametrize("drop", [(), ("cotAlpha",)])
def test_a_track_along_the_sensor_is_refused(drop):
    labels = without(some_labels(20, 5), *drop)
    labels["n_z"][7] = 0.0
    with pytest.raises(InputError, match="row 7 "):
        complete_labels(labels, THICKNESS, "here")


@settings(max_examples=50, deadline=None)
@given(sizes=st.lists(st.integers(0, 9), max_size=6), size=st.integers(1, 7))
def test_groups_are_of_one_size_and_lose_nothing(sizes, size):
    parts = [cluster_set(n, seed=k, slices=1, shape=(1, 1)) for k, n in enumerate(sizes)]
    groups = list(regroup(iter(parts), size))
    lengths = [sum(len(part) for part in group) for group in groups]
    total = sum(sizes)
    assert lengths == [size] * (total // size) + [total % size] * (total % size > 0)
    for get in (lambda part: part.charge, lambda part: part.labels["pt"]):
        expected = np.concatenate(
            [np.zeros_like(get(cluster_set(0, slices=1, shape=(1, 1)))), *map(get, parts)]
        )
        joined = [get(part) for group in groups for part in group]
        np.testing.assert_array_equal(np.concatenate([expected[:0], *joined]), expected)


def changed(part, **more):
    values = {"charge": part.charge, "labels": dict(part.labels), "slices": part.slices} | more
    return ClusterSet(**values)


def with_value(part, name, row, value):
    columns = {"charge": part.charge.copy(), **{k: v.copy() for k, v in part.labels.items()}}
    columns[name][row] = value
    return ClusterSet(columns.pop("charge"), columns, part.slices)


PART = cluster_set(3)
BAD_PARTS = {
    "no clusters": ([], "there are no clusters"),
    "unknown label": ([changed(PART, labels=PART.labels | {"cotGamma": PART.labels["pt"]})],
    "'cotGamma' is unknown"),
    "label missing": ([changed(PART, labels=without(PART.labels, "cotBeta"))], "'cotBeta' is missing"),
    "shape": ([changed(PART, charge=PART.charge[:, 0])], "shape (clusters, 2 slices, rows, columns)"),
    "slices": ([PART, changed(PART, slices=(0, 3))], "from cluster 3 on slices"),
    "other labels": ([PART, changed(PART, labels=without(PART.labels, "pt"))], "from cluster 3 on slices"),
    "other pixels": ([PART, cluster_set(3, shape=(4, 4))], "from cluster 3 on slices"),
    "length": ([changed(PART, labels=PART.labels | {"pt": np.zeros(2)})],
    "label 'pt' has the shape (2,) for 3 clusters"),
    "charge": ([PART, with_value(PART, "charge", 1, np.nan)], "charge of cluster 4 must be finite"),
    "label value": ([with_value(PART, "n_x", 2, np.inf)], "n_x of cluster 2 must be finite"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_PARTS)
def test_bad_parts_are_refused(name):
    parts, message = BAD_PARTS[name]
    with pytest.raises(InputError, match="^here: .*" + re.escape(message)):
        list(checked_parts(parts, "here"))


def test_good_parts_pass_unchanged_and_one_at_a_time():
    parts = checked_parts(iter([PART, cluster_set(0), PART]), "here")
    assert next(parts) is PART
    assert [len(part) for part in parts] == [0, 3]
