"""Tables of what is beyond the nominal: particles from far away, and other conditions than those of the training."""

from page_text import table

from measured.results import results

BINS = {"0_0p1": "0-0.1", "0p1_0p5": "0.1-0.5", "0p5_1": "0.5-1", "1_5": "1-5", "5_10": "5-10"}
"""Impact parameters in mm by the bench's key."""
ROLES = {"ours_prompt": "default", "ours": "two passes", "acts": "ACTS, 1 mm", "acts_wide": "ACTS, 10 mm"}


def displaced(sample: str, digits: int, counts: bool) -> str:
    """Efficiency by impact parameter, and central fakes; with ``counts`` also how many particles there are."""
    found = results("bench-tracking")[sample]
    body = [
        [
            title,
            *([f"{found[key]['n']:,}"] if counts else []),
            *("" if found[key][role] is None else f"{found[key][role]:.{digits}f}" for role in ROLES),
        ]
        for key, title in BINS.items()
    ]
    fakes = [f"{found['fake_rate_central'][role]:.4f}" for role in ROLES]
    more = ["findable"] if counts else []
    return table(
        ["d0, mm", *more, *ROLES.values()], [*body, ["central fakes", *([""] if counts else []), *fakes]]
    )


def robustness() -> str:
    """The chain in conditions that are not those of the training."""
    body = [
        [
            f"{name} *" if r["refused"] else name,
            f"{r['efficiency']:.4f}",
            f"{r['fake_rate_central']:.4f}",
            f"{r['n_edges']:,.0f}",
            f"{r['physics_efficiency']:.3f}",
            ""
            if r["acts"] is None
            else f"{r['acts']['efficiency']:.4f}, {r['acts']['fake_rate_central']:.4f}",
        ]
        for name, r in results("robustness")["conditions"].items()
    ]
    head = [
        "condition",
        "efficiency",
        "central fakes",
        "edges",
        "physics efficiency",
        "ACTS: efficiency, fakes",
    ]
    return table(head, body)
