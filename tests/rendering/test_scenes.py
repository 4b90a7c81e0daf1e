import numpy as np
import pytest

from realgap.geometry.accuracy import direction_errors_deg
from realgap.geometry.camera import residuals_deg
from realgap.geometry.segments import line_segments
from realgap.rendering.renderer import Camera, Surface, looking_at, rasterise
from realgap.rendering.scenes import DEFECTS, SCENES, render
from realgap.rendering.texture import KINDS, Texture, albedo


def test_a_surface_is_drawn_where_the_camera_projects_it_and_at_its_depth():
    camera = looking_at(np.array([0.0, -4, 1]), np.array([0.0, 0, 1]), 101, 60.0)
    sheet = Surface(np.array([-1.0, 0, 0]), np.array([[2.0, 0, 0], [0, 0, 2]]), Texture("plain", (1, 1, 1)))
    index, nearness, texture_uv = rasterise([sheet], camera, 101, 101)
    drawn = np.argwhere(index == 0)[:, ::-1]
    corners, depth_m = camera.project(sheet.origin + np.array([[0, 0], [1, 1]]) @ sheet.edges)
    np.testing.assert_allclose(np.sort(corners, axis=0)[0], drawn.min(axis=0), atol=1)
    np.testing.assert_allclose(np.sort(corners, axis=0)[1], drawn.max(axis=0), atol=1)
    assert 1 / nearness[50, 50] == pytest.approx(4) == pytest.approx(depth_m[0])
    np.testing.assert_allclose(texture_uv[50, 50], 0.5, atol=1e-5)


def test_the_nearer_of_two_surfaces_hides_the_other_whatever_their_order():
    camera = looking_at(np.array([0.0, -4, 0]), np.zeros(3), 41, 60.0)
    near, far = (
        Surface(np.array([-1.0, y, -1]), np.array([[2.0, 0, 0], [0, 0, 2]]), Texture("plain", (1, 1, 1)))
        for y in (-1, 1)
    )
    assert rasterise([near, far], camera, 41, 41)[0][20, 20] == 0
    assert rasterise([far, near], camera, 41, 41)[0][20, 20] == 1


def test_a_camera_scaled_up_sees_the_same_picture_in_more_pixels():
    camera = Camera(np.array([[50.0, 0, 31.5], [0, 50, 23.5], [0, 0, 1]]), np.eye(3), np.zeros(3))
    pixel, _ = camera.project(np.array([0.1, 0.2, 1.0]))
    large, _ = camera.scaled(4).project(np.array([0.1, 0.2, 1.0]))
    np.testing.assert_allclose((large + 0.5) / 4 - 0.5, pixel)


@pytest.mark.parametrize("kind", list(KINDS))
def test_every_texture_has_its_colours_in_range_and_is_the_same_twice(kind):
    a_m, b_m = np.random.default_rng(0).uniform(0, 10, (2, 40000)).astype(np.float32)
    texture = Texture(kind, (0.5, 0.6, 0.7), (0.5, 0.8), seed=4)
    colour = albedo(texture, a_m, b_m)
    assert colour.min() >= 0
    assert colour.max() <= 1
    np.testing.assert_array_equal(colour, albedo(texture, a_m, b_m))


@pytest.mark.parametrize("kind", list(SCENES))
def test_a_scene_is_the_same_twice_and_another_seed_is_another_scene(kind):
    first, again, other = (render(kind, seed, 160, 120) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first.image, again.image)
    assert first.image.shape == (120, 160, 3)
    assert (first.image != other.image).mean() > 0.5


def test_segments_of_rendered_scenes_point_at_the_true_vanishing_points(rendered):
    off_deg = []
    for view in rendered:
        segments = line_segments(view.gray)[:60]
        points = view.directions @ view.intrinsics.T
        assert direction_errors_deg(points, view.intrinsics, view.directions).max() < 1e-4
        off_deg.append(residuals_deg(points, segments).min(axis=0))
    assert np.median(np.concatenate(off_deg)) < 1.0


def test_shadow_pairs_lie_on_lines_to_the_light():
    view = render("boxes", 3, 320, 240)
    way = view.light[:2] - view.light[2] * view.shadow_pairs[:, :2]
    seen = view.shadow_pairs[:, 2:] - view.shadow_pairs[:, :2]
    cosine = (way * seen).sum(axis=1) / np.linalg.norm(way, axis=1) / np.linalg.norm(seen, axis=1)
    assert len(cosine) > 4
    np.testing.assert_allclose(cosine, 1, atol=1e-4)


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_defect_changes_the_picture_and_without_strength_does_not(defect):
    sound, defective, none = (
        render("boxes", 3, 160, 120, defect=d, strength=s).image for d, s in ((None, 1), (defect, 1), (defect, 0))
    )
    assert np.abs(sound.astype(int) - defective).mean() > 1
    assert np.abs(sound.astype(int) - none).mean() < 1


def test_an_unknown_scene_or_defect_is_named():
    with pytest.raises(ValueError, match="'forest'"):
        render("forest", 0)
    with pytest.raises(ValueError, match="'melted'"):
        render("room", 0, defect="melted")
