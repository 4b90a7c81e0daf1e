import numpy as np
import pytest

from realgap.geometry.shadows import (
    judge_shadows,
    light_residuals_deg,
    out_without_deg,
    wedges_from_arcs,
    wedges_from_pairs,
)
from realgap.rendering.scenes import render


def pairs_of(light, count=6, seed=0):
    """Shadow and object points (P, 4) px that lie on lines to a homogeneous light (3,)."""
    shadow = np.random.default_rng(seed).uniform([0, 200], [640, 480], (count, 2))
    way = light[:2] - light[2] * shadow
    return np.column_stack([shadow, shadow + 60 * way / np.linalg.norm(way, axis=1, keepdims=True)])


@pytest.mark.parametrize("light", [(300, -500, 1), (1, -2, 0), (-300, -900, -1)], ids=["front", "infinity", "behind"])
def test_shadows_of_one_light_are_consistent_wherever_it_is(light):
    light = np.array(light, float)
    verdict = judge_shadows(wedges_from_pairs(pairs_of(light)))
    assert verdict.consistent
    assert verdict.out_deg == 0
    assert verdict.residuals_deg.max() < 1.0
    assert (light_residuals_deg(light, wedges_from_pairs(pairs_of(light))) < 1e-6).all()


def test_one_wrong_shadow_is_found_and_its_error_is_measured():
    parallel = np.array([[x, 400.0, x, 300] for x in (0, 100, 200, 300, 400, 500)])
    turned = parallel.copy()
    turned[3, 2] += 100  # 45 degrees off
    verdict = judge_shadows(wedges_from_pairs(turned, tolerance_deg=1.0))
    assert not verdict.consistent
    assert verdict.out_deg == pytest.approx(21.5, abs=0.1)  # half of 45 degrees each, less the tolerance
    without_deg = out_without_deg(wedges_from_pairs(turned, tolerance_deg=1.0))
    assert without_deg.argmin() == 3
    assert without_deg[3] == 0
    assert np.delete(without_deg, 3).min() > 10


def test_degrees_out_are_the_least_widening_that_reconciles_two_opposite_directions():
    wedges = np.array([[0.0, 0, 90, 1], [1e-3, 0, 90, 1], [0, 1e-3, 90 + 42, 1]])
    assert judge_shadows(wedges).out_deg == pytest.approx(20, abs=0.1)


def test_a_wedge_from_an_arc_holds_every_point_of_the_arc():
    shadow, first, second = np.array([[0.0, 0]]), np.array([[10.0, 1]]), np.array([[10.0, -3]])
    apex_x, apex_y, middle_deg, half_deg = wedges_from_arcs(shadow, first, second)[0]
    for end in (first, second):
        assert abs(abs(np.degrees(np.arctan2(end[0, 1], end[0, 0])) - middle_deg) - half_deg) < 1e-9
    behind = wedges_from_arcs(shadow, np.array([[-10.0, 1]]), np.array([[-10.0, -1]]))[0]
    assert behind[3] < 10  # across 180 degrees the short way round


@pytest.mark.parametrize("wedges", [np.empty((0, 4)), [[0, 0, 0, 0]], [[0, 0, 0, 95]]])
def test_wedges_that_are_none_are_named(wedges):
    with pytest.raises(ValueError, match="wedges"):
        judge_shadows(np.array(wedges, float))


def test_rendered_shadows_of_one_light_are_consistent_and_of_two_are_not():
    out_deg = {}
    for defect in (None, "second_light"):
        views = [render("boxes", seed, 256, 192, clutter=0.2, defect=defect) for seed in range(5)]
        out_deg[defect] = [
            judge_shadows(wedges_from_pairs(view.shadow_pairs)).out_deg for view in views if len(view.shadow_pairs) >= 6
        ]
    assert len(out_deg[None]) >= 3
    assert max(out_deg[None]) == 0
    assert np.median(out_deg["second_light"]) > 3
