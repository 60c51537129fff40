"""ACTS's ROOT files give the events that its CSV files of the same events give."""

import shutil

import awkward as ak
import numpy as np
import pytest
import uproot

from smartpix.convert.formats import detect
from smartpix.io.events import iterate, open_events
from smartpix.schema import InputError
from tests.acts_files import BRANCHES, write_acts_root
from tests.helpers import convert_folder
from tests.smartpix.convert.acts_root_files import TABLE, rewritten


@pytest.fixture(scope="module")
def expected(acts_folder, tmp_path_factory):
    path = tmp_path_factory.mktemp("from-csv") / "events.root"
    convert_folder(acts_folder, path, detector=TABLE)
    return events_of(path)


def events_of(path):
    return ak.concatenate([part for _, part in iterate(path)])


def same(found, expected, *leave_out):
    assert ak.to_list(found["event"]) == ak.to_list(expected["event"])
    for name in expected["clusters"].fields:
        if name in leave_out:
            continue
        a, b = found["clusters", name], expected["clusters", name]
        if b.fields:
            assert ak.to_list(ak.num(a, axis=2)) == ak.to_list(ak.num(b, axis=2))
        for field in b.fields or [None]:
            x, y = (ak.to_numpy(ak.flatten(v if field is None else v[field], axis=None)) for v in (a, b))
            np.testing.assert_allclose(
                x.astype(float), y.astype(float), rtol=1e-4, atol=2e-4, err_msg=f"{name} {field}"
            )
    for name in expected["particles"].fields:
        np.testing.assert_allclose(
            ak.flatten(found["particles", name]), ak.flatten(expected["particles", name]), rtol=1e-6
        )


@pytest.mark.parametrize("channels_in", ["measurements", "clusters"])
@pytest.mark.parametrize("measurement_id", [True, False])
def test_events_are_those_of_the_csv_files(acts_folder, tmp_path, expected, channels_in, measurement_id):
    folder = write_acts_root(acts_folder, tmp_path / "root", channels_in, measurement_id)
    done = convert_folder(folder, tmp_path / "e.root", detector=TABLE)
    assert (done["kind"], done["n_events"], done["truth"]) == ("acts-root", 2, True)
    same(events_of(tmp_path / "e.root"), expected)


def listed(branches, prefix):
    """The five branches of a particle's parts as one of lists, as ACTS wrote them for a while."""
    parts = [branches.pop(f"{prefix}_{part}") for part in BRANCHES]
    return ak.concatenate([part[..., np.newaxis] for part in parts], axis=-1)


def test_lists_of_a_particles_parts_are_read_too(copied, tmp_path, expected):
    """uproot writes lists of lists in RNTuples alone, and tells them from a TTree's no more than smartpix
    does.
    """
    for name, prefix, branch in (("hits", "barcode", "barcode"), ("measurements", "particles", "particles")):
        with uproot.open(copied / f"{name}.root") as file:
            branches = {b: file[name][b].array() for b in file[name].keys() if not b.startswith("n")}  # noqa: SIM118
        branches[branch] = listed(branches, prefix)
        with uproot.recreate(copied / f"{name}.root") as file:
            file.mkrntuple(name, branches)
    done = convert_folder(copied, tmp_path / "e.root", detector=TABLE)
    assert done["truth"]
    same(events_of(tmp_path / "e.root"), expected)


def test_the_files_of_these_tests_are_read_by_acts_itself(folder, acts_folder):
    """What the tests write by hand has ACTS's layout: its own readers take the hits and the particles."""
    acts = pytest.importorskip("acts")
    examples = acts.examples
    readers = pytest.importorskip("acts.examples.uproot")
    counts = []

    class Count(examples.IAlgorithm):
        def __init__(self):
            examples.IAlgorithm.__init__(self, "Count", acts.logging.WARNING)
            self.hits = examples.ReadDataHandle(self, examples.SimHitContainer, "Hits")
            self.hits.initialize("simhits")
            self.particles = examples.ReadDataHandle(self, examples.SimParticleContainer, "Particles")
            self.particles.initialize("particles")

        def execute(self, context):
            counts.append(
                (len(list(self.hits(context.eventStore))), len(list(self.particles(context.eventStore))))
            )
            return examples.ProcessCode.SUCCESS

    sequencer = examples.Sequencer(numThreads=1, logLevel=acts.logging.WARNING, trackFpes=False)
    sequencer.addReader(readers.UprootParticleReader(folder / "particles.root", level=acts.logging.WARNING))
    sequencer.addReader(readers.UprootSimHitReader(folder / "hits.root", level=acts.logging.WARNING))
    sequencer.addAlgorithm(Count())
    sequencer.run()
    lines = [
        tuple(
            len((acts_folder / f"event{e:09d}-{n}.csv").read_text().splitlines()) - 1
            for n in ("hits", "particles_simulated")
        )
        for e in (0, 1)
    ]
    assert counts == lines


def test_without_simulated_hits_there_is_no_truth(copied, tmp_path, expected):
    (copied / "hits.root").unlink()
    with pytest.raises(InputError, match=r"'hits\.root' is missing; .* both files or neither"):
        convert_folder(copied, tmp_path / "e.root", detector=TABLE)
    (copied / "particles.root").unlink()
    assert not convert_folder(copied, tmp_path / "e.root", detector=TABLE)["truth"]
    assert not open_events(tmp_path / "e.root").has_truth
    found = events_of(tmp_path / "e.root")
    assert ak.to_list(found["clusters", "hit_id"]) == ak.to_list(expected["clusters", "hit_id"])


@pytest.mark.parametrize("name", [".", "measurements.root"])
def test_the_folder_or_its_file_is_known(folder, name):
    assert (detect(folder / name).kind, detect(folder / name).path.resolve()) == (
        "acts-root",
        folder.resolve(),
    )


def test_a_particle_that_a_measurement_lists_twice_crossed_its_module_twice(copied, tmp_path):
    """As where the crossings of a curling particle are merged: each listing gets a crossing of its own, the
    nearest ones.
    """
    where = ("volume_id", "layer_id")
    with uproot.open(copied / "measurements.root") as file:
        (first, *_) = np.flatnonzero(
            np.isin(file["measurements"]["volume_id"].array(library="np"), (7, 8, 9))
        )
        module = [file["measurements"][n].array(library="np")[first] for n in (*where, "surface_id")]
        ours = [file["measurements"][f"particles_{part}"].array()[first, 0] for part in BRANCHES]

    def lists_again(branches):
        counts = np.where(np.arange(len(branches["event_nr"])) == first, 2, 1)
        names = [f"particles_{part}" for part in BRANCHES]
        pick = ak.Array(
            [
                [k for k in range(n) for _ in range(t)]
                for n, t in zip(ak.num(branches[names[0]]), counts, strict=True)
            ]
        )
        return branches | {n: branches[n][pick] for n in names}

    rewritten(copied / "measurements.root", lists_again)
    with pytest.raises(
        InputError, match=r"event 0 has 1 hits of particle \d+ on the module of .*, which lists it 2 times"
    ):
        convert_folder(copied, tmp_path / "e.root", detector=TABLE)

    def crosses_again(branches):
        on = [branches[n] == m for n, m in zip((*where, "sensitive_id"), module, strict=True)]
        who = [branches[f"barcode_{part}"] == v for part, v in zip(BRANCHES, ours, strict=True)]
        (row,) = np.flatnonzero(
            np.logical_and.reduce([ak.to_numpy(v) for v in (*on, *who, branches["event_id"] == 0)])
        )
        order = np.insert(np.arange(len(branches["event_id"])), row, row)
        return {n: v[order] for n, v in branches.items()} | {
            "index": branches["index"][order] + (np.arange(len(order)) == row) * 90
        }

    rewritten(copied / "hits.root", crosses_again)
    with pytest.raises(InputError, match="twice at the same place"):
        convert_folder(copied, tmp_path / "e.root", detector=TABLE)
    # The second crossing is 0.01 mm along z away in the barrel, on the same sensor.
    rewritten(
        copied / "hits.root", lambda b: b | {"tz": b["tz"] + np.where(ak.to_numpy(b["index"]) >= 90, 1e-3, 0)}
    )
    convert_folder(copied, tmp_path / "e.root", detector=TABLE)
    truth = events_of(tmp_path / "e.root")["clusters", "truth"][0]
    (both,) = [t for t in ak.to_list(truth) if max((c["order"] for c in t), default=0) >= 90]
    assert len(both) == 2
    assert both[0]["particle_id"] == both[1]["particle_id"]
    assert sum(c["share"] for c in both) == pytest.approx(1)


@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.parametrize("name", ["particles_simulation", "particles_initial"])
def test_particles_of_the_simulation_are_taken_first(copied, tmp_path, expected, name, beside):
    """ACTS's scripts write what the generator made into particles.root; secondaries are in the simulation's
    alone.
    """
    shutil.copy(copied / "particles.root", copied / f"{name}.root")
    if beside:
        rewritten(
            copied / "particles.root", lambda b: {n: v[..., :1] if v.ndim > 1 else v for n, v in b.items()}
        )
    else:
        (copied / "particles.root").unlink()
    assert convert_folder(copied, tmp_path / "e.root", detector=TABLE)["truth"]
    same(events_of(tmp_path / "e.root"), expected)
    (copied / "hits.root").unlink()
    with pytest.raises(InputError, match=r"'hits\.root' is missing"):
        convert_folder(copied, tmp_path / "e.root", detector=TABLE)


def test_strips_need_no_good_numbers(acts_folder, tmp_path, expected):
    folder = write_acts_root(acts_folder, tmp_path / "root", "clusters")

    def with_a_channel(branches):
        """ACTS's smeared strips have none, those of others may."""
        strip = ~np.isin(ak.to_numpy(branches["volume_id"]), (7, 8, 9))
        more = {"channel_loc0": 1, "channel_loc1": 1, "channel_value": np.nan}
        lists = {n: ak.Array([[v] if s else [] for s in strip]) for n, v in more.items()}
        both = {n: ak.concatenate([branches[n], v], axis=1) for n, v in lists.items()}
        return branches | {
            n: ak.values_astype(v, "float32" if n == "channel_value" else "int32") for n, v in both.items()
        }

    rewritten(folder / "clusters.root", with_a_channel)
    for file, names in (("measurements", ("rec_loc1", "rec_gx")), ("hits", ("tx", "tpz"))):

        def without(branches, names=names):
            strip = ~np.isin(ak.to_numpy(branches["volume_id"]), (7, 8, 9))
            assert strip.any()
            return branches | {
                n: ak.values_astype(branches[n] + ak.Array(np.where(strip, np.nan, 0)), "float32")
                for n in names
            }

        rewritten(folder / f"{file}.root", without)
    convert_folder(folder, tmp_path / "e.root", detector=TABLE)
    same(events_of(tmp_path / "e.root"), expected)
