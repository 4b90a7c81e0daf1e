"""realgap.report.metrics: measures in which classes of unequal size count alike, as scikit-learn has them."""

import numpy as np
import pytest
from sklearn import metrics as reference

from realgap.report import metrics
from realgap.store import naming

LABELS = np.repeat([0, 1, 2], [90, 9, 3])
NAMES = {"cat": 4, "dog": 7, "lynx": 9}


def prediction(training_set, seed, right=0.8, labels=LABELS):
    stream = np.random.default_rng([seed, len(training_set)])
    logits = stream.normal(size=(len(labels), int(labels.max()) + 1)).astype(np.float32)
    logits[np.arange(len(labels)), labels] += np.where(stream.random(len(labels)) < right, 4, 0)
    return {
        "training_set": training_set,
        "seed": seed,
        "logits": logits,
        "labels": labels,
        naming.KEY: dict(list(NAMES.items())[: logits.shape[1]]),
    }


PREDICTIONS = [prediction(name, seed) for name in ("real", "vae_only") for seed in range(3)]


def test_every_measure_is_the_mean_over_seeds_of_scikit_learns():
    found = metrics.table(PREDICTIONS)
    own = found[found.training_set == "vae_only"].set_index(["metric", "class"])["mean"]
    runs = [one for one in PREDICTIONS if one["training_set"] == "vae_only"]
    called = [one["logits"].argmax(axis=1) for one in runs]
    assert own["balanced_accuracy", ""] == pytest.approx(
        np.mean([reference.balanced_accuracy_score(LABELS, one) for one in called])
    )
    assert own["macro_f1", ""] == pytest.approx(
        np.mean([reference.f1_score(LABELS, one, average="macro") for one in called])
    )
    for label, name in enumerate(NAMES):
        recalls = [reference.recall_score(LABELS, one, labels=[label], average="macro") for one in called]
        assert own["sensitivity", name] == pytest.approx(np.mean(recalls))


def test_auc_is_the_share_of_pairs_that_are_ranked_right():
    labels = np.repeat([0, 1], [30, 4])
    one = prediction("real", 0, labels=labels)
    score = one["logits"][:, 1].astype(float) - one["logits"][:, 0]
    pairs = score[labels == 1][:, None] - score[labels == 0]
    assert metrics.by_seed(one)["auc"] == pytest.approx((pairs > 0).mean())


def test_one_that_always_says_the_largest_class_is_right_by_accuracy_alone():
    blind = prediction("real", 0)
    blind["logits"] = np.tile(np.float32([5, 0, 0]), (len(LABELS), 1))
    found = metrics.table([blind]).set_index(["metric", "class"])["mean"]
    assert (LABELS == 0).mean() > 0.88
    assert found["balanced_accuracy", ""] == pytest.approx(1 / 3)
    assert found["auc", ""] == pytest.approx(0.5)
    assert found["sensitivity", "lynx"] == 0


def test_a_class_of_three_test_images_has_a_wider_interval_than_one_of_ninety():
    found = metrics.table(PREDICTIONS)
    own = found[found.metric == "sensitivity"].assign(width=lambda frame: frame.high - frame.low)
    assert (own[own["class"] == "lynx"].width.to_numpy() > own[own["class"] == "cat"].width.to_numpy()).all()
    assert own.set_index("class").n_images.to_dict() == {"cat": 90, "dog": 9, "lynx": 3}
    assert found[["low", "high"]].stack().between(0, 1).all()


def test_no_difference_is_said_to_be_beyond_all_that_there_can_be():
    """Two seeds of a class of three test images: Student's interval is wider than the measure."""
    found = metrics.table(
        [prediction(name, seed, right) for name, right in (("real", 0.9), ("made", 0.4)) for seed in (0, 1)]
    )
    bounds = found[["difference_low", "difference_high"]].dropna().to_numpy()
    assert len(bounds) == 6
    assert bounds.min() >= -1
    assert bounds.max() <= 1


def test_the_section_names_each_rows_worst_class():
    found = metrics.table(PREDICTIONS)
    said = metrics.section(found).sentences
    assert len(said) == 2
    for sentence, (_, own) in zip(said, found.groupby("training_set", sort=False), strict=True):
        classes = own[own.metric == "sensitivity"]
        assert f"its worst class is {classes.loc[classes['mean'].idxmin(), 'class']} with " in sentence


def test_of_a_class_of_one_test_image_no_interval_is_claimed_and_none_of_the_mean_over_classes():
    labels = np.repeat([0, 1, 2], [40, 9, 1])
    runs = [prediction(name, seed, labels=labels) for name in ("real", "vae_only") for seed in range(3)]
    found = metrics.table(runs)
    bounds = ["low", "high"]
    own = found[found.training_set == "vae_only"].set_index(["metric", "class"])
    assert own.loc[("sensitivity", "lynx"), bounds].isna().all()
    assert own.loc[("balanced_accuracy", ""), [*bounds, "difference_low"]].isna().all()
    assert own.loc[("sensitivity", "dog"), bounds].notna().all()
    assert own.loc[("macro_f1", ""), bounds].notna().all()
    assert own["mean"].notna().all()
    said = metrics.section(found).sentences[1]
    assert "(no interval: a class has a single test image) to real" in said


def test_one_seed_is_named_as_the_reason_of_no_interval():
    runs = [prediction(name, 0) for name in ("real", "vae_only")]
    said = metrics.section(metrics.table(runs)).sentences[1]
    assert "(no interval: one seed) to real" in said
