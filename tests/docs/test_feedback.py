"""The page on choosing says what the published study's tables say."""

import pandas as pd
import pytest

from realgap.report.style import name
from tests import checkout

PAGE = (checkout.ROOT / "workflow/docs/feedback.md").read_text()
WORDS = " ".join(PAGE.split())
PUBLISHED = checkout.ROOT / "results/published/digits-feedback"
TABLE = pd.read_csv(PUBLISHED / "learning_curves/table.csv").sort_values("per_class", kind="stable")
CHOSEN = TABLE[TABLE.picked.notna()]
CONTROLS = ["real+prompts", "real+prompts_picked", "real+inverted", "real+inverted_picked", "real+real_picked"]


def cells(rows, column):
    numbers = 100 * rows[[column, f"{column}_low", f"{column}_high"]]
    return " | ".join("{:+.1f} ({:+.1f} to {:+.1f})".format(*row) for row in numbers.itertuples(index=False))


@pytest.mark.parametrize("training_set", list(dict.fromkeys(CHOSEN.training_set)))
def test_each_criterion_is_compared_as_in_the_table(training_set):
    assert f"| {name(training_set)} | {cells(CHOSEN[CHOSEN.training_set == training_set], 'over_picked')} |" in PAGE


@pytest.mark.parametrize("training_set", CONTROLS)
def test_each_control_is_the_tables(training_set):
    assert f"| {name(training_set)} | {cells(TABLE[TABLE.training_set == training_set], 'difference')} |" in PAGE


def test_what_is_said_of_all_comparisons_holds():
    assert not CHOSEN.over_picked_verdict.isin(["better", "worse"]).any()
    equivalent = int((CHOSEN.over_picked_verdict == "equivalent").sum())
    assert f"Of {len(CHOSEN)} comparisons none is told from zero, and {equivalent} are equivalent within 2" in WORDS
    seen = 100 * CHOSEN.groupby("per_class").over_picked_detectable.median()
    assert "A difference of {:.1f} points at 5, of {:.1f} at 10 and of {:.1f} at 30".format(*seen) in WORDS
    reached = [f"{100 * one:.1f}" for one in TABLE[TABLE.training_set == "real"]["mean"]]
    assert f"Real images reach {', '.join(reached[:2])} and {reached[2]} %" in WORDS
    weighted = CHOSEN[CHOSEN.training_set == "real+real_useful"].over_picked_verdict
    assert list(weighted) == ["equivalent", "undecided", "equivalent"]


def test_what_was_chosen_is_the_tables():
    found = pd.read_csv(PUBLISHED / "selection/sources.csv").set_index("source")
    shown = [key for key in found.index if f"| {name(key)} | {100 * found.label_errors[key]:.1f} (" in PAGE]
    assert len(shown) == 14
    for row in found.loc[shown].itertuples():
        wrong = f"{100 * row.label_errors:.1f} ({100 * row.low:.1f} to {100 * row.high:.1f})"
        assert f"| {name(row.Index)} | {wrong} | {row.vendi:.2f} | {row.effective_area:.2f} |" in PAGE
    for key in ("prompts_typical", "prompts_attentive", "prompts_picked"):
        assert f"{round(100 * found.label_errors[key])}" in WORDS


def test_what_sound_scenes_do_for_a_classifier_is_the_tables():
    found = pd.read_csv(checkout.ROOT / "results/published/rooms-feedback/selection/gains.csv")
    row = found[(found.training_set == "real+sound") & (found.control == "picked")].iloc[0]
    numbers = [100 * row[name] for name in ("difference", "difference_low", "difference_high")]
    assert "by {:.1f} points ({:.1f} to {:+.1f}): equivalent within 2".format(*numbers) in WORDS
    assert row.verdict == "equivalent"


def test_what_is_said_of_photographs_is_the_tables():
    folder = checkout.ROOT / "results/published/cifar10-mini-feedback"
    table = pd.read_csv(folder / "learning_curves/table.csv").sort_values("per_class", kind="stable")
    chosen = table[table.picked.notna()]
    for training_set in chosen.training_set.unique():
        assert f"| {name(training_set)} | {cells(chosen[chosen.training_set == training_set], 'over_picked')} |" in PAGE
    for training_set in ("real+inverted", "real+inverted_picked"):
        assert f"| {name(training_set)} | {cells(table[table.training_set == training_set], 'difference')} |" in PAGE
    assert (chosen.over_picked_verdict == "equivalent").all()
    assert f"All {len(chosen)} comparisons are equivalent within 2 points" in WORDS
    seen = 100 * chosen.groupby("per_class").over_picked_detectable.median()
    assert "A difference of {:.1f} points at 10 and of {:.1f} at 30".format(*seen) in WORDS
    reached = [f"{100 * one:.1f}" for one in table[table.training_set == "real"]["mean"]]
    assert f"which reach {reached[0]} and {reached[1]} %" in WORDS
    everything = table[table.training_set == "real+inverted"]
    assert list(everything.verdict) == ["equivalent", "worse"]
    worse = [-100 * everything.iloc[1][key] for key in ("difference", "difference_high", "difference_low")]
    assert "{:.1f} points worse ({:.1f} to {:.1f}) at 30".format(*worse) in WORDS
    for row in pd.read_csv(folder / "selection/sources.csv").itertuples():
        wrong = f"{100 * row.label_errors:.1f} ({100 * row.low:.1f} to {100 * row.high:.1f})"
        assert f"| {name(row.source)} | {wrong} | {row.vendi:.2f} | {row.effective_area:.2f} |" in PAGE
