"""Procedural surfaces in metres: what makes rendered walls, floors and facades yield lines like photos."""

from dataclasses import dataclass

import cv2
import numpy as np

NOISE_PX = 256


@dataclass(frozen=True)
class Texture:
    """`kind` is a key of KINDS; colour (3,) in [0, 1]; period in metres along both edges; contrast of the
    pattern and of the stains in [0, 1]; `seed` chooses the stains and the random cells."""

    kind: str
    colour: tuple
    period_m: tuple = (1.0, 1.0)
    contrast: float = 0.4
    stain: float = 0.1
    seed: int = 0


def albedo(texture, a_m, b_m):
    """Colour (P, 3) in [0, 1] at surface coordinates a_m, b_m (P,) in metres."""
    pattern = KINDS[texture.kind](texture, a_m, b_m)
    stains = _noise(texture.seed, a_m * 0.7, b_m * 0.7) + 0.5 * _noise(texture.seed + 1, a_m * 6, b_m * 6)
    tone = 1 - texture.contrast * pattern + texture.stain * stains
    return np.clip(np.asarray(texture.colour, np.float32) * tone[:, None], 0, 1)


def _noise(seed, x, y):
    """Smooth noise about 0 with one feature per unit, (P,)."""
    grid = np.random.default_rng(seed).normal(0, 0.5, (NOISE_PX, NOISE_PX)).astype(np.float32)
    x, y = (np.mod(v, NOISE_PX - 1).astype(np.float32).reshape(1, -1) for v in (x, y))
    pieces = range(0, x.size, 32000)  # cv2.remap takes rows of up to 32767
    return np.concatenate(
        [cv2.remap(grid, x[:, i : i + 32000], y[:, i : i + 32000], cv2.INTER_LINEAR)[0] for i in pieces]
    )


def _cell(texture, a_m, b_m):
    """Position within the pattern's cell in [0, 1), and the cell's whole numbers."""
    a, b = a_m / texture.period_m[0], b_m / texture.period_m[1]
    return a % 1, b % 1, np.floor(a), np.floor(b)


def _random(texture, i, j):
    """A number in [0, 1) for each whole-numbered cell."""
    return np.modf(np.abs(np.sin(i * 12.9898 + j * 78.233 + texture.seed * 0.37) * 43758.5453))[0]


def _plain(texture, a_m, b_m):
    return np.zeros_like(a_m)


def _boards(texture, a_m, b_m):
    a, _, i, _ = _cell(texture, a_m, b_m)
    return 0.4 * _random(texture, i, 0 * i) + 0.6 * (a < 0.06)


def _tiles(texture, a_m, b_m):
    a, b, i, j = _cell(texture, a_m, b_m)
    return 0.3 * _random(texture, i, j) + 0.7 * ((a < 0.05) | (b < 0.05))


def _bricks(texture, a_m, b_m):
    shifted = a_m + texture.period_m[0] / 2 * (np.floor(b_m / texture.period_m[1]) % 2)
    a, b, i, j = _cell(texture, shifted, b_m)
    return 0.5 * _random(texture, i, j) + 0.5 * ((a < 0.05) | (b < 0.12))


def _windows(texture, a_m, b_m):
    a, b, i, j = _cell(texture, a_m, b_m)
    x, y = np.abs(a - 0.5), np.abs(b - 0.55)
    frame = (x < 0.3) & (y < 0.34)
    pane = (x < 0.27) & (y < 0.31) & (x > 0.02) & (np.abs(b - 0.7) > 0.015)
    sill = (x < 0.34) & (np.abs(b - 0.19) < 0.02)
    return np.where(pane, 0.6 + 0.4 * _random(texture, i, j), np.where(frame | sill, -0.3, 0.0))


def _books(texture, a_m, b_m):
    a, b, i, j = _cell(texture, a_m, b_m)
    thin = np.floor(a * 9 + 0.7 * _random(texture, i, j))
    tall = b < 0.6 + 0.35 * _random(texture, i * 9 + thin, j)
    return np.where(b > 0.96, -0.2, np.where(tall, _random(texture, thin + 31 * i, j + 5), 1.0))


def _scrub(texture, a_m, b_m):
    """Leaves, gravel, carpets: edges everywhere and no direction."""
    return 0.8 * (_noise(texture.seed + 2, a_m * 5, b_m * 5) > 0.1) + 0.4 * _noise(texture.seed + 3, a_m * 17, b_m * 17)


KINDS = {
    "plain": _plain,
    "boards": _boards,
    "tiles": _tiles,
    "bricks": _bricks,
    "windows": _windows,
    "books": _books,
    "scrub": _scrub,
}
