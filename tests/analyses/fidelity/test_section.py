"""Sentences and tables of fidelity say what was planted, and nothing where nothing was."""

import numpy as np

from realgap.analyses.fidelity import section
from realgap.analyses.fidelity.measures import Images


def features(seed, n, shift=0.0, scale=1.0):
    labels = np.arange(n) % 2
    return Images(np.random.default_rng(seed).normal(size=(n, 4)) * scale + shift, labels)


def test_fidelity_says_what_a_collapsed_and_a_shifted_set_lack():
    sets = {"real": features(1, 150), "narrow": features(2, 150, scale=0.2), "alike": features(3, 150)}
    measured = section.measurements(
        {"test": (features(0, 300), sets)}, ["a", "b"], extractor="resnet18", seed=0, k=3, resamples=60
    )
    assert set(measured["class"]) == {"all", "a", "b"}
    answered = section.answer(measured).set_index(["source", "metric"])
    assert answered.verdict["narrow", "coverage"].startswith("covering fewer of the real images (\N{MINUS SIGN}0.")
    assert answered.verdict["narrow", "recall"].startswith("reaching fewer of the real images (\N{MINUS SIGN}0.")
    assert answered.verdict["alike", "kd_resnet18"].startswith("not told apart from real images (")
    assert set(answered.verdict["real"]) == {"control"}
    assert (answered.family_p["narrow"] <= 0.05).any()
    (among_others,) = answered.loc[[("narrow", "coverage")]].assign(family_p=0.06).reset_index().itertuples()
    assert section.verdict(among_others).startswith("not told apart from real images (")
    made = section.section(answered.reset_index(), "resnet18", 75, 3)
    assert [sentence.split(":")[0] for sentence in made.sentences] == ["narrow", "alike"]
    assert "They are not FID and KID" in made.notes[0]
    assert (
        "not FID"
        not in section.section(
            answered.reset_index().replace({"fd_resnet18": "fid", "kd_resnet18": "kid"}), "inception", 75, 3
        ).notes[0]
    )


def test_the_published_kernel_distance_has_a_row_per_reference_and_set():
    references = {"test": (features(0, 100), {"real": features(1, 40)})}
    table = section.subsets(references, "inception", seed=0, count=5, size=30)
    assert table.iloc[0][["reference", "source", "metric", "n_subsets", "subset_size"]].tolist() == [
        *("test", "real", "kid_subsets", 5, 30)
    ]
