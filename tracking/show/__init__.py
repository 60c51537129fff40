"""One event as a page that a browser shows, and what all figures share."""

from typing import TYPE_CHECKING

from smartpix.lazy import public_names

if TYPE_CHECKING:
    from tracking.show.display import display_event

__all__ = ["display_event"]

__getattr__ = public_names(
    __name__,
    display="display_event",
)
