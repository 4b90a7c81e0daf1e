"""The section says of each row what may be claimed and what attacks found, and refutes a claim that is wrong."""

import numpy as np
import pandas as pd
import pytest
import yaml

from realgap.analyses.audit import attacked, check, figures, measures, released, section
from realgap.report import style
from tests import checkout


def attack(shift, n=1500, seed=0):
    rng = np.random.default_rng(seed)
    return measures.Attack(shift + rng.standard_normal(n), rng.standard_normal(n))


def found(n=1500):
    of_row = {"real": attack(3.0, n), "mild": attack(0.0, n, 1), "bare": attack(0.2, n, 2)}
    return {row: {"LiRA": own, "RMIA": own, "threshold": own} for row, own in of_row.items()}


PLANTED = pd.DataFrame(
    {
        "source": ["mild", "bare"],
        "epsilon": [3.0, np.nan],
        "delta": 1e-5,
        "neighbours": "replace_one",
        "proven_epsilon": [0.7, 3.1],
    }
)
VERDICTS = pd.DataFrame(
    {
        "training_set": ["real", "stable_diffusion", "mild", "bare"],
        "accuracy_mean": [0.95, 0.7, 0.72, 0.75],
        "accuracy_low": [0.94, 0.68, 0.7, 0.74],
        "accuracy_high": [0.96, 0.72, 0.74, 0.76],
        "difference_to_real": [np.nan, -0.25, -0.23, -0.2],
        "difference_low": [np.nan, -0.27, -0.25, -0.21],
        "difference_high": [np.nan, -0.23, -0.21, -0.19],
        "verdict": ["", "worse", "worse", "worse"],
        "within_margin": [False, False, False, False],
    }
)


def made(of_row=None, proven=(0.7, 3.1)):
    table = section.attacks(of_row or found(), runs=16)
    claimed = section.claims(PLANTED.assign(proven_epsilon=proven), VERDICTS)
    return section.section(table, claimed, 0.02)


def test_each_row_is_told_its_claim_and_what_was_found():
    real, mild, bare, *accuracies = made().sentences
    assert real.startswith("real: no guarantee. LiRA finds ")
    assert real.endswith("at 0.1 % false alarms: more than chance.")
    assert mild.startswith(
        "mild: with epsilon 3, the chance of anything that is learned from a release differs by a factor of at most "
        "20.1 from what it would be had any one image been another, but for 1e-05. Planted rows prove an epsilon of at "
        "least 0.7, which agrees. LiRA finds "
    )
    assert mild.endswith("not told apart from chance.")
    assert bare.startswith("bare: no guarantee. LiRA finds ")
    assert accuracies == [
        "mild, at epsilon 3: 72.0 % accuracy, −23.0 points (−25.0 to −21.0) against real: ▼ worse.",
        "bare, without noise: 75.0 % accuracy, −20.0 points (−21.0 to −19.0) against real: ▼ worse.",
    ]


def test_a_claim_below_what_is_proven_is_called_refuted():
    _, mild, *_ = made(proven=(3.2, 3.1)).sentences
    assert "THIS CLAIM IS REFUTED: planted rows prove an epsilon of at least 3.2." in mild


@pytest.mark.parametrize(
    ("n", "says"), [(1500, "at 0.1 % false alarms"), (500, "at 1 % false alarms"), (50, "50 non-members are too few")]
)
def test_the_lowest_rate_that_can_be_resolved_is_told(n, says):
    assert says in made(found(n)).sentences[0]
    table = section.attacks(found(n), runs=16)
    assert table.found_01.notna().all() == (n >= 1000)
    assert table.found_1.notna().all() == (n >= 100)


def test_of_many_rows_without_a_leak_few_studies_call_any_found():
    told = 0
    for seed in range(100):
        of_row = {str(row): {"LiRA": attack(0.0, 200, [seed, row])} for row in range(5)}
        told += (section.attacks(of_row, runs=8).p <= 0.05).any()
    assert told <= 5 + 2 * np.sqrt(100 * 0.05 * 0.95)


def test_the_figures_show_every_row(tmp_path):
    curves = figures.roc({row: own["LiRA"] for row, own in found().items()})
    assert [text.get_text() for text in curves.axes[0].get_legend().get_texts()] == ["real", "mild", "bare", "chance"]
    style.save(curves, tmp_path / "roc.png", tmp_path / "roc.svg")
    said = [
        label.get_text() for axis in (curves.axes[0].xaxis, curves.axes[0].yaxis) for label in axis.get_ticklabels()
    ]
    assert {"0.1 %", "1 %", "10 %", "100 %"} <= set(said)
    assert not any("$" in one for one in said)
    shown = figures.accuracy(VERDICTS, {"mild": 3.0, "bare": None})
    axes = shown.axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["3", "no noise"]
    assert axes.lines[0].get_ydata().tolist() == pytest.approx([72.0, 75.0])
    assert {text.get_text() for text in axes.get_legend().get_texts()} == {"released", "real", "Stable Diffusion"}
    style.save(shown, tmp_path / "accuracy.png", tmp_path / "accuracy.svg")


def config(rows, images=10):
    study = yaml.safe_load((checkout.ROOT / "config.yaml").read_text())
    released = {"kind": "dp_inversion", "epsilon": 3.0, "clip": 1.0}
    own = {"mild": released, "bare": {**released, "epsilon": None}}
    changes = {"dataset": {"images_per_class": images}, "sources": own, "training_sets": rows}
    return checkout._merge(study, changes | {"privacy": {"epsilon": 3.0}})


def test_rows_that_can_be_made_again_of_half_of_the_images_are_attacked():
    study = config(["real", "vae_only", "stable_diffusion", "diffusion_inversion", "mild", "real+mild", "bare"])
    assert attacked(study) == ["real", "diffusion_inversion", "mild", "bare"]
    assert released(study) == ["mild", "bare"]
    check(study)


def test_a_study_without_a_release_or_with_too_few_images_cannot_be_audited():
    with pytest.raises(ValueError, match="config: analyses: must leave out audit where no row"):
        check(config(["real", "diffusion_inversion"]))
    with pytest.raises(ValueError, match="config: dataset.images_per_class: must be at least 4"):
        check(config(["real", "mild"], images=3))


def test_a_release_whose_name_reads_as_a_number_keeps_it(tmp_path):
    for name in ("infinity", "mild"):
        pd.DataFrame([{"source": name, "epsilon": None, "proven_epsilon": 2.5}]).to_csv(tmp_path / name, index=False)
    assert section.planted([tmp_path / "infinity", tmp_path / "mild"]).source.tolist() == ["infinity", "mild"]
