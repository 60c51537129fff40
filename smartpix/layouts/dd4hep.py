"""The Open Data Detector's pixel modules from its DD4hep files.

Modules are placed as its factories place them (``ODDPixelBarrel_geo.cpp``, ``ODDPixelEndcap_geo.cpp``,
``ODDModuleHelper.cpp`` of OpenDataDetector/OpenDataDetector): staves about the beam, turned by their tilt,
with the sensor off the stave's middle; rings of trapezoids, each second one behind. Strips, supports and
services are left out; of the supports the material is kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt

from smartpix.geometry import Detector
from smartpix.layouts.expressions import Constants
from smartpix.layouts.modules import Modules, as_detector, joined
from smartpix.layouts.options import Sensors
from smartpix.material import BERYLLIUM, CARBON_FIBRE, KAPTON, Material
from smartpix.physics import SILICON_RADIATION_LENGTH
from smartpix.schema import InputError

__all__ = ["BARREL_VOLUME", "ENDCAP_VOLUMES", "RADIATION_LENGTHS", "OpenData", "open_data_detector"]

Floats = npt.NDArray[np.float64]

ENDCAP_VOLUMES, BARREL_VOLUME = (16, 18), 17
"""ACTS's numbers of the pixel volumes: negative and positive end-cap, and the barrel."""
RADIATION_LENGTHS = {
    "Silicon": SILICON_RADIATION_LENGTH, "Kapton": KAPTON, "Beryllium": BERYLLIUM, "CarbonFiber": CARBON_FIBRE,
}  # fmt: skip
"""mm, by the files' names."""
MILLIMETRES = 10.0
"""In the unit of DD4hep's numbers, cm."""
MOST_FILES = 100


@dataclass(frozen=True)
class OpenData:
    """The Open Data Detector's pixels.

    Attributes:
        detector: its modules.
        material: of modules, supports and beam pipe, without cooling, cables and connectors.
        field: nominal field in T, 0 where the files say none.
        missing: files that others include and that are not there.
    """

    detector: Detector
    material: Material
    field: float
    missing: tuple[str, ...] = ()


def open_data_detector(path: str | Path, sensors: Sensors | None = None) -> OpenData:
    """Read ``OpenDataDetector.xml`` and what it includes.

    Files that are included and missing are left out, as long as nothing that is needed was defined there.
    Layers have even ids in the order of z, as ACTS numbers them; modules are numbered stave by stave along
    the beam, or ring by ring.

    Args:
        sensors: pixels, and thickness; default: pitch and thickness of the files.

    Raises:
        InputError: a file that cannot be read, no pixel detectors of the known types, an attribute that is
            missing or no arithmetic.
    """
    files = _Files(Path(path))
    constants = Constants(files.constants, str(path))
    reader = _Reader(files, constants)
    layers: list[tuple[int, int, Modules]] = []
    supports: dict[tuple[int, int], float] = {}
    for element in files.detectors:
        kind = element.get("type")
        if kind == "ODDPixelBarrel":
            made = reader.barrel(element)
            numbered = [(BARREL_VOLUME, 2 * (k + 1), part) for k, (part, _) in enumerate(made)]
        elif kind == "ODDPixelEndcap":
            made = sorted(reader.endcap(element), key=lambda item: float(item[0].center[:, 2].mean()))
            volume = ENDCAP_VOLUMES[float(made[0][0].center[:, 2].mean()) > 0]
            numbered = [(volume, 2 * (k + 1), part) for k, (part, _) in enumerate(made)]
        else:
            continue
        layers += numbered
        supports |= {item[:2]: support for item, (_, support) in zip(numbered, made, strict=True)}
    if not layers:
        left_out = f" (it includes {', '.join(files.missing)}, not there)" if files.missing else ""
        raise InputError(
            f"{path}: has no detector of the types ODDPixelBarrel and ODDPixelEndcap{left_out}; give the Open "
            "Data Detector's OpenDataDetector.xml, with the files that it includes beside it"
        )
    pitch = reader.pitch
    sensors = sensors or Sensors(pitch_u=pitch[0], pitch_v=pitch[1], thickness=reader.thickness)
    pipe, radius = reader.pipe()
    material = Material(
        sensor=reader.module_material, layers=tuple(supports[key] for key in sorted(supports)), pipe=pipe,
        pipe_radius=radius,
    )  # fmt: skip
    tesla = constants.value("Field_nominal_value") if "Field_nominal_value" in files.constants else 0.0
    return OpenData(as_detector(layers, sensors), material, tesla, tuple(files.missing))


class _Files:
    """A file of DD4hep and those it includes: their constants, detectors and segmentations."""

    def __init__(self, path: Path) -> None:
        self.constants: dict[str, str] = {}
        self.detectors: list[ElementTree.Element] = []
        self.pitches: dict[str, ElementTree.Element] = {}
        self.missing: list[str] = []
        self._seen: set[Path] = set()
        self._read(path)

    def _read(self, path: Path) -> None:
        self._seen.add(path.resolve())
        if len(self._seen) > MOST_FILES:
            raise InputError(f"{path}: more than {MOST_FILES} files include one another")
        root = _parsed(path)
        for constant in root.iter("constant"):
            if constant.get("name"):
                self.constants[constant.get("name", "")] = constant.get("value", "")
        self.detectors += [d for group in root.iter("detectors") for d in group.findall("detector")]
        self.pitches |= {r.get("name", ""): r for r in root.iter("readout")}
        for include in root.iter("include"):
            other = path.parent / include.get("ref", "")
            if not other.is_file():
                self.missing.append(include.get("ref", ""))
            elif other.resolve() not in self._seen:
                self._read(other)


def _parsed(path: Path) -> ElementTree.Element:
    """The root element of a file, whose entities are not looked up."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    if b"<!ENTITY" in text or b"<!DOCTYPE" in text:
        raise InputError(f"{path}: declares entities or a document type, which a detector's file has not")
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise InputError(f"{path}: is no XML ({error}); give a DD4hep file") from error


class _Reader:
    """Modules of single detectors, in mm."""

    def __init__(self, files: _Files, constants: Constants) -> None:
        self.files, self.constants = files, constants
        self.pitch, self.thickness, self.module_material = (0.05, 0.05), 0.0, 0.0

    def number(self, element: ElementTree.Element, name: str, default: str | None = None) -> float:
        text = element.get(name, default)
        if text is None:
            raise InputError(
                f"{self.constants.where}: the element <{element.tag}> "
                f"{element.get('name', '')} has no attribute '{name}'"
            )
        return self.constants.value(text)

    def length(self, element: ElementTree.Element, name: str, default: str | None = None) -> float:
        return MILLIMETRES * self.number(element, name, default)

    def child(self, element: ElementTree.Element, name: str) -> ElementTree.Element:
        found = element.find(name)
        if found is None:
            raise InputError(
                f"{self.constants.where}: the element <{element.tag}> {element.get('name', '')} has no <{name}>"
            )
        return found

    def sensor(self, module: ElementTree.Element, along: str) -> ElementTree.Element:
        """The sensitive component of a module; pitch, thickness and material are kept from it."""
        components = module.findall("module_component")
        sensitive = [c for c in components if c.get("sensitive") == "true"]
        if len(sensitive) != 1:
            raise InputError(
                f"{self.constants.where}: the module {module.get('name', '')} has {len(sensitive)} sensitive "
                "components; one is expected"
            )
        self.thickness = self.length(sensitive[0], along)
        # A connector covers little of the module.
        self.module_material = sum(
            self.length(c, along) / RADIATION_LENGTHS[c.get("material", "")]
            for c in components
            if c.get("material") in RADIATION_LENGTHS
        )
        return sensitive[0]

    def readout(self, detector: ElementTree.Element) -> None:
        readout = self.files.pitches.get(detector.get("readout", ""))
        segmentation = None if readout is None else readout.find("segmentation")
        if segmentation is not None and segmentation.get("grid_size_x"):
            self.pitch = (
                self.length(segmentation, "grid_size_x"), self.length(segmentation, "grid_size_y")
            )  # fmt: skip

    def barrel(self, detector: ElementTree.Element) -> list[tuple[Modules, float]]:
        """Modules and radiation lengths of the support of each layer."""
        self.readout(detector)
        sensor = self.sensor(self.child(detector, "module"), "dz")
        half_u, half_v = 0.5 * self.length(sensor, "dx"), 0.5 * self.length(sensor, "dy")
        offset = np.array([self.length(sensor, f"{a}_offset", "0") for a in "xyz"])
        stave = self.child(detector, "stave")
        n, step = round(self.number(stave, "nmodules")), 2 * half_v + self.length(stave, "gap")
        along = (np.arange(n) - 0.5 * (n - 1)) * step
        made = []
        for layer in detector.findall("layer"):
            r, staves = self.length(layer, "r"), round(self.number(layer, "nphi"))
            phi = self.number(layer, "phi0", "0") + 2 * np.pi * np.arange(staves) / staves
            facing = phi + self.number(layer, "phi_tilt", "0")
            zero, one = np.zeros(staves), np.ones(staves)
            u = np.stack([-np.sin(facing), np.cos(facing), zero], axis=1)
            v = np.stack([zero, zero, one], axis=1)
            w = np.stack([np.cos(facing), np.sin(facing), zero], axis=1)
            middle = r * np.stack([np.cos(phi), np.sin(phi), zero], axis=1)
            middle = middle + offset[0] * u + offset[1] * v + offset[2] * w
            center = (middle[:, None] + along[:, None] * v[:, None]).reshape(-1, 3)
            axes = [np.repeat(a, n, axis=0) for a in (u, v)]
            m = len(center)
            halves = (np.full(m, half_u), np.full(m, half_u), np.full(m, half_v))
            made.append((Modules(center, axes[0], axes[1], *halves), self.support(layer)))
        return made

    def endcap(self, detector: ElementTree.Element) -> list[tuple[Modules, float]]:
        """Modules and radiation lengths of the support of each disk."""
        self.readout(detector)
        disk = joined([self.ring(ring) for ring in detector.findall("ring")])
        plate = detector.find("ring_support")
        # Its dz is half of its thickness.
        support = 0.0 if plate is None else 2 * self.length(plate, "dz") / self.x0(plate)
        made = []
        for layer in detector.findall("layer"):
            at = np.array([0.0, 0.0, self.length(layer, "z_offset")])
            halves = (disk.half_low, disk.half_high, disk.half_v)
            made.append((Modules(disk.center + at, disk.u, disk.v, *halves), support))
        return made

    def ring(self, ring: ElementTree.Element) -> Modules:
        sensor = self.sensor(self.child(ring, "module"), "thickness")
        offset = [self.length(sensor, f"{a}_offset", "0") for a in "xyz"]
        r, n = self.length(ring, "r"), round(self.number(ring, "nphi"))
        gap, z = self.length(ring, "gap", "0"), self.length(ring, "z_offset", "0")
        phi = self.number(ring, "phi0", "0") + 2 * np.pi * np.arange(n) / n
        zero, one = np.zeros(n), np.ones(n)
        # The module's own axes: x across, y its thickness, z outwards.
        x = np.stack([np.sin(phi), -np.cos(phi), zero], axis=1)
        y = np.stack([zero, zero, -one], axis=1)
        outward = np.stack([np.cos(phi), np.sin(phi), zero], axis=1)
        behind = np.where(np.arange(n) % 2 == 0, gap, -gap) + z
        center = r * outward + behind[:, None] * np.array([0.0, 0.0, 1.0])
        center = center + offset[0] * x + offset[1] * y + offset[2] * outward
        low, high = self.length(sensor, "x1") * one, self.length(sensor, "x2") * one
        return Modules(center, x, outward, low, high, self.length(sensor, "length") * one)

    def support(self, layer: ElementTree.Element) -> float:
        """Radiation lengths of a layer's support cylinders."""
        return sum(
            (self.length(s, "rmax") - self.length(s, "rmin")) / self.x0(s) for s in layer.findall("support")
        )

    def pipe(self) -> tuple[float, float]:
        """Radiation lengths and radius of the beam pipe, 0 and 0 where there is none."""
        for tube in self._pipes():
            inner, outer = self.length(tube, "rmin"), self.length(tube, "rmax")
            return (outer - inner) / self.x0(tube), 0.5 * (inner + outer)
        return 0.0, 0.0

    def _pipes(self) -> Iterator[ElementTree.Element]:
        for detector in self.files.detectors:
            if detector.find("beampipe") is not None:
                yield from detector.findall("tubs")

    def x0(self, element: ElementTree.Element) -> float:
        name = element.get("material", "")
        if name not in RADIATION_LENGTHS:
            raise InputError(
                f"{self.constants.where}: the radiation length of the material '{name}' of <{element.tag}> is "
                f"not known; known are {', '.join(RADIATION_LENGTHS)}"
            )
        return RADIATION_LENGTHS[name]
