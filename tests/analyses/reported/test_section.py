"""realgap.analyses.reported.section: reported and measured accuracies side by side, and nothing typed in."""

import html
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import stats

from realgap.analyses.reported import section
from realgap.report import between, sections
from tests.pages import accuracies, verdicts

ROOT = Path(__file__).resolve().parents[3]
CSV = ROOT / "resources" / "reported" / "cifar10.csv"
REPORTED = pd.read_csv(CSV)


def beside(studies, **judged):
    return section.beside(REPORTED, studies, 0.02, judged)


@pytest.fixture
def joined():
    return beside({"digits": accuracies()})


def cell(joined, study, training_set):
    return joined[(joined.study == study) & (joined.training_set == training_set)].iloc[0]


def test_the_reported_ratios_are_those_of_the_study_that_is_reproduced(joined):
    """78.63 / 81.80, 52.57 / 81.80, 86.14 - 81.80 and 83.94 - 81.80 points."""
    assert cell(joined, "reported", "diffusion_inversion").ratio == pytest.approx(0.961, abs=5e-4)
    assert cell(joined, "reported", "stable_diffusion").ratio == pytest.approx(0.643, abs=5e-4)
    assert 100 * cell(joined, "reported", "real+diffusion_inversion").difference == pytest.approx(4.34)
    assert 100 * cell(joined, "reported", "real+stable_diffusion").difference == pytest.approx(2.14)
    assert joined[joined.study == "reported"][["ratio_low", "difference_low", "n_seeds"]].isna().all(axis=None)


def test_a_ratio_is_the_mean_of_each_seed_s_own_with_student_s_interval(joined):
    table = accuracies().set_index(["training_set", "seed"]).accuracy
    ratios = (table["stable_diffusion"] / table["real"]).to_numpy()
    low, high = stats.t.interval(0.95, len(ratios) - 1, ratios.mean(), stats.sem(ratios))
    row = cell(joined, "digits", "stable_diffusion")
    np.testing.assert_allclose([row.ratio, row.ratio_low, row.ratio_high], [ratios.mean(), low, high])
    assert row.n_seeds == 3
    assert cell(joined, "digits", "real").ratio == 1


def test_only_reported_rows_are_compared_and_missing_ones_are_left_out():
    few = accuracies({"real": [0.9, 0.8], "vae_only": [0.9, 0.9], "stable_diffusion": [0.5, 0.4]})
    joined = beside({"few": few})
    assert joined[joined.study == "few"].training_set.tolist() == ["real", "stable_diffusion"]
    said = section.verdicts(joined)
    assert "real + Diffusion Inversion was reported above real and is not part of this study" in "\n".join(said)


def test_sentences_follow_the_intervals():
    measured = {
        "real": [0.80, 0.81, 0.82],
        "diffusion_inversion": [0.78, 0.79, 0.80],
        "stable_diffusion": [0.90, 0.91, 0.92],
        "real+diffusion_inversion": [0.86, 0.80, 0.83],
    }
    said = section.verdicts(beside({"here": accuracies(measured)}))
    assert said[0].startswith(
        "here: Diffusion Inversion was reported below real; so it is here, below real (−2.0 points"
    )
    assert "Stable Diffusion was reported below real; the other way round here (+10.0 points" in said[1]
    assert "real + Diffusion Inversion was reported above real; not told apart from real here (+2.0 points" in said[2]
    one = section.verdicts(beside({"one": accuracies({k: v[:1] for k, v in measured.items()})}))
    assert "too few to say here (−2.0 points to real, one seed)" in one[0]


def test_a_study_that_has_its_verdicts_is_shown_with_them_and_no_others():
    own, judged = accuracies(), verdicts()
    joined = beside({"mine": own, "other": own}, mine=judged)
    mine, other = (cell(joined, study, "real+stable_diffusion") for study in ("mine", "other"))
    row = judged.set_index("training_set").loc["real+stable_diffusion"]
    assert (mine.difference_low, mine.difference_high) == (row.difference_low, row.difference_high)
    assert mine.difference_high - mine.difference_low > other.difference_high - other.difference_low
    assert mine.verdict == row.verdict


def test_the_section_s_sentences_are_of_the_study_itself():
    studies = {"mine": accuracies(), "another": accuracies()}
    written = section.section(beside(studies))
    assert [sentence.split(":")[0] for sentence in written.sentences] == ["mine"] * 4
    assert len(section.verdicts(beside(studies))) == 8


def test_seeds_that_do_not_pair_are_refused():
    uneven = accuracies({"real": [0.9, 0.8], "stable_diffusion": [0.5]})
    with pytest.raises(ValueError, match="seeds: must be those of real"):
        beside({"uneven": uneven})


def test_the_page_says_what_differs(joined, tmp_path):
    with pytest.raises(ValueError, match="run/config.yaml"):
        section.setup(tmp_path)
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    config["base_model"]["resolution"] = 32
    (tmp_path / "run").mkdir()
    (tmp_path / "run/config.yaml").write_text(yaml.safe_dump(config))
    setup = section.setup(tmp_path)
    assert setup["base_model.resolution"] == 32
    assert setup["dataset.images_per_class"] == config["dataset"]["images_per_class"]
    page = section.page(joined, {"digits": setup})
    assert "| it works at, px | not stated | 32 |" in page
    assert "| seeds | not stated | 3 |" in page
    ratio = r"ratio 0\.\d+ \(0\.\d+ to 0\.\d+\)"
    assert re.search(
        rf"\| Stable Diffusion \| 52\.6 %; ratio 0\.643 \| 71\.7 % \(6\d\.\d to 7\d\.\d\); {ratio} \|", page
    )


def test_the_step_writes_table_and_section(tmp_path, run_step):
    study = tmp_path / "results" / "mine"
    study.mkdir(parents=True)
    accuracies().to_csv(study / "accuracies.csv", index=False)
    outputs = {"table": study / "reported.csv", "section": study / "reported.json"}
    run_step(
        *("scripts.reported_compare", "--reported", CSV, "--studies", study, "--margin", 2),
        *(text for name, path in outputs.items() for text in (f"--{name}", path)),
    )
    written = sections.load(outputs["section"])
    assert len(written.sentences) == 4
    assert set(written.tables[0].columns) < set(pd.read_csv(outputs["table"]).columns)


def test_the_page_of_the_docs_is_what_its_command_writes(tmp_path, run_step):
    """Nothing in it is typed in: made again from the published studies it has the same bytes."""
    page = ROOT / "workflow" / "docs" / "reported-numbers.md"
    found = (ROOT / "results" / "published").glob("*/accuracies.csv")
    studies = sorted(found, key=lambda p: (p.parent.name != "digits", p.parent.name))
    run_step(
        *("scripts.reported_compare", "--reported", CSV, "--studies", *(path.parent for path in studies)),
        *("--template", ROOT / "workflow" / "report" / "reported-numbers.md"),
        *("--page", tmp_path / "page.md", "--margin", 2),
    )
    assert (tmp_path / "page.md").read_text() == page.read_text()
    assert "digits" in page.read_text()


PAGES = sorted((ROOT / "results/published").glob("*/report.html"))
# pages that are older than the keys' names: run/config.yaml has today's
RENAMED = {"visits": "steps_per_image", "variants": "samples_per_image"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_a_published_study_says_with_what_settings_its_page_was_made(page):
    shown = html.unescape(page.read_text().rpartition("<pre")[2])
    own = yaml.safe_load(shown.partition(">")[2].partition("</pre>")[0])
    for part in ("inversion", "sampling"):
        own[part] = {RENAMED.get(key, key): value for key, value in own[part].items()}
    assert between.config_of(page.parent) == own
