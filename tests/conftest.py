"""Simulated clusters in the public layout and small networks trained on them, for the tests of all
packages.
"""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import settings

from smartpix.networks.options import NetworkOptions
from smartpix.networks.plan import KINDS
from smartpix.networks.weights import load_weights, save_weights
from smartpix.samples import from_clusters
from smartpix.simulate.datasets import DatasetOptions, simulate_dataset
from smartpix.simulate.readout import ReadoutOptions
from smartpix.train.loop import train_on
from smartpix.train.options import TrainMdnOptions
from tests.acts_files import write_acts
from tests.helpers import SENSOR

pytest_plugins = ("tests.left_out",)

# The same examples in every session: a test that fails today failed yesterday. `--hypothesis-profile=default`
# looks further.
settings.register_profile("fixed", derandomize=True, deadline=None)
settings.load_profile("fixed")
THREADS = torch.get_num_threads()


@pytest.fixture(autouse=True)
def threads_of_the_session():
    """Commands choose how many threads torch has in this process. More than cores are free make small networks
    of the tests that follow ten times slower.
    """
    yield
    torch.set_num_threads(THREADS)


@pytest.fixture(scope="session")
def clusters_2s():
    """6000 noise-free clusters of the data set 2s, type 2, with the first and the last slice; not to be
    changed.

    Induction below 100 e is left out, which otherwise reaches the border of the array around every cluster.
    """
    made = simulate_dataset(DatasetOptions(slices=(0, 19), induction="full"), 6000, 1)
    return dataclasses.replace(made, charge=np.where(np.abs(made.charge) < 100, np.float32(0), made.charge))


@pytest.fixture(scope="session")
def samples(clusters_2s):
    """The same clusters as the chip reads them; not to be changed."""
    return from_clusters(clusters_2s, ReadoutOptions(), SENSOR, {"command": "tests"})


@pytest.fixture(scope="session")
def mdn_weights(tmp_path_factory, samples):
    """Weights by kind of network, trained for a few seconds only."""
    folder = tmp_path_factory.mktemp("mdn")
    for kind in KINDS:
        options = TrainMdnOptions(NetworkOptions(kind), epochs=8, batch_size=128)
        train_on(samples, "barrel", folder / f"{kind}.safetensors", options, lambda line: None)
    return {kind: folder / f"{kind}.safetensors" for kind in KINDS}


@pytest.fixture(scope="session")
def endcap_weights(mdn_weights):
    """The same, said to be of the end-caps."""
    paths = {kind: path.with_name(f"endcap-{kind}.safetensors") for kind, path in mdn_weights.items()}
    for kind, path in mdn_weights.items():
        arrays, description = load_weights(path, f"mdn-{kind}")
        save_weights(paths[kind], arrays, {**description, "region": "endcap"})
    return paths


@pytest.fixture(scope="session")
def acts_folder(tmp_path_factory):
    """CSV files of two events as ACTS writes them; not to be changed."""
    pytest.importorskip("acts")
    return write_acts(tmp_path_factory.mktemp("acts") / "csv")
