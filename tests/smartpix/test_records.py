import awkward as ak
import numpy as np
import pytest

from smartpix.records import lists_of, records_of


@pytest.mark.parametrize("counts", [[2, 0, 3], [5], [0, 5, 0]])
def test_records_and_lists_are_those_of_awkward(counts):
    columns = {"a": np.arange(5, dtype=np.int16), "b": np.linspace(0, 1, 5), "c": np.arange(5) > 2}
    records, zipped = records_of(columns), ak.zip(columns, depth_limit=1)
    nested, unflat = lists_of(records, counts), ak.unflatten(zipped, counts)
    for one, other in (
        (records, zipped),
        (nested, unflat),
        (records_of({"n": nested}), ak.zip({"n": unflat}, depth_limit=1)),
    ):
        assert one.type == other.type
        assert one.to_list() == other.to_list()


def test_events_without_hits_have_their_types():
    records = records_of({"a": np.zeros(0, dtype=np.int16)})
    assert str(lists_of(records, []).type) == "0 * var * {a: int16}"
    assert lists_of(records, [0, 0]).to_list() == [[], []]


def test_lengths_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"of one length .*'a': 2, 'b': 0"):
        records_of({"a": np.zeros(2), "b": np.zeros(0)})
    for counts in ([1], [2, 1], []):
        with pytest.raises(ValueError, match=r"there are 2"):
            lists_of(records_of({"a": np.zeros(2)}), counts)
