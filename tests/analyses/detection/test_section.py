"""Sentences and tables of detection say what was planted, and nothing where nothing was."""

import numpy as np

from realgap.analyses.detection import measures, section
from realgap.features.image_sets import ImageSet


def image_set(seed, n, shift=0.0, first_id=0):
    random = np.random.default_rng(seed)
    features = random.normal(size=(n, 3)) + shift
    images = np.clip(features[:, None, None, :] * 30 + 128, 0, 255).astype(np.uint8)
    return ImageSet(images, features, np.arange(n) % 2, first_id + np.arange(n), np.zeros(n, np.int32))


def test_a_detector_s_verdict_is_about_what_exceeds_real_training_images():
    test = image_set(0, 120, first_id=1000)
    sets = {"real": image_set(1, 120, 0.5), "diffusion_inversion": image_set(2, 120, 0.5), "far": image_set(3, 120, 2)}
    detectors = {"features": measures.on_features, "pixels": lambda x, y, z, s: z.mean(axis=(1, 2, 3))}
    found = section.detections(test, sets, detectors, "resnet18", seed=0, folds=5)
    rows = found.set_index(["source", "sees"])
    assert rows.low["diffusion_inversion", "resnet18"] > 0.5  # told apart, as the control is
    assert rows.verdict["diffusion_inversion", "resnet18"].startswith(
        "AUC not told apart from that of real training images ("
    )
    assert rows.verdict["far", "resnet18"].startswith("told better than real training images (+0.")
    assert rows.verdict["far", "pixels"].startswith("told better than real training images (+0.")
    assert rows.verdict["real", "pixels"] == "control"
    sentences = section.section(found).sentences
    assert len(sentences) == 4
    assert all("the controls have real 0." in sentence for sentence in sentences)
