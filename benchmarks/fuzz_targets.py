"""What benchmarks/fuzz.py damages and reads: every format, weights, checkpoints, kept parts of runs, options.

A target makes good files once and reads them. For each input it damages a copy and reads that. Our own
formats carry
checksums: what is accepted there must be what was written (else :class:`SilentError`). Where the checksums
are made anew, or a foreign format has none, other content may be right; reading it must not crash, hang or
end in a traceback.
"""

from __future__ import annotations

from fuzz_attempts import Target
from fuzz_files import checkpoint, clusters, event_branches, event_file, weights_bytes, weights_content
from fuzz_foreign import acts_csv, acts_digitisation, acts_root, detector_table, trackml
from fuzz_options import kept_parts, options_of_commands, options_text, run_options

__all__ = ["TARGETS"]

TARGETS: dict[str, Target] = {
    "events-ttree": Target(event_file("ttree"), 3),
    "events-rntuple": Target(event_file("rntuple"), 2),
    "event-branches": Target(event_branches, 1),
    "clusters": Target(clusters, 2),
    "weights-bytes": Target(weights_bytes, 2),
    "weights-content": Target(weights_content, 2),
    "checkpoint": Target(checkpoint, 1),
    "parts": Target(kept_parts, 1),
    "trackml": Target(trackml, 2),
    "acts-csv": Target(acts_csv, 1),
    "acts-digitisation": Target(acts_digitisation, 0.5),
    "acts-root": Target(acts_root, 1),
    "detector": Target(detector_table, 2),
    "run-options": Target(run_options, 2),
    "other-options": Target(options_of_commands, 2),
    "options-text": Target(options_text, 2),
}
