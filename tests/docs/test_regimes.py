"""The map of regimes says what the published study's tables say."""

import pandas as pd
import pytest

from realgap.report.style import name
from tests import checkout

PAGE = (checkout.ROOT / "workflow/docs/regimes.md").read_text()
PUBLISHED = checkout.ROOT / "results/published/digits-few/learning_curves"
TABLE = pd.read_csv(PUBLISHED / "table.csv")


def cell(row):
    return f"{100 * row.difference:+.1f} ({100 * row.difference_low:+.1f} to {100 * row.difference_high:+.1f})"


@pytest.mark.parametrize("training_set", [one for one in dict.fromkeys(TABLE.training_set) if one != "real"])
def test_each_row_of_the_map_is_the_tables(training_set):
    own = TABLE[TABLE.training_set == training_set].sort_values("per_class")
    assert f"| {name(training_set)} | {' | '.join(map(cell, own.itertuples()))} |" in PAGE


def test_real_images_reach_what_the_page_says():
    reached = [f"{100 * one:.1f}" for one in TABLE[TABLE.training_set == "real"].sort_values("per_class")["mean"]]
    assert f"which reaches {', '.join(reached[:2])} and {reached[2]} %" in PAGE


def test_the_worth_of_an_image_is_the_tables():
    worth = pd.read_csv(PUBLISHED / "worth.csv").query("per_class == 3").set_index("training_set")
    said = [key for key in worth.index if f"| {name(key)} | {worth.worth[key]:.1f} (" in PAGE]
    assert len(said) == 4
    for row in worth.loc[said].itertuples():
        shown = f"{row.worth:.1f} ({row.low:.1f} to {row.high:.1f}) | {row.per_generated:.2f} |"
        assert f"| {name(row.Index)} | {shown}" in PAGE


def test_what_would_have_been_seen_is_the_tables():
    both = TABLE[TABLE.training_set.str.startswith("real+")]
    seen = 100 * both.groupby("per_class").detectable.median()
    assert "A difference of {:.1f} points at 3, of {:.1f} at 10 and of {:.1f} at 30".format(*seen) in PAGE
    strong = 100 * both[both.training_set.str.endswith("@strong") & (both.per_class == 3)].detectable
    assert [round(strong.min()), round(strong.max())] == [2, 3]


def test_what_is_said_of_the_family_holds():
    found = TABLE.set_index(["per_class", "training_set"])
    together = [key for key in dict.fromkeys(TABLE.training_set) if key.startswith("real+") and "@" not in key]
    assert len(together) == 4
    assert TABLE.p_value.notna().sum() == 45
    assert max(found.family_p[count, key] for count in (3, 10) for key in together) <= 0.003
    assert min(found.family_p[30, key] for key in together) > 0.4
    left = TABLE[(TABLE.over_best_family_p < 0.05) & (TABLE.over_best > 0)]
    assert [tuple(row) for row in left[["per_class", "training_set"]].to_numpy()] == [(3, "real+img2img_08@strong")]
    assert set(TABLE.best_real[TABLE.per_class == 3]) == {"real@strong"}
