"""All options of a run: one frozen dataclass per stage, read from a TOML file, overridden by flags."""

from __future__ import annotations

import dataclasses
import difflib
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from seeding.options import ConeOptions, SeedOptions, WindowOptions
from smartpix.estimate.options import CONDITION_CHECKS, SHIPPED, EstimateWeights, MixtureOptions
from smartpix.merged.options import SplitOptions
from smartpix.schema import (
    ESTIMATES,
    InputError,
    check,
    check_ranges,
    check_types,
    one_line,
    one_of,
    quoted,
    ranged,
)
from tracking.finders.gnn.options import GRAPHS, PASSES, WIDE, DisplacedOptions
from tracking.finders.options import BuildOptions, DeadOptions
from tracking.fit.options import BeamOptions, FitOptions, VertexOptions
from tracking.metrics.findable import MIN_LAYERS, MIN_PT

__all__ = ["EXTRA", "RunOptions", "flat", "from_mapping", "full_names"]

EXTRA = ("edges.root", "edges.parquet", "tracks.parquet", "tracks.csv")
"""What can be asked for besides ``tracks.root``; ``tracks.csv`` is one file an event, as ACTS's
CsvTrackWriter writes them.
"""


@dataclass(frozen=True)
class RunOptions:
    """A whole run.

    Attributes:
        estimates: source of positions and directions: ``auto`` (the MDN where one was trained for the
            sensor, cluster shapes otherwise; positions where hits come without pixels), ``mdn``,
            ``shape``, ``quantised`` or ``positions``. ``quantised`` is what the chip would send, bit for
            bit; ``positions`` are those of the file, with directions from the beam line alone.
        conditions: ``check`` refuses a file whose readout and sensor are far from those that the estimates
            were trained with; ``ignore`` warns of it and goes on.
        mdn_barrel: weights of the barrel's MDN: shipped ones by name, or the path of a .safetensors.
        mdn_endcap: weights of the end-caps' MDN, by name or path.
        shape: cluster-shape weights, by name or path; ``auto`` takes the shipped ones that fit the
            sensor.
        fixed_barrel: weights of the barrel's quantised network, by name or path.
        fixed_endcap: weights of the end-caps' quantised network, by name or path.
        calibration: file of ``smartpix calibrate --from-tracks``, which says where the modules are and
            corrects charges and estimates; empty: none.
        field_map: file of a table of the field, with lines ``r z Br Bz`` in mm and T about the global z
            axis, which cones and fit follow; empty: that of the event file, or the uniform field of its
            header.
        link_bits: bits of each of the 14 outputs that the chip sends, with quantised estimates; 0 sends
            all they have.
        graph: edges that the graph network scores and was trained on: ``cone`` or ``window``.
        gnn: weights of the graph network, by name or path. Where modules are known to be dead, ``gnn`` is
            ``gnn-holes``, which knows edges over them.
        passes: ``prompt``, or ``prompt,displaced``: a second pass over the hits that are left, for tracks
            far from the beam line.
        write: files of results besides ``tracks.root``: ``edges.root``, ``edges.parquet``,
            ``tracks.parquet``, ``tracks.csv`` (one an event, with the columns of ACTS).
        findable_layers: layers on which a particle must have clusters to count as findable
            (docs/numbers.md).
        findable_pt: transverse momentum in GeV above which a particle counts as findable. Softer ones than
            those of ``cone.min_pt`` are not looked for.
        threads: threads of the estimates, the edges and the seeds. Results do not depend on it.
        beam: luminous region.
        dead: modules that are known to be dead.
        split: clusters of several particles.
        mixture: hits of the end-caps with several possibilities of their direction.
        cone: cones of the graph's edges: :data:`tracking.finders.gnn.options.WIDE`, which are wider than
            ``ConeOptions()``. To change one of its options, write ``dataclasses.replace(WIDE,
            min_pt=0.3)``.
        window: reference window.
        seed: triplets of hits.
        build: track building.
        displaced: the second pass.
        fit: track fit.
        vertex: primary vertices.
    """

    estimates: str = one_of("auto", ESTIMATES)
    conditions: str = one_of(CONDITION_CHECKS[0], CONDITION_CHECKS)
    mdn_barrel: str = SHIPPED.mdn_barrel
    mdn_endcap: str = SHIPPED.mdn_endcap
    shape: str = SHIPPED.shape
    fixed_barrel: str = SHIPPED.fixed_barrel
    fixed_endcap: str = SHIPPED.fixed_endcap
    calibration: str = ""
    field_map: str = ""
    link_bits: int = 0
    graph: str = one_of("cone", GRAPHS)
    gnn: str = "gnn"
    passes: tuple[str, ...] = PASSES[:1]
    write: tuple[str, ...] = ()
    findable_layers: int = ranged(MIN_LAYERS, 2, 100)
    findable_pt: float = ranged(MIN_PT, 0.0, 1e5, "GeV")
    threads: int = ranged(1, 1, 1024)
    beam: BeamOptions = field(default_factory=BeamOptions)
    dead: DeadOptions = field(default_factory=DeadOptions)
    split: SplitOptions = field(default_factory=SplitOptions)
    mixture: MixtureOptions = field(default_factory=MixtureOptions)
    cone: ConeOptions = WIDE
    window: WindowOptions = field(default_factory=WindowOptions)
    seed: SeedOptions = field(default_factory=SeedOptions)
    build: BuildOptions = field(default_factory=BuildOptions)
    displaced: DisplacedOptions = field(default_factory=DisplacedOptions)
    fit: FitOptions = field(default_factory=FitOptions)
    vertex: VertexOptions = field(default_factory=VertexOptions)

    def __post_init__(self) -> None:
        check_types("options", self)
        files = ", ".join(EXTRA)
        check("options", "write", self.write, isinstance(self.write, (list, tuple)), f"a list of {files}")
        # A list could not be hashed, as the options are.
        object.__setattr__(self, "write", tuple(self.write))
        for name in self.write:
            check("options", "write", name, name in EXTRA, f"of {files}")
        # On the command line one word with a comma is as good as two.
        passes = tuple(name for text in self.passes for name in text.split(","))
        check("options", "passes", self.passes, passes in (PASSES[:1], PASSES), "prompt or prompt,displaced")
        object.__setattr__(self, "passes", passes)
        check_ranges("options", self)
        if self.mixture.mode != "off" and self.graph != "cone":
            raise InputError(
                f"options: mixture.mode is '{self.mixture.mode}' and graph={self.graph} has no cones; set "
                "mixture.mode=off, or graph=cone"
            )
        if self.cone.time_sigma and self.graph != "cone":
            raise InputError(
                f"options: cone.time_sigma is {self.cone.time_sigma:g} ps and graph={self.graph} has no cones; set "
                "cone.time_sigma=0, or graph=cone"
            )

    def second_pass(self) -> RunOptions | None:
        """The options of the second pass, as if it were the only one; None if there is none."""
        if len(self.passes) == 1:
            return None
        later = self.displaced
        return dataclasses.replace(
            self, graph="cone", gnn=later.gnn, cone=later.cone, build=later.build, passes=PASSES[:1]
        )

    def weights(self) -> EstimateWeights:
        """The weights of the estimates."""
        return EstimateWeights(**{name: getattr(self, name) for name in asdict(SHIPPED)})


def from_mapping(base: Any, values: Mapping[str, Any], where: str) -> Any:
    """Options with the values of a mapping instead of those of ``base``, nested ones from nested mappings.

    Raises:
        InputError: an unknown key (names the options it may stand for) or a value of the wrong type.
    """
    return _replaced(base, values, where, base, "")


def _replaced(base: Any, values: Mapping[str, Any], where: str, whole: Any, above: str) -> Any:
    """As :func:`from_mapping`, for the section ``above`` (with its dot) of the whole options."""
    types = typing.get_type_hints(type(base))
    names = [f.name for f in dataclasses.fields(base)]
    arguments = {}
    for key, value in values.items():
        if key not in names:
            raise InputError(
                f"{where}: unknown option {quoted(above + key)}.{_meant(key, whole, names, above)}"
            )
        hint = types[key]
        # By its value: the type of a network may be one of several.
        if dataclasses.is_dataclass(getattr(base, key)):
            if not isinstance(value, Mapping):
                raise InputError(
                    f"{where}: '{key}' is a section; write [{key}] and its options below it, or --set "
                    f"{key}.OPTION=VALUE"
                )
            arguments[key] = _replaced(getattr(base, key), value, where, whole, f"{above}{key}.")
        else:
            arguments[key] = _converted(hint, value, f"{where}: option '{above}{key}'")
    return dataclasses.replace(base, **arguments)


def _meant(key: str, whole: Any, names: Sequence[str], above: str) -> str:
    """Options of any section that are called so; else the nearest of the section; else those called nearly
    so.
    """
    full = {name: name.rpartition(".")[2] for name in full_names(whole)}
    if key not in full.values():
        close = difflib.get_close_matches(key, names, n=1, cutoff=0.5)
        if close:
            return f" Did you mean '{above}{close[0]}'?"
        # Half of any short word is like a name of one letter.
        longer = [last for last in full.values() if len(last) > 1]
        key = next(iter(difflib.get_close_matches(key, longer, n=1, cutoff=0.5)), "")
    if meant := [name for name, last in full.items() if last == key]:
        return f" Did you mean {' or '.join(meant)}?"
    return f" There are {', '.join(names)}; docs/options.md says what they are"


def full_names(options: Any, above: str = "") -> Iterator[str]:
    """Names of all options of a dataclass, those of sections with the section and a dot in front."""
    for f in dataclasses.fields(options):
        value = getattr(options, f.name)
        if dataclasses.is_dataclass(value):
            yield from full_names(value, f"{above}{f.name}.")
        else:
            yield above + f.name


def flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Values of nested mappings by their full names, with dots."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{above}{name}.")
        else:
            yield above + name, value


def _converted(hint: Any, value: Any, where: str) -> Any:
    if hint is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if hint in (int, str, bool) and type(value) is hint:
        return value
    origin = typing.get_origin(hint)
    if origin is tuple and isinstance(value, (list, tuple)):
        inner = typing.get_args(hint)
        if len(inner) == 2 and inner[1] is Ellipsis:
            return tuple(_converted(inner[0], v, where) for v in value)
        if len(inner) == len(value):
            return tuple(_converted(t, v, where) for t, v in zip(inner, value, strict=True))
    if origin is tuple and isinstance(value, (int, float, str)):
        raise InputError(
            f"{where} must be a list and is {one_line(repr(value))}; write [{one_line(repr(value))}]"
        )
    name = getattr(hint, "__name__", str(hint))
    raise InputError(f"{where} must be of type {name} and is {one_line(repr(value))}")
