"""Tables, sentences and figures from made-up sources whose difference is known."""

import numpy as np
import pandas as pd
import pytest

from realgap.geometry import judging, measures, pictures, telling
from realgap.geometry.structure import STATISTICS
from realgap.shards import Shard

CHANGES = {"resample": 0.5, "blur_px": 1.0, "warp": 0.02}
PATHS = {"measures": "m.csv", "cues": "c.csv", "shadows": "s.csv", "measures_figure": "m.svg", "cues_figure": "c.svg"}
NAMES = list(measures.names(192))


def shard(columns, shifts, count=30, seed=0):
    """Measured images of each column; a column's first measure is shifted by so much."""
    rng = np.random.default_rng(seed)
    number = np.repeat(np.arange(len(columns)), count)
    values = rng.normal(size=(len(number), len(NAMES))).astype(np.float32)
    values[:, 0] += np.array(shifts, np.float32)[number]
    blank = {name: np.zeros((len(number), *shape), np.float32) for name, shape in SHAPES.items()}
    ids = np.tile(np.arange(count), len(columns))
    keys = {"labels": ids % 3, "image_ids": ids, "variants": 0 * ids, "columns": number}
    return Shard({"measures": values, **blank, **keys}, {"columns": columns, "measures": NAMES, "size_px": 192})


SHAPES = {"segments": (250, 5), "field": (3, 32, 32), "pixels": (3, 32, 32)}


@pytest.fixture(scope="module")
def tables():
    real = shard(["real", *measures.CONTROLS], [0, 0, 0.5, 2])
    made = [shard([source], [shift], seed=seed) for seed, (source, shift) in enumerate([("worse", 4), ("same", 0)], 1)]
    sources = judging.columns([real, *made])
    images = judging.per_image(sources, NAMES)
    return sources, images, judging.per_source(images, NAMES, seed=0)


def test_each_image_has_a_row_and_each_source_its_role(tables):
    _, images, _ = tables
    assert len(images) == 6 * 30
    roles = images.groupby("source").role.first()
    assert roles.to_dict() == {
        **dict.fromkeys(measures.CONTROLS, "control"),
        **{"real": "real", "worse": "generated", "same": "generated"},
    }
    assert judging.role("vae_only") == "control"


def test_the_chance_of_exceeding_real_follows_the_shift(tables):
    table = tables[2][tables[2].measure == NAMES[0]].set_index("source")
    assert table.chance_above_real["worse"] > 0.98
    assert table.chance_low["same"] < 0.5 < table.chance_high["same"]
    assert (table.chance_low.dropna() <= table.chance_above_real.dropna()).all()
    assert np.isnan(table.chance_above_real["real"])
    np.testing.assert_allclose(table["median"]["worse"], 4, atol=0.7)
    assert (table.n_images == 30).all()


def test_images_without_a_value_are_left_out_with_their_partner():
    made = shard(["real", "worse"], [0, 1])
    made.arrays["measures"][3, 0] = np.nan
    images = judging.per_image(judging.columns([made]), NAMES)
    table = judging.per_source(images, NAMES, 0).set_index(["source", "measure"])
    assert table.n_images["worse", NAMES[0]] == 29
    assert table.n_images["worse", NAMES[1]] == 30


@pytest.fixture(scope="module")
def cues():
    """Structure statistics of "worse" differ, pixels of both are blank."""
    made = [shard(["real", "real_blurred"], [0, 0]), shard(["worse"], [0], seed=1)]
    made[1].arrays["measures"][:, NAMES.index(STATISTICS[0])] += 6
    return judging.cues(judging.columns(made), NAMES, ["structure"], confidence=0.8, seed=0)


def test_a_cue_that_differs_is_found_and_blank_pixels_are_unconfident(cues):
    found = cues.set_index(["source", "cue", "group"])
    assert found.auc["worse", "structure", "all"] > 0.95
    assert found.auc_low["real_blurred", "structure", "all"] < 0.6
    assert found.n_real["worse", "pixels", "unconfident"] == 30
    assert np.isnan(found.auc["worse", "structure", "easy"])
    assert found.auc["worse", "structure", "unconfident"] > 0.95


def test_too_few_images_for_the_folds_are_named():
    with pytest.raises(ValueError, match="geometry.images_per_class: must give 5 images.*got 3"):
        judging.cues(judging.columns([shard(["real", "worse"], [0, 0], count=3)]), NAMES, ["structure"], 0.8, 0)


def test_sentences_accuse_what_is_beyond_the_harmless_changes_and_nothing_else(tables, cues):
    section = telling.section(tables[2], cues, None, PATHS, 192, CHANGES)
    worse, same = section.sentences[:2]
    assert worse.startswith("Worse: further from real images than any harmless change: the share of lines")
    assert same == "Same: no measure is further from real images than harmless changes to them take it."
    assert "structure statistics" in section.sentences[2]
    assert "too few images" in section.sentences[3]


def test_a_difference_that_a_harmless_change_makes_too_accuses_nobody():
    made = [shard(["real", "real_blurred"], [0, 4]), shard(["worse"], [4], seed=1)]
    images = judging.per_image(judging.columns(made), NAMES)
    table = judging.per_source(images, NAMES, 0)
    assert "no measure" in telling._measured(table[table.source == "worse"], table, "worse")


def test_small_images_are_told_why_they_have_no_vanishing_points(tables, cues):
    large, small = (telling.section(tables[2], cues, None, PATHS, size, CHANGES).notes for size in (192, 16))
    assert not any("Vanishing points" in note for note in large)
    assert any("not measured: the images are 16 px, and below 128 px" in note for note in small)


def test_shadows_are_told_with_their_interval(tables, cues):
    shadows = pd.DataFrame([("real", 20, 0.05, 0.01, 0.24, 3.0)], columns=COLUMNS)
    section = telling.section(tables[2], cues, shadows, PATHS, 192, CHANGES)
    assert section.sentences[-1] == "Annotated shadows that no one light explains: real 5 % of 20 images (1 to 24)."
    none = telling.section(tables[2], cues, shadows[:0], PATHS, 192, CHANGES)
    assert none.sentences[-1].startswith("Shadows: no annotated image has three pairs")


COLUMNS = ["source", "n_images", "inconsistent_share", "share_low", "share_high", "out_deg_median"]


def test_every_column_of_the_sections_tables_is_in_its_file(tables, cues, tmp_path):
    section = telling.section(tables[2], cues, None, PATHS, 192, CHANGES)
    for table, frame in zip(section.tables, judging.overviews(tables[2], cues), strict=True):
        assert set(table.columns) <= set(frame.columns)
    measured, told = judging.overviews(tables[2], cues)
    assert measured.set_index("measure")["worse"][NAMES[0]] > 0.98
    assert told.set_index("source").structure["worse"] > 0.95
    assert len(told) == 2


def test_the_figures_have_a_panel_per_measure_and_per_cue(tables, cues):
    import matplotlib.pyplot as plt

    drawn = pictures.measures(tables[1], NAMES)
    titles = [axes.get_title() for axes in drawn.axes]
    assert titles == [pictures.TITLES[name] for name in NAMES]
    drawn = pictures.cues(cues)
    assert [axes.get_title() for axes in drawn.axes] == [pictures.CUES[c] for c in ("pixels", "structure")]
    plt.close("all")


def test_overlays_take_points_inside_outside_and_at_infinity_and_none_at_all():
    import matplotlib.pyplot as plt

    image = np.full((150, 200, 3), 200, np.uint8)
    segments = np.array([[10.0, 10, 90, 12], [20, 30, 22, 120]])
    points = np.array([[80.0, 60, 1], [5000, 60, 1], [0, 1, 0]])
    drawn = pictures.overlays([{"real": (image, segments, points), "worse": (image, segments[:0], points[:0])}])
    drawn.canvas.draw()
    assert [axes.get_title() for axes in drawn.axes] == ["real", "worse"]
    plt.close("all")
