"""Where the modules are, how their frames lie, and which layer follows which.

The sensor frame (``smartpix``'s one definition, explained in ``docs/concepts.md``): z is normal to the sensor
and points away from the interaction region, towards the pixel side; x runs along the module's v axis (along
+z globally in the barrel, outwards in the end-caps); y completes the right-handed frame and is the bending
direction. In a field along +z electrons then drift towards -y in the barrel, as in the public data sets.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import InitVar, dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from smartpix import schema
from smartpix.beam import CENTRED, BeamSpot
from smartpix.detector_checks import check_detector, module_keys
from smartpix.layer_table import Layers
from smartpix.notebook import span, words_and_table
from smartpix.rows import Rows
from smartpix.schema import InputError
from smartpix.thumbnails import detector_maps

__all__ = ["PIXEL_VOLUMES", "Detector", "Layers", "read_detector", "write_detector"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]

STRIP = 0.5
"""mm: longer pixels are strips, which tell no direction and which no network is trained for."""
PIXEL_VOLUMES = (7, 8, 9)
"""Of the generic (TrackML) detector: negative end-cap, barrel, positive end-cap."""


@words_and_table
@dataclass(frozen=True)
class Detector(Rows):
    """Pixel modules, one row per module; columns as in TrackML's ``detectors.csv``.

    Attributes:
        columns: the columns of :data:`smartpix.schema.DETECTOR`, each (M,).
        where: what errors call the table; not kept.
        frame: positions and axes are those of the frame of this beam. The columns stay global.
        dead: rows of modules that are known to give no clusters, ascending; searches look over them.

    Raises:
        InputError: no table of a detector's modules, see :func:`smartpix.detector_checks.check_detector`;
            dead modules that it does not have.
    """

    columns: Mapping[str, npt.NDArray[np.generic]]

    where: InitVar[str] = "detector table"
    frame: BeamSpot = field(default=CENTRED, repr=False)
    dead: tuple[int, ...] = field(default=(), repr=False)

    def __post_init__(self, where: str) -> None:
        check_detector(self.columns, where)
        for row in self.dead:
            if not 0 <= row < len(self):
                raise InputError(
                    f"{where}: module {row} is called dead and there are {len(self)} modules, numbered from 0; "
                    "give rows of this table"
                )

    def __len__(self) -> int:
        return len(self.columns["volume_id"])

    def table(self) -> dict[str, npt.NDArray[np.generic]]:
        """The columns, in the global frame."""
        return dict(self.columns)

    def fingerprint(self) -> str:
        """sha256 of the columns: the same for the same modules at the same places in the same order."""
        digest = hashlib.sha256()
        for name, column in schema.DETECTOR.items():
            digest.update(np.asarray(self.columns[name]).astype(column.dtype).tobytes())
        return digest.hexdigest()

    def take(self, rows: npt.NDArray[np.int64]) -> Detector:
        """A detector of some of the modules."""
        columns = {name: column[rows] for name, column in self.columns.items()}
        dead = np.flatnonzero(np.isin(rows, self.dead))
        return replace(self, columns=columns, where="part of a detector", dead=tuple(dead.tolist()))

    def in_words(self) -> dict[str, str]:
        """Modules, layers, where they are, and pixels."""
        layers = self.layers
        modules = (
            f"{len(self):,} modules, {self.barrel.sum():,} of them in the barrel, on {len(layers)} layers"
        )
        pitch = f"{span(1e3 * self.pitch_x)} x {span(1e3 * self.pitch_y, 'µm')}, {span(1e3 * self.thickness, 'µm')} thick"
        return {
            "modules": modules if not self.dead else f"{modules}, {len(self.dead)} dead",
            "r": span([layers.r_min, layers.r_max], "mm"),
            "z": span([layers.z_min, layers.z_max], "mm"),
            "pixels": pitch,
        }

    def thumbnails(self) -> str:
        """The modules in z and r, and in x and y."""
        return detector_maps(self.outline, self.barrel)

    def _float(self, name: str) -> Floats:
        return np.asarray(self.columns[name], dtype=np.float64)

    @cached_property
    def center(self) -> Floats:
        """(M, 3) module centres in mm."""
        center = np.stack([self._float("cx"), self._float("cy"), self._float("cz")], axis=1)
        return center if self.frame.is_centred else self.frame.to_beam(center)

    @cached_property
    def barrel(self) -> npt.NDArray[np.bool_]:
        """(M,) True where the module's normal is closer to the transverse plane than to the beam."""
        # Tilted modules of inclined barrels are no disks: 45 degrees part the two.
        return np.asarray(np.abs(self._float("rot_zw")) < np.sqrt(0.5))

    @cached_property
    def _upright(self) -> npt.NDArray[np.bool_]:
        """(M,) the same in the frame of the beam: planes across a beam of particles stand upright there."""
        return np.abs(self.axes[:, 2, 2]) < np.sqrt(0.5) if self.frame.distance else self.barrel

    @cached_property
    def v_sign(self) -> Floats:
        """(M,) sign of the sensor frame's x axis on the module's v axis."""
        v = np.stack([self._float(f"rot_{g}v") for g in "xyz"], axis=1)
        # Tables of ACTS and TrackML turn v either way. x runs along +z in the barrel and outwards on disks,
        # so that modules of one kind see the field, and drift, alike. The global frame decides, whatever the
        # beam: the clusters were made in it.
        radial = v[:, 0] * self._float("cx") + v[:, 1] * self._float("cy")
        return np.where(np.where(self.barrel, v[:, 2], radial) >= 0, 1.0, -1.0)

    @cached_property
    def u_sign(self) -> Floats:
        """(M,) sign of the sensor frame's y axis on the module's u axis."""
        u = np.stack([self._float(f"rot_{g}u") for g in "xyz"], axis=1)
        return np.where(np.sum(u * self._table_axes[:, :, 1], axis=1) >= 0, 1.0, -1.0)

    @cached_property
    def axes(self) -> Floats:
        """(M, 3, 3) sensor axes as columns: ``point = center + axes @ (x, y, z)``."""
        axes = self._table_axes
        return np.asarray(self.frame.rotation @ axes) if self.frame.is_turned else axes

    @cached_property
    def _table_axes(self) -> Floats:
        """(M, 3, 3) sensor axes in the global frame."""
        v = np.stack([self._float(f"rot_{g}v") for g in "xyz"], axis=1)
        w = np.stack([self._float(f"rot_{g}w") for g in "xyz"], axis=1)
        # z points away from the interaction point: from the axis in the barrel, along the beam on disks.
        reference = np.stack([self._float("cx"), self._float("cy"), self._float("cz")], axis=1)
        reference[self.barrel, 2] = 0.0
        reference[~self.barrel, :2] = 0.0
        outward = np.where(np.sum(w * reference, axis=1) >= 0, 1.0, -1.0)
        z = w * outward[:, None]
        x = v * self.v_sign[:, None]
        return np.stack([x, np.cross(z, x), z], axis=2)

    @cached_property
    def half_x(self) -> Floats:
        """(M,) half length along x in mm."""
        return self._float("module_hv")

    @cached_property
    def half_y(self) -> Floats:
        """(M,) half length along y in mm (of the wider edge of a trapezoid)."""
        return np.maximum(self._float("module_maxhu"), self._float("module_minhu"))

    @cached_property
    def half_y_ends(self) -> Floats:
        """(M, 2) half lengths along y at the lower and at the upper end of x in mm: of trapezoids they
        differ.
        """
        ends = np.stack([self._float("module_minhu"), self._float("module_maxhu")], axis=1)
        # x runs along v, or against it.
        return np.where(self.v_sign[:, None] > 0, ends, ends[:, ::-1])

    @cached_property
    def outline(self) -> Floats:
        """(M, 4, 3) corners of the modules on their midplanes, in order around each, in mm."""
        rows = np.arange(len(self))
        corners = [
            np.stack([(2 * end - 1) * self.half_x, side * self.half_y_ends[:, end]], axis=1)
            for end, side in ((0, -1), (0, 1), (1, 1), (1, -1))
        ]
        return np.stack([self.to_global(rows, corner) for corner in corners], axis=1)

    @cached_property
    def across(self) -> float:
        """Farthest that a module reaches from the x axis of :attr:`frame`, along y or z, in mm: of a beam of
        particles, from the beam.
        """
        return float(np.abs(self.outline[:, :, 1:]).max(initial=0.0))

    @cached_property
    def pitch_x(self) -> Floats:
        """(M,) pixel pitch along x in mm."""
        return self._float("pitch_v")

    @cached_property
    def pitch_y(self) -> Floats:
        """(M,) pixel pitch along y in mm."""
        return self._float("pitch_u")

    @cached_property
    def strips(self) -> npt.NDArray[np.bool_]:
        """(M,) modules whose pixels are longer than :data:`STRIP`; none where a detector has nothing else."""
        long = np.maximum(self.pitch_x, self.pitch_y) > STRIP
        return long & ~np.all(long)

    @cached_property
    def thickness(self) -> Floats:
        """(M,) full thickness of the sensor in mm."""
        return 2.0 * self._float("module_t")

    @cached_property
    def n_columns(self) -> Ints:
        """(M,) pixels along x."""
        return np.rint(2 * self.half_x / self.pitch_x).astype(np.int32)

    @cached_property
    def n_rows(self) -> Ints:
        """(M,) pixels along y."""
        return np.rint(2 * self.half_y / self.pitch_y).astype(np.int32)

    @cached_property
    def layer_index(self) -> Ints:
        """(M,) row of the module's layer in :attr:`layers`."""
        keys = np.stack([self._float("volume_id"), self._float("layer_id")], axis=1)
        return np.unique(keys, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int32)

    @cached_property
    def layers(self) -> Layers:
        """The layers with their envelopes, about the beam line of :attr:`frame`."""
        n_layers = int(self.layer_index.max()) + 1 if len(self) else 0
        corners = np.stack(
            [
                self.to_global(np.arange(len(self)), np.stack([sx * self.half_x, sy * self.half_y], axis=1))
                for sx in (-1, 0, 1)
                for sy in (-1, 0, 1)
            ],
            axis=1,
        )
        radius, z = np.hypot(corners[..., 0], corners[..., 1]), corners[..., 2]
        first = [int(np.flatnonzero(self.layer_index == i)[0]) for i in range(n_layers)]
        members = [self.layer_index == i for i in range(n_layers)]
        r_center = np.hypot(self.center[:, 0], self.center[:, 1])
        z_center = np.array([self.center[m, 2].mean() for m in members])
        gaps = self._gaps(radius, first, members, z_center)
        return Layers(
            volume_id=self._float("volume_id")[first].astype(np.int32),
            layer_id=self._float("layer_id")[first].astype(np.int32),
            barrel=self._upright[first],
            r_min=np.array([radius[m].min() for m in members]),
            r_max=np.array([radius[m].max() for m in members]),
            z_min=np.array([z[m].min() for m in members]),
            z_max=np.array([z[m].max() for m in members]),
            radius=np.array([r_center[m].mean() for m in members]),
            z=z_center,
            gap_low=np.array([low for low, _ in gaps]),
            gap_high=np.array([high for _, high in gaps]),
        )

    def _gaps(
        self, radius: Floats, first: list[int], members: list[npt.NDArray[np.bool_]], z: Floats
    ) -> list[tuple[float, float]]:
        """Of each layer the radii about the beam line between which no module may lie.

        Args:
            radius: (M, P) of points on the modules; first: module of each layer; z: (L,) of the layers.
        """
        if self.frame.distance:
            # About a far origin all is barrel, or lies along the beam and is not met.
            return [(0.0, 0.0)] * len(first)
        if not self.frame.is_centred:
            # A gap is about the axis of its disk, and about another line lies at other radii in each azimuth.
            # From the modules' radii about that line it would seem narrower, or closed. So it is found about
            # the axis, and widened by how far the line is off.
            at_rest = self.at_beam(CENTRED).layers
            axis = self.frame.to_beam(self.frame.to_global(np.stack([0 * z, 0 * z, z], axis=1)) * [0, 0, 1])
            off = np.hypot(axis[:, 0], axis[:, 1])
            return [
                (max(low - far - self.frame.slope * high, 0.0), high + far + self.frame.slope * high)
                if high > low else (0.0, 0.0)
                for low, high, far in zip(at_rest.gap_low, at_rest.gap_high, off, strict=True)
            ]  # fmt: skip
        return [
            (0.0, 0.0) if self.barrel[k] else _widest_gap(radius[m])
            for k, m in zip(first, members, strict=True)
        ]

    def at_beam(self, beam: BeamSpot) -> Detector:
        """The same modules, with positions and axes in the frame of a beam."""
        return self if beam == self.frame else replace(self, frame=beam)

    def with_dead(self, rows: Iterable[int]) -> Detector:
        """The same detector of which these modules are known to be dead, besides those that were."""
        dead = tuple(sorted({*self.dead, *(int(row) for row in rows)}))
        return self if dead == self.dead else replace(self, dead=dead)

    def to_global(self, module: npt.ArrayLike, local: Floats) -> Floats:
        """Points of the sensor frame in the global frame, or in that of :attr:`frame`.

        Args:
            module: (N,) module rows.
            local: (N, 2) points on the midplane or (N, 3), mm.

        Returns:
            (N, 3) in mm.
        """
        index = np.asarray(module)
        axes = self.axes[index][:, :, : local.shape[1]]
        return np.asarray(self.center[index] + np.einsum("nij,nj->ni", axes, local))

    def to_local(self, module: npt.ArrayLike, point: Floats) -> Floats:
        """Global points (N, 3) in the sensor frame of their modules, (N, 3) in mm."""
        index = np.asarray(module)
        return np.asarray(np.einsum("nji,nj->ni", self.axes[index], point - self.center[index]))

    def direction_to_local(self, module: npt.ArrayLike, direction: Floats) -> Floats:
        """Global directions (N, 3) in the sensor frame (N, 3)."""
        return np.asarray(np.einsum("nji,nj->ni", self.axes[np.asarray(module)], direction))

    def direction_to_global(self, module: npt.ArrayLike, direction: Floats) -> Floats:
        """Sensor-frame directions (N, 3) in the global frame (N, 3)."""
        return np.asarray(np.einsum("nij,nj->ni", self.axes[np.asarray(module)], direction))

    def find_modules(
        self, volume_id: npt.ArrayLike, layer_id: npt.ArrayLike, module_id: npt.ArrayLike
    ) -> Ints:
        """Rows (N,) of the modules with the given ids.

        Raises:
            InputError: for ids that the table does not have.
        """
        table_keys = module_keys(self._float("volume_id"), self._float("layer_id"), self._float("module_id"))
        keys = module_keys(volume_id, layer_id, module_id)
        order = np.argsort(table_keys)
        place = np.minimum(np.searchsorted(table_keys[order], keys), len(order) - 1)
        rows = order[place]
        bad = table_keys[rows] != keys
        if np.any(bad):
            i = int(np.argmax(bad))
            ids = [int(np.asarray(a)[i]) for a in (volume_id, layer_id, module_id)]
            raise InputError(
                f"detector table: no module with volume_id, layer_id, module_id = {ids} ({int(bad.sum())} "
                "such hits); the hits belong to another detector table"
            )
        return rows.astype(np.int32)


def _widest_gap(radius: Floats) -> tuple[float, float]:
    """Widest range of radii that no module covers, from points (M, P) on each of a disk's modules; (0, 0) if
    there is none.
    """
    order = np.argsort(radius.min(axis=1))
    low, high = radius.min(axis=1)[order], np.maximum.accumulate(radius.max(axis=1)[order])
    k = int(np.argmax(low[1:] - high[:-1])) if len(low) > 1 else 0
    return (float(high[k]), float(low[k + 1])) if len(low) > 1 and low[k + 1] > high[k] else (0.0, 0.0)


def read_detector(path: str | Path) -> Detector:
    """Read a detector table from CSV (TrackML columns; compressed by its ending).

    Raises:
        InputError: missing file or column, a value that is not a number, or as :class:`Detector`.
    """
    from smartpix.archives import exists
    from smartpix.tables import read_csv

    path = Path(path)
    if not exists(path):
        raise InputError(f"{path}: no such file; `smartpix detector -o {path.name}` makes one")
    columns = read_csv(
        path, {n: c.dtype for n, c in schema.DETECTOR.items()}, "the columns of TrackML's detectors.csv"
    )
    return Detector(columns, str(path))


def write_detector(detector: Detector, path: str | Path) -> None:
    """Write the table as CSV (gzip if the name ends in .gz), whole or not at all."""
    from smartpix.tables import write_csv

    write_csv(path, {name: np.asarray(detector.columns[name]) for name in schema.DETECTOR})
