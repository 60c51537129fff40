"""Draw the pictures of the pages again: python docs/make_pictures.py [EVENTS.root]

Those of studies and benchmarks are drawn from their numbers in benchmarks/results, of which none is measured again.
With events of pile-up 200, with truth, also the picture of docs/concepts.md; docs/event-display.png is drawn from the
embedded sample. docs/display.png is a photograph of the page, and docs/trkx-filters.png needs the network.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.patches import Ellipse

from seeding.cones import ConeOptions, make_cones, to_cylinder
from seeding.edges import find_edges
from seeding.references import WindowOptions, window
from smartpix.layers import layer_pairs
from smartpix.shipped import data_path
from tracking.bench import dense_plots, front_plots, lever_plots, seeding_plots, trkx_plots
from tracking.bench.events import Event, load_sample
from tracking.bench.link_plots import plot_link
from tracking.bench.scaling_table import plot_scaling
from tracking.bench.smart_pixels_plots import plot_bits
from tracking.bench.smart_pixels_plots import plot_levers as plot_smart_pixels
from tracking.bench.systematics_plots import plot_systematics
from tracking.bench.trigger_plots import plot_logic
from tracking.runs.driver import run
from tracking.show.style import BLUE, GREY, ORANGE, RED, about, figure

DOCS = Path(__file__).parent
ROOT = DOCS.parent
RESULTS = ROOT / "benchmarks" / "results"
MDMM = "conv-mdmm-67"
"""Network whose training and weights docs/chip.md shows."""
OPTIONS = ConeOptions()
WIDE_OPEN = ConeOptions(quantile=1 - 1e-15)
FIRST = 7


def source_of(event: Event) -> tuple[int, int]:
    """A hit of the innermost cylinder, near the middle, and the next of its particle, of pT between 1 and 2
    GeV.
    """
    inner, outer = event.truth.edges.T
    layer, pt = event.hits.layer, event.truth.edge_pt
    chosen = (layer[inner] == FIRST) & (layer[outer] == FIRST + 1) & (pt > 1) & (pt < 2)
    chosen &= np.abs(event.hits.position[inner, 2]) < 20
    k = int(np.flatnonzero(chosen)[0])
    return int(inner[k]), int(outer[k])


def draw(path: Path, events: str) -> None:
    """Both panels."""
    sample = load_sample(events, 1)
    event, detector, field = sample.events[0], sample.header.detector, sample.header.field
    source, true = source_of(event)
    hits, pairs = event.hits, layer_pairs(detector)
    searched = window(hits, detector, pairs, field, WindowOptions())
    searched = searched.target[(searched.source == source) & (hits.layer[searched.target] == FIRST + 1)]
    radius = float(np.hypot(*hits.position[true, :2]))
    there = to_cylinder(make_cones(hits.take(np.array([source])), field, OPTIONS), radius)
    center, covariance = there.local[0], there.covariance[0]
    phi = np.arctan2(hits.position[:, 1], hits.position[:, 0])
    along = radius * np.angle(np.exp(1j * (phi - center[0] / radius)))
    z = hits.position[:, 2] - center[1]
    edges = find_edges(hits, detector, pairs, field, WIDE_OPEN)
    of = np.flatnonzero((edges.source == source) & (hits.layer[edges.target] == FIRST + 1))
    kept = edges.target[of[edges.chi2[of] < OPTIONS.joint_cut()]]
    title = about(Path(events).name, None, "its first event")
    with figure(path, title, ncols=2, figsize=(16, 7)) as (_, (left, right)):
        values, axes = np.linalg.eigh(covariance[:2, :2])
        angle = np.degrees(np.arctan2(axes[1, 1], axes[0, 1]))
        size = 2 * OPTIONS.gate() * np.sqrt(values[::-1])
        left.plot(
            along[searched], z[searched], "o", color=GREY, ms=4, label=f"in the window: {len(searched)}"
        )
        left.add_patch(
            Ellipse(
                (0, 0), *size, angle=angle, color=ORANGE, alpha=0.35, lw=0, label="cone of the hit, 99.9 %"
            )
        )
        left.plot(
            along[kept], z[kept], "s", color=BLUE, ms=8, mfc="none", mew=1.6, label=f"edge kept: {len(kept)}"
        )
        left.plot(along[true], z[true], "*", color=RED, ms=14, label="the particle's own")
        left.set_xlim(-15, 15)
        left.set_xlabel(r"r $\Delta\phi$ from the cone's centre [mm]")
        left.set_ylabel(r"$\Delta z$ from the cone's centre [mm]")
        left.legend(fontsize=12, loc="upper right")
        pulls = edges.pulls[of]
        is_true = edges.target[of] == true
        right.plot(*pulls[:, 2:].T, "o", color=GREY, ms=5, label="other clusters of the window")
        right.plot(*pulls[is_true, 2:].T, "*", color=RED, ms=14, label="the particle's own")
        right.set_xlim(-10, 10)
        right.set_ylim(-10, 10)
        right.set_xlabel(r"cot $\alpha$ of the target cluster less the edge's [$\sigma$]")
        right.set_ylabel(r"cot $\beta$ of the target cluster less the edge's [$\sigma$]")
        right.legend(fontsize=12, loc="upper right")


def result(name: str) -> dict[str, Any]:
    """Numbers of a study or a benchmark."""
    read: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return read


def draw_results() -> None:
    """All pictures whose numbers are in benchmarks/results."""
    seeding, dense, front, trkx = (result(name) for name in ("bench-seeding", "bench-dense", "front", "trkx"))
    seeding_plots.plot_front(DOCS / "efficiency-reduction.png", seeding)
    seeding_plots.plot_lost(DOCS / "lost-edges.png", seeding)
    seeding_plots.plot_time(DOCS / "time.png", seeding)
    lever_plots.plot_levers(DOCS / "levers.png", result("levers"))
    cores = dense["samples"]["cores"]
    title = about("cores", cores["n_events"], f"{cores['n_findable']:,} findable particles")
    dense_plots.plot_curves(DOCS / "dense-efficiency.png", cores, title)
    dense_plots.plot_rates(DOCS / "dense-rates.png", dense["samples"])
    front_plots.plot_front(DOCS / "front.png", front)
    front_plots.plot_history(DOCS / "mdmm-history.png", front, MDMM)
    front_plots.plot_weights(DOCS / "mdmm-weights.png", front, (front["base"], MDMM))
    plot_link(DOCS / "link.png", result("bench-link"))
    plot_scaling(DOCS / "scaling.png", result("bench-scaling"))
    plot_logic(DOCS / "trigger-logic.png", result("trigger-logic")["rows"])
    plot_systematics(DOCS / "systematics.png", result("systematics"))
    plot_smart_pixels(DOCS / "smart-pixels-levers.png", result("smart-pixels"))
    plot_bits(DOCS / "smart-pixels-bits.png", result("smart-pixels"))
    models, references = trkx["models"], trkx["references"]
    trkx_plots.plot_accuracies(DOCS / "trkx-accuracies.png", models, references)
    trkx_plots.plot_multiplicity(DOCS / "trkx-multiplicity.png", models, references)
    trkx_plots.plot_curves(DOCS / "trkx-samples.png", models)
    trkx_plots.plot_captions(DOCS / "trkx-captions.png", models["caption-covariance"])
    trkx_plots.plot_ramp(DOCS / "trkx-ramp.png", trkx)
    trkx_plots.plot_next_layer(DOCS / "trkx-next-layer.png", trkx["next_layer"])
    sys.path.insert(0, str(ROOT))
    from benchmarks import irradiation_figure, merged_figure

    irradiation_figure.draw(result("irradiation"), DOCS / "irradiation.png")
    merged_figure.draw(result("merged-front"), DOCS / "front-merged.png")


def draw_run() -> None:
    """The figures of a run on the embedded sample that pages show."""
    with tempfile.TemporaryDirectory() as folder:
        run([data_path("sample.root")], folder)
        for name in ("event-display", "cone-study", "efficiency", "pulls"):
            for end in (".png", "-data.csv"):
                shown = f"{'run-' if name != 'event-display' else ''}{name}{end}"
                shutil.copy(Path(folder) / f"{name}{end}", DOCS / shown)


if __name__ == "__main__":
    draw_results()
    draw_run()
    if len(sys.argv) > 1:
        draw(DOCS / "cone.png", sys.argv[1])
