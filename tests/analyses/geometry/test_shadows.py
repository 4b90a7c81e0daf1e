import json

import cv2
import numpy as np
import pandas as pd
import pytest

from realgap.analyses.geometry import shadows
from realgap.geometry.shadows import wedges_from_masks
from realgap.rendering.scenes import render


def pairs(light, count, seed):
    """Rows of (shadow, object) points in px that a light (2,) px casts."""
    rng = np.random.default_rng(seed)
    thing = rng.uniform(50, 450, (count, 2))
    shadow = thing + rng.uniform(0.1, 0.4, (count, 1)) * (thing - light)
    return np.hstack([shadow, thing])


@pytest.fixture
def csv(tmp_path):
    """Writes a table of pairs: {(source, image_id): rows (P, 4)} -> path."""

    def write(images):
        rows = [(source, number, 0, *row) for (source, number), rows in images.items() for row in rows]
        pd.DataFrame(rows, columns=[*shadows.ITEM, *shadows.POINTS]).to_csv(tmp_path / "pairs.csv", index=False)
        return tmp_path / "pairs.csv"

    return write


def test_one_light_is_consistent_two_are_not_and_two_pairs_are_not_judged(csv):
    near, far = np.array([100.0, -300]), np.array([900.0, 80])
    one = pairs(near, 6, 0)
    two = np.concatenate([pairs(near, 4, 1), pairs(far, 4, 2)])
    path = csv({("real", 3): one, ("made", 3): two, ("made", 4): one, ("made", 5): one[:2]})
    found = shadows.judged(path, 1.0)
    assert found.consistent.tolist() == [True, False, True, None]
    assert found.out_deg[1] > 2
    table = shadows.by_source(found).set_index("source")
    assert table.n_images.to_dict() == {"real": 1, "made": 2}
    assert table.inconsistent_share.to_dict() == {"real": 0, "made": 0.5}
    assert table.out_deg_median["made"] == found.out_deg[1]
    assert table.share_low["made"] < 0.5 < table.share_high["made"]


def test_the_tolerance_in_degrees_decides_what_is_consistent(csv, tmp_path, run_step):
    """Points that were clicked up to two degrees off agree on one light within three degrees, not within a half."""
    rows = pairs(np.array([100.0, -300]), 8, 3)
    way, off = rows[:, 2:] - rows[:, :2], np.radians(np.where(np.arange(8) % 2, 2.0, -2.0))
    turned = np.stack(
        [way[:, 0] * np.cos(off) - way[:, 1] * np.sin(off), way @ [0, 1] * np.cos(off) + way[:, 0] * np.sin(off)],
        axis=1,
    )
    path = csv({("real", 0): np.hstack([rows[:, :2], rows[:, :2] + turned])})
    strict, lenient = (shadows.judged(path, tolerance_deg).iloc[0] for tolerance_deg in (0.5, 3.0))
    assert (strict.consistent, lenient.consistent) == (False, True)
    assert strict.out_deg > lenient.out_deg
    for tolerance_deg, expected in ((0.5, False), (3.0, True)):
        options = json.dumps({"tolerance_deg": tolerance_deg})
        out = [tmp_path / "verdicts.csv", tmp_path / "table.csv"]
        run_step(
            *("scripts.geometry_judge_shadows", "--pairs", path, "--options", options),
            *("--verdicts", out[0], "--table", out[1]),
        )
        assert pd.read_csv(out[0]).consistent.tolist() == [expected]


def test_masks_say_what_points_say(tmp_path):
    """Discs as objects and discs as their shadows, of one light and of two."""

    def write(name, light_of):
        rows = []
        for number, centre in enumerate([(60, 60), (150, 70), (90, 160), (180, 170)]):
            way = np.subtract(centre, light_of(number))
            shadow = np.add(centre, 30 * way / np.linalg.norm(way))
            files = []
            for what, at in (("shadow", shadow), ("object", centre)):
                mask = np.zeros((240, 240), np.uint8)
                cv2.circle(mask, tuple(int(round(c)) for c in at), 6, 255, -1)
                files.append(f"{name}-{number}-{what}.png")
                cv2.imwrite(str(tmp_path / files[-1]), mask)
            rows.append((name, 0, 0, *files))
        return rows

    one, two = write("one", lambda n: (120, -400)), write("two", lambda n: (120, -400) if n % 2 else (700, 120))
    path = tmp_path / "masks.csv"
    pd.DataFrame(one + two, columns=[*shadows.ITEM, *shadows.MASKS]).to_csv(path, index=False)
    assert shadows.judged(path, 1.0).consistent.tolist() == [True, False]
    assert shadows.judged(path, 60.0).consistent.tolist() == [True, True]


def test_a_wedge_of_masks_holds_the_whole_object():
    shadow, thing = np.zeros((2, 100, 100), bool)
    shadow[80:90, 40:60] = True
    thing[20:30, 30:70] = True
    (wedge,) = wedges_from_masks([shadow], [thing], tolerance_deg=0)
    assert shadow[int(wedge[1]), int(wedge[0])]
    for x, y in ((30, 29), (69, 29), (30, 20), (69, 20)):
        off_deg = np.degrees(np.arctan2(y - wedge[1], x - wedge[0])) - wedge[2]
        assert abs(off_deg) <= wedge[3] + 1e-9
    assert wedge[3] < 25
    with pytest.raises(ValueError, match="pair 0: must show a shadow"):
        wedges_from_masks([shadow & False], [thing])
    around = np.ones((100, 100), bool)
    around[40:60, 40:60] = False
    with pytest.raises(ValueError, match="surrounds"):
        wedges_from_masks([~around], [around])


def test_the_points_of_rendered_scenes_are_judged_as_they_were_made(csv):
    from realgap.rendering.scenes import pairs_of_scene

    images = {
        (defect or "real", seed): pairs_of_scene("boxes", seed, 192, 192, defect=defect)
        for defect in (None, "second_light", "broken_camera")
        for seed in range(30, 38)
    }
    table = shadows.by_source(shadows.judged(csv(images), 1.0)).set_index("source").inconsistent_share
    assert table["real"] == table["broken_camera"] == 0
    assert table["second_light"] > 0.5


@pytest.mark.parametrize("defect", [None, "bent_lines"])
def test_the_points_of_a_scene_are_those_of_its_picture(defect):
    from realgap.rendering.scenes import pairs_of_scene

    drawn = render("boxes", 3, 160, 120, defect=defect).shadow_pairs
    known = pairs_of_scene("boxes", 3, 160, 120, defect=defect)
    nearest = np.abs(drawn[:, None] - known[None]).max(axis=2).min(axis=1)
    assert (nearest < 0.5).mean() > 0.8, "sampled twice as finely, a few points on edges hide or show"


def test_bent_pictures_move_their_points_with_them():
    """A point marked in the straight picture is found where pairs_of_scene puts it in the bent one."""
    from realgap.geometry.controls import displacement_px
    from realgap.rendering.scenes import BENT_SHARE, BENT_WAVELENGTH, pairs_of_scene

    straight, bent = (pairs_of_scene("boxes", 3, 160, 120, defect=d).reshape(-1, 2) for d in (None, "bent_lines"))
    moved = np.stack(displacement_px(*bent.T, BENT_SHARE * 160, BENT_WAVELENGTH * 160, 3), axis=1)
    np.testing.assert_allclose(bent + moved, straight, atol=1e-3)
    assert np.abs(bent - straight).max() > 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "pairs.csv: must be a CSV file"),
        ("source,image_id\nreal,1\n", "variant is missing"),
        ("source,image_id,variant,shadow_x,shadow_y,object_x\nreal,1,0,1,2,3\n", "object_y is missing"),
        (f"{','.join(shadows.ITEM + shadows.POINTS)}\nreal,1,0,1,2,3,left\n", "must be numbers"),
    ],
)
def test_a_wrong_file_of_pairs_is_named(tmp_path, text, message):
    (tmp_path / "pairs.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        shadows.judged(tmp_path / "pairs.csv", 1.0)
