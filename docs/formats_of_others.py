"""Words of docs/formats.md on the files of others: what is read of them, formats of one's own, and the way back."""

from pathlib import Path

from smartpix.archives import LARGEST_RATIO, PACKED, UNPACKED
from smartpix.convert.acts_geometry import BARCODE
from smartpix.convert.acts_root import PARTICLES
from smartpix.convert.colliderml import FIELD as COLLIDERML
from smartpix.convert.formats import BUILT_IN
from smartpix.convert.hit_events import LORENTZ, MOST_CHARGE, OFF_PLANE
from smartpix.convert.hit_tables import ELECTRONS_PER_MM
from smartpix.convert.locate import BESIDE
from smartpix.convert.timepix import GAP, PAIR, PIXELS
from smartpix.estimate.base import SOFTEST
from smartpix.io.physics_checks import (
    LARGEST_OF_PARTICLES,
    OVER_EDGE,
)
from tracking.runs.join import COLUMNS

EXAMPLE = (Path(__file__).parents[1] / "examples" / "json_format.py").read_text(encoding="utf-8")

OTHERS = f"""
## Files of others

`smartpix convert INPUT -o F.root` finds out what it is given, says so on stderr (and in `--json`) and makes an
event file of it. `smartpix convert FORMAT INPUT` takes the input for nothing else. The input is a ROOT file, a
folder or zip archive of CSV tables, or a file of one of the other formats. One event of CSV tables is named by the beginning of its tables' names
(`FOLDER/event000000001`) or by one of its tables.

| format | known by |
|---|---|
{chr(10).join(f"| `{name}` | `{format.known_by}` |" for name, format in BUILT_IN.items())}
| `smartpix` | the trees of an event file |

What is read:

- **`trackml`**: `-cells` and `detectors.csv`; with truth `-truth` and `-particles`. Volumes are 7, 8 and 9. With
  `--volumes all` hits of strips are taken too. Events without cells or without truth are taken as they are.
- **`acts-csv`**: `-cells`; with truth `-hits`, `-measurement-simhit-map` and the first of `-particles_simulated`,
  `-particles_initial`, `-particles`.
- **`acts-root`**: its channels, or those of `clusters.root`. With truth it reads `hits.root`, the first of
  {", ".join(f"`{n}.root`" for n in PARTICLES)}, and the `particles_*` branches of the measurements. Some versions
  wrote `particles` instead, and `barcode` of the hits: lists of the five parts.
- **`edm4hep`**: a podio file, a TTree or an RNTuple (of ROOT 6.34 or later, or of its release candidate 0.2). Of
  TrackerHitPlane or, where there is none, of SimTrackerHit: place, time, cell, and of the latter momentum and particle.
  MCParticle. Measured hits have the crossings of the simulated hits that they are linked to. Their uncertainties are
  du and dv along u and v, seen along x and y of the module; the correlation of these is left out. A direction that is
  not measured is anywhere along the module. `--detector` must say where modules are, and `--field` the field.
  Particles are numbered from 1 in their order.
- **`colliderml`**: `*tracker_hits*.parquet`, with truth the `*particles*.parquet` of the same name beside it or in the
  folder of the same name; or the JSON of the event display, whose hits come without truth. `--detector` must say
  where modules are, in ACTS's volumes. The field is {COLLIDERML:g} T unless `--field` says another. Ids of particles are
  theirs plus 1, since they count from 0. Directions of crossings follow from the particles' helices.
- **`allpix`**: text of Allpix Squared: `PixelHit` and, where it is there, the charge of the same pixel's
  `PixelCharge` (else the signal is the charge). Without `--detector` planes across z are taken, which indices and
  global positions tell. Neighbouring pixels of a detector and event become clusters, corners included. ROOT files of
  Allpix Squared hold objects of its own classes and are refused: write text with its TextWriter.
- **`timepix`**: `.t3pa`, whose pixels are one event as long as no gap of {GAP:g} ns is between them; and `.elist2`,
  whose clusters become hits without pixels. Without `--detector` it is one Timepix3 of {PIXELS} x {PIXELS} pixels.
  The charge is ToT, or the energy over {PAIR} eV. The time of a pixel is ToA less FToA.
- **`smartpix`**: everything. It is written with the other container, or with that of `--format`.

Truth and particles are there for all events of a folder or for none. The public data sets (parquet) hold single
clusters, without events or modules: no event file can be made of them. The output may not be one of the files
that it is made from.

**Hits without pixels.** {", ".join(f"`{n}`" for n in ("edm4hep", "colliderml"))}, `.elist2`, strips, and TrackML events
without cells give hits with a position and its sigma, and nothing else. The sigma is that of a place that is even
within a pixel, where the file says none. Their directions are those of a line from the luminous region, with its
length and the bend of a track of {SOFTEST} GeV as their sigmas: a cone is then the window. `smartpix run` takes such
files with `--set graph=window --set gnn=gnn-window`. `edm4hep` and `colliderml` find the module of a hit from its place, to
{BESIDE} mm. Hits of one DD4hep sensor, by their cell numbers, must be on one module.

**Strips** are modules whose pixels are longer than 0.5 mm. Edges and seeds are of pixels alone. With
`fit.follow=strips` a track is followed outwards from layer to layer, takes the strip hit with the smallest chi2 of each, and is fitted again
(`fit.follow`, `fit.follow_chi2`). `tracks.root` has the strip hits of each track and the parameters of this fit.
`tracks.csv`, and all numbers of quality, are of the pixels.

**Particles without truth.** Where no hit says whose it is, `smartpix bench helix F.root` matches tracks to the
particles whose helices their hits lie on, and says how many are found.

**Times.** Where a file tells when a cluster was seen, event files have it (`cluster_time`, ns), and so have the hits
of a chain. No fit uses it.

**Single clusters.** `smartpix convert run.out -o run.parquet` makes a data set in the public layout of PixelAV's text.
Versions that print a tenth of the electrons are known by the number of pairs of each cluster. `smartpix convert
F.tfrecord -o F.parquet` makes a table of the public TFRecords for filters, whose checksums are compared: the charges of
the last slice in e, `class`, and what else there is of each cluster. TensorFlow is not needed. Pairs
`signal_recon3D*.parquet` and `signal_labels*.parquet` are read as `recon3D*` and `labels*`.

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
