import gc
import weakref
from pathlib import Path

from smartpix.io.events import iterate
from smartpix.io.root_files import root_file
from smartpix.shipped import data_path


def test_a_reader_keeps_none_of_the_arrays_it_has_handed_out():
    # Its cache would hold up to 100 MB for every file of a run.
    path = Path(data_path("sample.root"))
    with root_file(path) as file:
        assert file.file.array_cache is None
        charge = file["events"]["cluster_charge"].array(library="np", entry_stop=1)
        kept = weakref.ref(charge)
        del charge
        gc.collect()
        assert kept() is None


def test_events_of_a_stream_are_freed_once_the_next_is_read():
    kept = []
    for _, records in iterate(data_path("sample.root"), step=1):
        kept.append(weakref.ref(records.layout))
    del records
    gc.collect()
    assert [ref() for ref in kept] == [None] * len(kept)
