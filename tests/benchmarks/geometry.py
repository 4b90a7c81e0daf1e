"""Segments, vanishing points and statistics of images: in as many processes as cores, against one."""

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import torch

from realgap.analyses.geometry import measures
from realgap.rendering.scenes import SCENES, render
from tests.benchmarks.harness import Contest

EACH, SIZE_PX = 4, 192  # images of a process


def contests(device: torch.device, folder: Path) -> Iterator[Contest]:
    """Both do what one job of a study does for each source; jobs of several sources run side by side."""
    cores = max(2, min(8, os.cpu_count()))
    kinds = list(SCENES)
    images = [render(kinds[n % len(kinds)], n, SIZE_PX, SIZE_PX).image for n in range(cores * EACH)]
    pool = ProcessPoolExecutor(
        cores, multiprocessing.get_context("spawn"), initializer=cv2.setNumThreads, initargs=(1,)
    )
    parts = [images[core::cores] for core in range(cores)]
    one_by_one = "image by image in one process"
    yield Contest(
        "geometry",
        f"{len(images)} rendered images of {SIZE_PX} px",
        len(images),
        {f"{cores} processes": lambda: list(pool.map(measured, parts)), one_by_one: lambda: measured(images)},
        {one_by_one: 0.9 * cores},
    )
    pool.shutdown()


def measured(images: list[np.ndarray]) -> list[dict]:
    cv2.setNumThreads(1)
    return [measures.rows(image) for image in images]
