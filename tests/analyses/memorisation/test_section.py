"""Sentences and tables of memorisation say what was planted, and nothing where nothing was."""

import numpy as np
import pandas as pd
import pytest

from realgap.analyses.memorisation import section

SEEDS = range(4)


def test_planted_copies_are_told_from_chance_and_controls_stand_beside_them():
    random = np.random.default_rng(0)
    train, test = random.normal(size=(150, 6)), random.normal(size=(400, 6))
    sets = {"copies": train + 0.01 * random.normal(size=train.shape), "fresh": random.normal(size=(150, 6))}
    audited = section.audits(section.Pools(train, test), sets, seed=0, near_copy_quantile=0.05)
    copied = section.copies(audited, "resnet18", seed=0, resamples=100).set_index("source")
    assert copied.near_copies["copies"] == 1
    assert copied.near_copies["fresh"] < 0.15
    assert copied.near_copies["test"] == pytest.approx(0.05, abs=0.05)
    assert copied.copying["test"] == pytest.approx(0.5, abs=0.05)
    assert copied.median_ratio["test"] == pytest.approx(1, abs=0.1)
    assert copied.median_ratio_high["copies"] < 0.2
    assert copied.median_ratio_low["fresh"] < 1 < copied.median_ratio_high["fresh"]
    by_image = section.ratios(audited, {"test": np.arange(200), "copies": np.arange(150), "fresh": np.arange(150)}, "x")
    assert by_image.groupby("source").near_copy.mean()["copies"] == 1


def losing(seed, sure, n=150):
    """Logits of images of class 0 with about this much for it."""
    return np.random.default_rng(seed).normal([sure, 0], 1, (n, 2)).astype(np.float32), np.zeros(n, np.int64)


def test_an_area_above_a_half_gives_nothing_away_while_its_interval_holds_a_half():
    members = pd.DataFrame({"training_set": "real", "seed": range(3), "auc": [0.45, 0.55, 0.68], "mean": 0.56})
    members = members.assign(
        mean_low=0.3, mean_high=0.8, difference=np.nan, difference_low=np.nan, difference_high=np.nan
    )
    table = section.over_seeds(members).set_index("training_set")
    assert table.verdict["real"] == "not told apart from chance by its losses (AUC 0.560, 0.300 to 0.800)"


def test_membership_is_a_verdict_over_seeds():
    runs = [
        {"training_set": key, "seed": seed, "members": losing(10 * seed + 1, sure), "others": losing(10 * seed + 5, 1)}
        for key, sure in (("real", 3), ("generated", 1))
        for seed in SEEDS
    ]
    members = section.membership(runs)
    table = section.over_seeds(members).set_index("training_set")
    assert table.verdict["real"].startswith("its losses give away real training images (AUC 0.")
    assert table.verdict["generated"].startswith("not told apart from chance by its losses (AUC 0.")
    assert table.difference_high["generated"] < -0.2
    assert table.difference["generated"] == pytest.approx(table["mean"]["generated"] - table["mean"]["real"])
    few = section.over_seeds(section.membership([run for run in runs if run["seed"] < 2]))
    assert few.verdict.str.startswith("too few to say (AUC 0.").all()
    assert members.n_members.tolist() == [150] * 8


def test_seeds_that_agree_on_images_that_are_easier_by_chance_give_nothing_away():
    """Ten networks that learned nothing see the same 60 members, a little easier than the others by the draw."""
    random = np.random.default_rng(2)
    easy = random.normal(0.1, 1, 60), random.normal(0, 1, 200)
    runs = [
        {
            "training_set": "real",
            "seed": seed,
            **{
                side: (_logits(sure, seed), np.zeros(len(sure), np.int64))
                for side, sure in zip(("members", "others"), easy, strict=True)
            },
        }
        for seed in range(10)
    ]
    members = section.membership(runs)
    assert members.auc.min() > 0.5, "every seed alone would say so"
    table = section.over_seeds(members).set_index("training_set")
    assert table.low["real"] < 0.5 < table["mean"]["real"] < table.high["real"]
    assert np.isnan(section.over_seeds(members[members.seed == 0]).low[0])


def _logits(sure, seed):
    noise = 0.05 * np.random.default_rng(seed).normal(size=len(sure))
    return np.stack([sure + noise, np.zeros(len(sure))], axis=1).astype(np.float32)
