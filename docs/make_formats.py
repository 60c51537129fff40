"""Write docs/formats.md from the column tables of smartpix.schema and smartpix.io.cluster_set: python
docs/make_formats.py.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from formats_of_calibration import CALIBRATION
from formats_of_clusters import CLUSTERS_NOTE, MERGED_NOTE
from formats_of_others import OTHERS
from page_text import wrap

from smartpix import schema
from smartpix.detector_checks import AXES_TOLERANCE, ID_LIMITS, LARGEST_COORDINATE, MOST_PIXELS
from smartpix.io.cluster_set import LABELS, MERGED_LABELS, N_PARTICLES
from smartpix.io.event_checks import POSITION_TOLERANCE
from smartpix.io.events import FORMAT_VERSION
from smartpix.io.physics_checks import (
    BESIDE_PIXELS,
    BESIDE_THICKNESS,
    CHARGE_TOLERANCE,
    LARGEST_GAP,
    LARGEST_MOMENTUM,
    LARGEST_OF_PARTICLES,
    MOST_ELECTRONS,
    OVER_EDGE,
)
from smartpix.provenance import VERSIONED
from tracking.acts.widths import BIN_WIDTH, EDGE
from tracking.finders.gnn.graph import PYG_EDGE_FEATURES, PYG_NODE_FEATURES
from tracking.runs.counts import COUNTS
from tracking.runs.outputs import ACTS_COLUMNS

INTRODUCTION = f"""\
# File formats

<!-- Made by docs/make_formats.py from smartpix/schema.py and smartpix/io/cluster_set.py: edit there. -->

Units are mm, GeV, rad, T, ns and e (charge in electrons) everywhere but in the labels of the public data sets,
whose lengths are in um. `smartpix info FILE` shows what a file holds.

## Event files (ROOT, format version {FORMAT_VERSION})

`smartpix simulate` and `smartpix convert` write them; `smartpix run` and `smartpix train` read them. In Python:

```python
from smartpix.io.events import iterate

for file, events in iterate("F.root", step=10):  # streams: 10 events at a time
    clusters = events["clusters"]  # awkward records with nested "pixels" and "truth"
```

A file holds

- `metadata`, a string: JSON with the format version, `field` (T, along z), `slices` (which 200 ps slices the
  pixels carry), `beam_spot` (the luminous region) and `made_by` (command, options, seed). `beam_spot` has `x`, `y`,
  `z`, `sigma_x`, `sigma_y` and `sigma_z` in mm, `slope_x` and `slope_y`, and `sigma_t` in ps. What a file leaves out
  of it, or all of it, is as in `smartpix.beam.CENTRED`. `dead_modules`, if it is there, has the rows of the modules
  that are known to give no clusters, numbered from 0 as in `detector`. `field_map`, if it is there, is a table of the
  field about the global z axis: `r` and `z` (mm), and `radial` and `beam` (T) at all z of the first r, then of the
  next. `field` is then its value at the origin;
- `detector`, a tree with one entry per module;
- `checksums`, a string: JSON with the checksums (below) of `metadata` and of the columns of `detector`. It also
  has the number of events, and the names of the columns that the branch `checksum` of `events` is of;
- `events`, a TTree (or RNTuple) with one entry per event and the jagged branches below. Clusters, pixels, truth
  and particles each have their own length. `cluster_n_pixels` and `cluster_n_truth` say how many `pixel_*` and
  `truth_*` entries belong to each cluster, in order.

**Checksums** are CRC-32 (that of zlib). The branch `checksum` (uint32) has one for each column of an event.
Whatever is read is checked, and a byte that changed is an error. Files of other programs need none: they leave
`checksums` out of `metadata`, and `smartpix info` says `checksums: none` of them. On the embedded
sample checksums take some 3 % of the time in which events are read, and checks of the content some 22 %. This is
from a profile of `smartpix.io.events.iterate`; no results file holds it.

**What is read is checked**, whoever wrote it:

- **Types.** Branches are of the types below, or of others whose numbers these hold without loss. Ids as floats
  end at 2<sup>53</sup>, where neighbours begin to share one.
- **Ids.** Events have numbers of their own. Clusters and particles have ids of their own in an event, and truth
  is of particles of the event.
- **Positions.** Sigmas are positive. x, y, z lie where the module has `local_x` and `local_y` (to
  {1e3 * POSITION_TOLERANCE:g} um; across the sensor within its thickness).
- **Pixels** are once in their cluster, within {LARGEST_GAP} rows and columns of another one of it. The cluster's
  position is within {BESIDE_PIXELS} pixels and {BESIDE_THICKNESS:g} of the sensor's thickness of them.
- **Charge.** The cluster's charge is the sum of theirs (to {CHARGE_TOLERANCE:g}; negative ones may be left out).
  None is beyond {MOST_ELECTRONS:g} e.
- **Truth.** Crossings lie on their modules (to {OVER_EDGE} mm and half of the thickness times the slope). Shares
  are from 0 to 1, and `truth_pt` is from 0.
- **Particles.** Momenta go to {LARGEST_MOMENTUM:g} GeV, production points to
  {LARGEST_OF_PARTICLES["vx"][0] / 1000:g} m, charges to {LARGEST_OF_PARTICLES["charge"][0]:g}.

Files joined with `hadd` are refused: it joins the detector tables too, and numbers of events may repeat.
Commands take several files instead.

A file is written beside its final place and moved there when it is complete. The same content under the same
name gives the same bytes. The sensor frame is defined in [concepts](concepts.md#frames).
"""

SECTIONS = (
    ("Branches of `events`: clusters", "cluster_", schema.CLUSTERS),
    ("Pixels", "pixel_", schema.PIXELS),
    ("Truth: who made the cluster (may be absent)", "truth_", schema.TRUTH),
    ("Particles (may be absent)", "particle_", schema.PARTICLES),
)

AFTER_PIXELS = """
Whoever made the file has corrected positions for the Lorentz shift; those of converted files are the user's own.

`pixel_charge_SS` (float32, e) is one branch per sampled slice SS = 00 ... 19. It holds the induced charge from
the start to the end of slice SS, cumulative, after noise, threshold and ADC. It is negative where moving
carriers induce the opposite sign, and 0 where the slice stayed below the threshold.
"""

DETECTOR_NOTE = f"""
The columns are those of TrackML's `detectors.csv`, so either file reads as the other; the CSV table of
`smartpix detector` has them too. `(u, v, w)` is the module's own frame; `smartpix.geometry.Detector` derives the
sensor frame from it.

A table is checked where it is read. Numbers are finite, sizes are positive and those of sensors, and a side has
up to {MOST_PIXELS:,} pixels. The axes are of length 1, at right angles (within {AXES_TOLERANCE:g}) and
right-handed. No corner is beyond {LARGEST_COORDINATE / 1000:.1f} m, and every module is there once. Ids are from 0
and below {", ".join(f"2<sup>{n.bit_length() - 1}</sup> (`{name}`)" for name, n in ID_LIMITS.items())}.
"""

TRACKS_NOTE = """
The tree `tracks` has one entry per event:

- `event`, and `file` (int32): the event's file, by its place in the list `files` of `metadata` and of
  `summary.json`, from 0. Event numbers may repeat among files;
- the jagged branches of tracks below; `track_n_hits` says how many hits belong to each track;
- the branches of `hit_`: the hits of all tracks one after the other, inner first;
- the branches of `count_`: what a run counts in the event, also below;
- `n_track` and `n_hit`, the counters that ROOT needs.

`metadata` holds files, options and [provenance](#provenance). Parameters are at the beam line, in the [frame of the beam](concepts.md#frames), with the signs of ACTS and ATLAS: the
point of closest approach is `d0 * (-sin phi, cos phi)`. `metadata` has this beam under `beam_spot`, with its source.
With a centred beam the frame is the global one.
"""

COUNTS_NOTE = """\
`summary.json` has their sums under `counts`, and under `interval` the 68 % interval of each rate that is made of
them. `smartpix compare` takes them to compare runs event by event.
"""

MORE = """
## More results (`smartpix run --write`)

`tracks.parquet` has one row per track: `event`, `file`, the columns of `tracks.root` without `track_`, and those
of its hits as lists. Two files hold every edge the graph network scored. `edges.root` has the tree `edges`, one
entry per event, with the branches `event`, `file` and `edge_*`. `edges.parquet` has one row per edge, with `event`
and `file`:
"""

CSV_TRACKS = f"""
`tracks.csv` writes `event000000001-tracks_smartpix.csv` with the columns of ACTS's CsvTrackWriter:
{", ".join(f"`{n}`" for n in ACTS_COLUMNS)}. `Hits_ID` are those in the fit, inner first. `seed_id` and `nHoles` are
0, neither is known. Without truth the particle is 0 and the track `unknown`. The names of these files are the
events' numbers, so the numbers must not repeat among the files of the run; nor with `--join`.

### Graphs for networks of others

```python
from smartpix.io.events import iterate, open_events
from tracking.finders.gnn.graph import to_pyg
from tracking.metrics import event_truth
from tracking.options import RunOptions
from tracking.chain import Chain

chain = Chain.for_header(open_events("F.root").header, RunOptions())
for file, events in iterate("F.root", step=1):
    clusters, particles = events["clusters"][0], events["particles"][0]
    result = chain.event(int(events["event"][0]), clusters)
    hits = result.hits
    truth = event_truth(clusters, particles, hits.layer, cluster=hits.cluster, estimate=hits.estimate)
    data = to_pyg(result.event, hits, result.edges, clusters, file.header.detector, truth)
```

`data` has the fields of gnn_tracking's graphs:

- `x`: {", ".join(PYG_NODE_FEATURES)}; in mm, rad and e, unscaled;
- `edge_index`, and `edge_attr`: {", ".join(PYG_EDGE_FEATURES)};
- `y`, `particle_id`, `pt`, `eta`, `layer`, `n_hits`, `n_layers_hit`, `reconstructable`, `sector`, `evtid`;
- `hit_id` and `findable` besides.

With `naming="acorn"` it has acorn's: `hit_*`, `edge_*`, `track_edges`, `track_particle_*`, `track_to_edge_map`.
True edges, and so `y`, are ours ([definition](numbers.md#particles-and-edges)): consecutive crossings alone.
"""


TAU_TABLE = f"""
## Slopes by the width of clusters (`smartpix export gbts-table`)

ACTS's graph-based seeding (GBTS) can narrow the slope of barrel points by the widths of their clusters
(`useClusterWidthCuts`, `lutInputFile`). The table is JSON as ACTS 48.1 reads it. `tauLookupTable` has one entry for
each {BIN_WIDTH:g} mm of width along the beam, the first from {BIN_WIDTH:g} mm on:

| key | meaning |
|---|---|
| `minTau`, `maxTau` | smallest and largest abs(cot theta) of clusters of this width |
| `minTauNearEdge`, `maxTauNearEdge` | the same within {EDGE:g} mm of the module's end |

Clusters near the end may be cut short. A negative largest one means that too few clusters tell, and ACTS does not
cut. Beside it stand `binWidth` and
`coverage`, which ACTS does not look at. The bounds are quantiles of our calibrated estimates, each taken as its whole
Gaussian, so no truth is needed; `--coverage` is the share of slopes between them. ACTS 48.1's own reader
(`readGbtsTauLookupTable`, called from C++) takes the file. Its seeding could not be run with it: the switch is not
bound in pyacts 48.1, and its examples fill in no widths.
"""

PROVENANCE = f"""
## Provenance

Every file that smartpix makes tells where it comes from, in one record under the name `provenance`. What is made
with the chain has all of it:

| key | content |
|---|---|
| `command` | the command that made the output |
| `versions` | of Python, {", ".join(VERSIONED)} |
| `inputs` | the sha256 of each input file, by its path as it was given |
| `weights` | by option, the sha256 of the weights and of their JSON |
| `options` | all options, defaults too |

Event files, cluster tables and the JSON of weights have `versions` and `inputs` in it. Their command and options
stand beside it, in `made_by` or `options`. Files from before 0.2.0 have no such record and are read all the same.

The record is in the JSON string `metadata` of ROOT files, and in the JSON under the key `smartpix` of the parquet
schema. It is also in `summary.json` and in the data of a display's page. CSV files and pictures have no place for
it. Their own sha256 are under `sha256` in the `summary.json` beside them. The record has no time of day and no
name of a machine, so the same command gives the same bytes.
"""


def table(prefix: str, columns: dict[str, schema.Column], head: str = "branch") -> str:
    """A Markdown table of one group of branches."""
    lines = [f"| {head} | type | unit | meaning |", "|---|---|---|---|"]
    for name, column in columns.items():
        kind = {"i8": "int64", "i4": "int32", "i2": "int16", "f4": "float32", "f8": "float64", "?": "bool"}[
            column.dtype
        ]
        note = " (with truth)" if column.optional else ""
        lines.append(f"| `{prefix}{name}` | {kind} | {column.unit} | {column.meaning}{note} |")
    return "\n".join(lines) + "\n"


def formats() -> str:
    """The whole page."""
    parts = [INTRODUCTION]
    for title, prefix, columns in SECTIONS:
        parts.append(f"### {title}\n\n{table(prefix, columns)}{AFTER_PIXELS if prefix == 'pixel_' else ''}")
    parts.append(f"## The detector table\n{DETECTOR_NOTE}\n{table('', schema.DETECTOR)}")
    parts.append(f"## Tracks (`tracks.root`)\n{TRACKS_NOTE}\n{table('track_', schema.TRACKS)}")
    parts.append(
        f"Where clusters have times, tracks have two columns more:\n\n{table('track_', schema.TRACK_TIMES)}"
    )
    parts.append(f"### Hits of the tracks\n\n{table('hit_', schema.TRACK_HITS)}")
    parts.append(f"### Counts of the event\n\n{COUNTS_NOTE}\n{table('count_', COUNTS)}")
    parts.append(f"{MORE.strip()}\n\n{table('edge_', schema.EDGES)}{CSV_TRACKS}")
    parts.append(CALIBRATION.strip() + "\n")
    parts.append(OTHERS.strip() + "\n")
    parts.append(
        f"## Clusters of the public data sets (parquet)\n{CLUSTERS_NOTE}\n{table('', LABELS, 'label')}"
    )
    number = {N_PARTICLES: MERGED_LABELS[N_PARTICLES]}
    parts.append(f"{MERGED_NOTE.strip()}\n\n{table('', number, 'label')}")
    parts.append(TAU_TABLE.strip() + "\n")
    parts.append(PROVENANCE.strip() + "\n")
    return wrap("\n".join(parts))


if __name__ == "__main__":
    Path(__file__).with_name("formats.md").write_text(formats(), encoding="utf-8")
