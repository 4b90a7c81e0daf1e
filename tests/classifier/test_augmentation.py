"""realgap.classifier.augmentation: what chance does to training images, and that it is a stream's chance alone."""

import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from realgap import streams
from realgap.classifier import augmentation


def random_batch(n=5, size=6):
    return torch.from_numpy(np.random.default_rng(0).integers(1, 256, (n, size, size, 3), np.uint8))


def test_no_padding_and_no_flip_is_the_identity():
    images = random_batch()
    torch.testing.assert_close(augmentation.crop(images, 0, False, streams.stream(0, "test")), images, rtol=0, atol=0)


@pytest.mark.parametrize("flip", [False, True])
def test_augmented_images_are_crops_of_the_padded_image_all_equally_likely(flip):
    image = random_batch(1, 4)
    augmented = augmentation.crop(image.expand(2000, -1, -1, -1), 1, flip, streams.stream(0, "test"))
    padded = np.pad(image[0].numpy(), ((1, 1), (1, 1), (0, 0)))
    crops = [padded[top : top + 4, left : left + 4] for top in range(3) for left in range(3)]
    crops = [*crops, *(crop[:, ::-1] for crop in crops)] if flip else crops
    shown = augmented.numpy()
    counts = [(shown == crop).all(axis=(1, 2, 3)).sum() for crop in crops]
    assert sum(counts) == 2000
    expected = 2000 / len(crops)
    assert counts == pytest.approx(np.full(len(crops), expected), abs=4.5 * expected**0.5)


def test_images_of_a_batch_are_augmented_by_themselves():
    images = random_batch(1).expand(50, -1, -1, -1)
    augmented = augmentation.crop(images, 2, False, streams.stream(0, "test"))
    assert len({image.numpy().tobytes() for image in augmented}) > 15


# --- policies, erasing, mixtures ----------------------------------------------------------------------------------


def changed(names, images, stream):
    """A batch and its labels after all that is named, in the order of a training step."""
    labels = torch.arange(len(images)) % 3
    pixels = augmentation.policy(images, names, stream).permute(0, 3, 1, 2).float()
    return augmentation.mix(augmentation.erase(pixels, names, stream), labels, names, 3, stream)


@pytest.mark.parametrize("name", ["trivial_augment", "rand_augment", "random_erasing", "mixup", "cutmix"])
def test_the_stream_alone_decides_and_torchs_generator_stays(name):
    images = random_batch(12, 40)
    plain, _ = changed([], images, streams.stream(0, "test"))
    before = torch.random.get_rng_state()
    first, again, other = (changed([name], images, streams.stream(0, key))[0] for key in ("a", "a", "b"))
    assert (torch.random.get_rng_state() == before).all()
    assert (first == again).all()
    assert (first != other).any()
    assert (first != plain).any()
    assert first.shape == plain.shape


def test_no_name_changes_nothing():
    images = random_batch(12, 40)
    pixels, labels = changed([], images, streams.stream(0, "test"))
    assert (pixels == images.permute(0, 3, 1, 2)).all()
    assert labels.dtype == torch.int64


@pytest.mark.parametrize(
    ("name", "made"), [("trivial_augment", v2.TrivialAugmentWide), ("rand_augment", v2.RandAugment)]
)
def test_a_policy_is_torchvisions_and_changes_each_image_by_itself(name, made):
    image = random_batch(1, 40)
    found = augmentation.policy(image.expand(30, -1, -1, -1), [name], streams.stream(0, "test"))
    assert found.dtype == torch.uint8
    assert len({one.numpy().tobytes() for one in found}) > 15
    torch.manual_seed(int(streams.stream(0, "test").integers(2**62)))
    expected = made()(image[0].permute(2, 0, 1)).permute(1, 2, 0)
    assert (found[0] == expected).all()


def test_half_of_the_images_lose_a_rectangle():
    pixels = torch.ones(400, 3, 16, 16)
    found = augmentation.erase(pixels, ["random_erasing"], streams.stream(0, "test"))
    holes = (found == 0).all(dim=1)
    assert 150 < int(holes.any(dim=(1, 2)).sum()) < 250
    assert ((found == 0) | (found == 1)).all()
    for hole in holes[holes.any(dim=(1, 2))]:
        rows, columns = (torch.nonzero(hole.any(dim=axis)).flatten() for axis in (1, 0))
        assert int(hole.sum()) == len(rows) * len(columns)


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_labels_are_mixed_in_the_proportion_of_the_pixels(name):
    labels = torch.tensor([0, 1] * 8)
    pixels = labels.float()[:, None, None, None].expand(-1, 3, 10, 10).clone()  # an image is as bright as its label
    mixed, shares = augmentation.mix(pixels, labels, [name], 2, streams.stream(0, "test"))
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(16))
    torch.testing.assert_close(mixed.mean(dim=(1, 2, 3)), shares[:, 1])
    assert ((shares > 0.01) & (shares < 0.99)).any()


def test_of_two_mixtures_chance_takes_one_for_each_batch():
    labels = torch.tensor([0, 1] * 8)
    pixels = labels.float()[:, None, None, None].expand(-1, 3, 10, 10).clone()
    whole = 0
    for batch in range(40):
        mixed, _ = augmentation.mix(pixels, labels, ["mixup", "cutmix"], 2, streams.stream(0, "test", batch))
        whole += bool(((mixed == 0) | (mixed == 1)).all())  # CutMix keeps each pixel of one image or the other
    assert 8 < whole < 32
