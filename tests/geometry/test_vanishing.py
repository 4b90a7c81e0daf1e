from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
import skimage.io
from sklearn.datasets import load_sample_image

from realgap.geometry import vanishing_points
from realgap.geometry.accuracy import angle_accuracy, direction_errors_deg
from realgap.geometry.segments import line_segments
from realgap.geometry.vanishing import points_of_segments
from tests.geometry.benchmark import plain_ransac

K = np.array([[600.0, 0, 319.5], [0, 600, 239.5], [0, 0, 1]])
# skimage's copy of Middlebury 2014 "Motorcycle", 741 of 2964 px wide, with the calibration published there
MOTORCYCLE = np.diag([0.25, 0.25, 1]) @ [[3979.911, 0, 1244.772], [0, 3979.911, 1019.507], [0, 0, 1]]
PHOTOGRAPHS = [
    "astronaut.png",
    "brick.png",
    "camera.png",
    "chelsea.png",
    "coffee.png",
    "page.png",
    "rocket.jpg",
]


def bundle(directions, seed, each=40, noise_px=0.3, strays=0):
    """Segments (N, 4) px that point at the directions' vanishing points, and strays that point anywhere."""
    rng = np.random.default_rng(seed)
    start = rng.uniform([0, 0], [640, 480], (len(directions) * each + strays, 2))
    points = np.repeat(directions @ K.T, each, axis=0)
    way = points[:, :2] - points[:, 2:] * start[: len(points)]
    way = np.concatenate([way, rng.normal(size=(strays, 2))])
    way *= rng.uniform(20, 90, (len(way), 1)) / np.linalg.norm(way, axis=1, keepdims=True)
    return np.column_stack([start, start + way]) + rng.normal(0, noise_px, (len(start), 4))


def frame(seed):
    """A random right-handed frame (3, 3)."""
    q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return q


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("camera", [None, K], ids=["uncalibrated", "known camera"])
def test_three_directions_among_strays_are_found_within_a_degree(seed, camera):
    points = points_of_segments(bundle(frame(seed), seed, strays=60), 640, 480, camera)
    assert direction_errors_deg(points[:3], K, frame(seed)).max() < 1


def test_without_a_camera_directions_that_are_not_orthogonal_stay_so():
    skewed = np.array([[1, 0.1, 0.2], [0.75, 0.75, 0.6], [0.05, -1, 0.1]])
    points = points_of_segments(bundle(skewed, 1, each=60, noise_px=0.1), 640, 480)
    assert direction_errors_deg(points, K, skewed).max() < 0.6


def test_a_third_direction_that_hardly_shows_is_found_from_the_two_others_unless_no_camera_is_presumed():
    found = {True: [], False: []}
    for seed in range(6):
        axes = frame(seed)
        segments = np.concatenate(
            [bundle(axes[:2], seed, each=60), bundle(axes[2:], seed, each=4), bundle(axes[:0], seed, strays=80)]
        )
        for presumed, worst in found.items():
            points = points_of_segments(segments, 640, 480, presume_camera=presumed)
            worst.append(direction_errors_deg(points[:3], K, axes).max())
    assert np.median(found[True]) < 3
    assert np.median(found[False]) > 6


def test_with_a_camera_the_axes_of_a_square_world_are_at_right_angles_and_unit():
    axes = points_of_segments(bundle(frame(3), 3, strays=100), 640, 480, K) @ np.linalg.inv(K).T
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    np.testing.assert_allclose(np.abs(axes @ axes.T), np.eye(3), atol=np.sin(np.radians(0.3)))


def test_with_a_camera_axes_go_where_their_own_lines_do_when_the_world_is_not_square():
    worst = []
    for seed in range(6):
        skewed = frame(seed)
        skewed[0] += np.tan(np.radians(3)) * skewed[1]  # a rotation fits one of the two and leaves the other 3 off
        points = points_of_segments(bundle(skewed, seed, strays=60), 640, 480, K)
        worst.append(direction_errors_deg(points[:3], K, skewed).max())
    assert np.median(worst) < 2.3


def test_with_a_camera_an_axis_that_hardly_shows_is_where_the_others_put_it():
    for seed in range(4):
        axes = frame(seed)
        segments = np.concatenate([bundle(axes[:2], seed, each=60), bundle(axes[2:], seed, each=1)])
        assert direction_errors_deg(points_of_segments(segments, 640, 480, K)[:3], K, axes).max() < 1


def test_the_point_with_most_segments_comes_first_and_points_have_unit_norm():
    axes = frame(8)
    segments = np.concatenate([bundle(axes[i : i + 1], i, each=each) for i, each in enumerate((20, 90, 45))])
    for camera in (None, K):
        points = points_of_segments(segments, 640, 480, camera)
        order = [direction_errors_deg(point[None], K, axes).argmin() for point in points[:3]]
        assert order == [1, 2, 0]
        np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1)


def test_rendered_scenes_are_read_better_than_by_plain_ransac_and_better_still_with_the_camera(rendered):
    accuracy = {}
    for name in ("plain", "free", "known"):
        errors_deg = []
        for view in rendered:
            points = {
                "plain": lambda v: plain_ransac(line_segments(v.gray)),
                "free": lambda v: vanishing_points(v.gray),
                "known": lambda v: vanishing_points(v.gray, v.intrinsics),
            }[name](view)
            errors_deg.append(direction_errors_deg(points[:3], view.intrinsics, view.directions))
        accuracy[name] = angle_accuracy(np.concatenate(errors_deg))
    assert accuracy["plain"][1] + 2 < accuracy["free"][1]
    assert accuracy["free"][1] + 5 < accuracy["known"][1]
    assert accuracy["known"][1] > 80


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_photographs_shipped_with_scikit_image_run_through(name):
    image = skimage.io.imread(Path(skimage.data.__file__).parent / name)
    gray = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    points = vanishing_points(gray)
    assert points.shape[1] == 3
    assert len(points) >= 3
    assert np.isfinite(points).all()


@pytest.mark.parametrize("name", ["china.jpg", "flower.jpg"])
def test_photographs_shipped_with_scikit_learn_run_through(name):
    points = vanishing_points(cv2.cvtColor(load_sample_image(name), cv2.COLOR_RGB2GRAY))
    assert np.isfinite(points).all()


def test_a_photographs_free_points_agree_with_those_of_its_calibrated_camera():
    image = skimage.io.imread(Path(skimage.data.__file__).parent / "motorcycle_left.png")
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    axes = vanishing_points(gray, MOTORCYCLE) @ np.linalg.inv(MOTORCYCLE).T
    assert np.sort(direction_errors_deg(vanishing_points(gray), MOTORCYCLE, axes))[1] < 3


def test_the_same_image_gives_the_same_points(rendered):
    first, again = (vanishing_points(rendered[0].gray) for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_below_128_px_vanishing_points_are_refused_with_the_reason():
    with pytest.raises(ValueError, match="at least 128 px.*got 96 x 64.*short segments"):
        vanishing_points(np.zeros((64, 96), np.uint8))


@pytest.mark.parametrize("segments", [np.empty((0, 4)), np.array([[1.0, 1, 50, 60]]), np.ones((5, 4))])
@pytest.mark.parametrize("camera", [None, K])
def test_too_few_segments_give_no_points(segments, camera):
    assert points_of_segments(segments, 640, 480, camera).shape == (0, 3)


@pytest.mark.parametrize("camera", [None, K])
def test_parallel_segments_give_one_point_at_infinity_or_an_orthogonal_frame_with_it(camera):
    rows = np.arange(20.0, 400, 20)
    segments = np.column_stack([0 * rows + 50, rows, 0 * rows + 500, rows])
    points = points_of_segments(segments, 640, 480, camera)
    np.testing.assert_allclose(np.abs(points[0]), [1, 0, 0], atol=1e-6)


def test_a_camera_that_is_no_matrix_is_named():
    with pytest.raises(ValueError, match="camera"):
        vanishing_points(np.zeros((200, 200), np.uint8), 500.0)
