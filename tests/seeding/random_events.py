"""Random detectors, hits and layer pairs: cylinders and disks of tilted modules, tracks across them and hits
anywhere.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from seeding.hits import Hits
from smartpix.estimate.base import Estimate
from smartpix.geometry import Detector
from smartpix.layers import LayerPairs
from tests.seeding import toys


def random_detector(rng):
    """Two to five layers of a few modules each, tilted by up to 0.3 rad and displaced by up to 5 mm, from 1
    mm to 1 m in size.
    """
    scale = rng.choice([0.1, 1.0, 1.0, 5.0])
    rows, sizes = [], []
    for layer in range(rng.integers(2, 6)):
        barrel, radius, z = (
            rng.random() < 0.5,
            scale * rng.uniform(20, 180),
            scale * rng.choice([-1, 1]) * rng.uniform(20, 400),
        )
        for module in range(n := int(rng.integers(1, 9))):
            phi = 2 * np.pi * module / n
            out, around, beam = (
                np.array([np.cos(phi), np.sin(phi), 0]),
                np.array([-np.sin(phi), np.cos(phi), 0]),
                np.eye(3)[2],
            )
            tilt = Rotation.from_rotvec(rng.uniform(-0.3, 0.3, 3)).as_matrix()
            u, v, w = (tilt @ axis for axis in ((around, beam, out) if barrel else (around, out, -beam)))
            # Every other module of a disk in an inner ring: between the two there may be a gap.
            centre = (
                radius * (1 if barrel or module % 2 else 0.6) * out
                + scale * rng.uniform(-5, 5, 3)
                + (rng.uniform(-1, 1) * 100 * scale if barrel else z) * beam
            )
            rows.append([layer // 2, layer, module, *centre, *np.stack([u, v, w], axis=1).ravel()])
            sizes.append([0.05, *np.full(2, scale * rng.uniform(2, 30)), scale * rng.uniform(2, 30)])
    names = [
        "volume_id",
        "layer_id",
        "module_id",
        "cx",
        "cy",
        "cz",
        *(f"rot_{g}{a}" for g in "xyz" for a in "uvw"),
    ]
    columns = dict(zip(names, np.array(rows).T, strict=True))
    columns |= dict(
        zip(("module_t", "module_minhu", "module_maxhu", "module_hv"), np.array(sizes).T, strict=True)
    )
    return Detector(columns | {"pitch_u": np.full(len(rows), 0.05), "pitch_v": np.full(len(rows), 0.05)})


def random_pairs(rng, layers):
    """Any layer after any, itself too, at times past the gap of a third."""
    n_layers, gaps = len(layers), np.flatnonzero(layers.gap_high > layers.gap_low)
    every = np.array([(a, b) for a in range(n_layers) for b in range(n_layers)], dtype=np.int32)
    chosen = every[rng.random(len(every)) < 0.6]
    through = rng.random(len(chosen)) < (0.5 if len(gaps) else 0)
    skipped = np.where(through, rng.choice(gaps, len(chosen)) if len(gaps) else -1, -1).astype(np.int32)
    return LayerPairs(np.ascontiguousarray(chosen[:, 0]), np.ascontiguousarray(chosen[:, 1]), skipped)


def random_hits(rng, detector, n_tracks=14, n_noise=20, sigma=(0.1, 0.03), d0=0.1):
    """Crossings of helices with cylinders and thick disks, hits anywhere on modules, two on the beam line;
    slopes have an error.

    Of some events the tracks lie about phi = pi, where the azimuth wraps; of some all are flat, along disks
    too.
    """
    layers, position, direction, layer = detector.layers, [], [], []
    apart, steepest, thick = rng.choice([np.pi, 0.05]), rng.choice([3.0, 3.0, 0.5]), rng.choice([0.0, 20.0])
    for _ in range(n_tracks):
        phi, slope = np.pi + rng.uniform(-apart, apart), np.sinh(rng.uniform(-steepest, steepest))
        curvature = rng.choice([-1, 1]) * 10 ** rng.uniform(-5, -1.8)
        start = np.array([*rng.normal(0, d0, 2), rng.normal(0, 40)])
        for k in range(len(layers)):
            # The path to the layer: of a cylinder from the beam line, of a disk from its z.
            half = curvature * layers.radius[k] / 2
            z = layers.z[k] + rng.uniform(-thick, thick)
            arc = (
                2 * np.arcsin(min(abs(half), 1.0)) / abs(curvature)
                if layers.barrel[k]
                else (z - start[2]) / slope
            )
            if 0 < arc < min(2.5 / abs(curvature), 4000):
                point, way = toys.helix(start, phi, curvature, slope, np.array([arc]))
                position.append(point[0])
                direction.append(way[0])
                layer.append(k)
    of_layer = [np.flatnonzero(detector.layer_index == k) for k in range(len(layers))]
    module = [int(rng.choice(of_layer[k])) for k in layer]
    anywhere = rng.integers(0, len(detector), n_noise)
    local = np.stack([detector.half_x, detector.half_y], axis=1)[anywhere] * rng.uniform(-1, 1, (n_noise, 2))
    position = np.concatenate([np.reshape(position, (-1, 3)), detector.to_global(anywhere, local)])
    direction = np.concatenate(
        [np.reshape(direction, (-1, 3)), detector.to_global(anywhere, local) + rng.normal(0, 5, (n_noise, 3))]
    )
    module = np.concatenate([np.array(module, dtype=int), anywhere]).astype(np.int32)
    n = len(module)
    position[-2:, :2] = [[0, 0], [4e-4, 0]]
    width = np.array(sigma) * rng.uniform(0.5, 2, (n, 1))
    correlation = rng.uniform(-0.9, 0.9, n)
    along = detector.direction_to_local(module, direction)
    cot = np.clip(along[:, :2] / along[:, 2:], -50, 50) + rng.normal(size=(n, 2)) * width
    mean = np.column_stack([np.zeros((n, 2)), cot])
    factor = toys.slope_factor(
        np.stack([width[:, 0] ** 2, correlation * width[:, 0] * width[:, 1], width[:, 1] ** 2], axis=1)
    )
    factor[:, 0, 0], factor[:, 1, 1] = 0.01, 0.005
    return Hits(
        hit_id=np.arange(n), module=module, layer=detector.layer_index[module], position=position,
        estimate=Estimate(mean, factor),
        axes=np.ascontiguousarray(np.swapaxes(detector.axes[module], 1, 2).reshape(-1, 9)),
    )  # fmt: skip
