import numpy as np
import pytest

from realgap.geometry.camera import (
    camera_agreement,
    families,
    family_residuals_deg,
    focal_px,
    halves_deg,
    horizon,
    residuals_deg,
)
from realgap.geometry.segments import line_segments
from realgap.geometry.vanishing import vanishing_points
from realgap.rendering.scenes import render
from tests.geometry.test_vanishing import K, bundle, frame

SIZE = (640, 480)


def test_residuals_are_the_angle_at_the_midpoint():
    segments = np.array([[0.0, 0, 10, 0], [0, 0, 10, 10], [0, 5, 0, 15]])
    infinity = np.array([[1.0, 0, 0]])
    np.testing.assert_allclose(residuals_deg(infinity, segments), [[0, 45, 90]])
    at_x = np.array([[5.0, 100, 1]])
    np.testing.assert_allclose(residuals_deg(at_x, segments[:1]), [[90]])


def test_each_segment_joins_the_family_it_was_made_for_and_strays_none():
    points = frame(2) @ K.T
    segments = np.concatenate([bundle(frame(2), 2, each=10, noise_px=0), [[100, 100, 130, 112]]])
    family = families(points, segments, limit_deg=1.0)
    np.testing.assert_array_equal(family[:30], np.repeat([0, 1, 2], 10))
    assert families(points[:0], segments).tolist() == [-1] * 31


def test_family_residuals_grow_with_the_noise_and_are_nan_without_a_family():
    points = frame(2) @ K.T
    quiet, loud = (family_residuals_deg(points, bundle(frame(2), 2, noise_px=n)) for n in (0.1, 1.0))
    assert (quiet < loud).all()
    assert np.isnan(family_residuals_deg(points[:1], np.array([[0.0, 0, 1, 0]]), limit_deg=1e-9)).all()


def test_the_horizon_of_a_level_camera_is_the_middle_row_and_of_a_rolled_one_turns_with_it():
    level = np.array([[0.8, 0, 0.6], [-0.6, 0, 0.8], [0, 1, 0]])
    np.testing.assert_allclose(horizon(level @ K.T, *SIZE), [0, 1, -239.5], atol=1e-9)
    roll = np.radians(10)
    turn = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    line = horizon(level @ turn.T @ K.T, *SIZE)
    assert np.degrees(np.arctan2(-line[0], line[1])) == pytest.approx(10)
    assert line @ [319.5, 239.5, 1] == pytest.approx(0, abs=1e-9)


def test_a_pair_at_right_angles_implies_the_focal_length_and_one_at_infinity_none():
    points = frame(4) @ K.T
    assert focal_px(points[0], points[1], *SIZE) == pytest.approx(600)
    assert np.isnan(focal_px(points[0], np.array([1.0, 0, 0]), *SIZE))


@pytest.mark.parametrize("seed", range(4))
def test_a_real_camera_agrees_and_a_sheared_world_does_not(seed):
    true = camera_agreement(frame(seed) @ K.T, *SIZE)
    assert true.off_square_deg < 1.5  # the grid of focal lengths is 3 % wide
    assert true.focal_px == pytest.approx(600, rel=0.1) or true.off_square_deg < 0.2
    sheared = frame(seed) @ np.array([[1, 0.5, 0.4], [0.5, 1, -0.4], [0.4, -0.4, 1]])
    assert camera_agreement(sheared @ K.T, *SIZE).off_square_deg > 8


@pytest.mark.parametrize("measure", [horizon, camera_agreement])
def test_fewer_than_three_points_are_named(measure):
    with pytest.raises(ValueError, match="three or more"):
        measure(np.eye(3)[:2], *SIZE)


def test_halves_of_one_world_agree_and_halves_of_two_do_not():
    axes = frame(2)
    segments = bundle(axes, 0, each=120)
    left = (segments[:, 0] + segments[:, 2]) / 2 < 319.5
    assert np.nanmax(halves_deg(axes @ K.T, segments, *SIZE)) < 0.3
    turn = np.radians(4)
    turned = axes @ np.array([[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]])
    mixed = np.concatenate([segments[left], bundle(turned, 0, each=120)[~left]])
    assert np.nanmax(halves_deg(axes @ K.T, mixed, *SIZE)) > 1


def test_a_broken_camera_spoils_agreement_and_leaves_the_lines_concurrent():
    off_square_deg, residual_deg = {}, {}
    for defect in (None, "broken_camera"):
        views = [render("street", seed, 256, 192, clutter=0.2, defect=defect) for seed in range(20, 26)]
        points = [vanishing_points(view.gray, presume_camera=False) for view in views]
        off_square_deg[defect] = np.median([camera_agreement(p, 256, 192).off_square_deg for p in points])
        residual_deg[defect] = np.median(
            [np.nanmean(family_residuals_deg(p[:3], line_segments(v.gray))) for p, v in zip(points, views, strict=True)]
        )
    assert off_square_deg[None] < 6 < 15 < off_square_deg["broken_camera"]
    assert residual_deg["broken_camera"] < 1.3 * residual_deg[None]
