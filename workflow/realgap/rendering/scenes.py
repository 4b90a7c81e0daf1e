"""Rendered rooms, streets and boxes with known camera, directions and shadows: the measuring stick.

A scene is made from (kind, seed): the same pair gives the same bytes. `defect` draws the same scene as a
generator without geometry might: lines that bend, shadows of a second light, a camera that does not exist.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from realgap.geometry.controls import displacement_px, warped
from realgap.rendering.renderer import SUPERSAMPLING, Camera, Surface, rasterise, shade
from realgap.rendering.texture import Texture
from realgap.study.sources import DEFECTS

BENT_SHARE, BENT_WAVELENGTH = 0.02, 0.45  # of the width: the displacement's standard deviation, and its waves
SUN_DISTANCE_M = 90.0


@dataclass(frozen=True)
class View:
    """A rendered picture and its truth.

    image (H, W, 3) uint8 RGB; intrinsics (3, 3) px; directions (3, 3) unit rows, the scene's axes in camera
    coordinates; shadow_pairs (P, 4) px: a visible cast shadow point (x, y) and the object point (x, y) that
    casts it; light (3,) homogeneous px, where the (first) light projects.
    """

    image: np.ndarray
    intrinsics: np.ndarray
    directions: np.ndarray
    shadow_pairs: np.ndarray
    light: np.ndarray

    @property
    def gray(self):
        """Luma (H, W) uint8."""
        return cv2.cvtColor(self.image, cv2.COLOR_RGB2GRAY)


def render(kind, seed, width=640, height=480, clutter=0.5, blur_px=0.6, noise=4.0, defect=None, strength=1.0):
    """The scene `seed` of `kind` "room" | "street" | "boxes" as a View of width x height px.

    clutter in [0, 1]: curves, foliage and objects off the axes; blur_px, noise: standard deviations in px and
    gray levels. defect: None or one of DEFECTS, `strength` 1 plain to the eye, 0 none.
    """
    surfaces, camera, lights, rng = _staged(kind, seed, width, height, clutter, defect, strength)
    size = (SUPERSAMPLING * width, SUPERSAMPLING * height)
    picture, _, nearness = shade(surfaces, camera.scaled(SUPERSAMPLING), lights, *size, backdrop=_sky(rng, *size))
    picture = _curves(picture, rng, clutter)
    if defect == "bent_lines":
        picture = warped(picture, BENT_SHARE * strength * size[0], BENT_WAVELENGTH * size[0], seed)
    pairs = _pairs_seen(surfaces, camera, lights, nearness[::SUPERSAMPLING, ::SUPERSAMPLING], defect, strength, seed)
    image = _photographed(picture, rng, width, height, blur_px, noise)
    towards_light = camera.intrinsics @ camera.local(lights[0])
    return View(image, camera.intrinsics, camera.rotation.T.copy(), pairs, towards_light)


def pairs_of_scene(kind, seed, width=640, height=480, clutter=0.5, defect=None, strength=1.0):
    """The shadow_pairs (P, 4) px of the View that `render` makes of this scene, without drawing it."""
    surfaces, camera, lights, _ = _staged(kind, seed, width, height, clutter, defect, strength)
    nearness = rasterise(surfaces, camera, width, height)[1]
    return _pairs_seen(surfaces, camera, lights, nearness, defect, strength, seed)


def _staged(kind, seed, width, height, clutter, defect, strength):
    """Surfaces, camera and lights (L, 3) of a scene, its defect among them, and the stream that draws the rest."""
    if kind not in SCENES or defect not in (None, *DEFECTS):
        raise ValueError(f"scene {kind!r}, defect {defect!r}: must be of {list(SCENES)} and {list(DEFECTS)}")
    rng = np.random.default_rng([seed, list(SCENES).index(kind)])
    surfaces, camera, light = SCENES[kind](rng, width, height, clutter)
    flaw = np.random.default_rng([seed, list(SCENES).index(kind), 1])  # of its own: the rest stays the same
    lights = np.array([light, _other_light(flaw, light, strength)])
    if defect == "second_light":
        surfaces = [replace(s, lamp=int(flaw.random() < 0.5) if s.lamp else 0) for s in surfaces]
    else:
        surfaces, lights = [replace(s, lamp=0) for s in surfaces], lights[:1]
    if defect == "broken_camera":
        surfaces, lights = _sheared(surfaces, lights, camera, flaw, strength)
    return surfaces, camera, lights, rng


def _pairs_seen(surfaces, camera, lights, nearness, defect, strength, seed):
    """Shadow pairs as the finished picture shows them: what is bent is read off where the bending put it."""
    pairs = shadow_pairs(surfaces, camera, lights, nearness)
    if defect != "bent_lines":
        return pairs
    width = nearness.shape[1]
    points = pairs.reshape(-1, 2)
    shown = points
    for _ in range(20):  # shown + displacement(shown) = point; the displacement changes slowly, so this contracts
        moved = displacement_px(*shown.T, BENT_SHARE * strength * width, BENT_WAVELENGTH * width, seed)
        shown = points - np.stack(moved, axis=1)
    return shown.reshape(-1, 4)


def _other_light(rng, light, strength):
    angle = strength * rng.choice([-1, 1]) * rng.uniform(0.9, 1.6)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    return turn @ light


def _sheared(surfaces, lights, camera, rng, strength):
    """World bent by a linear map that keeps parallels parallel and right angles not: no camera sees this. In
    camera coordinates it keeps the optical axis, so the picture keeps its subject."""
    sizes = rng.choice([-1, 1], 4) * rng.uniform([0.1, 0.1, 0.4, 0.4], [0.3, 0.3, 0.7, 0.7])
    bend = np.eye(3)
    bend[[0, 1, 2, 2], [1, 0, 0, 1]] = strength * sizes
    shear = camera.rotation.T @ bend @ camera.rotation

    def moved(points):
        return (points - camera.position) @ shear.T + camera.position

    return [replace(s, origin=moved(s.origin), edges=s.edges @ shear.T) for s in surfaces], moved(lights)


def shadow_pairs(surfaces, camera, lights, nearness):
    """Visible (shadow, object) point pairs in px, (P, 4), of surface corners; nearness (H, W) in 1/m."""
    origins, edges = (np.array([getattr(s, name) for s in surfaces]) for name in ("origin", "edges"))
    pairs = []
    for surface, origin, edge in zip(surfaces, origins, edges, strict=True):
        corners = origin + np.array([[0, 0], [1, 0], [0, 1], [1, 1]]) @ edge
        for corner in corners[_visible(corners, camera, nearness)]:
            ray = corner - lights[surface.lamp]
            ray /= np.linalg.norm(ray)
            distance_m = _first_hit(corner, ray, origins, edges)
            shadow = corner + distance_m * ray
            if 0.05 < distance_m < 40 and _visible(shadow[None], camera, nearness)[0]:
                pairs.append(np.concatenate([camera.project(shadow)[0], camera.project(corner)[0]]))
    return np.unique(np.round(pairs, 6), axis=0) if pairs else np.empty((0, 4))


def _first_hit(start, ray, origins, edges):
    """Distance along `ray` to the first parallelogram beyond 2 cm, in metres; inf if none."""
    columns = np.concatenate([edges, np.broadcast_to(-ray, (len(edges), 1, 3))], axis=1).swapaxes(1, 2)
    meets = np.abs(np.linalg.det(columns)) > 1e-9
    a, b, distance_m = np.linalg.solve(columns[meets], (start - origins[meets])[..., None])[..., 0].T
    hit = (a >= 0) & (a <= 1) & (b >= 0) & (b <= 1) & (distance_m > 0.02)
    return distance_m[hit].min(initial=np.inf)


def _visible(points, camera, nearness):
    height, width = nearness.shape
    pixels, depth_m = camera.project(points)
    x, y = np.round(np.nan_to_num(pixels, nan=-1.0, posinf=-1, neginf=-1)).clip(-1, 1e6).astype(int).T
    inside = (depth_m > 0.1) & (x >= 1) & (x < width - 1) & (y >= 1) & (y < height - 1)
    x, y = np.where(inside, x, 1), np.where(inside, y, 1)
    nearest = np.min([nearness[y + j, x + i] for i in (-1, 0, 1) for j in (-1, 0, 1)], axis=0)
    return inside & (nearest * depth_m < 1.02)


def _sky(rng, width, height):
    clouds = cv2.resize(rng.normal(0, 1, (5, 7)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    ramp = np.linspace(0.75, 0.95, height, dtype=np.float32)[:, None] + 0.04 * clouds
    return np.clip(ramp[..., None] * np.array([0.85, 0.93, 1.0], np.float32), 0, 1)


def _curves(picture, rng, clutter):
    """Wires, stems, rims and blobs drawn over the picture: what yields segments of no direction."""
    height, width = picture.shape[:2]
    picture = np.ascontiguousarray(picture)
    for _ in range(rng.poisson(6 * clutter)):
        anchors = rng.uniform([-0.1 * width, -0.1 * height], [1.1 * width, 1.1 * height], (3, 2))
        anchors[1:] = anchors[0] + (anchors[1:] - anchors[0]) * rng.uniform(0.1, 0.6)
        t = np.linspace(0, 1, 60)[:, None]
        curve = (1 - t) ** 2 * anchors[0] + 2 * t * (1 - t) * anchors[1] + t**2 * anchors[2]
        shade_of = tuple(float(c) for c in rng.uniform(0.05, 0.9) * rng.uniform(0.7, 1, 3))
        thickness = int(rng.integers(1, max(2, width // 160)))
        cv2.polylines(picture, [np.round(16 * curve).astype(np.int32)], False, shade_of, thickness, cv2.LINE_AA, 4)
    for _ in range(rng.poisson(4 * clutter)):
        centre = tuple(int(c) for c in rng.uniform([0, 0.2 * height], [width, height]))
        axes = tuple(int(c) for c in rng.uniform(0.01, 0.07, 2) * width + 2)
        if rng.random() < 0.5:
            _foliage(picture, rng, centre, axes)
        else:
            colour = tuple(float(c) for c in rng.uniform(0.1, 0.9, 3))
            cv2.ellipse(picture, centre, axes, float(rng.uniform(0, 180)), 0, 360, colour, -1, cv2.LINE_AA)
    return picture


def _foliage(picture, rng, centre, axes):
    for _ in range(150):
        at = np.array(centre) + rng.normal(0, 0.6, 2) * axes
        leaf = (int(rng.integers(2, 4 + axes[0] // 6)), int(rng.integers(1, 3 + axes[0] // 16)))
        colour = tuple(float(c) for c in rng.uniform(0.05, 0.6) * np.array([0.7, 1.0, 0.5]))
        cv2.ellipse(
            picture,
            tuple(int(c) for c in at),
            leaf,
            float(rng.uniform(0, 180)),
            0,
            360,
            colour,
            -1,
            cv2.LINE_AA,
        )


def _photographed(picture, rng, width, height, blur_px, noise):
    """Lens, blur, sampling, vignette, tone curve, noise and JPEG, in the order a camera adds them."""
    picture = _distorted(picture, rng.normal(0, 0.008))
    if blur_px > 0:
        picture = cv2.GaussianBlur(picture, (0, 0), blur_px * SUPERSAMPLING)
    picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    picture = picture * (1 - rng.uniform(0, 0.2) * (x**2 + y**2) / 2)[..., None]
    picture = 255 * np.clip(picture * rng.uniform(0.9, 1.3), 0, 1) ** rng.uniform(0.55, 0.8)
    picture = picture + noise * (rng.normal(size=(height, width, 1)) + 0.5 * rng.normal(size=picture.shape))
    image = np.clip(np.round(picture), 0, 255).astype(np.uint8)
    coded = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(75, 96))])[1]
    return np.ascontiguousarray(cv2.imdecode(coded, cv2.IMREAD_COLOR)[..., ::-1])


def _distorted(picture, strength):
    """Radial lens distortion, `strength` as a share of the radius at the middle of the longer edge."""
    height, width = picture.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    dx, dy = (x - (width - 1) / 2) / (width / 2), (y - (height - 1) / 2) / (width / 2)
    factor = np.float32(strength) * (dx**2 + dy**2) * (width / 2)
    return cv2.remap(picture, x + dx * factor, y + dy * factor, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


def box(corner, size_m, textures, yaw_deg=0.0, lamp=1):
    """The six sides of a box standing at `corner` (3,), size_m (3,), turned about its middle; `textures` is
    one for all sides or (sides, top)."""
    sides, top = textures if isinstance(textures, tuple) else (textures, textures)
    c, s = np.cos(np.radians(yaw_deg)), np.sin(np.radians(yaw_deg))
    x, y, z = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]]) * np.asarray(size_m, float)[:, None]
    middle = np.asarray(corner, float) + np.multiply(size_m, [0.5, 0.5, 0])
    start = middle - x / 2 - y / 2
    walls = [(start, x, z), (start, y, z), (start + y, x, z), (start + x, y, z)]
    sheets = [Surface(o, np.array([a, b]), sides, lamp) for o, a, b in walls]
    return sheets + [
        Surface(start + z, np.array([x, y]), top, lamp),
        Surface(start, np.array([x, y]), top, lamp),
    ]


def _unsquare(rng):
    """Degrees by which an object that stands along the axes misses them: people build and park by eye."""
    return rng.normal(0, 0.5)


def _colour(rng, low=0.2, high=0.85):
    return tuple(rng.uniform(low, high) * rng.uniform(0.75, 1.0, 3))


def _texture(rng, kinds, low_m, high_m, clutter, square=False, **given):
    kind = str(rng.choice(kinds))
    period = rng.uniform(low_m, high_m, 1 if square else 2).tolist() * (2 if square else 1)
    options = {"contrast": rng.uniform(0.1, 0.7), "stain": rng.uniform(0.02, 0.05 + 0.2 * clutter)}
    return Texture(kind, _colour(rng), tuple(period), seed=int(rng.integers(1 << 30)), **(options | given))


def _camera(rng, width, height, position, yaw_deg, pitch_deg, wide):
    """Focal length 0.8 to 1.7 picture widths (wide: 0.6 to 1.2), principal point near the centre."""
    focal_px = width * (rng.uniform(0.6, 1.2) if wide else rng.uniform(0.8, 1.7))
    centre = (np.array([width, height]) - 1) / 2 + rng.normal(0, 0.01, 2) * width
    intrinsics = np.array([[focal_px, 0, centre[0]], [0, focal_px, centre[1]], [0, 0, 1.0]])
    yaw, pitch, roll = np.radians([yaw_deg, pitch_deg, rng.normal(0, 2.0)])
    forward = np.array([np.sin(yaw) * np.cos(pitch), np.cos(yaw) * np.cos(pitch), np.sin(pitch)])
    side = np.array([np.cos(yaw), -np.sin(yaw), 0])
    down = np.cross(forward, side)
    turn = np.array([[np.cos(roll), np.sin(roll), 0], [-np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    return Camera(intrinsics, turn @ np.stack([side, down, forward]), np.asarray(position, float))


def _room(rng, width, height, clutter):
    w, d, h = rng.uniform([3.5, 5, 2.4], [8, 11, 3.4])
    ceiling = _texture(rng, ["plain", "tiles", "boards"], 0.5, 1.2, clutter)
    walls = [_texture(rng, ["plain", "plain", "bricks", "boards"], 0.3, 1.2, clutter) for _ in range(2)]
    floor = _texture(rng, ["boards", "tiles", "tiles", "plain", "scrub"], 0.2, 0.8, clutter)
    x, y, z = np.diag([w, d, h])
    o = np.zeros(3)
    shell = [
        (o, x, y, floor),
        (z, x, y, ceiling),
        (o, y, z, walls[0]),
        (x, y, z, walls[0]),
        (y, x, z, walls[1]),
        (o, x, z, walls[1]),
    ]
    surfaces = [Surface(p, np.array([a, b]), t, 0) for p, a, b, t in shell]
    skirting = Texture("plain", _colour(rng))
    for start, along in ((o + [0.01, 0, 0], y), (x - [0.01, 0, 0], y), (y - [0, 0.01, 0], x)):
        surfaces.append(Surface(start, np.array([along, [0, 0, 0.12]]), skirting, 0))
    for _ in range(rng.integers(5, 12)):  # doors, windows and pictures on the walls
        size = rng.uniform([0.4, 0.4], [1.8, 1.8])
        at, up = rng.uniform(0, d - size[0]), rng.uniform(0, h - size[1])
        side = rng.choice([0.01, w - 0.01])
        sheet = np.array([[0, size[0], 0], [0, 0, size[1]]])
        place = np.array([side, at, up])
        if rng.random() < 0.35:
            at = rng.uniform(0, max(0.1, w - size[0]))
            place, sheet = np.array([at, d - 0.01, up]), np.array([[size[0], 0, 0], [0, 0, size[1]]])
        kinds = ["plain", "windows", "tiles", "scrub", "books"]
        surfaces.append(Surface(place, sheet, _texture(rng, kinds, 0.2, 1.2, clutter), 0))
    for _ in range(rng.integers(3, 9)):  # furniture along the walls and in the way
        size = rng.uniform([0.4, 0.4, 0.3], [1.6, 1.6, 2.0])
        place = rng.uniform([0, 2.6, 0], [max(0.2, w - size[0]), d - size[1], 0.01])
        if rng.random() < 0.6:
            place[0] = rng.choice([0.02, w - size[0] - 0.02])
        yaw = rng.uniform(-45, 45) if rng.random() < 0.4 * clutter else _unsquare(rng)
        sides = _texture(rng, ["plain", "boards", "books", "tiles"], 0.15, 0.6, clutter)
        surfaces += box(place, size, (sides, _texture(rng, ["plain", "boards"], 0.1, 0.5, clutter)), yaw)
    position = rng.uniform([0.25 * w, 0.2, 1.1], [0.75 * w, 1.0, 1.9])
    camera = _camera(rng, width, height, position, rng.normal(0, 22), rng.normal(-4, 7), wide=True)
    light = np.array([w, d, h]) * rng.uniform([0.25, 0.3, 0.9], [0.75, 0.8, 0.97])
    return surfaces, camera, light


def _sun(rng, middle):
    azimuth, elevation = rng.uniform(0, 2 * np.pi), np.radians(rng.uniform(25, 65))
    towards = [np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)]
    return middle + SUN_DISTANCE_M * np.array(towards)


def _street(rng, width, height, clutter):
    half = rng.uniform(3.5, 9)
    ground = _texture(rng, ["plain", "tiles", "scrub"], 0.5, 2, clutter)
    surfaces = [Surface(np.array([-60.0, -5, 0]), np.array([[120.0, 0, 0], [0, 140, 0]]), ground, 0)]
    stripe = Texture("plain", _colour(rng, 0.7, 0.95))
    for side in (-1, 1):
        y = -4.0
        while y < 70:
            size = rng.uniform([6, 5, 4], [10, 16, 18])
            yaw = rng.uniform(-40, 40) if rng.random() < 0.1 * clutter else _unsquare(rng)
            wall = _texture(
                rng,
                ["windows", "windows", "windows", "bricks"],
                1.8,
                4.0,
                clutter,
                contrast=rng.uniform(0.3, 0.8),
            )
            x = half if side > 0 else -half - size[0]
            surfaces += box(
                [x + side * rng.uniform(0, 1), y, 0],
                size,
                (wall, _texture(rng, ["plain"], 1, 2, clutter)),
                yaw,
                0,
            )
            y += size[1] + (rng.uniform(1, 6) if rng.random() < 0.4 else 0)
        edge = np.array([[0.15, 0, 0], [0, 75.0, 0]])
        surfaces.append(Surface(np.array([side * rng.uniform(0.4, 0.8) * half, -4, 0.01]), edge, stripe, 0))
    for _ in range(rng.poisson(2 + 4 * clutter)):  # cars, kiosks, bins: some parked askew
        size = rng.uniform([0.5, 0.5, 0.6], [2.2, 4.5, 2.5])
        yaw = rng.normal(0, 25) if rng.random() < clutter else _unsquare(rng)
        place = [rng.uniform(-half, half - size[0]), rng.uniform(4, 35), 0]
        surfaces += box(place, size, _texture(rng, ["plain", "tiles", "boards"], 0.4, 1.2, clutter), yaw)
    end = box(
        [-half - 5, 75, 0],
        [2 * half + 10, 6, rng.uniform(4, 12)],
        _texture(rng, ["windows"], 2, 4, clutter),
        rng.normal(0, 20),
        0,
    )
    surfaces += end if rng.random() < 0.6 else []
    position = [rng.uniform(-0.6, 0.6) * half, 0, rng.uniform(1.4, 3.5)]
    yaw = rng.normal(0, 12) if rng.random() < 0.6 else rng.choice([-1, 1]) * rng.uniform(20, 60)
    camera = _camera(rng, width, height, position, yaw, rng.normal(7, 6), wide=False)
    return surfaces, camera, _sun(rng, np.array([0, 15.0, 0]))


def _boxes(rng, width, height, clutter):
    ground = _texture(rng, ["plain", "scrub", "boards", "tiles"], 0.1, 0.5, clutter)
    surfaces = [Surface(np.array([-8.0, -8, 0]), np.array([[16.0, 0, 0], [0, 16, 0]]), ground, 0)]
    for number in range(rng.integers(6, 12)):
        size = rng.uniform(0.25, 1.3, 3)
        yaw = _unsquare(rng)
        if number > 4 and rng.random() < clutter:
            yaw, size = rng.uniform(-45, 45), 0.7 * size
        place = np.append(rng.uniform(-1.6, 1.3, 2), 0)
        kinds = ["plain", "plain", "boards", "tiles", "books"]
        surfaces += box(place, size, _texture(rng, kinds, 0.1, 0.5, clutter), yaw)
    turn = rng.uniform(0, 2 * np.pi)
    distance, rise = rng.uniform(3.5, 5.5), rng.uniform(1.0, 2.6)
    position = np.array([-np.sin(turn) * distance, -np.cos(turn) * distance, rise])
    pitch = -np.degrees(np.arctan2(rise - 0.5, distance)) + rng.normal(0, 3)
    camera = _camera(rng, width, height, position, np.degrees(turn) + rng.normal(0, 4), pitch, wide=False)
    return surfaces, camera, _sun(rng, np.zeros(3))


SCENES = {"room": _room, "street": _street, "boxes": _boxes}
