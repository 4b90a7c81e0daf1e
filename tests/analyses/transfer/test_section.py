"""Sentences and tables of transfer say what was planted, and nothing where nothing was."""

import pandas as pd
import pytest

from realgap.analyses.transfer import section

SEEDS = range(4)


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
    table = section.compare(observed).set_index(["training_set", "frozen_stages", "fraction"])
    assert table.difference["diffusion_inversion", 0, 0.25] == pytest.approx(0.1)
    assert table.difference["diffusion_inversion", 5, 1.0] == pytest.approx(-0.2)
    assert table.n_real["scratch", 5, 0.25] == 25
    (sentence,) = section.section(table.reset_index()).sentences
    assert sentence.startswith("Diffusion Inversion: pre-training helps most with ")
    assert "With 5 stages frozen and all 100 real images it reaches 41.5 %" in sentence
    observed.loc[worse, "accuracy"] += 0.6  # now the best cell too: said once
    (sentence,) = section.section(section.compare(observed)).sentences
    assert "5 frozen stages" in sentence
    assert "With 5 stages" not in sentence
