"""Files that ACTS itself writes: pions through the generic detector, digitised with the embedded detector's
pixels.
"""

import json

import awkward as ak
import numpy as np
import uproot


def digitisation(path, pitch_u=0.0125, pitch_v=0.05, thickness=0.1):
    """ACTS's geometric digitisation of the generic detector's pixel volumes."""
    bins = [round(16.8 / pitch_u), round(72.0 / pitch_v)]
    axes = [
        {"bins": n, "min": -half, "max": half, "option": "open", "type": "equidistant", "value": f"bin{axis}"}
        for n, half, axis in zip(bins, (8.4, 36.0), "XY", strict=True)
    ]
    geometric = {
        "digital": False, "indices": [0, 1], "segmentation": {"binningdata": axes}, "thickness": thickness,
        "threshold": 0.0,
        "charge-smearing": {"mean": 0.0, "stddev": 0.0, "type": "Gauss"},
    }  # fmt: skip
    strips = {"smearing": [{"index": 0, "mean": 0.0, "stddev": 0.01, "type": "Gauss"}]}
    entries = [{"volume": v, "value": {"geometric": geometric}} for v in (7, 8, 9)]
    entries += [{"volume": v, "value": strips} for v in (12, 13, 14, 16, 17, 18)]
    header = {"format-version": 0, "value-identifier": "digitization-configuration"}
    path.write_text(json.dumps({"acts-geometry-hierarchy-map": header, "entries": entries}))
    return path


def write_acts(folder, n_events=2, n_particles=12, field=3.8, seed=5):
    """A folder of ACTS's CSV files, with its detectors.csv and ``digi.json``."""
    import acts
    import acts.examples as examples
    from acts.examples import simulation

    folder.mkdir(exist_ok=True)
    unit, quiet = acts.UnitConstants, acts.logging.WARNING
    random = examples.RandomNumbers(seed=seed)
    detector = examples.GenericDetector(examples.GenericDetector.Config(logLevel=quiet))
    geometry = detector.trackingGeometry()
    magnetic = acts.ConstantBField(acts.Vector3(0, 0, field * unit.T))
    sequencer = examples.Sequencer(events=n_events, numThreads=1, logLevel=quiet, trackFpes=False)
    simulation.addParticleGun(
        sequencer, simulation.MomentumConfig(1 * unit.GeV, 5 * unit.GeV, True), simulation.EtaConfig(-2.0,
        2.0),
        simulation.ParticleConfig(n_particles, acts.PdgParticle.ePionPlus, True), rnd=random, logLevel=quiet,
    )  # fmt: skip
    simulation.addFatras(sequencer, geometry, magnetic, rnd=random, outputDirCsv=folder, logLevel=quiet)
    simulation.addDigitization(
        sequencer, geometry, magnetic, digiConfigFile=digitisation(folder / "digi.json"), rnd=random,
        outputDirCsv=folder,
        doMerge=True, logLevel=quiet,
    )  # fmt: skip
    sequencer.addWriter(
        examples.CsvTrackingGeometryWriter(
            level=quiet, trackingGeometry=geometry, outputDir=str(folder), writePerEvent=False
        )
    )
    sequencer.run()
    return folder


def read_rows(path):
    """Columns of a plain CSV file by hand: integers where all are whole, else floats; not ``local_key``, a
    raw byte.
    """
    head, *lines = path.read_text().splitlines()
    rows = [line.split(",") for line in lines]

    def column(texts):
        if all(text.lstrip("-").isdigit() for text in texts):
            return np.array([int(text) for text in texts], dtype=object)
        return np.array([float(text) for text in texts])

    return {
        name: column([row[k] for row in rows])
        for k, name in enumerate(head.split(","))
        if name != "local_key"
    }


PARTS = ("pv", "sv", "part", "gen", "subpart")
BRANCHES = ("vertex_primary", "vertex_secondary", "particle", "generation", "sub_particle")


def write_acts_root(csv_folder, folder, channels_in="measurements", measurement_id=True):
    """The same events as ACTS's ROOT writers lay them out; the wheel of pyacts cannot write ROOT itself.

    Branch names and types are those of its RootMeasurementWriter, RootClusterWriter, RootSimHitWriter and
    RootParticleWriter.
    """
    folder.mkdir()
    numbers = sorted(p.name[5:14] for p in csv_folder.glob("event*-measurements.csv"))
    trees = {name: [] for name in ("measurements", "clusters", "hits", "particles")}
    for number in numbers:
        read = {k: read_rows(csv_folder / f"event{number}-{k}.csv") for k in
                ("measurements", "cells", "hits", "measurement-simhit-map",
                "particles_simulated")}  # fmt: skip
        _add_event(trees, int(number), read)
    of_clusters = ("channel_loc0", "channel_loc1", "channel_value")
    for name, rows in trees.items():
        drop = {"measurements": of_clusters if channels_in == "clusters" else ()}.get(name, ())
        drop = (*drop, *(() if measurement_id else ("measurement_id",)))
        if name == "clusters" and channels_in != "clusters":
            continue
        with uproot.recreate(folder / f"{name}.root") as file:
            columns = {n: [row[n] for row in rows] for n in rows[0] if n not in drop}
            kinds = {n: TYPES.get(n, "float32") for n in columns}
            jagged = {n for n, v in columns.items() if isinstance(v[0], list)}
            tree = file.mktree(
                name, {n: f"var * {kinds[n]}" if n in jagged else np.dtype(kinds[n]) for n in columns}
            )
            tree.extend({
                n: ak.values_astype(ak.Array(v), kinds[n]) if n in jagged else np.array(v, dtype=kinds[n])
                for n, v in columns.items()
            })  # fmt: skip
    return folder


TYPES = (
    dict.fromkeys(("event_nr", "volume_id", "layer_id", "surface_id", "clus_size", "channel_loc0",
    "channel_loc1", "index",
                   "sensitive_id", "particle_type"), "int32")
    | dict.fromkeys(("measurement_id", "geometry_id", "cluster_id"), "uint64")
    | dict.fromkeys((f"{a}{b}" for a in ("", "barcode_", "particles_") for b in BRANCHES), "uint32")
    | dict.fromkeys(("event_id", "process", "number_of_hits", "outcome"), "uint32")
)  # fmt: skip


def _add_event(trees, event, read):
    cells, links, hits, particles = (
        read[k] for k in ("cells", "measurement-simhit-map", "hits", "particles_simulated")
    )

    def module(value, name="surface_id"):
        return {"volume_id": value >> 56, "layer_id": value >> 36 & 0xFFF, name: value >> 8 & 0xFFFFF}

    measured = read["measurements"]
    for k, number in enumerate(measured["measurement_id"]):
        of = cells["measurement_id"] == number
        made = links["hit_id"][links["measurement_id"] == number].astype(int)
        channels = {"clus_size": int(of.sum())} | {
            a: list(cells[b][of])
            for a, b in (
                ("channel_loc0", "channel0"),
                ("channel_loc1", "channel1"),
                ("channel_value", "value"),
            )
        }
        where = module(measured["geometry_id"][k])
        trees["measurements"].append(
            {f"particles_{b}": [hits[f"particle_id_{a}"][i] for i in made] for a, b in zip(PARTS, BRANCHES,
            strict=True)}
            | {"event_nr": event, "measurement_id": number, **where, "rec_loc0": measured["local0"][k],
               "rec_loc1": measured["local1"][k] if len(channels["channel_value"]) else np.nan,
               **{f"rec_g{a}": measured[f"global_{a}"][k] for a in "xyz"}, **channels}
        )  # fmt: skip
        trees["clusters"].append({"event_nr": event, "cluster_id": number, **where, **channels})
    columns = (
        "tx",
        "ty",
        "tz",
        "tt",
        "tpx",
        "tpy",
        "tpz",
        "te",
        "deltapx",
        "deltapy",
        "deltapz",
        "deltae",
        "index",
    )
    for k, value in enumerate(hits["geometry_id"]):
        who = {f"barcode_{b}": hits[f"particle_id_{a}"][k] for a, b in zip(PARTS, BRANCHES, strict=True)}
        row = {"event_id": event, "geometry_id": value, **who, **{n: hits[n][k] for n in columns}}
        trees["hits"].append(row | module(value, "sensitive_id"))
    momentum = np.stack([particles[f"p{a}"].astype(float) for a in "xyz"])
    trees["particles"].append(
        {"event_id": event}
        | {
            n: list(particles[n])
            for n in ("particle_type", "process", "vx", "vy", "vz", "vt", "px", "py", "pz", "m", "q")
        }
        | {b: list(particles[f"particle_id_{a}"]) for a, b in zip(PARTS, BRANCHES, strict=True)}
        | {"p": list(np.linalg.norm(momentum, axis=0))}
        | {n: [0] * momentum.shape[1] for n in ("total_x0", "total_l0", "number_of_hits", "outcome")}
    )
