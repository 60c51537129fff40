"""A format of one's own for `smartpix convert`: JSON files, one for each event.

The package that holds this module names FORMAT in its pyproject.toml, and smartpix finds it once installed:

    [project.entry-points."smartpix.formats"]
    toy = "json_format:FORMAT"

An event is a file NAME.toy.json with a list of hits: ids of the module, position in mm, and cells (channels
along the module's u and v, charge in e). The table of modules lies beside the events.
"""

import json

import numpy as np

from smartpix.convert import Cells, Format, Found, HitTables, Source, Unmatched
from smartpix.geometry import Detector, read_detector
from smartpix.schema import InputError


def find(path):
    """A folder with events, or one of them."""
    files = (
        sorted(path.glob("*.toy.json"))
        if path.is_dir()
        else [path]
        if path.name.endswith(".toy.json")
        else []
    )
    names = tuple(file.name for file in files if file.is_file())
    return Found(FORMAT, path if path.is_dir() else path.parent, names) if names else None


def read(found, options):
    """Events, numbered in the order of their names; without truth."""
    detector = options.detector
    if not isinstance(detector, Detector):
        detector = read_detector(detector or found.path / "modules.csv")

    def read_event(number):
        path = found.path / found.prefixes[number]
        try:
            hits = json.loads(path.read_text(encoding="utf-8"))
            module = detector.find_modules(*np.array([hit["module"] for hit in hits]).T)
            position = np.array([hit["position"] for hit in hits], dtype=float)
            cells = [(k, *cell) for k, hit in enumerate(hits) for cell in hit["cells"]]
            of_hit, ch0, ch1, charge = np.array(cells).T
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path}: not a toy event ({error!r}); write it again") from error
        ids = np.arange(len(hits))
        return HitTables(
            event=number,
            hit_id=ids,
            module=module,
            position=position,
            cells=Cells(of_hit.astype(int), ch0.astype(int), ch1.astype(int), charge, str(path)),
            truth=None,
            where=str(path),
            n_others=0,
            unmatched=Unmatched(),
        )

    return Source(detector, tuple(range(len(found.prefixes))), read_event, has_truth=False, field=2.0)


FORMAT = Format("toy", "toy events (JSON)", "*.toy.json", find, read, ("*.toy.json", "modules.csv"))
