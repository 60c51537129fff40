"""PixelAV's text, written by hand."""

import numpy as np

HEAD = "dot1_50x12.5_phase3:BPix@-100V,3.8T@90deg,263K,rhe=1.10,rhh=0.7"


def clusters(n=3, seed=2, slices=4, shape=(13, 21)):
    """Labels (n, 9) and cumulative charges (n, slices, rows, columns) in e."""
    rng = np.random.default_rng(seed)
    charge = np.cumsum(rng.integers(0, 200, (n, slices, *shape)), axis=1).astype(float)
    labels = rng.normal(0, 1, (n, 9))
    labels[:, 2] = 100.0
    labels[:, 5] = -2.0
    labels[:, 6] = charge[:, -1].sum(axis=(1, 2))
    return labels, charge


def text(labels, charge, scale=1.0, step=200.0):
    lines = [HEAD, "50 12.5 100 200"]
    for label, image in zip(labels, charge, strict=True):
        lines += ["<cluster>", " ".join(f"{v:.9g}" for v in label)]
        for k, rows in enumerate(image):
            lines.append(f"<time slice {step * (k + 1):f} ps>")
            lines += [" ".join(f"{v / scale:.1f}" for v in row) for row in rows]
    return "\n".join(lines) + "\n"
