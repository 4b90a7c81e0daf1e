import numpy as np
import pytest

from realgap.geometry.accuracy import direction_errors_deg
from realgap.geometry.camera import residuals_deg
from realgap.geometry.segments import line_segments
from tests.benchmarks import hard_scenes
from tests.geometry.photographic import KINDS, Hardness, labelled, photographic

SEED = 30_000


@pytest.fixture(scope="module")
def views():
    return [photographic(SEED + number, 320, 240) for number in range(3)]


def off_square_deg(directions):
    return np.degrees(np.arcsin(np.abs(directions @ directions.T)[np.triu_indices(3, 1)])).max()


def test_the_same_seed_gives_the_same_scene_and_the_kinds_take_turns(views):
    assert len({(SEED + number) % len(KINDS) for number in range(3)}) == 3
    again = photographic(SEED, 320, 240)
    np.testing.assert_array_equal(again.gray, views[0].gray)
    np.testing.assert_array_equal(again.labels, views[0].labels)
    assert (views[0].gray != views[1].gray).mean() > 0.5


def test_segments_point_at_the_axes_of_the_bent_world():
    easy = Hardness(bow_deg=(0, 1e-6), second_frame=0, clutter=(0, 1e-6), patterned=0, distortion=0, noise=(1, 2))
    off_deg = {"true": [], "squared": []}
    for seed in range(SEED, SEED + 6):
        view = photographic(seed, 320, 240, hard=easy)
        u, _, v = np.linalg.svd(view.directions)
        for name, axes in (("true", view.directions), ("squared", u @ v)):
            near = residuals_deg(axes @ view.intrinsics.T, line_segments(view.gray)[:60]).min(axis=0)
            off_deg[name].append(np.median(near))
    assert np.mean(off_deg["true"]) < 0.8
    assert np.mean(off_deg["true"]) < np.mean(off_deg["squared"])


def test_the_world_is_out_of_square_by_as_much_as_was_asked(views):
    low, high = Hardness().off_square_deg
    assert all(0.5 * low < off_square_deg(view.directions) < high + 2 for view in views)
    square = photographic(SEED, 160, 120, Hardness(off_square_deg=(1e-6, 1e-5), lean_deg=0, bow_deg=(0, 1e-6)))
    assert off_square_deg(square.directions) < 0.01


def test_labels_are_off_by_what_a_hand_is_off():
    directions = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    off_deg = [
        direction_errors_deg(labelled(directions, seed, 0.5), np.eye(3), directions).mean() for seed in range(200)
    ]
    assert np.mean(off_deg) == pytest.approx(0.5 * np.sqrt(np.pi / 2), rel=0.05)


def test_scenes_are_drawn_once_and_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(hard_scenes, "photographic", lambda seed: photographic(seed, 160, 120))
    (first,) = hard_scenes.scenes([SEED], tmp_path)
    monkeypatch.delattr(hard_scenes, "photographic")
    (again,) = hard_scenes.scenes([SEED], tmp_path)
    for drawn, kept in zip(first, again, strict=True):
        np.testing.assert_array_equal(drawn, kept)


def test_what_is_shown_is_the_length_of_the_lines_of_each_axis():
    camera = np.array([[500.0, 0, 320], [0, 500, 240], [0, 0, 1]])
    segments = np.array([[100, 50, 200, 50], [100, 90, 160, 90], [40, 100, 40, 150], [10, 10, 20, 10], [0, 0, 70, 20]])
    np.testing.assert_allclose(hard_scenes.shown_px(segments * 1.0, camera, np.eye(3)), [160, 50, 0])


def test_a_gain_is_paired_by_scene():
    before = np.random.default_rng(0).uniform(0.5, 4, (30, 3))
    gain, low, high = hard_scenes.gained(before, before - 0.5, 5)
    assert gain == pytest.approx(10)
    assert low == pytest.approx(high) == pytest.approx(10)
