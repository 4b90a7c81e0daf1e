"""realgap.report.tables: from predictions to the study's table."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from realgap.report import metrics, tables
from realgap.statistics.verdicts import Verdict

COLUMNS = ["training_set", "n_real", "n_generated", "n_seeds", "accuracy_mean", "accuracy_low", "accuracy_high"]
COLUMNS += ["difference_to_real", "difference_low", "difference_high"]
OVER_SEEDS = [
    "training_set",
    "n_seeds",
    "mean",
    "low",
    "high",
    "difference",
    "difference_low",
    "difference_high",
    "p_value",
]
T_TWO = 4.302652729911275  # 97.5 % point of Student's t with 2 degrees of freedom


def prediction(training_set, seed, right, parts):
    """10 test images, of which the first `right` are classified right."""
    labels = np.arange(10) % 3
    predicted = np.where(np.arange(10) < right, labels, (labels + 1) % 3)
    logits = np.eye(3, dtype=np.float32)[predicted] - 5
    return {"training_set": training_set, "seed": seed, "parts": parts, "logits": logits, "labels": labels}


REAL, BOTH = [["real", 20]], [["real", 20], ["stable_diffusion", 200]]
PREDICTIONS = [
    prediction("real", 2, 7, REAL),
    prediction("real", 0, 5, REAL),
    prediction("real", 1, 6, REAL),
    prediction("real+stable_diffusion", 0, 8, BOTH),
    prediction("real+stable_diffusion", 1, 8, BOTH),
    prediction("real+stable_diffusion", 2, 10, BOTH),
]


def test_accuracies_count_right_answers_and_images():
    frame = tables.accuracies(PREDICTIONS)
    assert frame.accuracy.tolist() == [0.7, 0.5, 0.6, 0.8, 0.8, 1.0]
    assert frame.seed.tolist() == [2, 0, 1, 0, 1, 2]
    assert frame.n_real.tolist() == [20] * 6
    assert frame.n_generated.tolist() == [0] * 3 + [200] * 3
    assert frame.n_test.tolist() == [10] * 6


def test_generated_images_of_all_sources_are_counted_together():
    parts = [["stable_diffusion", 100], ["vae_only", 20]]
    frame = tables.accuracies([prediction("stable_diffusion+vae_only", 0, 5, parts)])
    assert (frame.n_real.item(), frame.n_generated.item()) == (0, 120)


def test_the_table_is_what_one_calculates_by_hand():
    table = tables.table(tables.accuracies(PREDICTIONS))
    assert table.columns.tolist() == COLUMNS
    assert table.training_set.tolist() == ["real", "real+stable_diffusion"]
    real, both = table.to_dict("records")

    half = T_TWO * 0.1 / math.sqrt(3)  # standard deviation of 0.5, 0.6, 0.7
    assert (real["accuracy_mean"], real["n_seeds"]) == (pytest.approx(0.6), 3)
    assert (real["accuracy_low"], real["accuracy_high"]) == (pytest.approx(0.6 - half), pytest.approx(0.6 + half))
    assert [real[column] for column in COLUMNS[-3:]] == [0, 0, 0]

    differences = np.array([0.3, 0.2, 0.3])  # seed by seed, not in the order of the predictions
    half = T_TWO * differences.std(ddof=1) / math.sqrt(3)
    assert both["difference_to_real"] == pytest.approx(differences.mean())
    assert both["difference_low"] == pytest.approx(differences.mean() - half)
    assert both["difference_high"] == pytest.approx(differences.mean() + half)


def test_pairing_by_seed_removes_what_a_seed_does_to_both():
    hard_and_easy = [prediction(name, seed, right, REAL) for seed, right in enumerate([2, 5, 8]) for name in ("real",)]
    better = [prediction("vae_only", seed, right + 1, [["vae_only", 20]]) for seed, right in enumerate([2, 5, 8])]
    row = tables.table(tables.accuracies(better + hard_and_easy)).iloc[0]
    assert row.accuracy_high - row.accuracy_low > 1  # seeds differ wildly
    assert row.difference_low == pytest.approx(0.1)
    assert row.difference_high == pytest.approx(0.1)


def test_one_seed_has_no_interval():
    table = tables.table(tables.accuracies([one for one in PREDICTIONS if one["seed"] == 0]))
    assert table.accuracy_mean.tolist() == [0.5, 0.8]
    assert table.difference_to_real.tolist() == [0, pytest.approx(0.3)]
    bounds = table[["accuracy_low", "accuracy_high", "difference_low", "difference_high"]]
    assert bounds.isna().all().all()


def test_verdicts_stand_beside_the_same_means_and_count_the_test_images_in():
    predictions = PREDICTIONS[::-1]  # seeds in another order, the reference last
    table, judged = tables.table(tables.accuracies(PREDICTIONS)), tables.verdicts(predictions, margin=0.02)
    assert judged.training_set.tolist() == ["real+stable_diffusion", "real"]
    judged = judged.set_index("training_set").loc[table.training_set].reset_index()
    for column in ("training_set", "n_real", "n_generated", "accuracy_mean"):
        assert judged[column].tolist() == pytest.approx(table[column].tolist()), column
    both = judged.iloc[1]
    assert both.difference_to_real == pytest.approx(0.8 / 3)
    assert (both.n_units, both.n_test, both.margin) == (3, 10, 0.02)
    seeds_alone = table.difference_high[1] - table.difference_low[1]
    assert both.difference_high - both.difference_low > seeds_alone
    assert both.verdict == Verdict.BETTER
    assert pd.isna(judged.verdict[0])


def test_every_two_training_sets_are_compared_once():
    found = tables.pairs([*PREDICTIONS, *({**one, "training_set": "vae_only"} for one in PREDICTIONS[:3])], 0.02)
    assert list(zip(found.training_set, found.reference, strict=True)) == [
        ("real+stable_diffusion", "real"),
        ("vae_only", "real"),
        ("vae_only", "real+stable_diffusion"),
    ]
    assert found.difference.tolist() == pytest.approx([0.8 / 3, 0, -0.8 / 3])


def test_guessing_says_the_most_frequent_class_of_the_test_images():
    assert tables.guessing(np.array([2, 0, 2, 2, 1])) == 0.6
    of_classes = pd.DataFrame({"training_set": "real", "metric": metrics.SENSITIVITY, "n_images": [1, 1, 3]})
    assert metrics.guessing(of_classes) == 0.6


@pytest.mark.parametrize("other", [{"seed": 5}, {"labels": np.zeros(9), "logits": np.zeros((9, 3))}])
def test_training_sets_of_other_seeds_or_other_images_are_refused(other):
    with pytest.raises(
        ValueError, match=r"must be of the seeds \[0, 1, 2\] and of the same test images, got 'vae_only'"
    ):
        tables.hits([*PREDICTIONS, *({**one, "training_set": "vae_only", **other} for one in PREDICTIONS[:3])])


def test_rows_stand_in_the_order_of_the_study():
    names = ["vae_only", "real", "diffusion_inversion"]
    frame = pd.concat([tables.accuracies([prediction(name, 0, 5, REAL)]) for name in names])
    assert tables.table(frame).training_set.tolist() == names


def test_rows_of_another_classifier_are_judged_by_its_own_real_images_alone():
    def of(suffix, rights, **said):
        parts = {"real": [("real", 100)], "vae_only": [("vae_only", 100)]}
        return [
            {**prediction(f"{row}{suffix}", seed, right, parts[row]), **said}
            for row, counts in rights.items()
            for seed, right in enumerate(counts)
        ]

    own = of("", {"real": [6, 8, 7], "vae_only": [5, 5, 6]})
    other = of("@vit", {"real": [9, 8, 9], "vae_only": [8, 8, 10]}, reference="real@vit")
    both, alone = tables.verdicts(own + other, 0.02), tables.verdicts(own, 0.02)
    pd.testing.assert_frame_equal(both[:2], alone)
    renamed = [{**one, "training_set": one["training_set"].removesuffix("@vit"), "reference": None} for one in other]
    expected = tables.verdicts(renamed, 0.02)
    expected["training_set"] += "@vit"
    pd.testing.assert_frame_equal(both[2:].reset_index(drop=True), expected)
    table = tables.table(tables.accuracies(own + other), tables.references(own + other)).set_index("training_set")
    assert table.difference_to_real["vae_only@vit"] == pytest.approx(both.difference_to_real.iloc[3])
    assert table.difference_to_real["real@vit"] == 0


def observed(**values):
    """training_set -> values of seeds 0, 1, ... as observations."""
    return pd.DataFrame(
        [{"training_set": key, "seed": seed, "x": x} for key, own in values.items() for seed, x in enumerate(own)]
    )


def test_over_seeds_pairs_by_seed_whatever_the_order_of_rows():
    frame = observed(real=[0.1, 0.5, 0.9], generated=[0.3, 0.6, 1.2])
    table = tables.over_seeds(frame.sample(frac=1, random_state=0), "x").set_index("training_set")
    assert list(table.reset_index().columns) == OVER_SEEDS
    row = table.loc["generated"]
    difference = np.array([0.2, 0.1, 0.3])
    half = T_TWO * difference.std(ddof=1) / 3**0.5
    assert (row.difference, row.difference_low, row.difference_high) == pytest.approx((0.2, 0.2 - half, 0.2 + half))
    assert row["mean"] == pytest.approx(0.7)
    assert row.p_value == pytest.approx(stats.ttest_1samp(difference, 0).pvalue, rel=1e-3)
    assert math.isnan(table.loc["real"].difference)


def test_over_seeds_counts_the_sampling_of_images_in_and_keeps_shares_in_bounds():
    """Three seeds with the same mistakes agree, and yet another five images would have given another number."""
    right = [
        (key, seed, x) for key, hits in (("real", "11110"), ("generated", "11100")) for seed in range(3) for x in hits
    ]
    frame = pd.DataFrame(right, columns=["training_set", "seed", "x"]).astype({"x": float})
    table = tables.over_seeds(frame, "x").set_index("training_set")
    assert table["mean"].to_dict() == pytest.approx({"real": 0.8, "generated": 0.6})
    assert 0 <= table.low["real"] < 0.5 < 0.9 < table.high["real"] <= 1
    assert table.difference_low["generated"] < -0.2 < 0 < table.difference_high["generated"]
    assert table.p_value["generated"] > 0.05


def test_over_seeds_refuses_seeds_of_unequally_many_images():
    few, many = observed(real=[0.0, 1.0]), observed(real=[0.0])
    with pytest.raises(ValueError, match=r"x: must be of as many items for each seed, got \[2, 1\]"):
        tables.over_seeds(pd.concat([few, many]), "x")


def test_over_seeds_keeps_groups_apart_and_says_nothing_of_a_seed_without_value():
    frame = observed(real=[0.1, 0.2], generated=[0.3, 0.6])
    grouped = pd.concat([frame.assign(part="a"), frame.assign(part="b", x=frame.x.where(frame.seed == 0))])
    table = tables.over_seeds(grouped, "x", ["part"]).set_index(["training_set", "part"])
    assert table.loc["generated", "a"].difference == pytest.approx(0.3)
    assert table.loc["generated", "b"].isna().tolist() == [False, *[True] * 7]


def test_over_seeds_refuses_other_seeds_than_the_reference_s():
    with pytest.raises(ValueError, match=r"seeds: must be those of the reference, \[0, 1\], got \[0, 1, 2\]"):
        tables.over_seeds(observed(real=[1, 2], generated=[1, 2, 3]), "x")


def test_a_saved_table_is_read_back(tmp_path):
    frame = observed(real=[0.123456789, 1e-7])
    tables.save(tmp_path / "t.csv", frame)
    assert pd.read_csv(tmp_path / "t.csv").x.tolist() == pytest.approx(frame.x.tolist(), rel=1e-5)


def test_images_of_one_group_count_as_one_and_accuracies_stay_as_they_are():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(6), 20)
    labels = np.zeros(120, np.int64)

    def prediction(training_set, seed, shift):
        right = rng.random(120) < np.clip(0.6 + shift + 0.35 * np.sin(groups), 0, 1)
        logits = np.eye(2, dtype=np.float32)[(~right).astype(int)]
        parts = [[training_set, 10]]
        return {"training_set": training_set, "seed": seed, "parts": parts, "logits": logits, "labels": labels}

    runs = [prediction(name, seed, shift) for name, shift in (("real", 0.1), ("other", 0.0)) for seed in range(3)]
    alone, grouped = (
        tables.verdicts([{**run, **more} for run in runs], 0.02).set_index("training_set")
        for more in ({}, {"groups": groups.tolist()})
    )
    assert grouped.accuracy_mean.tolist() == pytest.approx(alone.accuracy_mean.tolist())
    assert (grouped.accuracy_high - grouped.accuracy_low > 1.5 * (alone.accuracy_high - alone.accuracy_low)).all()
    assert grouped.n_groups.tolist() == [6, 6]
    assert grouped.n_test.tolist() == [120, 120]
    assert "n_groups" not in alone
