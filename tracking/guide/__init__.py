"""From a table of modules to estimates and tracks: the sequence of commands for a new detector, and its report."""

from typing import TYPE_CHECKING

from smartpix.lazy import public_names

if TYPE_CHECKING:
    from tracking.guide.options import QUICK, GuideOptions
    from tracking.guide.plan import Step, decided, planned
    from tracking.guide.report import Finding, findings, report_text
    from tracking.guide.steps import run_steps

__all__ = [
    "QUICK", "Finding", "GuideOptions", "Step", "decided", "findings", "planned", "report_text", "run_steps",
]  # fmt: skip

__getattr__ = public_names(
    __name__,
    options="QUICK GuideOptions",
    plan="Step decided planned",
    report="Finding findings report_text",
    steps="run_steps",
)
