"""realgap.data.screening: planted copies are found whatever was done to them, strangers are not."""

import io
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image, ImageFilter

from realgap.data import loaders, screening

SIZE = 32


def photographs(n, seed, size=SIZE):
    """Noise with the spectrum of photographs (amplitude 1 / frequency), channels alike: uint8 (n, size, size, 3)."""
    random = np.random.default_rng(seed)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(size), np.fft.fftfreq(size)))
    frequency[0, 0] = np.inf
    spectrum = np.fft.fft2(random.standard_normal((n, 3, size, size))) / frequency
    channels = np.fft.ifft2(spectrum).real
    mixed = channels.mean(axis=1, keepdims=True) + 0.4 * channels
    mixed = (mixed - mixed.mean(axis=(1, 2, 3), keepdims=True)) / mixed.std(axis=(1, 2, 3), keepdims=True)
    return np.clip(128 + 50 * mixed, 0, 255).round().astype(np.uint8).transpose(0, 2, 3, 1)


def jpeg(image):
    content = io.BytesIO()
    Image.fromarray(image).save(content, "JPEG", quality=60)
    return np.asarray(Image.open(content))


def resized(image):
    large = Image.fromarray(image).resize((64, 64), Image.Resampling.BICUBIC)
    return np.asarray(large.resize((SIZE, SIZE), Image.Resampling.BILINEAR))


def shifted(image, right=2, down=-1):
    """The scene moved in the frame; what comes in from outside is unlike what was there."""
    padded = np.pad(image, ((2, 2), (2, 2), (0, 0)), mode="reflect")
    return padded[2 - down : 2 - down + SIZE, 2 - right : 2 - right + SIZE]


SETTINGS = Path(__file__).parents[2] / "workflow" / "pretraining" / "config.yaml"
NEAR = yaml.safe_load(SETTINGS.read_text())["natural"]["duplicate_threshold"]
CHANGES = {
    "same": lambda image: image,
    "mirrored": lambda image: image[:, ::-1],
    "jpeg": jpeg,
    "resized": resized,
    "shifted": shifted,
    "shifted and mirrored": lambda image: shifted(image)[:, ::-1],
    "brighter": lambda image: np.clip(image.astype(int) + 40, 0, 255).astype(np.uint8),
    "flatter": lambda image: (0.5 * image + 60).astype(np.uint8),
    "blurred": lambda image: np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(0.7))),
    "noisy": lambda image: np.clip(image + np.random.default_rng(0).normal(0, 8, image.shape), 0, 255).astype(np.uint8),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_planted_copy_is_found_among_strangers(change):
    unseen, images = photographs(400, seed=0), photographs(30, seed=1)
    images[17] = CHANGES[change](unseen[123])
    found = screening.closest(images, unseen)
    assert found.row[17] == 123
    assert found.similarity[17] > NEAR
    assert np.delete(found.similarity, 17).max() < found.similarity[17]
    assert found.exact.tolist() == [change == "same" and i == 17 for i in range(30)]


@pytest.mark.parametrize(("width", "height", "found"), [(32, 27, 0.95), (27, 32, 0.95), (28, 28, 0.85)])
def test_most_photographs_are_found_when_they_are_stretched_or_cut(cifar10_root, width, height, found):
    """Of real photographs, which are smoother than the noise above; what is cut off is 12 to 23 % of the image."""
    images = loaders.cifar10(cifar10_root, "test").images[:200]
    changed = np.stack([reframed(image, width, height) for image in images])
    alike = screening.closest(changed, images)
    assert ((alike.row == np.arange(200)) & (alike.similarity >= NEAR)).mean() >= found


def reframed(image, width, height):
    """The middle of an image, stretched to all of it."""
    left, top = (SIZE - width) // 2, (SIZE - height) // 2
    cut = Image.fromarray(image[top : top + height, left : left + width])
    return np.asarray(cut.resize((SIZE, SIZE), Image.Resampling.BICUBIC))


def test_blocks_change_nothing(monkeypatch):
    unseen, images = photographs(50, seed=0), photographs(20, seed=1)
    whole = screening.closest(images, unseen)
    monkeypatch.setattr(screening, "BLOCK", 7)
    cut = screening.closest(images, unseen)
    np.testing.assert_array_equal(cut.row, whole.row)
    np.testing.assert_allclose(cut.similarity, whole.similarity, atol=1e-5)


def test_similarity_is_the_correlation_that_numpy_gives():
    one, other = photographs(2, seed=3)
    other = (0.8 * one + 0.2 * other).astype(np.uint8)  # alike enough to be looked at closely
    best = max(
        np.corrcoef(turned[2:30, 2:30].ravel(), other[y : y + 28, x : x + 28].ravel())[0, 1]
        for turned in (one, one[:, ::-1])
        for y in range(5)
        for x in range(5)
    )
    assert screening.closest(one[None], other[None]).similarity[0] == pytest.approx(best, abs=1e-5)


def test_an_image_of_one_colour_is_like_none_but_still_exact():
    grey = np.full((1, SIZE, SIZE, 3), 90, np.uint8)
    found = screening.closest(grey, np.concatenate([photographs(3, seed=0), grey]))
    assert found.exact.all()
    assert abs(found.similarity[0]) < 0.1


def test_images_of_another_size_are_refused():
    with pytest.raises(ValueError, match="must have the size of those to stay unseen, a multiple of 8 px"):
        screening.closest(photographs(1, 0, 16), photographs(1, 0))
