"""What event files may not hold: each is one error that names file, event and branch, whoever wrote the
file.
"""

from dataclasses import replace

import awkward as ak
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smartpix.io.event_checks import POSITION_TOLERANCE, check_numbers, typed_branches
from smartpix.io.event_groups import Group
from smartpix.io.events import Header, iterate, open_events
from smartpix.io.physics_checks import LARGEST_GAP
from smartpix.io.write import write_events
from smartpix.schema import InputError
from tests.fields import even_table
from tests.helpers import one_module_detector
from tests.smartpix.io.changed_events import EVENTS, retyped
from tests.smartpix.io.event_files import rewritten


def with_numbers(name, change):
    """Branches with the numbers of one of them changed, given all of them and where each event's begin."""

    def changed(branches):
        counts = ak.num(branches[name])
        numbers = ak.to_numpy(ak.flatten(branches[name])).copy()
        return branches | {
            name: ak.unflatten(change(numbers, np.cumsum(counts) - ak.to_numpy(counts)), counts)
        }

    return changed


def put(event, value, place=0):
    """The first number of an event, or a later one, replaced."""

    def change(numbers, starts):
        numbers[starts[event] + place] = value
        return numbers

    return change


def at_pixel(value, further=False):
    """The first pixel of event 22's first cluster with several, at another row or column, or farther than the
    last of these.
    """
    counts = ak.num(EVENTS["clusters"]["pixels"][2])
    cluster = int(np.argmax(counts > 1))
    before, count = int(ak.sum(counts[:cluster])), int(counts[cluster])

    def change(numbers, starts):
        first = starts[2] + before
        numbers[first] = value + (numbers[first + 1 : first + count].max() if further else 0)
        return numbers

    return change


def moved(numbers, starts):
    """One less of a later event, one more of the first."""
    numbers[0] += 1
    numbers[starts[2] + np.argmax(numbers[starts[2] :] > 1)] -= 1
    return numbers


def shifted(by):
    return lambda numbers, starts: numbers + numbers.dtype.type(by)


# The branch, the change, the event that is named, and what is said.
WRONG = {
    "repeated hit ids": ("cluster_hit_id", lambda n, _: n * 0 + 7, 20,
    "cluster_hit_id 7 is there more than once; ids must be"),
    "no module before": ("cluster_module_index", put(2, -1), 22,
    "must be a row of the detector table, 0 to 0, and is -1"),
    "no module beyond": ("cluster_module_index", put(2, 1), 22,
    "must be a row of the detector table, 0 to 0, and is 1"),
    "another volume": ("cluster_volume_id", put(3, 9), 23,
    "cluster_volume_id must be the detector table's .* and is 9"),
    "another layer": ("cluster_layer_id", put(3, 9), 23,
    "cluster_layer_id must be the detector table's .* and is 9"),
    "another module": ("cluster_module_id", put(3, 9), 23,
    "cluster_module_id must be the detector table's .* and is 9"),
    "sigma 0": ("cluster_sigma_x", put(2, 0.0, 3), 22, r"cluster_sigma_x must be positive \(mm\) and is 0$"),
    "negative sigma": ("cluster_sigma_y", put(2, -0.01), 22,
    r"cluster_sigma_y must be positive \(mm\) and is -0.00999"),
    "all sigmas negative": ("cluster_sigma_y", lambda n, _: -n, 20,
    r"must be positive .* \(9 such entries\)"),
    "local x elsewhere": ("cluster_local_x", put(2, 30.0), 22,
    "cluster_local_x must be where cluster_x, _y, _z lie"),
    "local y elsewhere": ("cluster_local_y", shifted(0.003), 20,
    r"cluster_local_y .* and is 0.0029\d+ mm off that place"),
    "y elsewhere": ("cluster_y", shifted(-0.003), 20, "cluster_local_y must be where"),
    "z elsewhere": ("cluster_z", shifted(0.003), 20, "cluster_local_x must be where"),
    "out of the sensor": ("cluster_x", shifted(0.06), 20,
    r"in the module's thickness and is 0.01\d+ mm off its surface"),
    "no pixels": ("cluster_n_pixels", put(2, 0), 22, "cluster_n_pixels adds up to"),
    "negative pixels": ("cluster_n_pixels", put(2, -1), 22, "cluster_n_pixels must not be negative and is -1"),
    "more pixels": ("cluster_n_pixels", lambda n, _: n + 1, 20, "cluster_n_pixels adds up to"),
    "a pixel of another event": ("cluster_n_pixels", moved, 20, "cluster_n_pixels adds up to"),
    "negative number of truths": ("cluster_n_truth", put(2, -1), 22,
    "cluster_n_truth must not be negative and is -1"),
    "more truth": ("cluster_n_truth", lambda n, _: n + 1, 20, "cluster_n_truth adds up to"),
    "row off": ("pixel_row", put(3, 1344), 23, "pixel_row must lie on its module .* and is 1344"),
    "negative row": ("pixel_row", put(3, -1), 23, "pixel_row must lie on its module .* and is -1"),
    "column off": ("pixel_column", put(3, 1440), 23, "pixel_column must lie on its module .* and is 1440"),
    "share above 1": ("truth_share", lambda n, _: n * 0 + 1.1, 20,
    "truth_share must be from 0 to 1 and is 1.1"),
    "negative share": ("truth_share", lambda n, _: -n, 20, "truth_share must be from 0 to 1 and is -"),
    "unknown particle": ("truth_particle_id", lambda n, _: n * 0 + 5000, 20,
    "must be among the event's .* and is 5000"),
    "particle 0": ("particle_particle_id", lambda n, _: n * 0, 20,
    "particle_particle_id must be above 0 and is 0"),
    "repeated particles": ("particle_particle_id", lambda n, _: n * 0 + 3, 20,
    "particle_particle_id 3 is there more than once"),
    "sigma beyond the module": ("cluster_sigma_x", put(2, 72.1), 22,
    r"cluster_sigma_x must be the module's size .* is 72.0"),
    "sigma beyond the rows": ("cluster_sigma_y", put(2, 16.9), 22,
    r"cluster_sigma_y must be the module's size .* is 16.8"),
    "a pixel far off": ("pixel_row", at_pixel(0), 22,
    r"pixel_row must be within 21 of another pixel's .* distance and is \d+$"),
    "a pixel beside": ("pixel_column", at_pixel(22, True), 22,
    "pixel_column must be within 21 of another pixel's .* and is 22"),
    "mirrored rows": ("pixel_row", lambda n, _: 1343 - n, 20,
    r"cluster_local_y must lie within 2 pixels .* mm off them"),
    "mirrored columns": ("pixel_column", lambda n, _: 1439 - n, 20,
    r"cluster_local_x must lie within 2 pixels .* mm off them"),
    "pixel charge": ("pixel_charge_00", put(2, -1.1e15), 22,
    r"pixel_charge_00 must be from -1e\+15 to 1e\+15 e and is -1.09"),
    "negative charge": ("cluster_charge", put(2, -1.0), 22,
    r"cluster_charge must not be negative \(e\) and is -1$"),
    "charge of no pixel": ("cluster_charge", lambda n, _: n * 1.01 + 1, 20,
    "must be the sum of pixel_charge_19 of its pixels"),
    "less charge": ("cluster_charge", lambda n, _: n * 0, 20,
    "cluster_charge must be the sum of pixel_charge_19 .* and is 0 "),
    "truth beside": ("truth_x", lambda n, _: n * 0 + 2e4, 20,
    "truth_x must lie on the module, .* is 19964 mm off its edge"),
    "truth below": ("truth_y", lambda n, _: n * 0 - 2e4, 20,
    "truth_y must lie on the module, to 0.1 mm .* mm off its edge"),
    "slope": ("truth_cot_alpha", lambda n, _: n * 0 - 1e10, 20,
    r"truth_cot_alpha must be from -1e\+09 to 1e\+09 and is -1e\+10"),
    "negative pt": ("truth_pt", lambda n, _: -n, 20, "truth_pt must be from 0 to 100000 GeV and is -"),
    "pt beyond all": ("truth_pt", lambda n, _: n * 0 + 2e5, 20,
    "truth_pt must be from 0 to 100000 GeV and is 200000"),
    "negative order": ("truth_order", lambda n, _: -n - 1, 20, "truth_order must not be negative and is -"),
    "momentum": ("particle_pz", lambda n, _: n * 0 - 2e5, 20,
    "particle_pz must be from -100000 to 100000 GeV and is -200000"),
    "production": ("particle_vx", lambda n, _: n * 0 + 2e6, 20,
    "particle_vx must be from -1000000 to 1000000 mm and is 2000000"),
    "charge of a particle": ("particle_charge", lambda n, _: n * 121, 20,
    "particle_charge must be from -120 to 120 e and is "),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_is_one_error_with_file_event_and_branch(good, case):
    name, change, event, message = WRONG[case]
    path = rewritten(good, with_numbers(name, change))
    with pytest.raises(InputError, match=message) as raised:
        list(iterate(path))
    assert str(raised.value).startswith(f"{path}: event {event}: ")
    assert "\n" not in str(raised.value)


def test_a_pixel_that_is_twice_in_its_cluster_is_named_whatever_their_order(good):
    counts = ak.num(EVENTS["clusters"]["pixels"][2])
    cluster = int(np.argmax(counts > 2))
    k = int(ak.sum(counts[:cluster]))

    def change(branches):
        for name in ("pixel_row", "pixel_column"):
            branches = with_numbers(name, lambda n, starts: put(2, n[starts[2] + k], k + 2)(n, starts))(
                branches
            )
        return branches

    pixel = EVENTS["clusters"]["pixels"][2, cluster, 0]
    with pytest.raises(
        InputError, match=f"event 22: .* {pixel.row}, {pixel.column} are there twice in a cluster; list"
    ):
        list(iterate(rewritten(good, change)))


def test_the_same_pixel_may_be_in_two_clusters(good):
    def change(branches):
        return branches | {n: branches[n][[0, 1, 2, 2]] for n in branches if n != "event"}

    assert len(next(iterate(rewritten(good, change)))[1]) == 4


@pytest.mark.parametrize("sum_of", [lambda q: q, lambda q: np.maximum(q, 0)])
def test_the_charge_of_a_cluster_may_leave_out_negative_ones_or_not_and_be_rounded(good, sum_of):
    def change(branches):
        charges = ak.ones_like(branches["pixel_charge_19"]) * 1e4
        first = ak.local_index(charges) % 2 == 1
        charges = ak.where(first, -30.0, charges)
        clusters = ak.unflatten(ak.flatten(charges), ak.to_numpy(ak.flatten(branches["cluster_n_pixels"])))
        total = ak.to_numpy(ak.sum(ak.Array(sum_of(clusters)), axis=1)) * (1 + 1e-6)
        total = np.maximum(total, 0)
        return branches | {
            "pixel_charge_19": ak.values_astype(charges, np.float32),
            "cluster_charge": ak.values_astype(
                ak.unflatten(total, ak.num(branches["cluster_x"])), np.float32
            ),
        }

    assert len(next(iterate(rewritten(good, change)))[1]) == 4


def test_a_cluster_at_a_slope_may_be_long_and_have_gaps_up_to_the_limit(tmp_path, good):
    """One cluster over 60 columns in steps of the largest gap, at their middle; one more column between is
    refused.
    """
    cluster = EVENTS["clusters"][0][:1]
    local_x, column = float(cluster["local_x"][0]), int(cluster["pixels"]["column"][0, 0])
    inwards = -1 if local_x > 0 else 1
    for step in (LARGEST_GAP, LARGEST_GAP + 1):
        columns = np.sort(column + inwards * step * np.arange(3)).astype(np.int16)
        pixels = ak.zip({
            "row": np.full(3, cluster["pixels"]["row"][0, 0], dtype=np.int16), "column": columns,
            "charge_00": np.ones(3, dtype=np.float32), "charge_19": np.ones(3, dtype=np.float32),
        })  # fmt: skip
        changed = ak.with_field(cluster, ak.unflatten(pixels, [3]), "pixels")
        changed = ak.with_field(changed, np.array([3.0], dtype=np.float32), "charge")
        event = ak.with_field(EVENTS[:1], ak.unflatten(changed, [1]), "clusters")
        write_events(tmp_path / "long.root", Header(one_module_detector(), 3.8, (0, 19)), [event])
        if step == LARGEST_GAP:
            assert len(next(iterate(tmp_path / "long.root"))[1]) == 1
        else:
            with pytest.raises(InputError, match=r"pixel_column must be within 21 .* and is 22 \(2 such"):
                list(iterate(tmp_path / "long.root"))


FLOATS = [n for n in EVENTS["clusters"].fields if n.startswith(("x", "y", "z", "local", "sigma", "charge"))]


@pytest.mark.parametrize(
    "name", [*(f"cluster_{n}" for n in FLOATS), "pixel_charge_19", "truth_pt", "particle_vx"]
)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_number_that_is_not_finite_names_branch_event_and_count_and_events_before_it_are_read(
    good, name, value
):
    def change(numbers, starts):
        numbers[starts[2] :] = value
        return numbers

    path = rewritten(good, with_numbers(name, change))
    with pytest.raises(
        InputError,
        match=rf": event 2[23]: {name} must be a finite number and is {value}( \(\d+ such entries\))?$",
    ):
        list(iterate(path))
    assert len(next(iterate(path, stop=2))[1]) == 2


@pytest.mark.parametrize("numbers", [[20, 21, 20, 23], [20, 21, 22, 22]])
def test_event_numbers_that_repeat_name_hadd_and_both_entries_and_are_refused_at_once(good, numbers):
    path = rewritten(good, lambda branches: branches | {"event": ak.Array(numbers)})
    again = next(n for n in numbers if numbers.count(n) > 1)
    a, b = np.flatnonzero(np.array(numbers) == again)
    with pytest.raises(
        InputError,
        match=rf"event {again} is there twice, as the entries {a} and {b}; .*joined \(hadd\).* Give",
    ):
        open_events(path)


def test_event_numbers_are_checked_again_in_a_file_that_has_changed(good):
    path = rewritten(good)
    open_events(path)
    rewritten(good, lambda branches: branches | {"event": ak.Array([1, 1, 2, 3])})
    with pytest.raises(InputError, match="event 1 is there twice"):
        open_events(path)


def test_events_are_not_written_with_numbers_that_repeat(tmp_path):
    with pytest.raises(InputError, match=r"e\.root: event 20 would be there twice, as the entries 0 and 4"):
        write_events(tmp_path / "e.root", Header(one_module_detector(), 3.8, (0, 19)), [EVENTS, EVENTS])
    assert list(tmp_path.iterdir()) == []


def test_columns_are_not_written_with_ids_that_were_merged(tmp_path):
    merged = ak.with_field(EVENTS, EVENTS["clusters", "hit_id"] + 2.0**53, ["clusters", "hit_id"])
    with pytest.raises(
        InputError, match=r"e\.root: event 20: column 'cluster_hit_id' .* ids have been merged"
    ):
        write_events(tmp_path / "e.root", Header(one_module_detector(), 3.8, (0, 19)), [merged])


@pytest.mark.parametrize("branch", ["pixel_row", "truth_share", "particle_px", "cluster_x"])
def test_branches_of_one_kind_with_different_lengths_are_one_error(good, branch):
    path = rewritten(good, retyped(branch, lambda values: values[:, :-1]))
    with pytest.raises(InputError, match=r"differ in length; the file was written inconsistently|adds up to"):
        list(iterate(path))


def brute_repeats(ids, counts):
    place = 0
    for count in counts:
        part = ids[place : place + count]
        if len(set(part)) < len(part):
            return True
        place += count
    return False


@settings(max_examples=200, deadline=None)
@given(parts=st.lists(st.lists(st.integers(1, 6), max_size=5), min_size=1, max_size=4))
def test_repeated_ids_are_found_in_any_order_and_may_repeat_among_events(parts):
    counts, ids = [len(part) for part in parts], [i for part in parts for i in part]
    flat = typed_branches(
        {"event": ak.Array(np.arange(len(parts))), "a": ak.Array(parts)}, {"event": "i8", "a": "i8"}, "F"
    )
    group = Group("F", flat["event"].numbers, flat["a"].counts)
    if brute_repeats(ids, counts):
        with pytest.raises(InputError, match="more than once"):
            group.refuse_repeated("a", flat["a"].numbers)
    else:
        group.refuse_repeated("a", flat["a"].numbers)


@settings(max_examples=50, deadline=None)
@given(numbers=st.lists(st.integers(0, 8), max_size=6))
def test_event_numbers_may_come_in_any_order_but_once(numbers):
    if len(set(numbers)) < len(numbers):
        with pytest.raises(InputError, match="is there twice"):
            check_numbers(np.array(numbers, dtype=np.int64), "F")
    else:
        check_numbers(np.array(numbers, dtype=np.int64), "F")


def test_positions_of_single_precision_pass_at_the_end_of_the_largest_detector():
    """The tolerance holds what float32 makes of a position where the detector table ends."""
    detector = one_module_detector()
    far = {**detector.columns, "cz": np.array([16300.0]), "cy": np.array([16300.0])}
    detector = type(detector)(far)
    rng = np.random.default_rng(1)
    local = rng.uniform(-1, 1, (2000, 2)) * [36.0, 8.4]
    point = detector.to_global(np.zeros(2000, dtype=int), local).astype(np.float32)
    off = np.abs(
        detector.to_local(np.zeros(2000, dtype=int), point.astype(float))[:, :2] - local.astype(np.float32)
    )
    assert 0.2 * POSITION_TOLERANCE < off.max() < POSITION_TOLERANCE


def test_a_header_tells_that_events_were_made_in_a_table_of_the_field():
    header = Header(one_module_detector(), 3.8, (0,), {"options": {"transport": {"field_map": "b.txt"}}})
    assert header.lacks_field_map
    assert not replace(header, field_map=even_table(3.8)).lacks_field_map
    assert not Header(
        one_module_detector(), 3.8, (0,), {"options": {"transport": {"field_map": ""}}}
    ).lacks_field_map
    assert not Header(one_module_detector(), 3.8, (0,)).lacks_field_map
    with pytest.raises(InputError, match=r"2 T at the origin and the events 3.8 T"):
        replace(header, field_map=even_table(2.0))
