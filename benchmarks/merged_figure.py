"""The figure of benchmarks/merged_front.py."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from tracking.show.style import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, about, figure

COLOURS = {"ecal-cnn": RED, "tmva-cnn": ORANGE, "ecal-dnn": PURPLE, "ecal-shape": GREY}
OURS = {"count-barrel": BLUE, "fixed-count-barrel": GREEN}
WAYS = {
    "from scratch": ("-", "o"),
    "after simple": ("--", "s"),
    "copies": (":", "^"),
    "after simple, copies": ("-.", "D"),
}


def draw(result: dict, path: Path) -> None:
    """Pairs found against parameters and time, what transfer and copies give, and the anomaly scores."""
    networks = {
        **result["front"]["networks"], **result.get("counts", {}).get("networks", {}),
    }  # fmt: skip
    title = about(
        "merged clusters", None, f"{sum(np.atleast_1d(result['front']['n_test'])):,} clusters of the test"
    )
    with figure(path, title, nrows=2, ncols=2, figsize=(17, 13)) as (_, axes):
        size, speed, new, unusual = axes.flat
        for name, r in networks.items():
            colour = (COLOURS | OURS)[name]
            found = 100 * r["efficiency"]
            label = f"{name} (AUC {r['auc']:.3f})"
            for axis, x in ((size, r["trained"]), (speed, r["us_inputs"] + r["us_network"])):
                axis.plot(x, found, "o" if name in COLOURS else "*", color=colour, ms=13, label=label)
        for axis, label in (
            (size, "trained parameters"),
            (speed, "processor time of a cluster [µs], one thread"),
        ):
            axis.set_xscale("log")
            axis.set_xlabel(label)
            axis.set_ylabel("pairs found, 5 % of singles called merged [%]")
        size.legend(fontsize=13, loc="lower right")
        _draw_transfer(new, result["transfer"])
        _draw_anomaly(unusual, result)


def _draw_transfer(axis: Axes, result: dict) -> None:
    for name, own in result["networks"].items():
        sizes = [n for n in own if n != "0"]
        for way, (line, marker) in WAYS.items():
            found = [100 * own[n][way]["efficiency"] for n in sizes]
            axis.plot(
                [int(n) for n in sizes],
                found,
                line,
                marker=marker,
                color=COLOURS[name],
                label=f"{name}, {way}",
            )
        alone = 100 * own["0"]["simple alone"]["efficiency"]
        axis.axhline(
            alone, color=COLOURS[name], lw=1.2, ls=(0, (1, 4)), alpha=0.7, label=f"{name}, simple alone"
        )
    axis.set_xscale("log")
    axis.set_xlabel("clusters of events trained on")
    axis.set_ylabel("pairs found in jets' cores [%]")
    axis.legend(fontsize=11, loc="upper left", ncols=2)
    low, high = axis.get_ylim()
    axis.set_ylim(low, high + 0.3 * (high - low))


def _draw_anomaly(axis: Axes, result: dict) -> None:
    questions = list(result["anomaly"]["questions"])
    bars = [
        (f"{name}, {score}", [values[q]["auc"] for q in questions])
        for name, r in result["anomaly"]["networks"].items()
        for score, values in r["scores"].items()
    ]
    colours = (GREY, BLUE, GREEN, PURPLE, ORANGE, RED, "#56B4E9", "#F0E442")
    width = 0.8 / len(bars)
    places = np.arange(len(questions))
    for k, (label, aucs) in enumerate(bars):
        axis.bar(places + (k - (len(bars) - 1) / 2) * width, aucs, width, label=label, color=colours[k])
    axis.axhline(0.5, color="black", lw=1, ls=":")
    axis.set_xticks(places, [q.replace(", ", ",\n").replace(" in ", "\nin ") for q in questions], fontsize=13)
    axis.set_ylim(0, 1.35)
    axis.set_ylabel("AUC of anomaly scores")
    axis.legend(fontsize=10, ncols=3, loc="upper left")
