"""Whether the two trainings of stage classifier learn the same in equal steps: accuracy on digits neither has seen."""

from pathlib import Path

import numpy as np
import torch

from realgap import devices
from realgap.classifier import training
from realgap.statistics import mean_interval, paired_difference
from tests.benchmarks import subjects
from tests.benchmarks.classifier import T0, image_folder, ours

SEEDS, STEPS, BATCH_SIZE = 5, 100, 32


def measure(device: torch.device, folder: Path) -> list[dict]:
    """A row for each training: its accuracies by seed, their mean and, of ours, the difference, with intervals."""
    data, test = subjects.digits(per_class=100), subjects.digits(per_class=70, start=100)
    given = data["images"], data["labels"], STEPS, BATCH_SIZE, device
    auto = devices.pick_dtype("auto", device, training=True)
    accuracies = {}
    for seed in range(SEEDS):
        trained = {
            subjects.ours_in(auto): ours(*given, auto, seed),
            T0: image_folder(*given, folder / str(seed), seed),
        }
        for name, (model, train) in trained.items():
            train()
            logits = training.predict(model, test["images"], batch_size=256, device=device, dtype=torch.float32)
            correct = logits.argmax(axis=1) == test["labels"]
            accuracies.setdefault(name, []).append(100 * float(correct.mean()))
    rows = [
        {"training": name, "accuracies": of, "accuracy": mean_interval(np.array(of))} for name, of in accuracies.items()
    ]
    rows[0]["difference"] = paired_difference(*(np.array(of) for of in accuracies.values()))
    return rows
