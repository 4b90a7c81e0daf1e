"""Rendered scenes that are hard in the ways of photographs, with the labels of a person who makes mistakes.

Made of the package's rooms, streets and boxes, which stay as they are: their world is put out of square and bowed, a
second Manhattan frame stands in it, patterned curves cover part of it, the lens's distortion stays in, the sensor is
noisier and the JPEG coarser. Labels are the axes that the picture shows, each off by some tenths of a degree.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from realgap.rendering import scenes
from realgap.rendering.renderer import SUPERSAMPLING, shade

KINDS = list(scenes.SCENES)


@dataclass(frozen=True)
class Hardness:
    """How hard. Pairs are the ends of a uniform draw per scene."""

    off_square_deg: tuple[float, float] = (0.7, 3.0)  # between the two level axes, either sign; small ones more often
    lean_deg: float = 0.3  # standard deviation of the upright axis against either
    bow_deg: tuple[float, float] = (0.1, 0.5)  # standard deviation of directions from place to place
    second_frame: float = 0.2  # share of the scenes with a second Manhattan frame
    clutter: tuple[float, float] = (0.0, 0.4)
    patterned: float = 1.0  # blobs with curved stripes a scene, mean
    distortion: float = 0.006  # standard deviation, as a share of the radius at the middle of the longer edge
    blur_px: tuple[float, float] = (0.5, 0.9)
    noise: tuple[float, float] = (3.0, 6.0)  # gray levels
    jpeg: tuple[int, int] = (70, 92)  # quality
    label_deg: float = 0.3  # standard deviation of each label along both of its two ways


@dataclass(frozen=True)
class Labelled:
    """gray (H, W) uint8; intrinsics (3, 3) px; labels and directions (3, 3), unit rows in camera coordinates: the axes
    as labelled, and as they are on average over the picture. Neither are at right angles."""

    gray: np.ndarray
    intrinsics: np.ndarray
    labels: np.ndarray
    directions: np.ndarray


def photographic(seed: int, width: int = 640, height: int = 480, hard: Hardness = Hardness()) -> Labelled:
    """The scene `seed`; the kinds take turns. The same seed gives the same bytes."""
    surfaces, bends, camera, lights, rng, of_scene, clutter = _built(seed, width, height, hard)
    size = (SUPERSAMPLING * width, SUPERSAMPLING * height)
    sky = scenes._sky(of_scene, *size)
    picture, index, _ = shade(surfaces, camera.scaled(SUPERSAMPLING), lights, *size, backdrop=sky)
    picture = _patterned(scenes._curves(picture, of_scene, clutter), rng, hard.patterned)
    picture = scenes._distorted(picture, rng.normal(0, hard.distortion))
    image = scenes._photographed(picture, of_scene, width, height, rng.uniform(*hard.blur_px), rng.uniform(*hard.noise))
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    coded = cv2.imencode(".jpg", gray, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(*hard.jpeg))])[1]
    gray = cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE)

    seen = np.bincount(index[index >= 0], minlength=len(surfaces))
    directions = _unit(np.einsum("n,nij->ij", seen / max(seen.sum(), 1), bends).T @ camera.rotation.T)
    return Labelled(gray, camera.intrinsics, labelled(directions, seed, hard.label_deg), directions)


def labelled(directions, seed, label_deg=Hardness().label_deg):
    """Directions (D, 3) as a person reads them off the picture of scene `seed`, unit rows."""
    return _unit(directions + np.radians(label_deg) * np.random.default_rng([seed, 9]).normal(size=directions.shape))


def _built(seed, width, height, hard):
    """A scene before it is drawn, and the streams that draw the rest."""
    kind = KINDS[seed % len(KINDS)]
    rng = np.random.default_rng([seed, KINDS.index(kind), 2])  # of its own: the package's scene stays the same
    clutter = rng.uniform(*hard.clutter)
    surfaces, camera, lights, of_scene = scenes._staged(kind, seed, width, height, clutter, None, 1.0)
    if rng.random() < hard.second_frame:
        surfaces += SECOND_FRAMES[kind](rng, camera, clutter)
    bend = _out_of_square(rng, hard)
    surfaces, bends = _bent(surfaces, camera, bend, _bow(rng, kind, rng.uniform(*hard.bow_deg)))
    lights = (lights - camera.position) @ bend.T + camera.position
    return surfaces, bends, camera, lights, rng, of_scene, clutter


def _unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def _out_of_square(rng, hard):
    """A linear map (3, 3) of the world, after which its axes are no longer at right angles."""
    bend = np.eye(3)
    bend[0, 1] = rng.choice([-1, 1]) * np.tan(np.radians(np.exp(rng.uniform(*np.log(hard.off_square_deg)))))
    bend[:2, 2] = np.radians(hard.lean_deg) * rng.normal(size=2)
    return bend


WAVE_M = {"room": 6.0, "street": 25.0, "boxes": 2.5}


def _bow(rng, kind, bow_deg):
    """Place (3,) in metres -> shift (3,) in metres and its slope (3, 3): floors sag and streets turn."""
    waves = 6
    numbers = 2 * np.pi / WAVE_M[kind] * _unit(rng.normal(size=(waves, 3))) * rng.uniform(0.5, 1.5, (waves, 1))
    shifts, phases = rng.normal(size=(waves, 3)), rng.uniform(0, 2 * np.pi, waves)
    slopes = np.einsum("wi,wj->wij", shifts, numbers)
    shifts *= np.radians(bow_deg) / np.sqrt(np.square(slopes).sum(axis=0).mean() / 2)

    def bow(place):
        at = numbers @ place + phases
        return np.sin(at) @ shifts, np.einsum("w,wi,wj->ij", np.cos(at), shifts, numbers)

    return bow


def _bent(surfaces, camera, bend, bow):
    """Surfaces under `bow` and then `bend` about the camera, and the linear map (3, 3) of each, (N, 3, 3)."""
    moved, bends = [], []
    for surface in surfaces:
        middle = surface.origin + surface.edges.sum(axis=0) / 2
        shift, slope = bow(middle)
        linear = bend @ (np.eye(3) + slope)
        edges = surface.edges @ linear.T
        middle = bend @ (middle + shift - camera.position) + camera.position
        moved.append(replace(surface, origin=middle - edges.sum(axis=0) / 2, edges=edges))
        bends.append(linear)
    return moved, np.array(bends)


def _turned(rng):
    return rng.choice([-1, 1]) * rng.uniform(15, 45)


def _ahead(camera, metres, aside):
    """A place on the ground so far before the camera and so far to its right."""
    forward = camera.rotation[2] * [1, 1, 0]
    forward /= np.linalg.norm(forward)
    right = np.array([forward[1], -forward[0], 0])
    return camera.position * [1, 1, 0] + metres * forward + aside * right


def _second_room(rng, camera, clutter):
    yaw, surfaces = _turned(rng), []
    for _ in range(rng.integers(1, 4)):  # furniture that was moved together
        size = rng.uniform([0.4, 0.4, 0.3], [1.4, 1.2, 1.2])
        place = _ahead(camera, rng.uniform(2, 5), rng.uniform(-1.5, 1.5)) - [*size[:2] / 2, 0]
        sides = scenes._texture(rng, ["plain", "boards", "books", "tiles"], 0.15, 0.6, clutter)
        surfaces += scenes.box(place, size, sides, yaw + rng.normal(0, 0.5), 0)
    return surfaces


def _second_street(rng, camera, clutter):
    yaw, surfaces = _turned(rng), []
    for _ in range(rng.integers(1, 3)):  # houses of another street, behind
        size = rng.uniform([6, 6, 8], [14, 14, 22])
        place = _ahead(camera, rng.uniform(30, 60), rng.uniform(-15, 15)) - [*size[:2] / 2, 0]
        walls = scenes._texture(rng, ["windows", "bricks"], 1.8, 4.0, clutter, contrast=rng.uniform(0.3, 0.8))
        surfaces += scenes.box(place, size, walls, yaw + rng.normal(0, 0.5), 0)
    return surfaces


def _second_boxes(rng, camera, clutter):
    yaw, surfaces = _turned(rng), []
    for _ in range(rng.integers(1, 4)):
        size = rng.uniform(0.25, 0.8, 3)
        place = np.append(rng.uniform(-1.6, 1.3, 2), 0)
        sides = scenes._texture(rng, ["plain", "boards", "tiles", "books"], 0.1, 0.5, clutter)
        surfaces += scenes.box(place, size, sides, yaw + rng.normal(0, 0.5), 0)
    return surfaces


SECOND_FRAMES = {"room": _second_room, "street": _second_street, "boxes": _second_boxes}


def _patterned(picture, rng, mean):
    """Cushions, wheels, nets and trees: blobs of curved stripes."""
    height, width = picture.shape[:2]
    for _ in range(rng.poisson(mean)):
        middle, size = rng.uniform([0, 0.2 * height], [width, height]), rng.uniform(0.02, 0.09, 2) * width
        turn, curl, period = rng.uniform(0, np.pi), rng.uniform(0.5, 2.0), rng.uniform(0.012, 0.03) * width
        light, dark = rng.uniform(0.05, 0.9, (2, 3))
        low = np.maximum(0, middle - size.max()).astype(int)
        part = picture[low[1] : int(middle[1] + size.max()), low[0] : int(middle[0] + size.max())]
        y, x = np.indices(part.shape[:2])
        x, y = x + low[0] - middle[0], y + low[1] - middle[1]
        u, v = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
        inside = (u / size[0]) ** 2 + (v / size[1]) ** 2 < 1
        stripes = np.sin(2 * np.pi / period * (u + curl * v**2 / size[1])) > 0
        part[inside] = np.where(stripes[inside, None], light, dark)
    return picture
