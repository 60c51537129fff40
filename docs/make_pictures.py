"""Draw the pictures of docs/concepts.md: python docs/make_pictures.py EVENTS.root (of pile-up 200; needs its
truth).
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.patches import Ellipse

from seeding.cones import ConeOptions, make_cones, to_cylinder
from seeding.edges import find_edges
from seeding.references import WindowOptions, window
from smartpix.layers import layer_pairs
from tracking.bench.events import Event, load_sample
from tracking.show.style import BLUE, GREY, ORANGE, RED, about, figure

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


if __name__ == "__main__":
    draw(Path(__file__).with_name("cone.png"), sys.argv[1])
