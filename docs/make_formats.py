"""Write docs/formats.md from the column tables of smartpix.schema and smartpix.io.cluster_set: python
docs/make_formats.py.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from page_text import wrap

from smartpix import schema
from smartpix.archives import LARGEST_RATIO, PACKED, UNPACKED
from smartpix.convert.acts_geometry import BARCODE
from smartpix.convert.acts_root import PARTICLES
from smartpix.convert.formats import BUILT_IN
from smartpix.convert.hit_tables import ELECTRONS_PER_MM, LORENTZ, MOST_CHARGE, OFF_PLANE
from smartpix.detector_checks import AXES_TOLERANCE, ID_LIMITS, LARGEST_COORDINATE, MOST_PIXELS
from smartpix.io.cluster_metadata import SENSOR_AND_FIELD
from smartpix.io.cluster_set import LABELS, LAYOUTS
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
from tracking.runs.join import COLUMNS
from tracking.runs.outputs import ACTS_COLUMNS

EXAMPLE = (Path(__file__).parents[1] / "examples" / "json_format.py").read_text(encoding="utf-8")

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
  of it, or all of it, is as in `smartpix.beam.CENTRED`;
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
- `n_track` and `n_hit`, the counters that ROOT needs.

`metadata` holds files, options and [provenance](#provenance). Parameters are at the beam line, in the [frame of the beam](concepts.md#frames), with the signs of ACTS and ATLAS: the
point of closest approach is `d0 * (-sin phi, cos phi)`. `metadata` has this beam under `beam_spot`, with its source.
With a centred beam the frame is the global one.
"""

OTHERS = f"""
## Files of others

`smartpix convert INPUT -o F.root` finds out what it is given, says so on stderr (and in `--json`) and makes an
event file of it. `smartpix convert FORMAT INPUT` takes the input for nothing else. The input is a ROOT file, or a
folder or zip archive of CSV tables. One event is named by the beginning of its tables' names
(`FOLDER/event000000001`) or by one of its tables.

| format | known by |
|---|---|
{chr(10).join(f"| `{name}` | `{format.known_by}` |" for name, format in BUILT_IN.items())}
| `smartpix` | the trees of an event file |

What is read:

- **`trackml`**: `-cells` and `detectors.csv`; with truth `-truth` and `-particles`. Volumes are 7, 8 and 9.
- **`acts-csv`**: `-cells`; with truth `-hits`, `-measurement-simhit-map` and the first of `-particles_simulated`,
  `-particles_initial`, `-particles`.
- **`acts-root`**: its channels, or those of `clusters.root`. With truth it reads `hits.root`, the first of
  {", ".join(f"`{n}.root`" for n in PARTICLES)}, and the `particles_*` branches of the measurements. Some versions
  wrote `particles` instead, and `barcode` of the hits: lists of the five parts.
- **`smartpix`**: everything. It is written with the other container, or with that of `--format`.

Truth and particles are there for all events of a folder or for none. The public data sets (parquet) hold single
clusters, without events or modules: no event file can be made of them. The output may not be one of the files
that it is made from.

- **CSV** is read in UTF-8 (with a byte order mark or without) and with a dot in numbers, whatever the locale.
  Every table may be compressed: {", ".join(f"`.csv{e}`" for e in PACKED)}. Of a zip archive all tables are read,
  in whatever folder of it they lie, and nothing is unpacked to disk. `detectors.csv` may be in another one
  (`--detector detectors.zip`). A file that unpacks to more than {UNPACKED // 1_000_000} MB and {LARGEST_RATIO}
  times its size is refused. Columns that are not needed may hold anything; so may the rows of strips and of noise.
- **Modules.** ACTS's `detectors.csv` has no pixel sizes. `--detector` takes its geometric digitisation (JSON; one
  `*digi*.json` in the folder is found), or a module table (CSV, below) instead of both. Pixels longer than 0.5 mm
  are strips. Hits in other volumes than the table's are left out and counted (`n_left_out`). A TrackML hit in a
  volume that `detectors.csv` does not have is refused. Where that holds the pixels alone, its strips are those of
  volumes 12 to 14 and 16 to 18.
- **Filtered tables.** Cells and rows of the truth may belong to hits that were filtered out, and hits may lack
  truth. They are counted (`n_cells_unused`, `n_truth_unused`, `n_hits_without_truth`), and a warning says so. A row
  of noise is a row of the truth. Ids below 1 (ACTS:
  below 0), rows that are there twice, and a truth without rows are refused.
- **Values** that cannot be are refused. Cells above {MOST_CHARGE:g} e are; charges in e need `--electrons 1`. So are
  charges, momenta and starts of particles beyond
  {", ".join(dict.fromkeys(f"{m:g} {u}" for m, u, _ in LARGEST_OF_PARTICLES.values()))}, and TrackML's hits of
  particles with q = 0.
- **Positions** have to agree with modules and cells; others are refused. A hit lies at most {OFF_PLANE} mm off the
  plane of its module. It lies at most one pixel beside the outermost centres of its cells or, where that is more,
  {LORENTZ} of the sensor's thickness (Lorentz drift). Global positions of ACTS lie where the table has the local
  ones. Crossings of the truth lie at most {OVER_EDGE} mm outside the sensor of their hit.
- **Ids.** `cluster_hit_id` is the file's `hit_id` or `measurement_id`. In ROOT files without one it is the number
  of the entry in its event, from 0. Event numbers are the files' own. A `particle_id` in five parts becomes
  {" + ".join(f"{n} ({b} bits)" for n, b in BARCODE.items())}, highest first, as ACTS packed it before. Ids that
  come as floats are taken up to 2^53. Beyond, one float stands for several ids (a left join of pandas makes such
  columns), and they are refused.
- **One event stays one event.** Three things are refused: two jobs whose event numbers repeat (joined with
  `hadd`), tables put one after the other, and a hit, particle or crossing that is there twice. Convert the files of
  each job by themselves.
- **Charge** is the cell's value times `--electrons` (default {ELECTRONS_PER_MM:,.0f}: values are path lengths in
  mm), in slice 19. `--field` is TrackML's 2 T where it is not given; of ACTS's files it must be.
- **Share** of a particle in a cluster is that of its path through the thickness.
- **Estimates** have to be those of the user's sensor and digitisation. ACTS's geometric digitisation has neither
  Lorentz drift nor diffusion. The shipped estimates are off by them, and `smartpix run` warns. Run
  `smartpix train shape events.root -o own.safetensors` on events of the same digitisation that have truth. Then
  run `smartpix run other.root --set shape=own.safetensors`. [In ACTS](acts.md#on-actss-own-clusters) says what
  this brings. `--set graph=window --set gnn=gnn-window` does without directions, on all of the window's edges.

### A format of your own

A package adds a format with one module: `find(path)` recognises a path, `read(found, options)` opens
it, and a `Format` names both. The package names this object in its `pyproject.toml`; once it is
installed, `smartpix convert` asks it after the built-in formats. This is all of it, from
`examples/json_format.py`:

```python
{EXAMPLE}```

Formats are asked in the order `{"`, `".join(BUILT_IN)}`, then those of packages by name, then our own
event files. Every format is asked for every path: `find` should look at names or first bytes alone,
and the module should import heavy packages inside its functions. A path that two formats recognise
is refused, unless the format is named: `smartpix convert toy INPUT`. A package that cannot be imported
is one error with its name.

What `read` gives is checked as that of the built-in formats is: ids, channels, positions, charges and
truth ([`HitTables`](api/smartpix.md), [`Crossed`](api/smartpix.md) for the truth). Bad input should
raise `smartpix.schema.InputError` with the file, what was expected and what was found. A format inside
smartpix is the same module in `smartpix/convert/`, with one entry in the table of
`smartpix/convert/formats.py`.

### Back onto these files

`smartpix run F.root --join ORIGINAL` writes the tracks of the hits beside its results and leaves ORIGINAL as it
is. ORIGINAL is what was converted, or an event file.

- For each event of CSV files, `event000000001-hits-tracks.csv` (ACTS: `-measurements-tracks.csv`) has the rows of
  the table in their order.
- For ROOT files there is `measurements-tracks.root`, and `spacepoints-tracks.root` where there is a
  `spacepoints.root`; for an event file there is `F-tracks.root`. Each has a tree of the same name and entries, to
  be made a friend.

Besides the ids they have

| column | type | meaning |
|---|---|---|
{chr(10).join(f"| `{n}` | {kind} | {meaning} |" for n, (kind, meaning) in COLUMNS.items())}

Hits that are no pixel hits are on no track. Before the run, the numbers of all events, and of one event of each
file the places of its hits, are compared with ORIGINAL's: another sample's are refused.
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
    truth = event_truth(clusters, particles, result.hits.layer)
    data = to_pyg(result.event, result.hits, result.edges, clusters, file.header.detector, truth)
```

`data` has the fields of gnn_tracking's graphs:

- `x`: {", ".join(PYG_NODE_FEATURES)}; in mm, rad and e, unscaled;
- `edge_index`, and `edge_attr`: {", ".join(PYG_EDGE_FEATURES)};
- `y`, `particle_id`, `pt`, `eta`, `layer`, `n_hits`, `n_layers_hit`, `reconstructable`, `sector`, `evtid`;
- `hit_id` and `findable` besides.

With `naming="acorn"` it has acorn's: `hit_*`, `edge_*`, `track_edges`, `track_particle_*`, `track_to_edge_map`.
True edges, and so `y`, are ours ([definition](numbers.md#particles-and-edges)): consecutive crossings alone.
"""


CLUSTERS_NOTE = f"""
A table has one row per cluster, noise-free, in the layout of the public smart-pixel data sets (J. Dickinson et
al., arXiv 2310.02474; B. Parpillon et al., arXiv 2602.15946). `smartpix simulate clusters` writes such tables. Both
our own and the public ones are read in Python:

```python
from smartpix.io.parquet import read_clusters

clusters = read_clusters("F.parquet", slices=(0, 19))  # reads the columns of these two slices only
clusters.charge  # (clusters, slices, rows, columns), float32
clusters.targets()  # (clusters, 4): x and y in mm, cot alpha, cot beta
```

The reader takes

- a table with images and labels, as below;
- a pair `recon3D*.parquet` (the image columns) and `labels*.parquet` (the label columns). Their names differ in the
  beginning alone, and they have the same folder and the same rows in the same order. `recon2D*.parquet` is the last
  slice alone and is not read;
- a folder of such tables (`part.2.parquet` comes before `part.10.parquet`) or pairs, or several of all these, of
  one shape and one sensor.

**Image columns** are called `"0"`, `"1"`, ... and hold the charge in e induced from the start to the end of a slice
of 200 ps. It is cumulative, and negative where moving carriers induce the opposite sign. The column is
`(slice * rows + row) * columns + column`, with rows along y (r-phi) and columns along x. Columns may be floats or
integers and may be stored in any order; smartpix writes float32. The number of image columns tells the array:
{"; ".join(f"{n} are {s} slices of {r} x {c} pixels" for n, (s, r, c) in LAYOUTS.items())}. For others, give
`shape=(rows, columns)`.

**Positions** are counted from the centre of the origin pixel: row `(rows - 1) // 2`, column `(columns - 1) // 2`,
rounded down. With 13 x 21 pixels that is the middle of the array (row 6, column 10). With 16 x 16 it is pixel (7,
7), half a pixel below the middle, about which the crossings are spread. This is the rule in the source of PixelAV,
which made the public sets; it was not checked on a public 16 x 16 file.

**Metadata.** smartpix writes a JSON object under the key `smartpix` of the parquet schema. It has `slices` (their
numbers; there may be fewer than 20), `shape` (rows, columns), `sensor` and `made_by`. The sensor has
{", ".join(f"`{name}` in {unit}" for name, unit in SENSOR_AND_FIELD.items())}. The public files have none.

**Checksums.** Under the key `smartpix.checksums` smartpix writes the CRC-32 (that of zlib) of the metadata and of
every column of each row group. It checks what it reads, in some 7 % of the time of reading (a
profile of `read_clusters`; no results file holds it). A table that another program changed is refused as damaged; write
it with `smartpix.io.parquet.write_clusters`. The public files have no checksums (`smartpix info` says
`checksums: none`).

**Labels** are float64. `x-midplane`, `y-midplane`, `cotAlpha` and `cotBeta` must be there, or all they are computed
from. For the midplane that is also the thickness of the sensor, from the metadata or `thickness=` (mm). Others may
be missing; columns that are not listed are ignored. `cotAlpha` and `cotBeta` must agree with the momentum, and the
midplane with the entry where the thickness is known. Missing or infinite values are refused; so are rows of images
and labels that differ in number.
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
    parts.append(f"### Hits of the tracks\n\n{table('hit_', schema.TRACK_HITS)}")
    parts.append(f"{MORE.strip()}\n\n{table('edge_', schema.EDGES)}{CSV_TRACKS}")
    parts.append(OTHERS.strip() + "\n")
    parts.append(
        f"## Clusters of the public data sets (parquet)\n{CLUSTERS_NOTE}\n{table('', LABELS, 'label')}"
    )
    parts.append(TAU_TABLE.strip() + "\n")
    parts.append(PROVENANCE.strip() + "\n")
    return wrap("\n".join(parts))


if __name__ == "__main__":
    Path(__file__).with_name("formats.md").write_text(formats(), encoding="utf-8")
