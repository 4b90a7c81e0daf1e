"""Tables, sentences and figures from made-up sources whose difference is known."""

import numpy as np
import pandas as pd
import pytest

from realgap.analyses.geometry import figures, measures
from realgap.analyses.geometry import section as telling
from realgap.analyses.geometry import tables as judging
from realgap.geometry.structure import STATISTICS
from realgap.store.shards import Shard

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
    table = tables[2][tables[2].metric == NAMES[0]].set_index("source")
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
    table = judging.per_source(images, NAMES, 0).set_index(["source", "metric"])
    assert table.n_images["worse", NAMES[0]] == 29
    assert table.n_images["worse", NAMES[1]] == 30


def test_images_made_of_no_real_one_are_compared_with_all_of_them():
    real, made = shard(["real"], [0]), shard(["elsewhere"], [4], count=20, seed=1)
    made.arrays["image_ids"][:] = -1 - made.arrays["image_ids"]
    images = judging.per_image(judging.columns([real, made]), NAMES)
    table = judging.per_source(images, NAMES, 0).set_index(["source", "metric"])
    found = table.loc["elsewhere", NAMES[0]]
    assert found.n_images == 20
    assert found.chance_above_real > 0.98
    assert found.chance_low > 0.9
    own, reals = (images[images.source == source][NAMES[1]] for source in ("elsewhere", "real"))
    expected = np.mean(own.to_numpy()[:, None] > reals.to_numpy()[None])
    assert table.chance_above_real["elsewhere", NAMES[1]] == pytest.approx(expected)


@pytest.fixture(scope="module")
def cues():
    """Structure statistics of "worse" differ, pixels of both are blank."""
    made = [shard(["real", "real_blurred"], [0, 0]), shard(["worse"], [0], seed=1)]
    made[1].arrays["measures"][:, NAMES.index(STATISTICS[0])] += 6
    return judging.cues(judging.columns(made), NAMES, ["structure"], confidence=0.8, seed=0)


def test_a_cue_that_differs_is_found_and_blank_pixels_are_unconfident(cues):
    found = cues.set_index(["source", "metric", "group"])
    assert found.auc["worse", "structure", "all"] > 0.95
    assert found.auc_low["real_blurred", "structure", "all"] < 0.6
    assert found.n_real["worse", "pixels", "unconfident"] == 30
    assert np.isnan(found.auc["worse", "structure", "easy"])
    assert found.auc["worse", "structure", "unconfident"] > 0.95


@pytest.fixture(scope="module")
def grouped():
    """Of 100 images a side half have stripes that tell the side, 35 none, and 15 those of the other side.

    The statistics differ between the sides in every group but the one without stripes.
    """
    made = [shard(["real"], [0], count=100), shard(["worse"], [0], count=100, seed=1)]
    told = np.repeat([1, 0, -1], [50, 35, 15])
    wave = 2 * np.sin(np.arange(32) * 1.5, dtype=np.float32)
    for number, one in enumerate(made):
        one.arrays["pixels"] += np.random.default_rng(number).normal(0, 0.5, (100, 3, 32, 32)).astype(np.float32)
        across = told == (1 if number else -1)
        along = told == (-1 if number else 1)
        one.arrays["pixels"][across] += wave
        one.arrays["pixels"][along] += wave[:, None]
        one.arrays["measures"][told != 0, NAMES.index(STATISTICS[0])] += 6 * number
    return judging.cues(judging.columns(made), NAMES, ["structure"], confidence=0.65, seed=0)


def test_images_are_grouped_by_what_pixels_tell_and_each_cue_is_judged_within_the_groups(grouped):
    found = grouped.set_index(["metric", "group"])
    for group, count in {"easy": 50, "unconfident": 35, "misclassified": 15}.items():
        for side in ("n_real", "n_source"):
            assert abs(found[side]["pixels", group] - count) <= 10, group
    assert found.auc["pixels", "easy"] > 0.95
    assert found.auc["pixels", "misclassified"] < 0.05
    assert 0.25 < found.auc["pixels", "unconfident"] < 0.75
    for group in ("easy", "misclassified"):
        assert found.auc["structure", group] > 0.9, group
    assert found.auc["structure", "unconfident"] < 0.8
    assert (found.auc_low.dropna() <= found.auc.dropna()).all()


def test_the_figure_shows_every_group_that_has_images(grouped):
    import matplotlib.pyplot as plt

    drawn = figures.cues(grouped)
    names = [text.get_text() for text in drawn.legends[0].get_texts()]
    assert names == ["all images", "easy by pixels", "unconfident by pixels", "misclassified by pixels"]
    markers = {line.get_marker() for line in drawn.axes[1].get_lines()}
    assert set(figures.MARKERS.values()) <= markers
    plt.close("all")


def test_too_few_images_for_the_folds_are_named():
    with pytest.raises(ValueError, match="geometry.images_per_class: must give 5 images.*got 3"):
        judging.cues(judging.columns([shard(["real", "worse"], [0, 0], count=3)]), NAMES, ["structure"], 0.8, 0)


def test_sentences_accuse_what_is_beyond_the_harmless_changes_and_nothing_else(tables, cues):
    section = telling.section(tables[2], cues, None, PATHS, 192, CHANGES)
    worse, same = section.sentences[:2]
    assert worse.startswith("Worse: further from real images than any harmless change: the share of lines")
    assert same == "Same: in no measure told apart from real images beyond what harmless changes to them do."
    assert "structure statistics" in section.sentences[2]
    assert "too few images" in section.sentences[3]


def test_a_difference_that_a_harmless_change_makes_too_accuses_nobody():
    made = [shard(["real", "real_blurred"], [0, 4]), shard(["worse"], [4], seed=1)]
    images = judging.per_image(judging.columns(made), NAMES)
    table = judging.per_source(images, NAMES, 0)
    assert "in no measure" in telling._measured(table[table.source == "worse"], table, "worse")


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
    assert measured.set_index("metric")["worse"][NAMES[0]] > 0.98
    assert told.set_index("source").structure["worse"] > 0.95
    assert len(told) == 2


def test_the_figures_have_a_panel_per_measure_and_per_cue(tables, cues):
    import matplotlib.pyplot as plt

    drawn = figures.measures(tables[1], NAMES)
    titles = [axes.get_title() for axes in drawn.axes]
    assert titles == [figures.TITLES[name] for name in NAMES]
    drawn = figures.cues(cues)
    assert [axes.get_title() for axes in drawn.axes] == [figures.CUES[c] for c in ("pixels", "structure")]
    plt.close("all")


def test_overlays_take_points_inside_outside_and_at_infinity_and_none_at_all():
    import matplotlib.pyplot as plt

    image = np.full((150, 200, 3), 200, np.uint8)
    segments = np.array([[10.0, 10, 90, 12], [20, 30, 22, 120]])
    points = np.array([[80.0, 60, 1], [5000, 60, 1], [0, 1, 0]])
    measured, none = ({"unexplained_share": share, "off_square_deg": 3.2} for share in (0.25, np.nan))
    real, worse = (image, segments, points, measured), (image, segments[:0], points[:0], none)
    drawn = figures.overlays([{"real": real, "worse": worse}])
    drawn.canvas.draw()
    assert [axes.get_title() for axes in drawn.axes] == ["real", "worse"]
    said = ["25% meet nowhere, 3° off square", "fewer than three vanishing points"]
    assert [axes.get_xlabel() for axes in drawn.axes] == said
    plt.close("all")


def test_overlays_of_many_sources_are_broken_into_lines_of_four_a_scene():
    import matplotlib.pyplot as plt

    seen = np.zeros((128, 128, 3), np.uint8), np.empty((0, 4)), np.empty((0, 3)), {"unexplained_share": np.nan}
    drawn = figures.overlays([{str(n): seen for n in range(7)}] * 2)
    assert [axes.get_title() for axes in drawn.axes if axes.axison] == [str(n) for n in range(7)] * 2
    places = [axes.get_subplotspec().get_geometry() for axes in drawn.axes]
    assert {place[:2] for place in places} == {(2, 4)}
    plt.close("all")
