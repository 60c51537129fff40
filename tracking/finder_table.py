"""All finders by name: ours, and those of other packages.

Ours are in :data:`FINDERS`; other packages add theirs through the entry point group ``smartpix.finders``.
"""

from __future__ import annotations

import logging
from functools import partial
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING

from smartpix.plugins import entry_words, load_plugin, plugins
from smartpix.schema import InputError, nearest, one_line, quoted
from tracking.finders.finder import Finder, FinderMaker

if TYPE_CHECKING:
    from smartpix.io.events import Header

__all__ = ["FINDERS", "GROUP", "finder_maker", "finder_names", "make_finder"]

log = logging.getLogger(__name__)

GROUP = "smartpix.finders"
"""Entry points of other packages: a name, and a function that makes a finder for a header."""


# Who only lists the names needs none of these modules, and importing them takes seconds.
def _chain(name: str, header: Header) -> Finder:
    from tracking.chain import chain_finder

    return chain_finder(header, name)


def _window(header: Header) -> Finder:
    from tracking.chain import window_finder

    return window_finder(header)


def _gravnet(header: Header) -> Finder:
    from tracking.chain import gravnet_finder

    return gravnet_finder(header)


def _deepcore(header: Header) -> Finder:
    from tracking.chain import chain_finder
    from tracking.finders.deepcore.finder import DeepCoreFinder
    from tracking.fit.tracks import fit_tracks

    at_beam = header.at_beam()
    return DeepCoreFinder.for_detector(
        at_beam.detector, at_beam.field, at_beam.slices[-1], chain_finder(header, "unsplit"), fit_tracks
    )


def _kmeans(header: Header) -> Finder:
    from tracking.chain import chain_finder
    from tracking.finders.deepcore.kmeans import KMeansFinder
    from tracking.fit.tracks import fit_tracks

    at_beam = header.at_beam()
    return KMeansFinder(
        chain_finder(header, "unsplit"), fit_tracks, at_beam.detector, at_beam.field, at_beam.slices[-1]
    )


def _path(header: Header) -> Finder:
    from smartpix.merged.options import SplitOptions
    from tracking.finders.trkx.path.finder import PathFinder
    from tracking.split_finder import split_finder

    at_beam = header.at_beam()
    finder = PathFinder.for_detector(at_beam.detector, at_beam.field)
    return split_finder(finder, at_beam, SplitOptions())


def _trigger(header: Header) -> Finder:
    from tracking.finders.trigger.finder import TriggerFinder

    at_beam = header.at_beam()
    return TriggerFinder.for_detector(at_beam.detector, at_beam.field)


def _acts(name: str, header: Header) -> Finder:
    from tracking.acts.reference import point_finder

    return point_finder(header, name)


def _acts_split(header: Header) -> Finder:
    from smartpix.merged.options import SplitOptions
    from tracking.split_finder import split_finder

    return split_finder(_acts("dense", header), header.at_beam(), SplitOptions())


FINDERS: dict[str, FinderMaker] = {
    "chain": partial(_chain, "balanced"),
    "chain-fastest": partial(_chain, "fastest"),
    "chain-efficient": partial(_chain, "efficient"),
    "chain-displaced": partial(_chain, "displaced"),
    "chain-unsplit": partial(_chain, "unsplit"),
    "deepcore": _deepcore,
    "gravnet": _gravnet,
    "kmeans": _kmeans,
    "path": _path,
    "trigger": _trigger,
    "window": _window,
    **{
        f"acts-{name}": partial(_acts, name)
        for name in (
            "fastest",
            "balanced",
            "efficient",
            "narrow",
            "wide",
            "gbts-fastest",
            "gbts",
            "dense",
            "dense-loose",
        )
    },
    "acts-split": _acts_split,
}
"""Our finders, each with its maker."""
IN_FIELD_MAPS = tuple(name for name in FINDERS if name.partition("-")[0] in ("chain", "gravnet"))
"""Those that follow a table of the field."""


def finder_names() -> list[str]:
    """Names of all finders: ours, then those of other packages. No finder is imported."""
    return [*FINDERS, *_others()]


def finder_maker(name: str) -> FinderMaker:
    """What sets up the finder of a name; that of another package is imported here.

    Raises:
        InputError: an unknown name, or an entry point that cannot be loaded or is no function.
    """
    others = _others()
    if name in others:
        maker = load_plugin(others[name], object)
        if not callable(maker):
            raise InputError(
                f"{entry_words(others[name])} must be a function that makes a finder for a header and is a "
                f"{type(maker).__name__}; mend or uninstall the package"
            )
        return partial(_made_by, others[name], maker)
    if name not in FINDERS:
        names = [*FINDERS, *others]
        raise InputError(
            f"finder {quoted(name)} is unknown.{nearest(name, names)} There are {', '.join(names)}; another "
            f"package adds one through the entry point group '{GROUP}'"
        )
    return FINDERS[name]


def make_finder(name: str, header: Header) -> Finder:
    """The finder of a name, set up for the files of a header.

    Raises:
        InputError: as :func:`finder_maker`; the maker of another package fails or gives no finder; or what
            the finder itself does not take, such as a detector that ACTS does not know.
    """
    if header.field_map is not None and name in FINDERS and name not in IN_FIELD_MAPS:
        log.warning(
            "finder '%s' does not know tables of the field, and takes its %g T at the origin for all places", name,
            header.field,
        )  # fmt: skip
    return finder_maker(name)(header)


def _others() -> dict[str, EntryPoint]:
    return plugins(GROUP, tuple(FINDERS))


def _made_by(entry: EntryPoint, maker: FinderMaker, header: Header) -> Finder:
    """The finder of another package, or one line that names the package."""
    try:
        finder = maker(header)
    except InputError:
        raise
    # It is another's code, and may raise anything.
    except Exception as error:
        cause = one_line(f"{type(error).__name__}: {error}")
        raise InputError(
            f"{entry_words(entry)} cannot make a finder ({cause}); mend or uninstall the package"
        ) from error
    if not callable(finder):
        raise InputError(
            f"{entry_words(entry)} must make a finder, which is called with an event, and makes a "
            f"{type(finder).__name__}; mend or uninstall the package"
        )
    return finder
