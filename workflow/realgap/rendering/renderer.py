"""A z-buffer renderer for textured parallelograms: camera, light and true directions are known exactly.

World coordinates are metres with z up; camera coordinates have x right, y down, z forward; pixel (0, 0) is
the centre of the top left pixel. A pixel's ray r = K^-1 (x, y, 1) meets the parallelogram o + a e0 + b e1 at
depth 1 / c with (a c, b c, c) = [e0 e1 o]^-1 r, so inverse depth and texture coordinates are linear in the
pixel: one 3 x 3 matrix per parallelogram draws it, clipping included. Shadows use the same function from the
light (Williams 1978, "Casting curved shadows on curved surfaces").
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from realgap.rendering.texture import Texture, albedo

SUPERSAMPLING = 2
SHADOW_MAP_PX = 1024
SHADOW_BIAS = 4.0  # pixels of the shadow map a point may lie behind it and still count as lit


@dataclass(frozen=True)
class Camera:
    """A pinhole camera: intrinsics (3, 3) in px, rotation (3, 3) world to camera, position (3,) in metres."""

    intrinsics: np.ndarray
    rotation: np.ndarray
    position: np.ndarray

    def scaled(self, factor):
        """The camera of the same view drawn `factor` times as large (pixel centres stay centres)."""
        scaling = np.array([[factor, 0, (factor - 1) / 2], [0, factor, (factor - 1) / 2], [0, 0, 1.0]])
        return replace(self, intrinsics=scaling @ self.intrinsics)

    def local(self, points):
        """World points (..., 3) in camera coordinates."""
        return (np.asarray(points) - self.position) @ self.rotation.T

    def project(self, points):
        """Pixels (..., 2) and depths (...) in metres of world points (..., 3)."""
        homogeneous = self.local(points) @ self.intrinsics.T
        return homogeneous[..., :2] / homogeneous[..., 2:], homogeneous[..., 2]


@dataclass(frozen=True)
class Surface:
    """A parallelogram: origin (3,) and two edges (2, 3) in metres; `lamp` is the light its shadow obeys."""

    origin: np.ndarray
    edges: np.ndarray
    texture: Texture
    lamp: int = 0


def looking_at(position, target, width_px, field_deg):
    """A square camera at `position` turned to `target`; for lights and tests. Shapes (3,), (3,)."""
    forward = np.asarray(target, float) - position
    forward /= np.linalg.norm(forward)
    side = np.cross(forward, [0.0, 0.0, 1.0] if abs(forward[2]) < 0.9 else [0.0, 1.0, 0.0])
    side /= np.linalg.norm(side)
    focal_px = width_px / 2 / np.tan(np.radians(field_deg) / 2)
    centre_px = (width_px - 1) / 2
    intrinsics = np.array([[focal_px, 0, centre_px], [0, focal_px, centre_px], [0, 0, 1.0]])
    return Camera(intrinsics, np.stack([side, np.cross(forward, side), forward]), np.asarray(position, float))


def rasterise(surfaces, camera, width, height):
    """Which surface each pixel sees: index (H, W) int, -1 for none; inverse depth (H, W) in 1/m;
    texture coordinates (H, W, 2) in [0, 1]."""
    index = np.full((height, width), -1, np.int32)
    nearness = np.zeros((height, width), np.float32)
    texture_uv = np.zeros((height, width, 2), np.float32)
    for number, surface in enumerate(surfaces):
        origin = camera.local(surface.origin)
        edges = surface.edges @ camera.rotation.T
        basis = np.column_stack([*edges, origin])
        rows, columns = _pixel_box(basis, camera, width, height)
        if abs(np.linalg.det(basis)) < 1e-9 or rows.size == 0 or columns.size == 0:
            continue  # seen edge-on, or outside the picture
        from_pixel = (np.linalg.inv(basis) @ np.linalg.inv(camera.intrinsics)).astype(np.float32)
        a, b, c = (m[0] * columns + (m[1] * rows + m[2])[:, None] for m in from_pixel)
        box = np.s_[int(rows[0]) : int(rows[-1]) + 1, int(columns[0]) : int(columns[-1]) + 1]
        seen = (a >= 0) & (a <= c) & (b >= 0) & (b <= c) & (c > nearness[box])
        index[box][seen] = number
        nearness[box][seen] = c[seen]
        texture_uv[box][seen] = np.stack([a[seen], b[seen]], -1) / c[seen, None]
    return index, nearness, texture_uv


def _pixel_box(basis, camera, width, height):
    corners = basis @ np.array([[0, 1, 0, 1], [0, 0, 1, 1], [1, 1, 1, 1]])
    if (corners[2] < 0.05).all():
        return np.empty(0, np.float32), np.empty(0, np.float32)
    if (corners[2] < 0.05).any():  # reaches behind the camera: its pixel box is not that of its corners
        return np.arange(height, dtype=np.float32), np.arange(width, dtype=np.float32)
    x, y = (camera.intrinsics @ corners / corners[2])[:2]
    low = np.clip(np.floor([y.min(), x.min()]), 0, [height, width]).astype(int)
    high = np.clip(np.ceil([y.max(), x.max()]) + 1, 0, [height, width]).astype(int)
    return np.arange(low[0], high[0], dtype=np.float32), np.arange(low[1], high[1], dtype=np.float32)


def shade(surfaces, camera, lights, width, height, ambient=0.45, backdrop=None):
    """Linear RGB (H, W, 3) float32 in [0, 1] of the surfaces under point `lights` (L, 3) in metres.

    Surface i is lit by all lights together, but only light `surfaces[i].lamp` makes it cast a shadow: one
    light for all is a consistent picture, two are not. `backdrop` (H, W, 3) shows where nothing is drawn.
    """
    index, nearness, texture_uv = rasterise(surfaces, camera, width, height)
    picture = np.zeros((height, width, 3), np.float32) if backdrop is None else backdrop.copy()
    lit = 1 - _shadow(surfaces, camera, lights, nearness)
    for number, surface in enumerate(surfaces):
        mask = index == number
        if not mask.any():
            continue
        size_m = np.linalg.norm(surface.edges, axis=1)
        colour = albedo(surface.texture, *(texture_uv[mask] * size_m).T.astype(np.float32))
        facing = _facing(surface, lights[0], camera.position)
        picture[mask] = colour * (ambient + (1 - ambient) * facing * lit[mask])[:, None]
    return picture, index, nearness


def _facing(surface, light, eye):
    normal = np.cross(*surface.edges)
    normal /= np.linalg.norm(normal)
    to_light = np.asarray(light) - surface.origin - surface.edges.sum(0) / 2
    to_light /= np.linalg.norm(to_light)
    towards_eye = np.sign(normal @ (eye - surface.origin))
    return max(0.0, towards_eye * (normal @ to_light))


def _shadow(surfaces, camera, lights, nearness):
    """1 where a surface hides its lamp from the seen point, (H, W) float32."""
    height, width = nearness.shape
    columns, rows = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    rays = np.stack([columns, rows, np.ones_like(rows)], -1) @ np.linalg.inv(camera.intrinsics).T.astype("f4")
    points = rays / np.maximum(nearness, 1e-6)[..., None] @ camera.rotation.astype("f4") + camera.position
    shadow = np.zeros((height, width), np.float32)
    for lamp, light in enumerate(lights):
        eye, bias_m = _light_camera(light, points[nearness > 0][::97])
        casters = [s for s in surfaces if s.lamp == lamp]
        _, light_nearness, _ = rasterise(casters, eye, SHADOW_MAP_PX, SHADOW_MAP_PX)
        pixels, depth_m = eye.project(points.astype(np.float32))
        map_xy = np.moveaxis(pixels.astype(np.float32), -1, 0)
        reach = cv2.remap(light_nearness, *map_xy, cv2.INTER_NEAREST)
        shadow = np.maximum(shadow, (reach * (depth_m - bias_m) > 1) & (depth_m > 0))
    return shadow


def _light_camera(light, seen):
    """A shadow camera that covers most of the seen points (P, 3), and its depth tolerance in metres."""
    middle = np.median(seen, axis=0)
    reach_m = np.percentile(np.linalg.norm(seen - middle, axis=1), 90)
    distance_m = np.linalg.norm(light - middle)
    half_field = min(np.arctan2(reach_m, distance_m), np.radians(65))
    pixel_m = 2 * distance_m * np.tan(half_field) / SHADOW_MAP_PX
    return looking_at(light, middle, SHADOW_MAP_PX, np.degrees(2 * half_field)), SHADOW_BIAS * pixel_m
