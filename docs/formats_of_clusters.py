"""Words of docs/formats.md on the public layout of clusters."""

from smartpix.io.cluster_metadata import SENSOR_AND_FIELD
from smartpix.io.cluster_set import LAYOUTS

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


MERGED_NOTE = """
### Windows of several particles (`--dataset merged`)

`smartpix simulate clusters --dataset merged` writes windows that 1, 2 or 3 particles cross. The labels above are of
the first of them, in no order. Those of the second and third have the same names with `-2` and `-3` at the end, and
are nan where there is none. `targets(2)` gives the four targets of the second one. `number_eh_pairs` of all of them
tell the shares of the charge. One more label is there:
"""
