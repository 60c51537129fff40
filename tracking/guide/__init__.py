"""From a table of modules to estimates and tracks: the sequence of commands for a new detector, and its
report.
"""

from typing import TYPE_CHECKING

from smartpix.lazy import public_names

if TYPE_CHECKING:
    from tracking.guide.options import QUICK, GuideOptions
    from tracking.guide.plan import decided, planned
    from tracking.guide.report import Finding, findings, report_text

__all__ = ["QUICK", "Finding", "GuideOptions", "decided", "findings", "planned", "report_text"]

__getattr__ = public_names(
    __name__,
    options="QUICK GuideOptions",
    plan="decided planned",
    report="Finding findings report_text",
)
