"""Compressed tables and zip archives of events give the events of the plain folder; what is no honest archive
is refused.
"""

import gzip
import io
import shutil
import zipfile

import awkward as ak
import cramjam
import pytest

from smartpix import archives
from smartpix.archives import files_in, find_file, read_bytes
from smartpix.convert.formats import detect
from smartpix.io.events import iterate
from smartpix.schema import InputError
from tests.helpers import convert_folder
from tests.smartpix.convert.trackml_files import write_event
from tracking.runs.join import join_tracks


def zipped(path, content, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


def zipped_folder(folder, path, inside=""):
    return zipped(path, {f"{inside}{p.name}": p.read_bytes() for p in sorted(folder.iterdir())})


def in_memory(content):
    packed = io.BytesIO()
    zipped(packed, {"whatever.csv": content})
    return packed.getvalue()


PACK = {
    ".gz": gzip.compress,
    ".zst": lambda content: bytes(cramjam.zstd.compress(content)),
    ".zip": in_memory,
}


def events_of(path):
    return [ak.to_list(part) for _, part in iterate(path)]


@pytest.fixture
def folder(tmp_path):
    return write_event(write_event(tmp_path / "events"), 12)


@pytest.fixture
def plain(folder, tmp_path):
    convert_folder(folder, tmp_path / "plain.root")
    return events_of(tmp_path / "plain.root")


@pytest.mark.parametrize("ending", PACK)
def test_compressed_tables_give_the_same_events(folder, plain, tmp_path, ending):
    assert set(PACK) == set(archives.PACKED)
    for path in list(folder.iterdir()):
        path.with_name(path.name + ending).write_bytes(PACK[ending](path.read_bytes()))
        path.unlink()
    assert convert_folder(folder, tmp_path / "e.root")["truth"]
    assert events_of(tmp_path / "e.root") == plain
    assert detect(folder / f"event000000012-cells.csv{ending}").prefixes == ("event000000012",)


@pytest.mark.parametrize("inside", ["", "train_sample/", "a/b/"])
def test_an_archive_gives_the_events_of_the_folder(folder, plain, tmp_path, inside):
    archive = zipped_folder(folder, tmp_path / "train.zip", inside)
    before = archive.read_bytes()
    found = detect(archive)
    assert str(found) == f"{archive}: TrackML events (CSV), 2 of them"
    assert convert_folder(archive, tmp_path / "e.root")["n_events"] == 2
    assert events_of(tmp_path / "e.root") == plain
    assert convert_folder(archive / "event000000012", tmp_path / "one.root")["n_events"] == 1
    assert events_of(tmp_path / "one.root") == [plain[0][1:]]
    assert archive.read_bytes() == before
    with pytest.raises(InputError, match="is an input"):
        convert_folder(archive, archive)
    assert archive.read_bytes() == before


def test_the_modules_may_lie_in_an_archive_of_their_own(folder, plain, tmp_path):
    table = zipped(tmp_path / "detectors.zip", {"detectors.csv": (folder / "detectors.csv").read_bytes()})
    (folder / "detectors.csv").unlink()
    archive = zipped_folder(folder, tmp_path / "train.zip")
    with pytest.raises(InputError, match=r"train\.zip: 'detectors\.csv' .* is missing; if it lies elsewhere"):
        convert_folder(archive, tmp_path / "e.root")
    convert_folder(archive, tmp_path / "e.root", detector=table)
    assert events_of(tmp_path / "e.root") == plain


def test_an_archive_of_acts_is_read_with_its_digitisation(acts_folder, tmp_path):
    archive = zipped_folder(acts_folder, tmp_path / "acts.zip", "csv/")
    for path in (acts_folder, archive):
        convert_folder(path, tmp_path / f"{path.suffix}.root")
    assert events_of(tmp_path / ".zip.root") == events_of(tmp_path / ".root")


def test_tracks_go_back_beside_the_results_of_an_archive(folder, tmp_path):
    from tests.tracking.runs.test_join import tracks_file

    archive = zipped_folder(folder, tmp_path / "train.zip", "train/")
    tracks = tracks_file(tmp_path / "tracks.root", {1: [(0.75, [30, 5, 9])], 12: []})
    done = join_tracks(tracks, detect(archive), tmp_path)
    assert done["files"] == ["event000000001-hits-tracks.csv", "event000000012-hits-tracks.csv"]
    assert done["n_on_tracks"] == 3


@pytest.mark.parametrize(
    "name", ["../event000000001-hits.csv", "a/../../x.csv", "/etc/x.csv", "..\\x.csv", "C:/x.csv"]
)
def test_names_that_point_out_of_the_archive_are_refused(folder, tmp_path, name):
    archive = zipped_folder(folder, tmp_path / "a.zip")
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr(name, "a,b\n")
    with pytest.raises(InputError, match=r"a\.zip: holds the name '.*', which points out of the archive"):
        convert_folder(archive, tmp_path / "e.root")
    assert {p.name for p in tmp_path.iterdir()} == {"events", "a.zip"}


def test_two_files_of_one_name_are_refused_and_those_of_macos_are_not_looked_at(folder, tmp_path):
    archive = zipped_folder(folder, tmp_path / "a.zip", "a/")
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr("__MACOSX/a/event000000001-hits.csv", "nothing")
        opened.writestr("a/._event000000001-hits.csv", "nothing")
        opened.mkdir("b")
    assert len(files_in(archive)) == len(list(folder.iterdir()))
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr("b/event000000001-hits.csv", "nothing")
    with pytest.raises(
        InputError, match=r"holds 'a/event000000001-hits\.csv' and 'b/event000000001-hits\.csv'; keep one"
    ):
        detect(archive)


@pytest.mark.parametrize("ending", PACK)
def test_a_small_file_that_unpacks_to_a_huge_one_is_refused_without_being_unpacked(
    tmp_path, monkeypatch, ending
):
    monkeypatch.setattr(archives, "UNPACKED", 100_000)
    monkeypatch.setattr(archives, "LARGEST_RATIO", 2)
    monkeypatch.setattr(archives, "CHUNK", 50_000)
    honest, bomb = b"1,2\n" * 20_000, b"1,2\n" * 5_000_000
    (tmp_path / f"t.csv{ending}").write_bytes(PACK[ending](honest))
    assert read_bytes(tmp_path / f"t.csv{ending}") == honest
    (tmp_path / f"t.csv{ending}").write_bytes(PACK[ending](bomb))
    with pytest.raises(InputError, match=rf"t\.csv{ending}: \d+ bytes unpack to more than"):
        read_bytes(tmp_path / f"t.csv{ending}")


def test_zeros_that_deflate_packs_a_thousandfold_are_refused(tmp_path):
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=9) as stream:
        for _ in range(300):
            stream.write(bytes(1_000_000))
    (tmp_path / "t.csv.gz").write_bytes(packed.getvalue())
    with pytest.raises(InputError, match="unpack to more than 200 MB"):
        read_bytes(tmp_path / "t.csv.gz")


@pytest.mark.parametrize("ending", PACK)
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_compressed_file_that_is_cut_off_is_refused(folder, tmp_path, ending, share):
    path = folder / "event000000001-hits.csv"
    packed = PACK[ending](path.read_bytes())
    path.unlink()
    path.with_name(path.name + ending).write_bytes(packed[: int(share * len(packed))])
    with pytest.raises(InputError, match=rf"hits\.csv{ending}: "):
        convert_folder(folder, tmp_path / "e.root")
    assert not (tmp_path / "e.root").exists()


def flip(content, place):
    return content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :]


def test_damaged_encrypted_and_empty_archives_are_refused(folder, tmp_path):
    archive = zipped_folder(folder, tmp_path / "a.zip")
    good = archive.read_bytes()
    # Within the packed bytes of the first table: its checksum protests.
    for content in (flip(good, 80), good[:-30], good[: len(good) // 2], b"", b"no archive"):
        archive.write_bytes(content)
        with pytest.raises(InputError, match=r"a\.zip.*: (cannot be read|holds no|not a readable)"):
            convert_folder(archive, tmp_path / "e.root")
    encrypted = bytearray(good)
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = -1
        while (place := encrypted.find(mark, place + 1)) >= 0:
            encrypted[place + offset] |= 1
    archive.write_bytes(bytes(encrypted))
    with pytest.raises(
        InputError, match=r"cannot be read \(RuntimeError: .*encrypted.*Copy or make it again"
    ):
        convert_folder(archive, tmp_path / "e.root")
    zipped(archive, {})
    with pytest.raises(InputError, match=r"a\.zip: holds no event\*-hits\.csv"):
        detect(archive)
    zipped(tmp_path / "two.zip", {"a.csv": b"a\n1\n", "b.csv": b"a\n1\n"})
    with pytest.raises(InputError, match="holds 2 files, and one table is expected"):
        read_bytes(tmp_path / "two.zip")


def test_a_damaged_header_of_a_member_is_no_traceback(folder, tmp_path):
    """Every byte of the archive's own tables, one after the other."""
    small = shutil.copytree(folder, tmp_path / "small")
    for path in small.glob("event000000012*"):
        path.unlink()
    archive = zipped_folder(small, tmp_path / "a.zip")
    good = archive.read_bytes()
    directory = good.rfind(b"PK\x01\x02", 0, good.find(b"PK\x05\x06"))
    places = [*range(30), *range(directory, len(good), 3)]
    for k, place in enumerate(places):
        path = tmp_path / f"{k}.zip"
        path.write_bytes(flip(good, place))
        try:
            for member in files_in(path):
                read_bytes(member)
        except InputError:
            pass
        path.unlink()


def test_root_files_in_an_archive_have_to_be_unpacked(tmp_path):
    archive = zipped(tmp_path / "a.zip", {"out/measurements.root": b"root"})
    with pytest.raises(
        InputError, match=r"holds measurements\.root; .* unpack the archive and give the folder"
    ):
        detect(archive)


def test_a_file_that_is_not_there_is_said(tmp_path):
    archive = zipped(tmp_path / "a.zip", {"a.csv": b"a\n"})
    assert find_file(archive, "b.csv") is find_file(tmp_path, "b.csv") is None
    for path in (archive / "b.csv", tmp_path / "b.csv"):
        with pytest.raises(InputError, match=r"b\.csv: no such file"):
            read_bytes(path)
