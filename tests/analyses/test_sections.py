"""realgap.analyses: tables and sentences say what was planted in made-up truth, and nothing where nothing was."""

import numpy as np
import pandas as pd
import pytest

from realgap.analyses.detection import measures
from realgap.analyses.detection import section as detecting
from realgap.analyses.errors import section as errors
from realgap.analyses.fidelity import section as fidelity
from realgap.analyses.fidelity.measures import Images
from realgap.analyses.memorisation import section as memorisation
from realgap.analyses.saliency import section as saliency
from realgap.analyses.scaling import section as scaling
from realgap.analyses.transfer import section as transfer
from realgap.features.image_sets import ImageSet, class_names
from realgap.report import tables
from realgap.store.shards import Shard

SEEDS = range(4)


def bumps(widths, cells=8):
    """Maps (n, cells, cells) with a bump of each width, in map sides."""
    place = (np.arange(cells) + 0.5) / cells - 0.5
    square = place[:, None] ** 2 + place**2
    return np.exp(-square / (2 * np.asarray(widths)[:, None, None] ** 2)).astype(np.float32)


def look(training_set, seed, width, n=60, wrong=0.1, narrow_when_wrong=1.0, empty=0):
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
    faithfulness[:3] = 0.2
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
    observed = saliency.observations(runs)
    compared, state = saliency.comparison(observed), saliency.models(observed)
    answered = saliency.answer(compared)
    return answered, saliency.section(answered, compared, state, "Grad-CAM at layer3")


def test_a_narrower_focus_is_said_and_error_rate_alone_is_not():
    answered, section = saliency_section(
        looks(
            real={"width": 0.25},
            narrow={"width": 0.18},
            clumsy={"width": 0.25, "wrong": 0.5, "narrow_when_wrong": 0.6},
        )
    )
    assert len(section.sentences) == 2
    assert section.sentences[0].startswith("narrow: narrower by 0.")
    assert section.sentences[1].startswith("clumsy: no difference beyond error rate: ")
    assert "on all images, error rate included" in section.sentences[1]
    area = answered[answered.metric == "effective_area"].set_index("training_set")
    assert area.difference["narrow"] < -0.05
    assert len(answered) == 2 * 5


def test_observations_are_a_row_per_classifier_image_and_target():
    observed = saliency.observations(looks(real={"width": 0.2, "empty": 6}, other={"width": 0.2}))
    assert len(observed) == 2 * 4 * 60 * 2
    state = saliency.models(observed).set_index(["training_set", "metric"])["mean"]
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
    observed = saliency.observations(runs)
    shown = saliency.shown_images(observed, 2)
    assert [rank for rank, _ in shown] == ["least"] * 2 + ["median"] * 2 + ["most"] * 2
    assert ("most", 107) in shown
    assert saliency.shown_images(observed[observed.image_id < 102], 2) == []


def test_class_names_are_in_the_order_of_their_numbers():
    parts = [
        Shard({"labels": np.array([label])}, {"options": {"classes": [name]}})
        for label, name in ((2, "two"), (0, "zero"), (1, "one"))
    ]
    assert class_names(parts) == ["zero", "one", "two"]


def features(seed, n, shift=0.0, scale=1.0):
    labels = np.arange(n) % 2
    return Images(np.random.default_rng(seed).normal(size=(n, 4)) * scale + shift, labels)


def test_fidelity_says_what_a_collapsed_and_a_shifted_set_lack():
    sets = {"real": features(1, 150), "narrow": features(2, 150, scale=0.2), "alike": features(3, 150)}
    measured = fidelity.measurements(
        {"test": (features(0, 300), sets)}, ["a", "b"], extractor="resnet18", seed=0, k=3, resamples=60
    )
    assert set(measured["class"]) == {"all", "a", "b"}
    answered = fidelity.answer(measured).set_index(["source", "metric"])
    assert answered.verdict["narrow", "coverage"].startswith("covering fewer of the real images, by 0.")
    assert answered.verdict["narrow", "recall"].startswith("reaching fewer of the real images, by 0.")
    assert answered.verdict["alike", "kd_resnet18"].startswith("no difference to real images: ")
    assert set(answered.verdict["real"]) == {"control"}
    section = fidelity.section(answered.reset_index(), "resnet18", 75, 3)
    assert [sentence.split(":")[0] for sentence in section.sentences] == ["narrow", "alike"]
    assert "They are not FID and KID" in section.notes[0]
    assert (
        "not FID"
        not in fidelity.section(
            answered.reset_index().replace({"fd_resnet18": "fid", "kd_resnet18": "kid"}), "inception", 75, 3
        ).notes[0]
    )


def test_the_published_kernel_distance_has_a_row_per_reference_and_set():
    references = {"test": (features(0, 100), {"real": features(1, 40)})}
    table = fidelity.subsets(references, "inception", seed=0, count=5, size=30)
    assert table.iloc[0][["reference", "source", "metric", "n_subsets", "subset_size"]].tolist() == [
        *("test", "real", "kid_subsets", 5, 30)
    ]


def image_set(seed, n, shift=0.0, first_id=0):
    random = np.random.default_rng(seed)
    features = random.normal(size=(n, 3)) + shift
    images = np.clip(features[:, None, None, :] * 30 + 128, 0, 255).astype(np.uint8)
    return ImageSet(images, features, np.arange(n) % 2, first_id + np.arange(n), np.zeros(n, np.int32))


def test_a_detector_s_verdict_is_about_what_exceeds_real_training_images():
    test = image_set(0, 120, first_id=1000)
    sets = {"real": image_set(1, 120, 0.5), "diffusion_inversion": image_set(2, 120, 0.5), "far": image_set(3, 120, 2)}
    detectors = {"features": measures.on_features, "pixels": lambda x, y, z, s: z.mean(axis=(1, 2, 3))}
    found = detecting.detections(test, sets, detectors, "resnet18", seed=0, folds=5, resamples=200)
    rows = found.set_index(["source", "sees"])
    assert rows.low["diffusion_inversion", "resnet18"] > 0.5  # told apart, as the control is
    assert rows.verdict["diffusion_inversion", "resnet18"].startswith("told no better than real training images: ")
    assert rows.verdict["far", "resnet18"].startswith("told better than real training images: +0.")
    assert rows.verdict["far", "pixels"].startswith("told better than real training images: +0.")
    assert rows.verdict["real", "pixels"] == "control"
    sentences = detecting.section(found).sentences
    assert len(sentences) == 4
    assert all("the controls have real 0." in sentence for sentence in sentences)


def test_planted_copies_are_told_from_chance_and_controls_stand_beside_them():
    random = np.random.default_rng(0)
    train, test = random.normal(size=(150, 6)), random.normal(size=(400, 6))
    sets = {"copies": train + 0.01 * random.normal(size=train.shape), "fresh": random.normal(size=(150, 6))}
    audited = memorisation.audits(memorisation.Pools(train, test), sets, seed=0, near_copy_quantile=0.05)
    copied = memorisation.copies(audited, "resnet18", seed=0, resamples=100).set_index("source")
    assert copied.near_copies["copies"] == 1
    assert copied.near_copies["fresh"] < 0.15
    assert copied.near_copies["test"] == pytest.approx(0.05, abs=0.05)
    assert copied.copying["test"] == pytest.approx(0.5, abs=0.05)
    assert copied.median_ratio["test"] == pytest.approx(1, abs=0.1)
    assert copied.median_ratio_high["copies"] < 0.2
    assert copied.median_ratio_low["fresh"] < 1 < copied.median_ratio_high["fresh"]
    by_image = memorisation.ratios(
        audited, {"test": np.arange(200), "copies": np.arange(150), "fresh": np.arange(150)}, "x"
    )
    assert by_image.groupby("source").near_copy.mean()["copies"] == 1


def losing(seed, sure, n=150):
    """Logits of images of class 0 with about this much for it."""
    return np.random.default_rng(seed).normal([sure, 0], 1, (n, 2)).astype(np.float32), np.zeros(n, np.int64)


def test_membership_is_a_verdict_over_seeds():
    runs = [
        {"training_set": key, "seed": seed, "members": losing(10 * seed, sure), "others": losing(10 * seed + 5, 1)}
        for key, sure in (("real", 3), ("generated", 1))
        for seed in SEEDS
    ]
    members = memorisation.membership(runs, seed=0, resamples=50)
    table = memorisation.over_seeds(members).set_index("training_set")
    assert table.verdict["real"].startswith("its losses give away real training images (AUC 0.")
    assert table.verdict["generated"].startswith("its losses don't tell real training images from others")
    assert table.difference["generated"] < -0.2
    assert members.n_members.tolist() == [150] * 8


NAMES = ["a", "b", "c"]


def predicted(training_set, seed, accuracy, n=300):
    """Predictions that are right with probability accuracy (n,), else the next class, and sure of themselves."""
    random = np.random.default_rng([seed, len(training_set)])
    labels = np.arange(n) % 3
    called = np.where(random.random(n) < accuracy, labels, (labels + 1) % 3)
    arrays = {"logits": 4 * np.eye(3, dtype=np.float32)[called], "labels": labels, "image_ids": np.arange(n)}
    return Shard(arrays, {"training_set": training_set, "seed": seed})


@pytest.fixture
def failing():
    """`edge` fails on far images only, `lost` on class b only; the distance of image i is i."""
    n = 300
    bin_of = np.arange(n) * 3 // n
    runs = [
        predicted(key, seed, accuracy)
        for key, accuracy in (
            ("real", np.full(n, 0.95)),
            ("edge", np.where(bin_of == 2, 0.5, 0.95)),
            ("lost", np.where(np.arange(n) % 3 == 1, 0.5, 0.95)),
        )
        for seed in SEEDS
    ]
    return runs, errors.observations(runs, NAMES, np.arange(n), bin_of)


def test_losing_the_edge_and_losing_a_class_are_told_apart(failing):
    runs, observed = failing
    answered = errors.answer(observed, runs, bins=10).set_index(["training_set", "metric"])
    assert answered.verdict["edge", "edge_loss"].endswith(
        "further behind at the edge of the real training data than near it"
    )
    assert answered.difference["edge", "edge_loss"] == pytest.approx(0.45, abs=0.12)
    assert answered.verdict["edge", "nearest"].startswith("no difference to real: ")
    assert answered.verdict["edge", "edge"].startswith("worse than real by 0.4")
    assert answered.verdict["lost", "edge_loss"].startswith("as far behind at the edge")
    assert answered.verdict["lost", "calibration_error"].startswith("worse than real by 0.1")
    assert answered.verdict["real", "accuracy"] == "reference"


def test_the_section_names_the_class_and_the_confusion(failing):
    runs, observed = failing
    by_class, confused = tables.over_seeds(observed, "correct", ["class"]), errors.confusions(observed, NAMES)
    section = errors.section(errors.answer(observed, runs, 10), by_class, confused, 3)
    (lost,) = (sentence for sentence in section.sentences if sentence.startswith("lost: "))
    assert "Most is lost on b (-4" in lost
    assert "b is called c more often by 4" in lost
    none = confused.assign(low=-0.1)  # no interval excludes zero, so nothing is named
    quiet = errors.section(errors.answer(observed, runs, 10), by_class.assign(difference_high=0.1), none, 3)
    assert all(sentence.endswith("No class and no confusion stands out.") for sentence in quiet.sentences)
    cells = confused.set_index(["training_set", "class", "predicted"])
    assert cells.share["lost", "b", "c"] == pytest.approx(0.5, abs=0.08)
    assert np.isnan(cells.difference["real", "a", "a"])
    bins = errors.reliability(runs, 10)
    assert bins.groupby(["training_set", "seed"]).n_images.sum().tolist() == [300] * 12


def run(training_set, seed, multiple, right, n=200):
    labels = np.zeros(n, np.int64)
    logits = np.eye(2, dtype=np.float32)[(np.arange(n) >= right).astype(int)]
    parts = [[training_set, 10 * multiple]]
    return {
        **{"training_set": training_set, "seed": seed, "parts": parts},
        **{"logits": logits, "labels": labels, "multiple": multiple},
    }


def test_gains_of_more_generated_images_are_paired_by_seed():
    wobble = [0, 6, 12, 18]  # of a seed, for all its points
    runs = [run("real", seed, 4, 150 + wobble[seed]) for seed in SEEDS]
    runs += [run("growing", s, m, 100 + 8 * m + wobble[s] + s % 2) for s in SEEDS for m in (4, 1, 2)]
    runs += [run("flat", s, m, 120 + wobble[s] + (-1) ** (s + m)) for s in SEEDS for m in (1, 2, 4)]
    observed = scaling.accuracies(runs, [1, 2, 4])
    gained = scaling.gains(observed).set_index("training_set")
    assert gained.gain["growing"] == pytest.approx(0.12)
    assert gained.low["growing"] > 0.11
    assert gained.verdict["growing"].startswith("gains +12.0 points")
    assert gained.verdict["flat"].startswith("no gain that the seeds can see")
    table = tables.over_seeds(observed, "accuracy", ["multiple"])
    assert table[table.training_set == "real"]["mean"].nunique() == 1
    section = scaling.section(table, gained.reset_index())
    assert section.sentences[0].startswith("growing: gains +12.0 points (95 % interval ")
    assert "from 1 to 4 generated images per real one" in section.sentences[0]


def test_transfer_is_compared_with_scratch_on_the_same_real_images():
    rows = [
        (key, seed, frozen, fraction, int(100 * fraction), base + 0.01 * seed + 0.1 * fraction)
        for key, base, stages in (("scratch", 0.5, [0]), ("diffusion_inversion", 0.6, [0, 5]))
        for seed in SEEDS
        for frozen in stages
        for fraction in (1.0, 0.25)
    ]
    columns = ["training_set", "seed", "frozen_stages", "fraction", "n_real", "accuracy"]
    observed = pd.DataFrame(rows, columns=columns)
    worse = (observed.frozen_stages == 5) & (observed.fraction == 1)
    observed.loc[worse, "accuracy"] -= 0.3
    table = transfer.compare(observed).set_index(["training_set", "frozen_stages", "fraction"])
    assert table.difference["diffusion_inversion", 0, 0.25] == pytest.approx(0.1)
    assert table.difference["diffusion_inversion", 5, 1.0] == pytest.approx(-0.2)
    assert table.n_real["scratch", 5, 0.25] == 25
    (sentence,) = transfer.section(table.reset_index()).sentences
    assert sentence.startswith("Diffusion Inversion: pre-training helps most with ")
    assert "With 5 stages frozen and all 100 real images it reaches 41.5 %" in sentence
    observed.loc[worse, "accuracy"] += 0.6  # now the best cell too: said once
    (sentence,) = transfer.section(transfer.compare(observed)).sentences
    assert "5 frozen stages" in sentence
    assert "With 5 stages" not in sentence
