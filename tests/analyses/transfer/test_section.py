"""Sentences and tables of transfer say what was planted, and nothing where nothing was."""

import numpy as np
import pandas as pd
import pytest

from realgap.analyses.transfer import section
from realgap.analyses.transfer.hits import packed, unpacked

N_TEST = 500


def tuned(cells, seeds=4, seed=0):
    """Observations of classifiers that are right with these probabilities: (training set, stages, fraction) -> p."""
    random, rows = np.random.default_rng(seed), []
    hard = random.random(N_TEST)
    for (training_set, frozen, fraction), accuracy in cells.items():
        for one in range(seeds):
            right = 0.7 * hard + 0.3 * random.random(N_TEST) < accuracy
            setting = training_set, one, frozen, fraction, int(100 * fraction)
            rows.append((*setting, right.mean(), N_TEST, packed(right)))
    columns = ["training_set", "seed", "frozen_stages", "fraction", "n_real", "accuracy", "n_test", "hits"]
    return pd.DataFrame(rows, columns=columns)


SCRATCH = {("scratch", 0, 1.0): 0.6, ("scratch", 0, 0.25): 0.5}
PLANTED = {
    ("diffusion_inversion", 0, 1.0): 0.6,
    ("diffusion_inversion", 0, 0.25): 0.7,
    ("diffusion_inversion", 5, 1.0): 0.4,
    ("diffusion_inversion", 5, 0.25): 0.5,
}


def test_hits_are_read_back_as_they_were_written():
    right = np.random.default_rng(0).random(37) < 0.5
    np.testing.assert_array_equal(unpacked(packed(right), 37), right)


def test_transfer_is_compared_with_scratch_on_the_same_real_images():
    observed = tuned({**SCRATCH, **PLANTED})
    table = section.compare(observed)
    by_cell = table.set_index(["training_set", "frozen_stages", "fraction"])
    means = observed.groupby(["training_set", "frozen_stages", "fraction"]).accuracy.mean()
    for key in PLANTED:
        assert by_cell.difference[key] == pytest.approx(means[key] - means["scratch", 0, key[2]]), key
    assert by_cell.n_real["diffusion_inversion", 5, 0.25] == 25
    assert (by_cell.family_p <= 0.05).to_dict() == {
        **dict.fromkeys(SCRATCH, False),
        **{key: key in {("diffusion_inversion", 0, 0.25), ("diffusion_inversion", 5, 1.0)} for key in PLANTED},
    }
    (sentence,) = section.section(table).sentences
    assert sentence.startswith("Diffusion Inversion: pre-training stands out against scratch in 2 of 4 cells.")
    assert "It helps most with 25 real images and 0 frozen stages: " in sentence
    assert "It hurts most with 100 real images and 5 frozen stages: " in sentence
    assert "With 5 stages frozen and all 100 real images: worse than scratch (" in sentence


@pytest.mark.parametrize("seeds", [3, 6])
def test_the_best_of_cells_that_do_not_help_is_not_named(seeds):
    alike = {key: SCRATCH["scratch", 0, key[2]] for key in PLANTED}
    named = 0
    for study in range(60):
        (sentence,) = section.section(section.compare(tuned({**SCRATCH, **alike}, seeds, study))).sentences
        named += "It helps most" in sentence or "It hurts most" in sentence
    assert named <= 6  # 3 expected at most
