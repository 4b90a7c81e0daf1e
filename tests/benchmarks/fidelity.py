"""Frechet and kernel distance, precision, recall, density and coverage of the same features (torch-fidelity, prdc)."""

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from prdc import compute_prdc
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric

from realgap.analyses.fidelity import distances
from tests.benchmarks.harness import Contest

N, WIDTH = 1_000, 512  # ResNet-18's features; Inception's are 2,048 wide
SUBSETS, SIZE = 10, 1_000


def contests(device: torch.device, folder: Path) -> Iterator[Contest]:
    """On the CPU whatever the device: features come from it as arrays."""
    random = np.random.default_rng(0)
    real = np.maximum(random.standard_normal((N, WIDTH), np.float32), 0)
    generated = np.maximum(1.1 * random.standard_normal((N, WIDTH), np.float32) + 0.1, 0)
    sides = torch.from_numpy(real), torch.from_numpy(generated)
    work = f"of {N:,} and {N:,} images by {WIDTH} features"

    def theirs_fid() -> dict:
        return fid_statistics_to_metric(*map(fid_features_to_statistics, sides), verbose=False)

    def theirs_kid(subsets: int) -> dict:
        return kid_features_to_metric(*sides, kid_subsets=subsets, kid_subset_size=SIZE, verbose=False)

    def theirs_prdc() -> dict:
        with contextlib.redirect_stdout(io.StringIO()):
            return compute_prdc(real, generated, nearest_k=5)

    yield Contest(
        "Fréchet distance",
        work,
        2 * N,
        {
            "ours": lambda: distances.frechet_distance(distances.Moments.of(real), distances.Moments.of(generated)),
            "torch-fidelity": theirs_fid,
        },
        {"torch-fidelity": 2.0},
    )
    yield Contest(
        "kernel distance",
        f"{work}; ours over all pairs at once, theirs over {SUBSETS} of the published 100 subsets of {SIZE:,}",
        2 * N,
        {
            "ours": lambda: distances.kernel_distance(real, generated),
            "torch-fidelity": lambda: theirs_kid(SUBSETS),
        },
        {"torch-fidelity": 2.0},
    )
    yield Contest(
        "kernel distance, same subsets",
        f"{work}; {SUBSETS} subsets of {SIZE:,}",
        2 * N,
        {
            "ours": lambda: distances.kernel_distance_subsets(real, generated, seed=0, subsets=SUBSETS, size=SIZE),
            "torch-fidelity": lambda: theirs_kid(SUBSETS),
        },
    )
    yield Contest(
        "precision, recall, density, coverage",
        f"{work}, 5 neighbours",
        2 * N,
        {"ours": lambda: distances.coverage(real, generated, k=5), "prdc": theirs_prdc},
        {"prdc": 2.0},
    )
