"""Files of single clusters become tables of parquet."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from smartpix.convert.cluster_files import cluster_format, read_filter_clusters
from smartpix.describe import describe_file
from smartpix.io.parquet import read_clusters
from smartpix.schema import InputError
from tests.helpers import SHARED_DATA
from tests.left_out import needs
from tests.smartpix.convert.pixelav_files import clusters, text
from tests.smartpix.convert.test_tfrecord_files import example, record
from tracking.cli.main import main

OTHERS = SHARED_DATA / "others/tfrecord"


def test_pixelav_becomes_a_data_set(tmp_path, capsys):
    labels, charge = clusters()
    (tmp_path / "run.out").write_text(text(labels, charge))
    assert main(["convert", str(tmp_path / "run.out"), "-o", str(tmp_path / "run.parquet"), "--json"]) == 0
    done = json.loads(capsys.readouterr().out)
    assert (done["kind"], done["n_clusters"], done["slices"]) == ("pixelav", 3, [0, 1, 2, 3])
    found = read_clusters(tmp_path / "run.parquet")
    np.testing.assert_array_equal(found.charge, charge.astype(np.float32))
    assert describe_file(tmp_path / "run.parquet")["sensor"]["pitch_y"] == 0.0125
    assert main(["convert", str(tmp_path / "run.out"), "-o", str(tmp_path / "run.root")]) == 1
    assert "give the output a name that ends in .parquet" in capsys.readouterr().err


def batch(n, seed):
    rng = np.random.default_rng(seed)
    charge = np.where(rng.uniform(size=(n, 13, 21)) < 0.1, rng.integers(-900, 9000, (n, 13, 21)), 0)
    image = np.sign(charge) * np.log2(1 + np.abs(charge))
    place = rng.uniform(size=(n, 1)).astype(np.float32)
    return (
        charge,
        place,
        example(cluster=image, y=np.full((n, 1), 2.0), y_local=place, x_profile=charge.sum(axis=1)),
    )


def test_tfrecords_become_a_table_with_charges_in_electrons(tmp_path, capsys):
    parts = [batch(5, 1), batch(4, 2)]
    path = tmp_path / "in.tfrecord"
    path.write_bytes(b"".join(record(data) for _, _, data in parts))
    assert cluster_format(path) == "tfrecord"
    assert main(["convert", "tfrecord", str(path), "-o", str(tmp_path / "out.parquet"), "--json"]) == 0
    done = json.loads(capsys.readouterr().out)
    assert (done["n_clusters"], done["slices"], done["labels"]) == (9, [19], ["class", "y-local"])
    table = pq.read_table(tmp_path / "out.parquet")
    wanted = np.concatenate([charge for charge, _, _ in parts]).reshape(9, -1)
    np.testing.assert_allclose(
        np.stack([table[str(k)] for k in range(273)], axis=1), wanted, rtol=2e-5, atol=1e-3
    )
    np.testing.assert_allclose(table["y-local"], np.concatenate([p for _, p, _ in parts])[:, 0], rtol=1e-6)
    described = describe_file(tmp_path / "out.parquet")
    assert (described["n_clusters"], described["slices"], described["n_rows"]) == (9, [19], 13)


def test_tfrecords_of_something_else_are_refused(tmp_path):
    path = tmp_path / "in.tfrecord"
    path.write_bytes(record(example(image=[1.0], y=[1.0])))
    with pytest.raises(InputError, match=r"record 0: has the features image, y; expected 'cluster' and 'y'"):
        read_filter_clusters(path)
    path.write_bytes(b"")
    assert cluster_format(path) is None
    with pytest.raises(InputError, match="has no records"):
        read_filter_clusters(path)


@needs("../shared/data/others/tfrecord")
def test_public_tfrecords_have_the_counts_that_were_stated():
    """What the files tell of each cluster besides agrees with its pixels."""
    few = read_filter_clusters(OTHERS / "filtering_records300_validation_batch_0.tfrecord")
    many = read_filter_clusters(OTHERS / "tfRecDirDaniel_batch_0.tfrecord")
    assert few["charge"].shape == (300, 13, 21)
    assert many["charge"].shape == (3000, 13, 21)
    columns = (few["charge"] != 0).any(axis=1).sum(axis=1)
    ratio = few["total_charge"] / few["charge"].sum(axis=(1, 2))
    np.testing.assert_allclose(ratio, np.median(ratio), rtol=1e-3)
    np.testing.assert_allclose(few["x_size"] * 21, columns, atol=1e-4)
