"""Tables of seeds inside ACTS's own chain."""

from page_text import table

from measured.results import results


def total(way: dict) -> float:
    """Milliseconds of all steps."""
    return sum(value for key, value in way.items() if key.endswith("_ms"))


def way_of_acts(way: dict, ratio: float) -> list[str]:
    """Cells of one way from clusters to tracks in ACTS."""
    return [
        f"{way['n_seeds']:,}",
        f"{way['seeding_ms']:.0f}",
        f"{way['parameters_ms']:.0f}",
        f"{way.get('ckf_ms', way.get('fit_ms')):.0f}",
        f"{ratio:.2f}",
        f"{way['efficiency']:.4f}",
        f"{way['fake_rate']:.4f}",
    ]


OF_ACTS = ["number", "seeding", "parameters", "CKF or fit", "together / ACTS's", "efficiency", "fakes"]


def acts_chain() -> str:
    """Seeds inside ACTS's own chain."""
    result = results("acts-chain")
    ways = {
        "ACTS's own": ("acts", 1.0),
        "**cones**": ("ours", result["ratio_time"]),
        "the graph network's tracks": ("ours_tracks", result["ratio_time_tracks"]),
        "the same, only fitted": ("ours_fitted", result["ratio_time_fitted"]),
        "ACTS's own, our settings": (
            "acts_same_options",
            total(result["acts_same_options"]) / total(result["acts"]),
        ),
    }
    return table(
        ["seeds", *OF_ACTS],
        [[title, *way_of_acts(result[key], ratio)] for title, (key, ratio) in ways.items()],
    )


def acts_clusters() -> str:
    """The same from ACTS's geometric clusters."""
    body = []
    for key, title in (("own", "shapes"), ("lengths", "lengths")):
        both = results("acts-clusters")["in_acts"][key]
        body.append([f"{title}: ACTS's own", *way_of_acts(both["acts"], 1.0)])
        body.append([f"{title}: **cones**", *way_of_acts(both["ours"], both["ratio_time"])])
    return table(["directions and seeds", *OF_ACTS], body)
