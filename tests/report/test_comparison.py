"""report.comparison and `snakemake compare`: finished studies on one page, nothing of theirs run again."""

import shutil

import numpy as np
import pandas as pd
import pytest

from realgap.report import between, comparison, figures, sections, style
from realgap.store import provenance
from tests import checkout, pages

TEMPLATE = provenance.ROOT / "report" / "comparison.html.j2"


@pytest.fixture
def studies(tmp_path):
    """Two finished studies, of which only b has an analysis more; study -> folder."""
    folders = {}
    for study, by_seed in {"a": pages.ACCURACIES, "b": {"real": [0.5, 0.6, 0.7], "vae_only": [0.4, 0.5, 0.6]}}.items():
        folder = folders[study] = tmp_path / study
        folder.mkdir()
        pages.verdicts(by_seed).to_csv(folder / "verdicts.csv", index=False)
        pages.pairs(by_seed).to_csv(folder / "pairs.csv", index=False)
        (folder / "report.html").write_text("")
        for name in ["fidelity", *(["transfer"] if study == "b" else [])]:
            sections.save(folder / f"sections/{name}.json", pages.analysis(folder, name, name.title(), f"{study} <b>"))
    return folders


def test_tables_are_joined_with_their_study(studies):
    joined = comparison.join(studies)
    assert joined.groupby("study", sort=False).size().to_dict() == {"a": 6, "b": 2}
    assert list(joined.columns[:2]) == ["study", "training_set"]


def test_a_study_that_was_published_without_verdicts_is_judged_by_its_accuracies(studies, tmp_path):
    published = tmp_path / "published/b"
    shutil.copytree(studies["b"], published)
    known = pd.read_csv(published / "verdicts.csv")
    for file in ("verdicts.csv", "pairs.csv"):
        (published / file).unlink()
    with pytest.raises(ValueError, match="'b' has no .*accuracies.csv"):
        comparison.join({"a": studies["a"], "b": published})
    by_seed = {"real": [0.5, 0.6, 0.7], "vae_only": [0.4, 0.5, 0.6]}
    pages.accuracies(by_seed).to_csv(published / "accuracies.csv", index=False)
    joined = comparison.join({"a": studies["a"], "b": published})
    own = joined[joined.study == "b"].reset_index(drop=True)
    assert own.difference_to_real[1] == pytest.approx(known.difference_to_real[1], abs=0.01)
    assert comparison._answer(joined, "b", published)


@pytest.mark.parametrize("file", ["verdicts.csv", "pairs.csv", "report.html"])
def test_a_study_that_is_not_finished_is_named(studies, file):
    (studies["b"] / file).unlink()
    with pytest.raises(ValueError, match=f"must be finished studies; 'b' has no .*{file}"):
        comparison.join(studies)


def test_sections_of_the_same_name_become_one_and_others_stay(studies):
    fidelity, transfer = comparison.merged(
        {study: comparison._sections(folder) for study, folder in studies.items()}, studies
    )
    assert fidelity["sentences"] == {"a": ["a <b>"], "b": ["b <b>"]}
    assert [row["study"] for row in fidelity["tables"][0]["rows"]] == ["a"] * 3 + ["b"] * 3
    assert list(transfer["sentences"]) == ["b"]


def test_the_page_holds_the_answer_of_each_and_escapes_it(studies, tmp_path):
    joined = comparison.join(studies)
    style.save(figures.comparison(joined), tmp_path / "d.png", tmp_path / "d.svg")
    settings = pd.DataFrame({"key": ["seed"], "a": ["0"], "b": ["<b>1"]})
    hits = {study: between.Hits({"real": np.eye(3, 40) > 0}, (study,), 0.1) for study in studies}
    html = comparison.render(TEMPLATE, joined, tmp_path / "d.svg", studies, settings, between.contrasts(hits, 0.02))
    assert "Settings in which the studies differ." in html
    assert "&lt;b&gt;1" in html
    assert "Accuracy of the same row in two studies" in html
    assert "Images from text prompts are worse training data" in html
    assert "Real images set the mark:" in html
    assert "a &lt;b&gt;" in html
    assert '<td data-sort="-21.3">\N{MINUS SIGN}21.3<span class="interval">' in html
    assert "▼ worse</td>" in html
    assert "<b>" not in html


def test_the_figure_shows_each_studys_differences(studies):
    (axes,) = figures.comparison(comparison.join(studies)).axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["a", "b"]
    lines = [container.lines[0].get_xdata() for container in axes.containers]
    assert [len(line) for line in lines] == [5, 1]
    assert lines[1][0] == pytest.approx(-10, abs=0.05)


@pytest.mark.long
@pytest.mark.xdist_group("study")
def test_snakemake_compare_makes_one_page_and_runs_no_study_again(finished_study):
    results = finished_study / "results"
    shutil.copytree(results / "reduced", results / "other")
    (results / "other/verdicts.csv").touch()
    compare = ["--config", "studies=[reduced,other]"]
    run = checkout.snakemake(finished_study, *compare, target="compare")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "1 of 1 steps" in run.stdout + run.stderr
    made = results / "comparisons/reduced+other"
    contrasts = pd.read_csv(made / "contrasts.csv")
    assert contrasts.same_images.all()
    assert contrasts.difference.tolist() == [0] * 6  # a copy of the study
    assert len(pd.read_csv(made / "settings.csv")) == 0
    assert len(pd.read_csv(made / "table.csv")) == 12
    assert "Study “other”" in (made / "report.html").read_text()
    again = checkout.snakemake(finished_study, *compare, target="compare")
    assert "Nothing to be done" in again.stdout + again.stderr
    (results / "other/verdicts.csv").write_text((results / "reduced/verdicts.csv").read_text() + "\n")
    changed = checkout.snakemake(finished_study, "-n", *compare, target="compare")
    assert "compare" in changed.stdout
    shutil.rmtree(results / "other")


@pytest.mark.long
@pytest.mark.xdist_group("study")
@pytest.mark.parametrize(("studies", "message"), [("[]", "must name two"), ("[reduced,none]", "'none' has no")])
def test_what_cannot_be_compared_is_said_in_one_line(finished_study, studies, message):
    run = checkout.snakemake(finished_study, "--config", f"studies={studies}", target="compare")
    said = run.stdout + run.stderr
    assert run.returncode == 1
    assert "error: config: studies: must" in said
    assert message in said
    assert "Traceback" not in said
