import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from smartpix.io.parquet import write_clusters
from smartpix.samples import from_clusters
from smartpix.schema import SMALLEST_SIGMA
from smartpix.simulate.readout import ReadoutOptions
from smartpix.train import epoch, inputs
from smartpix.train.options import AUGMENTATIONS
from smartpix.train.teach import lesson_of
from tests.helpers import SENSOR
from tests.smartpix.train.quick_trainings import PIXEL, Always, some_batch


def test_a_lesson_is_in_the_frame_of_the_students_windows(tmp_path, clusters_2s):
    """A high threshold moves the student's windows by whole pixels; the teacher, who sees all charge, must
    not mislead.
    """
    path = tmp_path / "2s.parquet"
    write_clusters(path, clusters_2s, {"command": "tests"}, SENSOR)
    samples = from_clusters(clusters_2s, ReadoutOptions(noise=0.0, threshold=3000.0, adc_bits=0), SENSOR, {})
    seen = from_clusters(clusters_2s, None, SENSOR, {})
    moved = np.abs(seen.targets[:, 1] - samples.targets[:, 1]) > 0.5 * SENSOR["pitch_y"]
    assert moved.mean() > 0.1
    lesson = lesson_of("mdn-2s-columns-2t-float", [path], samples, "barrel", lambda line: None)
    off = np.abs(lesson.mean - samples.targets)[moved & ~samples.truncated]
    # In x and y far less than the pixels they were moved by.
    assert np.median(off[:, 0]) < 0.25 * SENSOR["pitch_x"]
    assert np.median(off[:, 1]) < 0.25 * SENSOR["pitch_y"]
    assert lesson.scaled(np.arange(5)).shape == (5, 4, 5)


def with_lesson(n=5, seed=2):
    """(N, 4, 6): truth, a teacher's means, and its lower factors."""
    rng = np.random.default_rng(seed)
    factors = np.tril(rng.normal(0, 0.3, (n, 4, 4))) + 0.5 * np.eye(4)
    columns = [rng.normal(0, 1, (n, 4, 1)), rng.normal(0, 1, (n, 4, 1)), factors]
    return torch.from_numpy(np.concatenate(columns, axis=2).astype(np.float32))


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_loss_shares_truth_and_lesson(share):
    """SciPy's Gaussian of the truth, and the mean of its logarithm over the teacher's, which is known in
    closed form.
    """
    rng = np.random.default_rng(3)
    raw, target = rng.normal(0, 0.5, (5, 14)).astype(np.float32), with_lesson()
    found = epoch.damped(epoch.cluster_losses(torch.from_numpy(raw), target, share)).numpy()
    for k in range(5):
        factor = np.diag(np.logaddexp(0, raw[k, 1:8:2].astype(float)) + SMALLEST_SIGMA)
        factor[np.tril_indices(4, -1)] = raw[k, 8:]
        gauss = multivariate_normal(raw[k, 0:8:2], factor @ factor.T)
        truth, mean, taught = (target[k, :, part].double().numpy() for part in (0, 1, slice(2, 6)))
        spread = np.trace(np.linalg.solve(factor @ factor.T, taught @ taught.T))
        plain = (1 - share) * -gauss.logpdf(truth) + share * (-gauss.logpdf(mean) + 0.5 * spread)
        wanted = plain if plain < 20 else 20 * (1 + np.log(plain / 20))
        assert found[k] == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize("how", AUGMENTATIONS)
def test_what_a_teacher_says_is_augmented_with_the_truth(monkeypatch, how):
    """Its means are where the truth would be; its factors turn with a mirror, and stay as they are with a
    shift.
    """
    Always(monkeypatch, yes=True, shift=(1, -1))
    image, _ = some_batch()
    both = with_lesson()
    before = both.clone()
    got = inputs.augment(image, both, PIXEL, (how,), None)[1]
    for part in (0, 1):
        torch.testing.assert_close(
            got[..., part], inputs.augment(image, both[..., part], PIXEL, (how,), None)[1]
        )
    sign = {"mirror-x": [-1.0, 1, -1, 1], "mirror-y": [1.0, -1, 1, -1], "shift": [1.0, 1, 1, 1]}[how]
    covariance = got[..., 2:] @ got[..., 2:].mT
    wanted = before[..., 2:] @ before[..., 2:].mT * torch.outer(torch.tensor(sign), torch.tensor(sign))
    torch.testing.assert_close(covariance, wanted)
    assert torch.equal(both, before)
