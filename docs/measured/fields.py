"""Table of the chain in a field that falls off, and numbers of clusters' times."""

from page_text import table

from measured.results import results


def _rows() -> list[tuple[str, dict]]:
    found = results("field-map")
    falling = found["falling"]
    return [
        ("uniform field", found["uniform"]),
        ("falling field, taken as uniform", falling["before"]),
        ("falling field, with its table", falling["after"]),
    ]


def field_map() -> str:
    """The chain in a uniform field and in one that falls off, with and without its table."""
    body = [
        [
            name,
            f"{r['track_efficiency']:.4f}",
            f"{r['fake_rate']:.4f}",
            f"{r['reduction']:.2f}",
            f"{100 * r['resolution_qop_rel']:.1f}",
            f"{r['pull_qop']:.2f}",
            f"{100 * r['forward']['resolution_qop_rel']:.1f}",
            f"{r['forward']['pull_qop']:.2f}",
            f"{r['fit_ms']:.1f}",
        ]
        for name, r in _rows()
    ]
    head = [
        "events",
        "tracks",
        "fakes",
        "reduction",
        "q/p, %",
        "its pull",
        "forward q/p, %",
        "its pull",
        "fit, ms",
    ]
    return table(head, body)


def field_sentences() -> dict[str, tuple[str, ...]]:
    """Numbers in sentences of docs/detectors.md."""
    found = results("field-map")
    without, with_times = found["times"]["without"], found["times"]["with"]
    events = without["events"]
    return {
        "{} events of pile-up 60 in 3.8 T": (str(events),),
        "With times of {} ps and collisions that are spread by {} ps": (
            f"{found['times']['resolution_ps']:g}",
            f"{found['times']['spread_ps']:g}",
        ),
        "{} edges an event become {}": tuple(f"{r['edges']:,.0f}" for r in (without, with_times)),
        "the reduction rises from {} to {}": tuple(f"{r['reduction']:.2f}" for r in (without, with_times)),
        "efficiency of edges stays {}": (f"{with_times['edge_efficiency']:.4f}",),
    }
