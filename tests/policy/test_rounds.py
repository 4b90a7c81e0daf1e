"""realgap.policy: each class ends with the source that serves it best, and options fall out by halves."""

import numpy as np
import pandas as pd
import pytest

from realgap import policy
from realgap.policy import rounds

OPTIONS = ["near", "loose", "redrawn", "prompts"]
# mean loss of an option on a class, whatever the others take
TRUTH = {3: [0.9, 0.1, 0.5, 0.4], 7: [0.2, 0.8, 0.3, 0.9], 8: [0.5, 0.5, 0.7, 0.5]}


def judge(tried, noise=0.0, classifiers=2, seed=0):
    """Losses (mixtures, classifiers, classes) of made-up truth."""
    random = np.random.default_rng(seed)
    true = np.array([[TRUTH[label][OPTIONS.index(mixture[label])] for label in sorted(TRUTH)] for mixture in tried])
    return true[:, None] + noise * random.standard_normal((len(tried), classifiers, len(TRUTH)))


def played(number_of_rounds, noise=0.0, classifiers=2, seed=0):
    known, trained = rounds.begin(sorted(TRUTH), ["three", "seven", "eight"], OPTIONS), []
    for number in range(1, number_of_rounds + 1):
        tried = rounds.mixtures(known, number)
        trained.append(len(tried))
        known = rounds.after(known, tried, judge(tried, noise, classifiers, seed + number))
    return known, trained


@pytest.mark.parametrize(
    ("options", "judged", "most"),
    [(2, [2], 1), (3, [3, 2], 2), (4, [4, 2], 2), (5, [5, 3, 2], 3), (16, [16, 8, 4, 2], 4)],
)
def test_half_of_the_options_are_left_after_each_round(options, judged, most):
    assert [policy.judged(options, number) for number in range(1, most + 1)] == judged
    assert policy.most_rounds(options) == most
    assert policy.judged(options, most) >= 2
    assert policy.judged(options, most + 1) == 1


def test_each_class_takes_its_own_best_option_and_the_first_named_of_equal_ones():
    for number in (1, 2):
        known, _ = played(number)
        assert rounds.chosen(known) == {3: "loose", 7: "near", 8: "near"}


def test_in_the_first_round_all_classes_take_the_same_and_later_each_its_own_rank():
    known = rounds.begin(sorted(TRUTH), ["three", "seven", "eight"], OPTIONS)
    assert rounds.mixtures(known, 1) == [dict.fromkeys(sorted(TRUTH), option) for option in OPTIONS]
    known, trained = played(1)
    assert rounds.mixtures(known, 2) == [{3: "loose", 7: "near", 8: "near"}, {3: "prompts", 7: "redrawn", 8: "loose"}]
    assert played(2)[1] == [4, 2]


def test_losses_of_all_rounds_are_averaged_over_their_classifiers_and_what_fell_out_keeps_its_own():
    known, _ = played(2, noise=0.01, classifiers=3)
    assert list(known.columns) == rounds.COLUMNS
    left = known[known["rank"].notna()]
    assert left.groupby("label").size().tolist() == [2, 2, 2]
    assert set(left.n_classifiers) == {6}
    assert set(known[known["rank"].isna()].n_classifiers) == {3}
    true = [TRUTH[row.label][OPTIONS.index(row.option)] for row in known.itertuples()]
    np.testing.assert_allclose(known.loss, true, atol=0.03)


def test_a_table_that_was_written_and_read_goes_on_as_it_was(tmp_path):
    known, _ = played(1, noise=0.2)
    known.to_csv(tmp_path / "round-1.csv", index=False, float_format="%.6g")
    again = pd.read_csv(tmp_path / "round-1.csv")
    assert rounds.mixtures(again, 2) == rounds.mixtures(known, 2)
    assert rounds.chosen(again) == rounds.chosen(known)


def test_more_judging_finds_the_best_more_often():
    right = [
        np.mean(
            [
                rounds.chosen(played(2, noise=0.5, classifiers=n, seed=100 * seed)[0])[3] == "loose"
                for seed in range(100)
            ]
        )
        for n in (1, 32)
    ]
    assert right[0] < 0.85 < 0.97 < right[1]
