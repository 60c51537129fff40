"""Networks that ship, trained or damaged ones: how good their estimates are."""

import awkward as ak
import numpy as np
import pytest

from smartpix.estimate.base import estimate, truth_targets
from smartpix.estimate.mdn import MdnEstimator, MdnNetwork
from smartpix.estimate.quality import quality
from smartpix.io.events import iterate, open_events
from smartpix.schema import InputError
from tests.smartpix.estimate.flat_clusters import SAMPLE
from tests.smartpix.estimate.mdn_estimates import KINDS, constant


def test_quickly_trained_network_already_knows_directions(mdn_weights, samples):
    """Against a constant answer, on the clusters held out."""
    last = slice(-600, None)
    for kind in KINDS:
        network = MdnNetwork.load(str(mdn_weights[kind]))
        report = quality(
            *network.predict_images(samples.images[last]), samples.targets[last], samples.truncated[last]
        )
        spread = samples.targets[last].std(axis=0)
        assert report["standard_deviation"]["y_um"] < 0.9e3 * spread[1]
        assert report["standard_deviation"]["cot_alpha"] < 0.9 * spread[2]
        assert report["nll"] < 1


def shipped_ones():
    """Clusters of the embedded sample with truth, their estimates with the shipped weights, and who is of the
    barrel.
    """
    opened = open_events(SAMPLE)
    events = ak.concatenate([e for _, e in iterate(SAMPLE)])
    clusters = ak.flatten(events["clusters"], axis=1)
    number = np.repeat(np.arange(len(events)), ak.to_numpy(ak.num(events["clusters"], axis=1)))
    target, has = truth_targets(clusters, 0.95, number)
    result = estimate(clusters, opened.header, MdnEstimator.load())
    return (
        target,
        has & ~result.flagged,
        result,
        opened.header.detector.barrel[ak.to_numpy(clusters["module_index"])],
    )


def test_shipped_networks_are_accurate_and_calibrated_on_the_embedded_sample():
    """Against the published half widths (x 8.7 um, y 2.1 um quantised) and unit pulls."""
    target, has, result, barrel = shipped_ones()
    central = has & (np.abs(target[:, 2]) < 4) & (np.abs(target[:, 3]) < 0.6)
    for region in (True, False):
        chosen = central & (barrel == region)
        report = quality(
            result.mean[chosen],
            result.cholesky[chosen],
            target[chosen],
            np.zeros(int(chosen.sum()), dtype=bool),
        )
        width = report["half_width_68"]
        assert (
            width["x_um"] < 16,
            width["y_um"] < 4,
            width["cot_alpha"] < 0.5,
            width["cot_beta"] < 0.12,
        ) == (True,) * 4
        pull = (target - result.mean)[chosen] / result.sigma()[chosen]
        core = np.percentile(np.abs(pull), 68.27, axis=0)
        assert np.all(core < 1.3)
        assert np.all(np.std(pull, axis=0) < 1.25)
        # On the disks both slopes span less than their resolution, so there the sigmas of the broad sample are
        # generous.
        narrow = np.std(target[chosen], axis=0) < np.mean(result.sigma()[chosen], axis=0)
        assert narrow.tolist() == ([False] * 4 if region else [False, False, True, True])
        assert np.all(core > np.where(narrow, 0.5, 0.7))
        correlation = [np.corrcoef(result.mean[chosen, k], target[chosen, k])[0, 1] for k in (2, 3)]
        assert np.all(np.array(correlation) > ([0.9, 0.8] if region else [0.1, 0.25]))


def test_damaged_networks_are_an_input_error():
    opened, events = next(iterate(SAMPLE, step=1))
    damaged = MdnEstimator({"barrel": constant(np.nan), "endcap": constant(np.nan)})
    with (
        np.errstate(invalid="ignore"),
        pytest.raises(InputError, match="the network gives values that are not finite"),
    ):
        estimate(events["clusters"][0][:20], opened.header, damaged)
