"""Harmless changes to real images: what a geometry number must be compared with before it accuses a model."""

import cv2
import numpy as np


def resampled(image, factor=0.5):
    """Down by `factor` with area averaging and back up bicubically; (H, W) or (H, W, 3) in, the same out."""
    height, width = image.shape[:2]
    small = (max(1, round(width * factor)), max(1, round(height * factor)))
    down = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    return cv2.resize(down, (width, height), interpolation=cv2.INTER_CUBIC)


def blurred(image, sigma_px=1.0):
    """Gaussian blur of standard deviation `sigma_px`."""
    return cv2.GaussianBlur(image, (0, 0), sigma_px, borderType=cv2.BORDER_REFLECT)


def warped(image, amplitude_px, wavelength_px, seed):
    """Bent by a smooth wave: displacement of standard deviation about `amplitude_px` px along x and along y,
    sums of three sines of about `wavelength_px`. The same (shape, seed) bends in the same way."""
    height, width = image.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    dx, dy = displacement_px(x, y, amplitude_px, wavelength_px, seed)
    return cv2.remap(image, x + dx, y + dy, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


def displacement_px(x, y, amplitude_px, wavelength_px, seed):
    """Where `warped` takes what it shows at (x, y) from, less (x, y): two arrays of their shape."""
    rng = np.random.default_rng(seed)
    return [amplitude_px * _wave(rng, x, y, wavelength_px) for _ in range(2)]


def _wave(rng, x, y, wavelength_px):
    wave = np.zeros_like(x)
    for _ in range(3):
        angle, phase = rng.uniform(0, 2 * np.pi, 2)
        turns = (np.cos(angle) * x + np.sin(angle) * y) / (wavelength_px * rng.uniform(0.8, 1.25))
        wave += np.sin(2 * np.pi * turns + phase)
    return np.float32(np.sqrt(2 / 3)) * wave
