"""What an event file says about all its events: metadata, detector table, checksums, and their checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from pathlib import Path
from typing import Any

import numpy.typing as npt

from smartpix import schema
from smartpix.beam import CENTRED, BeamSpot
from smartpix.calibration import Calibration, displaced, fingerprint
from smartpix.detector_checks import repetitions
from smartpix.field_map import IN_HEADER, FieldMap, from_header
from smartpix.geometry import Detector
from smartpix.io import checksums
from smartpix.io.event_checks import branch_types, check_numbers, typed_branches
from smartpix.io.root_files import read_entries, reading
from smartpix.notebook import words_and_table
from smartpix.rules import check_json, entries, fields, items, optional, parse_checked, real, text, whole
from smartpix.schema import STRONGEST_FIELD, Container, InputError, ranges_of

__all__ = ["FORMAT_VERSION", "TREE", "EventFile", "Header", "check_header"]

FORMAT_VERSION = 1
TREE = "events"
LAST_SLICE = 999
"""Far above the slices of any sensor; a number beyond is damage."""

_METADATA = fields(
    {
        "field": real(-STRONGEST_FIELD, STRONGEST_FIELD),
        "slices": items(whole(0, LAST_SLICE), 1, different=True),
        "made_by": fields({}, more=True),
        "provenance": optional(fields({}, more=True)),
        # A file need not tell all of it.
        "beam_spot": optional(fields({n: optional(real(*r[:2])) for n, r in ranges_of(BeamSpot).items()})),
        "dead_modules": optional(items(whole(0, 2**31 - 1), 0, different=True)),
        "field_map": optional(IN_HEADER),
    },
    more=True,
)
_CHECKSUMS = fields(
    {
        "columns": items(text()), "n_events": whole(0, 2**63 - 1), "metadata": checksums.CRC,
        "detector": entries(schema.DETECTOR, checksums.CRC),
    },
    more=True,
)  # fmt: skip


@words_and_table
@dataclass(frozen=True)
class Header:
    """What a file says about all its events.

    Attributes:
        detector: module table.
        field: solenoid field along z in T, up to :data:`smartpix.schema.STRONGEST_FIELD` either way;
            where there is a table of it, that at the origin.
        slices: time slices (of 200 ps) the pixels carry.
        made_by: how the file was made.
        origin: versions and inputs it was made with (:func:`smartpix.provenance.origin`). Empty: the file
            does not say; one that is written gets the versions of today.
        beam_spot: luminous region. What a file does not tell of it is as in :data:`smartpix.beam.CENTRED`.
        calibration: corrections of charges and estimates, which no file says; the detector is aligned by it
            already. None: nothing is corrected.
        field_map: table of the field about the global z axis, which search and fit follow; None: it is
            uniform.
    """

    detector: Detector
    field: float
    slices: tuple[int, ...]
    made_by: Mapping[str, Any] = dataclass_field(default_factory=dict)
    origin: Mapping[str, Any] = dataclass_field(default_factory=dict)
    beam_spot: BeamSpot = CENTRED
    calibration: Calibration | None = None
    field_map: FieldMap | None = None

    def __post_init__(self) -> None:
        schema.check_field("header", self.field)
        if self.field_map is not None:
            self.field_map.check_origin(self.field, "header")

    def in_words(self) -> dict[str, str]:
        """Detector, field, slices, and who made the events."""
        seed = f", seed {self.made_by['seed']}" if "seed" in self.made_by else ""
        beam = self.beam_spot
        return {
            "detector": next(iter(self.detector.in_words().values())),
            "field": f"{self.field:g} T along z",
            "slices": ", ".join(map(str, self.slices)),
            "beam": f"x {beam.x:g}, y {beam.y:g}, z {beam.z:g} mm, sigma {beam.sigma_x:g} x {beam.sigma_y:g} x "
            f"{beam.sigma_z:g} mm",
            "made by": f"{self.made_by.get('command', 'not told')!s:.60}{seed}",
        }

    def thumbnails(self) -> str:
        """The detector."""
        return self.detector.thumbnails()

    @property
    def has_pixels(self) -> bool:
        """Whether hits come with their pixels; a file that does not tell has them."""
        return bool(self.made_by.get("cells", True))

    @property
    def has_times(self) -> bool:
        """Whether clusters come with their times; a file that does not tell has none."""
        return bool(self.made_by.get("times", False))

    @property
    def lacks_field_map(self) -> bool:
        """Whether events were simulated in a table of the field that the header does not have."""
        options = self.made_by.get("options")
        transport = options.get("transport") if isinstance(options, Mapping) else None
        made_in_table = isinstance(transport, Mapping) and bool(transport.get("field_map"))
        return made_in_table and self.field_map is None

    def at_beam(self, beam: BeamSpot | None = None) -> Header:
        """The header with its detector in the frame of a beam; None: that of the header itself.

        Hits that are made with it, and all that is made of them, are in that frame.
        """
        beam = self.beam_spot if beam is None else beam
        return replace(self, beam_spot=beam, detector=self.detector.at_beam(beam))

    def calibrated(self, calibration: Calibration) -> Header:
        """The header with its modules where a calibration says they are, and with the calibration for charges
        and estimates.

        Raises:
            InputError: it has one already, or this one is of another detector table.
        """
        if self.calibration is not None:
            raise InputError("header: is calibrated already; calibrate that of the file")
        if calibration.detector != (own := fingerprint(self.detector)):
            raise InputError(
                f"header: the calibration is of the detector table {calibration.detector}, and the file's is {own}; "
                "calibrate from tracks of files with this table"
            )
        detector = self.detector
        if calibration.moves:
            detector = displaced(detector, calibration.shift, calibration.rotation)
        return replace(self, detector=detector, calibration=calibration)


def placed(
    detector: Detector | Header, field: float | None, where: str, field_map: FieldMap | None = None
) -> tuple[Detector, float, FieldMap | None]:
    """Detector, field (T) and table of it, of what is given: a header, which has all, or a detector and the
    field.

    Raises:
        InputError: a detector without a field, or a header and a field as well.
    """
    if isinstance(detector, Header):
        if field is not None or field_map is not None:
            raise InputError(
                f"{where}: the header has the field {detector.field:g} T already; leave field and field_map out"
            )
        return detector.detector, detector.field, detector.field_map
    if field is None:
        raise InputError(
            f"{where}: the field is missing; give it in T, or the header of the file as detector"
        )
    return detector, field, field_map


@words_and_table
@dataclass(frozen=True)
class EventFile:
    """An opened file: its path, header, number of events, kind of container, and whether it has truth.

    Attributes:
        checksums: names of the columns that the branch ``checksum`` is of; none where the file has no
            checksums.
        has_particles: whether it has particles; where there is no truth, nothing tells which hits are whose.
    """

    path: Path
    header: Header
    n_events: int
    container: Container
    has_truth: bool
    checksums: tuple[str, ...] = ()
    has_particles: bool = False

    def __len__(self) -> int:
        return self.n_events

    def in_words(self) -> dict[str, str]:
        """Events, truth, and what the header says."""
        truth = "with truth" if self.has_truth else "without truth"
        words = {"path": f"{self.path}, {self.n_events:,} events ({self.container}) {truth}"}
        return words | {n: w for n, w in self.header.in_words().items() if n != "beam"}

    def thumbnails(self) -> str:
        """The detector."""
        return self.header.thumbnails()


def check_header(path: Path, file: Any) -> EventFile:
    """What an opened ROOT file says about itself, after its trees, branches, version and checksums were
    checked.

    Raises:
        InputError: the file is damaged, of another layout or another version.
    """
    trees = {name.split(";")[0]: kind for name, kind in file.classnames().items()}
    if TREE not in trees or "metadata" not in trees or "detector" not in trees:
        found = [n for n, kind in trees.items() if kind in ("TTree", "ROOT::RNTuple")]
        raise InputError(
            f"{path}: expected the tree '{TREE}' with 'detector' and 'metadata' and found the trees "
            f"{sorted(found)}. It holds no events of smartpix (tracks of a run, perhaps); events of "
            "TrackML and ACTS are converted with `smartpix convert DIR -o F.root`"
        )
    with reading(path):
        described = str(file["metadata"])
        tree = file[TREE]
        n_events = int(tree.num_entries)
        names = list(tree.keys())
        table = file["detector"].arrays(list(schema.DETECTOR), library="np")
        sums = str(file["checksums"]) if "checksums" in trees else None
    meta = _metadata(path, described)
    times = repetitions(table)
    if times > 1:
        raise InputError(
            f"{path}: holds the detector table {times} times, so several files were joined (hadd), and the "
            "numbers of their events may repeat. Give the files themselves, commands take several"
        )
    columns = (
        _checked_sums(path, sums, described, table, n_events, names)
        if sums is not None or "checksums" in meta
        else ()
    )
    dead = tuple(sorted(meta.get("dead_modules", ())))
    detector = Detector(table, f"{path}: detector", dead=dead)
    slices = tuple(meta["slices"])
    schema.require(names, branch_types(slices, truth=False), str(path), "docs/formats.md lists the branches.")
    has_truth = any(name.startswith(("truth_", "particle_")) for name in names)
    if has_truth:
        fix = "A file has all truth branches or none; docs/formats.md lists them."
        schema.require(names, branch_types(slices, truth=True), str(path), fix)
    if not columns:
        _check_numbers(path, tree)
    return EventFile(
        path=path,
        header=Header(
            detector,
            float(meta["field"]),
            slices,
            meta["made_by"],
            meta.get("provenance", {}),
            BeamSpot(**{name: float(value) for name, value in meta.get("beam_spot", {}).items()}),
            field_map=from_header(meta["field_map"], str(path)) if "field_map" in meta else None,
        ),
        n_events=n_events,
        container="ttree" if trees[TREE] == "TTree" else "rntuple",
        has_truth=has_truth and bool(meta["made_by"].get("truth", True)),
        checksums=columns,
        has_particles=has_truth
        and bool(meta["made_by"].get("particles", meta["made_by"].get("truth", True))),
    )


def _checked_sums(
    path: Path,
    sums: str | None,
    described: str,
    table: Mapping[str, npt.NDArray[Any]],
    n_events: int,
    names: Sequence[str],
) -> tuple[str, ...]:
    """Columns that the branch ``checksum`` is of, after metadata and detector table were found to be what was
    written.
    """
    if sums is None or "checksum" not in names:
        raise InputError(
            f"{path}: its checksums are gone; it is damaged, or was written again by another program, which "
            "must then leave 'checksums' out of the metadata"
        )
    written = parse_checked(sums, _CHECKSUMS, f"{path}: checksums", checksums.DAMAGED)
    if written["n_events"] != n_events:
        raise InputError(
            f"{path}: has {n_events} events and was written with {written['n_events']}; files were joined "
            "(hadd) or events left out. Give the files that were written, commands take several"
        )
    if written["metadata"] != checksums.checksum(described.encode()):
        raise InputError(f"{path}: the metadata are not what was written (checksum); {checksums.DAMAGED}")
    if written["detector"] != checksums.of_table(table):
        raise InputError(
            f"{path}: the detector table is not what was written (checksum); {checksums.DAMAGED}"
        )
    if not set(written["columns"]) <= set(names):
        raise InputError(f"{path}: the columns that the checksums are of are not there; {checksums.DAMAGED}")
    return tuple(written["columns"])


_numbered: set[tuple[str, int, int]] = set()
"""Path, size and time of change of files whose events are known to have numbers of their own."""


def _check_numbers(path: Path, tree: Any) -> None:
    """Check, once for a file of this size and time of change, that its events have numbers of their own.

    Files with checksums need it not: their numbers were checked as they were written.
    """
    stat = path.stat()
    if (identity := (str(path), stat.st_size, stat.st_mtime_ns)) in _numbered:
        return
    with reading(path):
        found = read_entries(path, tree, ["event"], 0, int(tree.num_entries))["event"]
    check_numbers(typed_branches({"event": found}, {"event": "i8"}, str(path))["event"].numbers, str(path))
    _numbered.add(identity)


def _metadata(path: Path, content: str) -> dict[str, Any]:
    """The checked content of the ``metadata`` string."""
    where, fix = f"{path}: metadata", "write the file again"
    meta = parse_checked(content, fields({}, more=True), where, fix)
    # The version comes first: other versions may have other entries.
    if meta.get("version") != FORMAT_VERSION:
        raise InputError(
            f"{path}: format version {meta.get('version')} and this smartpix reads {FORMAT_VERSION}; convert "
            "or simulate it again"
        )
    check_json(meta, _METADATA, where, fix)
    return dict(meta)
