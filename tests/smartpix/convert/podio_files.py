"""Files of podio with EDM4hep's fields, made by hand: a TTree with a branch for each field, or an RNTuple."""

import awkward as ak
import numpy as np
import uproot

from tests.helpers import detector_of, module_row

ENCODING = "system:0:4,layer:4:4,sensor:8:4,x:32:-12,y:44:-12"
SENSORS = [0x021, 0x121, 0x222]
"""Cell numbers without their pixel: system 1, layer 2; sensors 0 and 1, and one of system 2."""


def two_modules():
    """Upright modules at x = 32 mm, the second 100 mm along the beam."""
    axes = np.eye(3)
    return detector_of([
        module_row((32.0, 0, 100.0 * k), axes[1], axes[2], axes[0], 2, k + 1) for k in range(2)
    ])  # fmt: skip


def cell(sensor, x, y):
    return SENSORS[sensor] | (x & 0xFFF) << 32 | (y & 0xFFF) << 44


def hits_of(event):
    """Sensor, place, particle and time of the hits; those of sensor 2 are strips far out."""
    rows = [(0, (32.03, 1.0, 2.0), 0, 0.2), (1, (32.0, -3.0, 101.0), 0, 0.5), (0, (31.98, 4.0, -5.0), 1, 0.1)]
    return rows[: 3 - event] + [(2, (300.0, 0.0, 0.0), 0, 1.2)]


def columns(n_events=2, **changes):
    """Records of every collection, event by event."""
    events = [hits_of(k) for k in range(n_events)]
    pixels = [[h for h in rows if h[0] < 2] for rows in events]
    strips = [[h for h in rows if h[0] == 2] for rows in events]

    def sim(rows):
        return [
            {"cellID": cell(s, 7, -3), "time": t, "pathLength": 0.1, "quality": 0, "position": dict(zip("xyz", p, strict=True)),
             "momentum": dict(zip("xyz", np.array(p) / 50, strict=True))} for s, p, _, t in rows
        ]  # fmt: skip

    def links(rows):
        return [{"index": w, "collectionID": 9} for _, _, w, _ in rows]

    particles = [
        {"PDG": pdg, "charge": q, "vertex": {"x": 0.01, "y": 0.0, "z": 1.5},
         "momentum": {"x": 1.0, "y": q * 0.5, "z": 0.2}, "momentumAtEndpoint": {"x": 0.0, "y": 0.0, "z": 0.0}}
        for pdg, q in ((211, 1.0), (-11, -1.0))
    ]  # fmt: skip
    made = {
        "PixelHits": [sim(rows) for rows in pixels], "_PixelHits_particle": [links(rows) for rows in pixels],
        "StripHits": [sim(rows) for rows in strips], "_StripHits_particle": [links(rows) for rows in strips],
        "MCParticles": [particles] * n_events,
    }  # fmt: skip
    return made | changes


def flat(name, records):
    """A branch for each field, as podio splits a TTree."""
    found = {}
    for field in ak.fields(records):
        if ak.fields(records[field]):
            found |= flat(f"{name}.{field}", records[field])
        else:
            found[f"{name}.{field}"] = records[field]
    return found


def write_podio(path, made, container="ttree", encoding=ENCODING):
    arrays = {name: ak.Array(records) for name, records in made.items()}
    with uproot.recreate(path) as file:
        file["podio_metadata"] = "no tree, and its name is what counts"
        keys = [[f"{name}__CellIDEncoding" for name in ("PixelHits", "StripHits")]]
        if encoding is not None:
            file.mkrntuple("metadata", {"GPStringKeys": keys, "GPStringValues": [[[encoding], [encoding]]]})
        if container == "rntuple":
            file.mkrntuple("events", arrays)
        else:
            branches = {}
            for name, records in arrays.items():
                branches |= flat(name, records)
            kinds = {name: ak.type(values).content for name, values in branches.items()}
            # Counters without a dot, by which they are no fields.
            tree = file.mktree("events", kinds, counter_name=lambda name: f"n_{name.replace('.', '_')}")
            tree.extend(branches)
    return path
