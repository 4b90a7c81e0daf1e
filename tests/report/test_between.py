"""Settings and rows that differ between studies."""

import numpy as np
import pytest
import yaml

from realgap.report import between
from realgap.study import paths


def study(tmp_path, name, **config):
    folder = tmp_path / name
    (folder / "run").mkdir(parents=True)
    (folder / between.CONFIG).write_text(yaml.safe_dump({"study": name, **config}))
    return folder


def test_settings_in_which_no_two_studies_differ_are_left_out(tmp_path):
    """Whatever the default is by now: each study says all that it was made with."""
    folders = {
        "a": study(tmp_path, "a", classifier={"steps": 400}, dataset={"name": "digits"}, seeds=[0, 1, 2]),
        "b": study(tmp_path, "b", classifier={"steps": 400, "stem": "stock"}, dataset={"name": "digits"}, seeds=[0]),
    }
    found = between.settings(folders)
    assert found.set_index("key").to_dict("index") == {
        "classifier.stem": {"a": "", "b": '"stock"'},
        "seeds": {"a": "[0, 1, 2]", "b": "[0]"},
    }


def test_a_study_whose_settings_are_not_known_says_none(tmp_path):
    folders = {"a": study(tmp_path, "a", seed=1), "old": tmp_path / "old"}
    assert between.settings(folders).to_dict("records") == [{"key": "seed", "a": "1", "old": ""}]
    assert len(between.settings({"old": tmp_path / "old", "older": tmp_path / "older"})) == 0


def hits(shift, seeds=4, images=400, seed=0, chance=0.1, **rows):
    """Hits of rows that hit by how hard each image is; images: the same ones for the same seed."""
    hard = np.random.default_rng(seed).random(images)
    own = np.random.default_rng([seed, 7])
    right = {row: own.random((seeds, images)) < np.clip(1 - hard + more, 0, 1) for row, more in rows.items()}
    return between.Hits({row: np.roll(one, shift, axis=1) for row, one in right.items()}, (seed, shift), chance)


def test_rows_that_both_studies_have_are_compared_with_the_first_study():
    found = between.contrasts({"a": hits(0, real=0.0, gone=0.2), "b": hits(0, real=0.3, new=0.1)}, 0.02)
    (row,) = found.itertuples()
    assert (row.study, row.reference, row.training_set, row.same_images) == ("b", "a", "real", True)
    assert row.low < row.difference < row.high
    assert row.difference > 0.1
    assert row.verdict == "better"


def test_of_one_study_or_none_there_is_no_row():
    assert len(between.contrasts({"a": hits(0, real=0.0)}, 0.02)) == 0
    assert len(between.contrasts({}, 0.02)) == 0


def test_rows_that_have_learned_nothing_are_not_equivalent():
    alike = [hits(0, seeds=20, images=4000, chance=chance, real=0.0) for chance in (0.1, 0.9)]
    verdicts = [between.contrasts({"a": one, "b": one}, 0.02).verdict[0] for one in alike]
    assert verdicts == ["equivalent", "undecided"]


def test_the_same_images_make_a_difference_surer():
    same = between.contrasts({"a": hits(0, seeds=10, real=0.0), "b": hits(0, seeds=10, real=0.02)}, 0.02)
    other = between.contrasts({"a": hits(0, seeds=10, real=0.0), "b": hits(1, seeds=10, real=0.02)}, 0.02)
    assert not other.same_images[0]
    assert same.high[0] - same.low[0] < 0.8 * (other.high[0] - other.low[0])


def test_published_studies_are_found_where_the_user_has_none_of_that_name(tmp_path):
    (tmp_path / "published/digits").mkdir(parents=True)
    assert paths.of_study("digits", tmp_path) == tmp_path / "published/digits"
    (tmp_path / "digits").mkdir()
    assert paths.of_study("digits", tmp_path) == tmp_path / "digits"
    assert paths.of_study("none", tmp_path) == tmp_path / "none"


@pytest.mark.parametrize("shift", [0.0, 0.1])
def test_the_columns_are_those_of_the_table(shift):
    found = between.contrasts({"a": hits(0, real=0.0), "b": hits(0, real=shift)}, 0.02)
    assert set(between.CONTRASTS.columns) - {"judged"} <= set(found.columns)
