"""Options of the simulation of events. Importing them compiles nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from smartpix.beam import BeamSpot
from smartpix.schema import InputError, check, check_field, check_ranges, check_types, one_of, ranged
from smartpix.simulate.beam_options import KINDS, ParticleBeamOptions
from smartpix.simulate.condition_options import AngleOptions, GroupOptions, RandomiseOptions
from smartpix.simulate.radiation import check_fluence
from smartpix.simulate.transport_options import TransportOptions

__all__ = [
    "JET_MIN_PT",
    "N_SLICES",
    "PT_RANGE",
    "STANDARD_BEAM",
    "STANDARD_READOUT",
    "AngleOptions",
    "GenerateOptions",
    "GroupOptions",
    "RandomiseOptions",
    "ReadoutOptions",
    "SimulateOptions",
    "adc_levels",
]

N_SLICES = 20
CLOCKS = ("crossing", "bunch")

PT_RANGE = (0.05, 1000.0)
"""GeV, of pions of the gun and of jets: below, the transport drops them; beyond, they are no particles of a
collision's.
"""

JET_MIN_PT = 0.5
"""GeV, of the softest particle of a jet that shares its pT."""
MOST_JET_PT = 7000.0
"""GeV, half of the energy of a collision at 14 TeV."""

D0_RANGE = (1e-4, 200.0)
"""mm, of impact parameters: below, nothing tells them from 0; beyond, fewer than four layers are left."""

MOST_PARTICLES = {
    "pileup": 1000, "gun": 1_000_000, "jets": 10_000, "displaced": 1_000_000, "conversions": 1_000_000,
}  # fmt: skip
"""Beyond, an event does not fit a machine's memory."""
MOST_IN_JET = 1000

MOST_CHARGE = 1e7
"""e. A particle leaves some 8,000 in 100 um; beyond, the unit is another."""


@dataclass(frozen=True)
class GenerateOptions:
    """Particles that are made, and which of them are transported.

    Attributes:
        pileup: number of collisions in each event, exactly; it must be 0 with a gun.
        energy: centre-of-mass energy in GeV.
        max_eta: largest absolute pseudorapidity of a particle that is transported.
        min_pt: smallest transverse momentum of a particle that is transported, in GeV.
        gun: number of charged particles in each event instead of collisions; 0 makes collisions.
        gun_kind: what the gun shoots, of either charge: ``pion``, ``electron``, ``muon``, ``kaon`` or
            ``proton``.
        gun_pt: range of the transverse momentum in GeV, in which it is uniform: of pions from the gun, of
            those in jets without a ``jet_pt``, and of photons that convert.
        jets: number of jets, collimated groups of charged pions, in each event on top of the collisions.
        jet_particles: number of charged pions in a jet, or least and most of them; all come from one vertex.
        jet_radius: largest distance of a pion from the jet's axis in pseudorapidity and azimuth. The axes
            lie within an absolute pseudorapidity of ``JET_ETA``.
        jet_pt: transverse momentum of all charged pions of a jet together in GeV, or its range, in which it
            is uniform. The pions then share it by a fragmentation function and crowd in a core
            (:mod:`smartpix.simulate.jets`); none: they are evenly spread.
        jet_flight: mean transverse flight length in mm of a decay within each jet, which makes every second
            of its pions; 0 makes all of them at the jet's vertex. Hadrons with a b quark fly some 5 mm.
        displaced: number of charged pions in each event that come from decays in flight, each from one of
            its own, on top of the collisions; their transverse momentum is that of the gun.
        displaced_d0: range of their absolute transverse impact parameter in mm, in whose logarithm it is
            uniform.
        displaced_radius: largest transverse flight length of such a decay in mm, in which it is uniform; it
            is at least twice the impact parameter's.
        conversions: number of photons in each event that convert in the beam pipe to a pair of electrons,
            each from a vertex of its own, on top of the collisions.
        secondaries: whether K0s and Lambda of the collisions decay and photons convert in the beam pipe
            (:mod:`smartpix.simulate.decays`); else neutral particles leave nothing.
        beam: particles of a beam along z, on top of the collisions.
    """

    pileup: int = 200
    energy: float = 14_000.0
    max_eta: float = 4.0
    min_pt: float = 0.1
    gun: int = 0
    gun_kind: str = one_of("pion", KINDS)
    gun_pt: tuple[float, float] = (0.5, 10.0)
    jets: int = 0
    jet_particles: tuple[int, ...] = (10,)
    jet_radius: float = 0.05
    jet_pt: tuple[float, ...] = ()
    jet_flight: float = 0.0
    displaced: int = 0
    displaced_d0: tuple[float, float] = (0.01, 10.0)
    displaced_radius: float = 25.0
    conversions: int = 0
    secondaries: bool = False
    beam: ParticleBeamOptions = field(default_factory=ParticleBeamOptions)

    def __post_init__(self) -> None:
        check_types("simulate", self)
        for name, most in MOST_PARTICLES.items():
            check("simulate", name, getattr(self, name), 0 <= getattr(self, name) <= most, f"0 to {most}")
        # A gun's events have no collisions: what is asked for besides would be dropped without a word.
        for name in ("pileup", "jets"):
            value = getattr(self, name)
            check("simulate", name, value, self.gun == 0 or value == 0, "0 with a gun; leave one of them out")
        self._check_jets()
        check("simulate", "jet_radius", self.jet_radius, 0 < self.jet_radius <= 1, "positive and at most 1")
        check("simulate", "jet_flight", self.jet_flight, 0 <= self.jet_flight <= 100, "from 0 to 100 mm")
        low, high = D0_RANGE
        check(
            "simulate", "displaced_d0", self.displaced_d0,
            low <= self.displaced_d0[0] <= self.displaced_d0[1] <= high,
            f"two values in mm from {low:g} to {high:g}, the lower first",
        )  # fmt: skip
        check(
            "simulate", "displaced_radius", self.displaced_radius, 0 < self.displaced_radius <= high,
            f"positive and at most {high:g} mm",
        )  # fmt: skip
        low, high = PT_RANGE
        check(
            "simulate", "gun_pt", self.gun_pt, low <= self.gun_pt[0] <= self.gun_pt[1] <= high,
            f"two values in GeV from {low:g} to {high:g}, the lower first (1 GeV = 1000 MeV)",
        )  # fmt: skip
        check(
            "simulate",
            "energy",
            self.energy,
            20 <= self.energy <= 1e6,
            "from 20 to 1e6 GeV (14 TeV = 14000 GeV)",
        )
        check("simulate", "max_eta", self.max_eta, 0 < self.max_eta <= 10, "positive and at most 10")
        check("simulate", "min_pt", self.min_pt, 0 <= self.min_pt <= high, f"from 0 to {high:g} GeV")

    def _check_jets(self) -> None:
        particles, pt = self.jet_particles, self.jet_pt
        check(
            "simulate", "jet_particles", particles,
            len(particles) in (1, 2) and 1 <= particles[0] <= particles[-1] <= MOST_IN_JET,
            f"one number from 1 to {MOST_IN_JET}, or two, the lower first",
        )  # fmt: skip
        least = JET_MIN_PT * particles[-1]
        check(
            "simulate", "jet_pt", pt, not pt or (len(pt) <= 2 and least <= pt[0] <= pt[-1] <= MOST_JET_PT),
            f"one value in GeV, or two, the lower first, from {least:g} ({JET_MIN_PT:g} for each of "
            f"{particles[-1]} particles) to {MOST_JET_PT:g}",
        )  # fmt: skip
        if pt and not self.jets:
            raise InputError(
                "simulate: jet_pt is given and there are no jets; give jets, or leave jet_pt out"
            )


@dataclass(frozen=True)
class ReadoutOptions:
    """Front-end of the chip, the same for every sampled slice.

    Attributes:
        clock: what the slices are counted from. ``crossing``: each particle's own arrival, an ideal.
            ``bunch``: the machine's clock, set for each module so that light from the detector's centre
            arrives at 0; the spread of the collisions, the place of the vertex and slow particles then move
            the slices.
        phase: by how much that clock is late on all modules, in ps.
        jitter: standard deviation of that clock in ps, drawn for each module and event.
        noise: equivalent noise charge in e.
        threshold: charge in e; a slice of a pixel whose magnitude is below it reads 0.
        threshold_scale: factor of the true thresholds against ``threshold``, where the ADC still starts.
        threshold_dispersion: standard deviation of the threshold from pixel to pixel in e.
        common_mode: standard deviation in e of a shift that all pixels of a module have in common, drawn for
            each slice and event.
        dead_pixels: share of pixels that read nothing, the same ones in every event.
        dead_modules: share of modules that read nothing, the same ones in every event; the file's header
            names them.
        slow_pixels: share of pixels whose slices are taken too early, by ``slow_delay``, likewise.
        slow_delay: by how much, in ps.
        adc_bits: bits of the logarithmic ADC, 2 to 8 (:func:`adc_levels`); 0 keeps the analogue charge.
        adc_max: charge in e above which the ADC saturates.
        time_resolution: standard deviation of a cluster's time, which is then in the file, in ps: that
            of the particle with most of its charge. 0: clusters have no times.
        slices: sampled slices of 200 ps, of 0 to 19 and ascending. The last one decides what is a hit.
    """

    noise: float = 50.0
    threshold: float = 300.0
    threshold_dispersion: float = 0.0
    adc_bits: int = 4
    adc_max: float = 16_000.0
    slices: tuple[int, ...] = (0, 19)
    clock: str = one_of("crossing", CLOCKS)
    jitter: float = ranged(0.0, 0.0, 10_000.0, "ps")
    phase: float = ranged(0.0, -10_000.0, 10_000.0, "ps")
    threshold_scale: float = ranged(1.0, 0.1, 10.0)
    common_mode: float = ranged(0.0, 0.0, MOST_CHARGE, "e")
    dead_pixels: float = ranged(0.0, 0.0, 1.0)
    dead_modules: float = ranged(0.0, 0.0, 1.0)
    slow_pixels: float = ranged(0.0, 0.0, 1.0)
    slow_delay: float = ranged(200.0, 0.0, 4000.0, "ps")
    time_resolution: float = ranged(0.0, 0.0, 1e6, "ps")

    def __post_init__(self) -> None:
        check_types("readout", self)
        check_ranges("readout", self)
        for name in ("jitter", "phase"):
            value = getattr(self, name)
            if value and self.clock != "bunch":
                raise InputError(
                    f"readout: {name} is {value} ps and the clock is '{self.clock}', which has none; set "
                    f"clock = bunch"
                )
        for name in ("noise", "threshold", "threshold_dispersion"):
            check(
                "readout",
                name,
                getattr(self, name),
                0 <= getattr(self, name) <= MOST_CHARGE,
                f"from 0 to {MOST_CHARGE:g} e",
            )
        if self.adc_bits and not 2 <= self.adc_bits <= 8:
            raise InputError(f"readout: adc_bits must be 0 (analogue) or 2 to 8 and is {self.adc_bits}")
        if self.adc_bits and self.threshold <= 0:
            raise InputError("readout: the logarithmic ADC starts at the threshold; give a threshold above 0")
        check(
            "readout",
            "adc_max",
            self.adc_max,
            0 < self.adc_max <= MOST_CHARGE,
            f"positive and at most {MOST_CHARGE:g} e",
        )
        if self.adc_bits and self.adc_max <= self.threshold:
            raise InputError(
                f"readout: adc_max must lie above the threshold of {self.threshold} e and is {self.adc_max}"
            )
        if list(self.slices) != sorted(set(self.slices)) or not self.slices:
            raise InputError(f"readout: slices must ascend and is {self.slices}")
        if self.slices[0] < 0 or self.slices[-1] >= N_SLICES:
            raise InputError(f"readout: slices go from 0 to {N_SLICES - 1} and are {self.slices}")


def adc_levels(options: ReadoutOptions) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Lower edges and values (e) of the levels above 0 and, negative, below it.

    One code is 0. With more than 2 bits a quarter of the codes are for the negative lobes that moving
    carriers induce on neighbours, with 2 bits all three are for positive charge; edges are equidistant in the
    logarithm, from the threshold to ``adc_max``; the value of a level is the geometric mean of its edges.
    """
    n_negative = 2**options.adc_bits // 4 if options.adc_bits > 2 else 0
    n_positive = 2**options.adc_bits - 1 - n_negative
    ratio = (options.adc_max / options.threshold) ** (1 / n_positive)
    edges = options.threshold * ratio ** np.arange(n_positive)
    values = edges * math.sqrt(ratio)
    return (
        np.concatenate([-edges[:n_negative][::-1], edges]),
        np.concatenate([-values[:n_negative][::-1], values]),
    )


STANDARD_READOUT = ReadoutOptions(
    threshold=400.0, threshold_dispersion=60.0, slices=(2, 19), clock="bunch"
)  # fmt: skip
"""The standard working point: what a chip can do, on the machine's clock. docs/sensor.md says how threshold
and slices were chosen. ``ReadoutOptions()`` is the ideal one, without dispersion and with slices from each
particle's own arrival.
"""
STANDARD_BEAM = BeamSpot(sigma_t=180.0)
"""HL-LHC: collisions spread by 180 ps (arXiv 1705.08830)."""


@dataclass(frozen=True)
class SimulateOptions:
    """All that makes a simulated file, besides the detector, the number of events and the seed.

    Pitch and thickness of the sensors come from the detector table.

    Attributes:
        generate: particles.
        transport: how particles go through the detector.
        beam_spot: luminous region.
        readout: front-end.
        randomise: conditions that each event draws for itself.
        groups: particles close together, of single crossings alone.
        angles: directions and modules of single crossings.
        field: solenoid field along z in T.
        bias: bias voltage for 100 um of thickness in V.
        depletion: full depletion voltage at 100 um in V; it grows with the square of the thickness.
        temperature: temperature of the sensors in K.
        lorentz_scale: factor of the carriers' Hall mobilities, and with them of the tangent of the Lorentz
            angle; the files' ``local_x`` and ``local_y`` are corrected for a factor of 1.
        charge_scale: factor of the charge that pixels see, before noise.
        fluence: radiation that all sensors have taken, in neq/cm2 (:mod:`smartpix.simulate.radiation`).
    """

    generate: GenerateOptions = field(default_factory=GenerateOptions)
    transport: TransportOptions = field(default_factory=TransportOptions)
    beam_spot: BeamSpot = STANDARD_BEAM
    readout: ReadoutOptions = STANDARD_READOUT
    randomise: RandomiseOptions = field(default_factory=RandomiseOptions)
    groups: GroupOptions = field(default_factory=GroupOptions)
    angles: AngleOptions = field(default_factory=AngleOptions)
    field: float = 3.8
    bias: float = 100.0
    depletion: float = 7.7
    temperature: float = 263.0
    lorentz_scale: float = ranged(1.0, 0.1, 10.0)
    charge_scale: float = ranged(1.0, 0.1, 10.0)
    fluence: float = 0.0

    def __post_init__(self) -> None:
        check_types("simulate", self)
        check_field("simulate", self.field)
        check("simulate", "bias", self.bias, 0 < self.bias <= 2000, "positive and at most 2000 V for 100 um")
        check(
            "simulate",
            "depletion",
            self.depletion,
            0 <= self.depletion <= 2000,
            "from 0 to 2000 V for 100 um",
        )
        good = 100 <= self.temperature <= 400
        check("simulate", "temperature", self.temperature, good, "from 100 to 400 K (0 C is 273)")
        check_fluence("simulate", self.fluence)
        check_ranges("simulate", self)
        if self.groups.together == (1,) and self.groups.distance != GroupOptions().distance:
            raise InputError(
                "simulate: groups.distance is given and each crossing is alone; give groups.together (--together 1 2 3)"
            )
        if self.randomise.phase and self.readout.clock != "bunch":
            raise InputError(
                f"simulate: randomise.phase is {self.randomise.phase} ps and the clock is "
                f"'{self.readout.clock}', which has no phase; set readout.clock = bunch"
            )
