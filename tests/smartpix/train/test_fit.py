"""Training of a whole estimator in one call."""

import numpy as np

from smartpix.estimate.base import estimate
from smartpix.estimate.mdn import MdnEstimator, MdnNetwork
from smartpix.io.events import iterate
from smartpix.train.fit import fit_mdn
from smartpix.train.loop import train_mdn
from smartpix.train.options import TrainMdnOptions


def test_fit_trains_the_regions_there_are_and_gives_what_it_saved(barrel_file, tmp_path):
    options, lines = TrainMdnOptions(epochs=2, batch_size=64), []
    fitted = fit_mdn([barrel_file], tmp_path, options, lines.append)
    assert [line.split()[1] for line in lines] == ["1/2", "2/2"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mdn-barrel.json", "mdn-barrel.safetensors"]
    assert set(fitted.networks) == {"barrel"}
    assert fitted.slices == (2, 19)
    # The same by the function of one region.
    train_mdn([barrel_file], "barrel", tmp_path / "own.safetensors", options, lambda line: None)
    again = MdnEstimator({"barrel": MdnNetwork.load(str(tmp_path / "own.safetensors"))})
    opened, events = next(iterate(barrel_file, stop=1))
    one, two = (estimate(events["clusters"][0], opened.header, e) for e in (fitted, again))
    np.testing.assert_array_equal(one.mean, two.mean)
    np.testing.assert_array_equal(one.cholesky, two.cholesky)
