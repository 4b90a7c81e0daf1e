"""Sentences and tables of saliency say what was planted, and nothing where nothing was."""

import numpy as np
import pytest

from realgap.analyses.saliency import section
from realgap.store.shards import Shard

SEEDS = range(4)


def bumps(widths, cells=8):
    """Maps (n, cells, cells) with a bump of each width, in map sides."""
    place = (np.arange(cells) + 0.5) / cells - 0.5
    square = place[:, None] ** 2 + place**2
    return np.exp(-square / (2 * np.asarray(widths)[:, None, None] ** 2)).astype(np.float32)


def look(training_set, seed, width, n=60, wrong=0.1, narrow_when_wrong=1.0, empty=0, faithful=3):
    """What a classifier that looks at bumps of about `width` would leave in its file of maps."""
    random = np.random.default_rng([seed, len(training_set)])
    labels = np.arange(n) % 3
    correct = random.random(n) >= wrong
    image = np.random.default_rng(0).uniform(0.9, 1.1, n)  # an image has a focus of its own, for all classifiers
    widths = width * image * np.where(correct, 1, narrow_when_wrong) * random.uniform(0.97, 1.03, n)
    maps = bumps(widths)
    maps[:empty] = 0
    predicted = np.where(correct, labels, (labels + 1) % 3)
    faithfulness = np.full(n, np.nan, np.float32)
    faithfulness[:faithful] = 0.2
    arrays = {
        "logits": np.eye(3, dtype=np.float32)[predicted],
        "true_maps": maps,
        "predicted_maps": maps,
        "correct": correct,
        "faithfulness": faithfulness,
        "labels": labels,
        "image_ids": 100 + np.arange(n),
    }
    return Shard(arrays, {"training_set": training_set, "seed": seed})


def looks(**sets):
    return [look(key, seed, **options) for key, options in sets.items() for seed in SEEDS]


def saliency_section(runs):
    observed = section.observations(runs)
    compared, state = section.comparison(observed), section.models(observed)
    answered = section.answer(compared)
    return answered, section.section(answered, compared, state, "Grad-CAM at layer3")


def test_a_narrower_focus_is_said_and_error_rate_alone_is_not():
    answered, made = saliency_section(
        looks(
            real={"width": 0.25},
            narrow={"width": 0.18},
            clumsy={"width": 0.25, "wrong": 0.5, "narrow_when_wrong": 0.6},
        )
    )
    assert len(made.sentences) == 2
    assert made.sentences[0].startswith("narrow: in effective area, narrower (\N{MINUS SIGN}0.")
    assert made.sentences[1].startswith("clumsy: in effective area, not told apart from real (")
    assert "on images both get right; narrower (\N{MINUS SIGN}0." in made.sentences[1]
    assert "on all images, error rate included" in made.sentences[1]
    area = answered[answered.metric == "effective_area"].set_index("training_set")
    assert area.difference["narrow"] < -0.05
    assert len(answered) == 2 * 5


@pytest.mark.parametrize(("faithful", "said"), [(3, 1), (0, 0)])
def test_faithfulness_is_told_where_it_was_measured_and_may_be_left_out(faithful, said):
    runs = looks(real={"width": 0.25, "faithful": faithful}, narrow={"width": 0.18, "faithful": faithful})
    observed = section.observations(runs)
    assert ("faithfulness" in set(section.models(observed).metric)) == bool(said)
    _, made = saliency_section(runs)
    assert sum("Faithfulness by ROAD" in text for text in (*made.sentences, *made.notes)) == said


def test_a_metric_is_told_only_where_it_stands_out_among_all():
    compared = section.comparison(section.observations(looks(real={"width": 0.25}, narrow={"width": 0.18})))
    by_map = compared.groupby(["training_set", "target", "stratum"])
    assert (by_map.family_p.min() >= 5 * by_map.p_value.min() - 1e-12).all()
    row = compared[(compared.metric == "effective_area") & (compared.stratum == "both_right")].iloc[:1]
    (alone,), (among_others,) = (list(row.assign(family_p=p).itertuples()) for p in (0.04, 0.06))
    assert section._verdict(alone).startswith("narrower (")
    assert section._verdict(among_others).startswith("not told apart from real (")


def test_observations_are_a_row_per_classifier_image_and_target():
    observed = section.observations(looks(real={"width": 0.2, "empty": 6}, other={"width": 0.2}))
    assert len(observed) == 2 * 4 * 60 * 2
    state = section.models(observed).set_index(["training_set", "metric"])["mean"]
    assert state["real", "empty_true_maps"] == pytest.approx(0.1)
    assert state["other", "empty_predicted_maps"] == 0
    assert state["real", "faithfulness"] == pytest.approx(0.2)
    assert state["other", "accuracy"] == pytest.approx(
        observed[(observed.training_set == "other") & (observed.target == "true")].correct.mean()
    )


def test_shown_images_are_chosen_by_rule():
    runs = looks(real={"width": 0.2}, other={"width": 0.2})
    for run in runs:
        if run.attributes["training_set"] == "other":
            run.arrays["true_maps"][7] = bumps([0.5])[0]
    observed = section.observations(runs)
    shown = section.shown_images(observed, 2)
    assert [rank for rank, _ in shown] == ["least"] * 2 + ["median"] * 2 + ["most"] * 2
    assert ("most", 107) in shown
    assert section.shown_images(observed[observed.image_id < 102], 2) == []
