"""Made-up clusters in the public layout, and their files as others write them."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from smartpix.io.cluster_set import ClusterSet

THICKNESS = 0.1


def some_labels(n, seed=0, from_pixel_side=False):
    """Labels that fit each other, of tracks with a broad range of angles."""
    rng = np.random.default_rng(seed)
    n_x, n_y = rng.normal(0, 2, n), rng.normal(0, 0.5, n)
    n_z = rng.uniform(0.3, 3, n) * (-1 if from_pixel_side else 1)
    cot_alpha, cot_beta = n_x / n_z, n_y / n_z
    x_entry, y_entry = rng.uniform(-75, 75, n), rng.uniform(-20, 20, n)
    z_entry = np.full(n, 1e3 * THICKNESS if from_pixel_side else 0.0)
    height = 1e3 * THICKNESS / 2 - z_entry
    return {
        "x-entry": x_entry, "y-entry": y_entry, "z-entry": z_entry, "n_x": n_x, "n_y": n_y, "n_z": n_z,
        "number_eh_pairs": np.floor(rng.uniform(5e3, 5e4, n)), "y-local": rng.uniform(-8, 8, n),
        "pt": rng.normal(0, 2, n),
        "cotAlpha": cot_alpha, "cotBeta": cot_beta,
        "x-midplane": x_entry + cot_alpha * height, "y-midplane": y_entry + cot_beta * height,
    }  # fmt: skip


def cluster_set(n, seed=0, slices=2, shape=(3, 4)):
    """Charges with steps of 0.1 e, labels that fit each other."""
    slices = tuple(range(slices)) if isinstance(slices, int) else slices
    charge = (
        np.random.default_rng([seed, 1]).normal(0, 2000, (n, len(slices), *shape)).round(1).astype(np.float32)
    )
    return ClusterSet(charge, some_labels(n, seed), slices)


def image_columns(clusters):
    """Columns "0", "1", ..., one value at a time."""
    n_slices, n_rows, n_columns = clusters.charge.shape[1:]
    return {
        str((s * n_rows + r) * n_columns + c): clusters.charge[:, s, r, c]
        for s in range(n_slices)
        for r in range(n_rows)
        for c in range(n_columns)
    }


def save(path, columns, **options):
    """A parquet file without our metadata, with pyarrow's defaults, which are pandas'."""
    pq.write_table(pa.table({name: pa.array(values) for name, values in columns.items()}), path, **options)
    return path


def save_table(path, clusters, **more):
    """One table with images and labels."""
    return save(path, image_columns(clusters) | clusters.labels | more)


def save_pair(folder, suffix, clusters, **more):
    """recon3D and labels files, with the index column that pandas leaves in a filtered frame; returns the
    first.
    """
    index = {"__index_level_0__": np.arange(len(clusters)) * 2}
    save(folder / f"labels{suffix}.parquet", clusters.labels | more | index)
    return save(folder / f"recon3D{suffix}.parquet", image_columns(clusters) | index)
