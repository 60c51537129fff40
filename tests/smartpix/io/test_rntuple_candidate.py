"""RNTuples of the release candidate: written here by the definition, and one of podio where it is there."""

import struct

import awkward as ak
import numpy as np
import pytest
import uproot
from hypothesis import given, settings
from hypothesis import strategies as st

from smartpix.io.rntuple_candidate import candidate_of, read_candidate
from smartpix.io.root_files import DAMAGED
from smartpix.schema import InputError
from tests.helpers import SHARED_DATA
from tests.left_out import needs
from tests.smartpix.io.candidate_files import candidate, record

EXAMPLE = SHARED_DATA / "others/edm4hep/EDM4hep_example_RNTuple.root"
HIT = st.tuples(st.integers(0, 2**64 - 1), st.floats(allow_nan=False), st.integers(-(2**31), 2**31 - 1))


def reader(data):
    def read(place, packed, size):
        assert packed == size
        return data[place : place + size]

    return read


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.lists(st.lists(HIT, max_size=4), min_size=1, max_size=3), min_size=1, max_size=3),
    st.sampled_from(["delta", "index"]),
    st.integers(1, 5),
)
def test_what_was_written_by_the_definition_comes_back(clusters, index, page_size):
    anchor, data = candidate(clusters, index, page_size)
    found = read_candidate(anchor, reader(data), "it")
    entries = [entry for cluster in clusters for entry in cluster]
    # A number that is in no list is left out.
    assert found.keys() == ["Hits.cell", "Hits.at.x", "Hits.n"]
    assert found.num_entries == len(entries)
    for k, name in enumerate(found.keys()):
        wanted = [[hit[k] for hit in entry] for entry in entries]
        assert ak.to_list(found[name].array()) == wanted
        assert ak.to_list(found[name].array(entry_start=1, entry_stop=2)) == wanted[1:2]


def test_other_versions_and_damage_are_told():
    clusters = [[[(1, 2.0, -3)]]]
    with pytest.raises(
        InputError, match=r"it: an RNTuple of version 0\.1\.0\.0, .*0\.2 \(ROOT 6\.32\) and 1\.0 or"
    ):
        read_candidate(candidate(clusters, version=(0, 1, 0, 0))[0], reader(b""), "it")
    late = record(struct.pack("<IIIHH", 0, 0, 0, 0, 0) + bytes(16))
    anchor, data = candidate(clusters, added=[late])
    with pytest.raises(InputError, match="fields were added while it was written"):
        read_candidate(anchor, reader(data), "it")
    anchor, data = candidate(clusters)
    with pytest.raises(ValueError, match="an envelope of kind 9"):
        read_candidate(anchor, reader(b"\x09" + data[1:]), "it")


def test_any_damage_ends_with_an_error_or_numbers():
    """Bytes changed one by one: nothing hangs or fills the memory, and nothing is raised that files do not raise."""
    anchor, data = candidate([[[(1, 2.0, -3)], []], [[(4, 5.0, 6)]]])
    known, others = set(), 0
    for at in range(0, len(data), 2):
        try:
            found = read_candidate(anchor, reader(data[:at] + b"\xff" + data[at + 1 :]), "it")
            known.add(found.num_entries)
            found["Hits.n"].array()
        except (InputError, *DAMAGED):
            others += 1
    assert known <= {0, 3}
    assert others > len(data) // 8


@needs("../shared/data/others/edm4hep")
def test_podios_example_has_the_numbers_of_its_tree():
    """Both files hold the same events, one as an RNTuple of the candidate, one as a TTree."""
    with uproot.open(EXAMPLE) as file, uproot.open(str(EXAMPLE).replace("RNTuple", "TTree")) as other:
        found, tree = candidate_of(file, "events", "it"), other["events"]
        assert (found.num_entries, len(found.keys())) == (3, 276)
        n = 0
        for branch in tree.keys():  # noqa: SIM118 - trees are no mappings
            name = branch.rpartition("/")[2]
            if name in found.lists:
                np.testing.assert_array_equal(
                    ak.flatten(found[name].array()), ak.flatten(tree[branch].array()), err_msg=name
                )
                n += 1
        assert n > 200
