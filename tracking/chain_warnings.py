"""What makes estimates and tracks wrong for the files of a header."""

from __future__ import annotations

from collections.abc import Iterator

from seeding.table import is_straight
from smartpix.estimate.choose import Chosen, trained_on_others
from smartpix.estimate.conditions import readout_untold, training_differs
from smartpix.io.events import Header
from tracking.finders.radiation import N_KNOWN
from tracking.fit.header_material import other_material
from tracking.options import RunOptions

__all__ = ["chain_warnings"]


def chain_warnings(header: Header, options: RunOptions, estimator: Chosen) -> list[str]:
    """What makes the estimates wrong for the files of a header, a line each."""
    lines = readout_untold(header)
    if header.lacks_field_map:
        lines.append(
            f"these events are of a table of the field that their file does not hold, and search and fit take its "
            f"{header.field:g} T at the origin for all places: momenta are off elsewhere; give it (field_map=FILE)"
        )
    if told := other_material(header, options.fit):
        lines.append(told)
    # The window's edges do not use the directions, so that these may be off.
    if options.graph == "cone" and trained_on_others(header, estimator):
        lines.append(
            "these are clusters of ACTS's own digitisation and the estimates were trained on others, so that "
            "cones are off; train estimates on events of yours that have truth (smartpix train shape), or do "
            "without (--set graph=window --set gnn=gnn-window)"
        )
    n_layers, most = len(header.detector.layers), max(options.findable_layers, options.build.min_hits)
    if n_layers < most:
        lines.append(
            f"the detector has {n_layers} layers, findable_layers is {options.findable_layers} and build.min_hits "
            f"{options.build.min_hits}: no particle and no track has as many; set both to {max(n_layers, 3)}"
        )
    lines += _without_effect(header, options)
    too_far = training_differs(header, estimator, 2)
    lines += [
        f"{line}. Estimates are wrong by that, and the run goes on since conditions=ignore"
        for line in too_far
    ]
    return lines + [
        f"{line}. Estimates are off by that; train others on such events (smartpix train), or simulate alike"
        for line in training_differs(header, estimator)
        if line not in too_far
    ]


def _without_effect(header: Header, options: RunOptions) -> Iterator[str]:
    """Options that were set and change nothing, with the reason."""
    straight, build, fit = is_straight(header.field), options.build, options.fit
    if fit.energy_loss and straight:
        yield "fit.energy_loss has no effect without a field: nothing tells the momentum that is lost"
    if fit.particle == "electron" and not fit.energy_loss:
        yield (
            "fit.particle=electron without fit.energy_loss changes scattering alone: the fit has no bremsstrahlung; "
            "set fit.energy_loss=true"
        )
    if build.radiated_pt > 0 and straight:
        yield "build.radiated_pt has no effect without a field, where a loss of energy bends no track"
    elif build.radiated_pt > 0 and build.min_hits <= N_KNOWN:
        yield (
            f"build.radiated_pt has no effect with build.min_hits={build.min_hits}: paths of {N_KNOWN} clusters are "
            "tracks already"
        )
