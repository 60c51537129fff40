"""ACTS's graph-based seeding (GBTS) on the generic detector, through pyacts.

The bindings of pyacts 48.1 leave most of its cuts as they were tuned, for a larger detector at 2 T: its
filter drops curvatures above 1e-3 / mm, its graph those above what 0.9 GeV bend there. So the detector is
made larger instead. Points go in with x and y times a scale, in a geometry with its radii times the same. The
field is 2 T, and the smallest pT is the true one times the scale and 2 T over the true field. A circle stays
a circle, z stays as it is, and slopes are compared by their ratios. Seeds come back to the hits by their
rows. Widths of clusters are not used: ACTS's examples fill none in.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seeding.acts import algorithm_of
from seeding.hits import Hits
from smartpix.geometry import Detector, Layers, read_detector
from smartpix.layers import layer_pairs
from smartpix.schema import InputError
from smartpix.shipped import data_path

__all__ = ["BALANCED", "FASTEST", "POINTS", "GbtsSeeding", "gbts_seeding"]

Ints = npt.NDArray[np.int64]

TUNED_FIELD = 2.0
"""Field in T that the cuts of ACTS's graph are for."""
SCALED_FIELD = 3.8
"""Field in T at which the scale of the cuts below holds; in another one it goes with the field."""
LAYER_TOLERANCE = 20.0
"""mm that a hit may lie outside its layer's envelope."""

BALANCED: Mapping[str, Any] = {
    "scale": 2.4, "minPt": 0.5, "cotThetaMax": 10.0,
    "collisionRegionMin": -170.0, "collisionRegionMax": 170.0,
    "minSeedLevel": 3, "addTriplets": True, "maxAbsEtaAddTriplets": 4.0,
    "matchBeforeCreate": True, "maxEdgesPerSP": 8.0,
}  # fmt: skip
"""Cuts down to 0.5 GeV and to slopes of 10, as the cones' are.

``scale``, ``minPt`` (GeV) and ``cotThetaMax`` are those of the true detector. Points beyond this slope, seen
from the origin, are left out before ACTS has them, and layers are connected up to it. The rest are ACTS's, in
its names and units. ``maxEdgesPerSP`` reserves memory, which with ACTS's default of 30 takes longer than need
be.
Without ``addTriplets`` a seed needs four hits, and a particle on four layers whose chain breaks is lost.
"""

FASTEST: Mapping[str, Any] = {**BALANCED, "minPt": 0.86, "cotThetaMax": 7.0}
"""Gives up what no findable particle is: below 0.9 GeV, and steeper than 7. Steep seeds cost the Kalman
filter more than the seeding.
"""

POINTS: Mapping[str, Mapping[str, Any]] = {"fastest": FASTEST, "balanced": BALANCED}
"""Working points by name."""

_SEEDER = ("minSeedLevel", "addTriplets", "maxAbsEtaAddTriplets", "nMaxPhiSlice")
"""Cuts that ACTS has in its seeder; the others are the graph's."""
_PLACED = ("scale", "minPt", "cotThetaMax", "collisionRegionMin", "collisionRegionMax")


@dataclass(frozen=True)
class GbtsSeeding:
    """What finds seeds of events with GBTS.

    Attributes:
        algorithms: from the events to seeds of scaled points on the white board; only the last is ACTS's.
        rows: of an event's number and its seeds: (S, 3) rows of the hits, the innermost three, inner first;
            and (S,) ACTS's quality, largest for the best.
    """

    algorithms: list[Any]
    rows: Callable[[int, Any], tuple[Ints, npt.NDArray[np.float64]]]


def gbts_seeding(
    acts: Any, events: Sequence[Hits], field: float, cuts: Mapping[str, Any], seeds: str = "gbts_seeds"
) -> GbtsSeeding:
    """GBTS on the events of one sequencer.

    Args:
        events: of the generic detector with any sensor, in the frame of their beam; field: along z in T.
        cuts: instead of those of :data:`BALANCED`; seeds: their key on the white board.

    Raises:
        InputError: no field, or, while it runs, hits that do not lie on the layers they name.
    """
    if field == 0:
        raise InputError("ACTS GBTS: the field is 0, and it needs one to tell how far a track may bend")
    chosen = {**BALANCED, **cuts}
    scale = chosen["scale"] * abs(field) / SCALED_FIELD
    layers = _generic().layers
    geometry, ids = _scaled_layers(acts, layers, scale)
    kept: dict[int, Ints] = {}

    def fill(event: int) -> tuple[Any, Any]:
        hits = events[event]
        _check_layers(hits, layers)
        position = hits.position
        radius = np.hypot(position[:, 0], position[:, 1])
        kept[event] = np.flatnonzero(np.abs(position[:, 2]) < chosen["cotThetaMax"] * radius)
        return _points(acts, hits, kept[event], scale, ids), acts.examples.ClusterContainer()

    def rows(event: int, found: Any) -> tuple[Ints, npt.NDArray[np.float64]]:
        points = [seed.spacePointIndices[:3] for seed in found]
        of_points = np.array(points, dtype=np.int64).reshape(-1, 3)
        return kept[event][of_points], np.array([seed.quality for seed in found], dtype=np.float64)

    points, clusters = f"{seeds}_points", f"{seeds}_clusters"
    writes = [(points, acts.SpacePointContainer), (clusters, acts.examples.ClusterContainer)]
    seeder = _seeder(acts, geometry, ids, chosen, scale / abs(field) * TUNED_FIELD, (points, clusters, seeds))
    return GbtsSeeding([algorithm_of(acts, f"Fill {seeds}", fill, writes=writes), seeder], rows)


@cache
def _generic() -> Detector:
    """The generic detector's modules, in the frame of their beam."""
    return read_detector(data_path("detector.csv"))


@cache
def _connections(max_cot: float, max_z0: float) -> tuple[tuple[int, int], ...]:
    """Layers that a straight line meets one after the other, inner first.

    ACTS trains them on simulated tracks (``addGbtsTraining``); the geometry tells the same.
    """
    pairs = layer_pairs(_generic(), max_eta=float(np.arcsinh(max_cot)), z0_max=max_z0)
    return tuple(zip(pairs.inner.tolist(), pairs.outer.tolist(), strict=True))


def _scaled_layers(acts: Any, layers: Layers, scale: float) -> tuple[Any, list[Any]]:
    """A tracking geometry with one rectangle for each layer, and the id of each.

    GBTS takes nothing else of a geometry than the extent of each layer: radius and ends along z of a
    cylinder, z and radii of a disk.
    """
    surfaces = []
    for k in range(len(layers)):
        if layers.barrel[k]:
            middle, half = (layers.z_max[k] + layers.z_min[k]) / 2, (layers.z_max[k] - layers.z_min[k]) / 2
            # Local axes along y and z, in the columns.
            turn = acts.RotationMatrix3(acts.Vector3(0, 1, 0), acts.Vector3(0, 0, 1), acts.Vector3(1, 0, 0))
            place = acts.Transform3(acts.Vector3(scale * layers.radius[k], 0, middle), turn)
            bounds = acts.RectangleBounds(1.0, half)
        else:
            low, high = scale * layers.r_min[k], scale * layers.r_max[k]
            place = acts.Transform3(acts.Vector3((low + high) / 2, 0, layers.z[k]))
            bounds = acts.RectangleBounds((high - low) / 2, 1.0)
        surface = acts.Surface.createPlane(place, bounds)
        surface.assignIsSensitive(True)
        surfaces.append(surface)
    blueprint = acts.Blueprint(
        acts.Blueprint.Config(envelope=acts.ExtentEnvelope(z=[20.0, 20.0], r=[0.0, 20.0]))
    )
    node = blueprint.addLayer("layers")
    node.surfaces = surfaces
    node.layerType = acts.LayerBlueprintNode.LayerType.Cylinder
    node.envelope = acts.ExtentEnvelope(z=[5.0, 5.0], r=[5.0, 5.0])
    node.navigationPolicyFactory = acts.NavigationPolicyFactory.make().add(acts.TryAllNavigationPolicy)
    context = acts.GeometryContext.dangerouslyDefaultConstruct()
    geometry = blueprint.construct(acts.BlueprintOptions(), context, level=acts.logging.WARNING)
    return geometry, [surface.geometryId for surface in surfaces]


def _seeder(
    acts: Any,
    geometry: Any,
    ids: Sequence[Any],
    cuts: Mapping[str, Any],
    pt_scale: float,
    keys: tuple[str, str, str],
) -> Any:
    """ACTS's algorithm. It reads layers and connections from files while it is made.

    Args:
        pt_scale: its smallest pT over the true one; keys: of points, clusters and seeds on the white board.
    """
    examples = acts.examples
    graph_cuts = {name: cut for name, cut in cuts.items() if name not in (*_SEEDER, *_PLACED)}
    seeder, graph = examples.GraphBasedSeedingConfig(), examples.GbtsGraphBuilderConfig()
    graph.minPt = cuts["minPt"] * pt_scale
    for config, chosen in ((seeder, {n: cuts[n] for n in _SEEDER if n in cuts}), (graph, graph_cuts)):
        for name, cut in chosen.items():
            setattr(config, name, cut)
    with tempfile.TemporaryDirectory() as folder:
        layer_file, connection_file = Path(folder) / "layers.json", Path(folder) / "connections.json"
        layer_file.write_text(json.dumps(_layer_table(ids)), encoding="utf-8")
        pairs = [
            {"outer": outer, "inner": inner}
            for inner, outer in _connections(cuts["cotThetaMax"], cuts["collisionRegionMax"])
        ]
        connection_file.write_text(json.dumps({"connections": pairs}), encoding="utf-8")
        return examples.GraphBasedSeedingAlgorithm(
            level=acts.logging.WARNING, inputSpacePoints=keys[0], inputClusters=keys[1], outputSeeds=keys[2],
            seedFinderConfig=seeder, graphConfig=graph, trackingGeometry=geometry, fillModuleCsv=False,
            layerMappingFile=str(layer_file), connectorInputFile=str(connection_file), lutInputFile="",
            collisionRegionMin=cuts["collisionRegionMin"], collisionRegionMax=cuts["collisionRegionMax"],
            bFieldInZ=TUNED_FIELD * acts.UnitConstants.T,
        )  # fmt: skip


def _layer_table(ids: Sequence[Any]) -> dict[str, Any]:
    """Layers as ACTS's layer file has them, numbered as the detector's."""
    barrel = _generic().layers.barrel
    return {
        "layers": [
            {
                "id": k, "type": "barrel" if barrel[k] else "endcap", "technology": "pixel",
                "surfaces": [{"volume": of.volume, "layer": of.layer, "sensitive": of.sensitive}],
            }
            for k, of in enumerate(ids)
        ]
    }  # fmt: skip


def _points(acts: Any, hits: Hits, rows: Ints, scale: float, ids: Sequence[Any]) -> Any:
    """Scaled space points of some hits, each linked to the id of its layer."""
    columns = acts.SpacePointColumns
    points = acts.SpacePointContainer(columns.X | columns.Y | columns.Z | columns.R | columns.SourceLinks)
    points.reserve(len(rows), 1)
    links = [acts.examples.IndexSourceLink(of, 0).toSourceLink() for of in ids]
    layer = hits.layer[rows].tolist()
    for (x, y, z), k in zip((hits.position[rows] * [scale, scale, 1.0]).tolist(), layer, strict=True):
        point = points.createSpacePoint()
        point.x, point.y, point.z, point.r = x, y, z, float(np.hypot(x, y))
        point.assignSourceLinks([links[k]])
    return points


def _check_layers(hits: Hits, layers: Layers) -> None:
    layer, (x, y, z) = hits.layer, hits.position.T
    if len(layer) == 0:
        return
    away = np.inf
    if layer.max() < len(layers):
        r = np.hypot(x, y)
        outside = [
            layers.r_min[layer] - r,
            r - layers.r_max[layer],
            layers.z_min[layer] - z,
            z - layers.z_max[layer],
        ]
        away = float(np.max(outside))
    if not away < LAYER_TOLERANCE:
        raise InputError(
            f"ACTS GBTS: hits lie {away:.3g} mm off the layers they name; "
            f"they must be on ACTS's generic detector"
        )
