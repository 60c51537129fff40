"""Training of the front's networks: the toy is told apart, copies are shifted, bad input is refused."""

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from smartpix.merged.front import FrontOptions
from smartpix.merged.toy import ToyOptions, toy_images
from smartpix.schema import InputError
from smartpix.train.front import front_probabilities, shifted, train_front
from smartpix.train.front_options import TrainFrontOptions

DNN = FrontOptions("ecal-dnn", 1, 16, 16, unit=40.0)


def toy(n, seed):
    """Easier than ROOT's, so that little of it is enough."""
    return toy_images(ToyOptions(n_images=n, difference=0.4, seed=seed))


@pytest.mark.parametrize(
    ("name", "least"), [("ecal-cnn", 0.95), ("tmva-cnn", 0.95), ("ecal-dnn", 0.95), ("ecal-shape", 0.9)]
)
def test_spots_of_two_shapes_are_told_apart(name, least):
    options = FrontOptions(name, 1, 16, 16, unit=40.0)
    n, epochs = (500, 4) if name.endswith("cnn") else (800, 12)
    network = train_front(*toy(n, 1), TrainFrontOptions(options, epochs=epochs, batch_size=50))
    images, label = toy(300, 2)
    chance = front_probabilities(network, images)
    assert chance.shape == (600,)
    assert ((chance >= 0) & (chance <= 1)).all()
    assert roc_auc_score(label, chance) > least


def test_same_seed_same_network_and_a_start_goes_on():
    images, label = toy(100, 3)
    options = TrainFrontOptions(DNN, epochs=2, batch_size=50)
    first, again = (train_front(images, label, options) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    kept = front_probabilities(first, images)
    slow = TrainFrontOptions(DNN, epochs=1, batch_size=200, learning_rate=1e-9)
    # The averages of the normalisation move even without learning.
    go_on = train_front(images, label, slow, start=first)
    assert all(
        torch.allclose(a, b, atol=1e-7) for a, b in zip(first.parameters(), go_on.parameters(), strict=True)
    )
    np.testing.assert_array_equal(front_probabilities(first, images), kept)


def test_a_start_keeps_what_the_variables_are_brought_to():
    options = TrainFrontOptions(FrontOptions("ecal-shape", 1, 16, 16), epochs=1, batch_size=50)
    start = train_front(*toy(50, 3), options)
    go_on = train_front(*toy(50, 4), options, start=start)
    assert torch.equal(go_on.mean, start.mean)


def test_shifted_copies_are_whole_pixels_away_and_lose_what_leaves():
    images = torch.arange(1.0, 1 + 6 * 2 * 4 * 5).reshape(6, 2, 4, 5)
    generator = torch.Generator().manual_seed(5)
    found = {}
    for _ in range(40):
        for image, copy in zip(images, shifted(images, 1, generator), strict=True):
            matches = []
            for down in (-1, 0, 1):
                for right in (-1, 0, 1):
                    wanted = torch.zeros_like(image)
                    for r in range(4):
                        for c in range(5):
                            if 0 <= r - down < 4 and 0 <= c - right < 5:
                                wanted[:, r, c] = image[:, r - down, c - right]
                    if torch.equal(wanted, copy):
                        matches.append((down, right))
            assert len(matches) == 1
            found[matches[0]] = found.get(matches[0], 0) + 1
    # All nine of them, about as often.
    assert len(found) == 9
    assert min(found.values()) > 10
    assert torch.equal(shifted(images, 0, generator), images)


def test_copies_change_the_training_and_not_the_images():
    images, label = toy(100, 3)
    before = images.copy()
    plain, moved = (
        train_front(images, label, TrainFrontOptions(DNN, epochs=1, batch_size=50, shift=shift))
        for shift in (0, 2)
    )
    np.testing.assert_array_equal(images, before)
    assert not torch.equal(plain.layers[1].weight, moved.layers[1].weight)


def test_bad_input_is_refused():
    images, label = toy(50, 3)
    options = TrainFrontOptions(DNN, epochs=1, batch_size=50)
    with pytest.raises(InputError, match="100 images have 99 labels"):
        train_front(images, label[1:], options)
    with pytest.raises(InputError, match=r"both of them, and are \[1, 2\]"):
        train_front(images, label + 1, options)
    with pytest.raises(InputError, match="100 images are fewer than a batch of 101"):
        train_front(images, label, TrainFrontOptions(DNN, batch_size=101))
    other = TrainFrontOptions(FrontOptions("ecal-dnn", 1, 16, 16), epochs=1, batch_size=50)
    start = train_front(images, label, options)
    with pytest.raises(InputError, match="go on from"):
        train_front(images, label, other, start=start)
    large = images / images.max() * np.float32(3e38)
    with pytest.raises(InputError, match="diverged in epoch 1; lower the learning rate"):
        train_front(large, label, TrainFrontOptions(FrontOptions("ecal-dnn", 1, 16, 16, unit=1.0)))
    with pytest.raises(InputError, match="train front: shift must be 0 for ecal-shape"):
        TrainFrontOptions(FrontOptions("ecal-shape"), shift=1)
    assert front_probabilities(start, images[:0]).shape == (0,)
