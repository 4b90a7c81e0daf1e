import numpy as np
import pytest

from realgap.geometry.accuracy import angle_accuracy, direction_errors_deg

K = np.array([[500.0, 0, 320], [0, 500, 240], [0, 0, 1]])


def test_area_under_the_recall_curve_equals_its_numerical_integral():
    errors_deg = np.random.default_rng(0).exponential(4, 200)
    for limit, area in zip((3, 5, 10), angle_accuracy(errors_deg), strict=True):
        steps = np.linspace(0, limit, 20001)
        recall = (errors_deg[None] < steps[:, None]).mean(axis=1)
        assert area == pytest.approx(100 * np.trapezoid(recall, steps) / limit, abs=0.02)


def test_an_error_of_one_degree_is_one_degree_whatever_the_sign_and_scale():
    true = np.eye(3)
    turn = np.radians(1.0)
    off = np.array([[np.cos(turn), np.sin(turn), 0], [0, 1, 0], [0, 0, 1.0]])
    points = (off @ K.T) * [[-3.0], [1], [0.01]]
    np.testing.assert_allclose(direction_errors_deg(points, K, true), [1, 0, 0], atol=1e-6)
    np.testing.assert_array_equal(direction_errors_deg(points[:0], K, true), 90)
