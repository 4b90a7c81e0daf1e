"""README and workflow/docs: links lead somewhere, lists are complete, examples are valid, numbers are the files'."""

import itertools
import re

import jsonschema
import pandas as pd
import pytest
import yaml

from realgap.study import config as configuration
from realgap.study import sources
from tests import checkout

DOCS = checkout.ROOT / "workflow/docs"
# templates: their pictures lie beside the weights
CARDS = {"mini-sd-digits.md", "mini-sd-natural.md", "mini-sd-natural-next.md"}
PAGES = sorted(page for page in DOCS.glob("*.md") if page.name not in CARDS)
WRITTEN = [checkout.ROOT / "README.md", checkout.ROOT / "CONTRIBUTING.md", *PAGES]
README, RESULTS = WRITTEN[0].read_text(), (DOCS / "results.md").read_text()
PUBLISHED = checkout.ROOT / "results/published"

by_name = pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.name)


def blocks(page, language):
    """The code blocks of a page in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.M | re.S)


def anchors(page):
    """What a link to a heading of the page ends in, as GitHub makes it."""
    headings = re.findall(r"^#+ (.*)", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@by_name
def test_every_link_leads_to_a_file_and_to_a_heading_of_it(page):
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text()):
        path, _, heading = target.partition("#")
        linked = page.parent / path if path else page
        assert linked.exists(), target
        assert not heading or heading in anchors(linked), target


@by_name
def test_every_path_that_a_page_names_is_there(page):
    """Of code, tests and resources; results and the reader's own files are elsewhere."""
    named = re.findall(r"`((?:workflow|tests|resources|slurm|envs)/[\w/.-]+\.\w+)`", page.read_text())
    # what the page on extending adds, and a site's own file
    examples = ("fashion", "brightness", "blur", "slurm/site.yaml")
    missing = [path for path in named if not (checkout.ROOT / path).exists()]
    assert [path for path in missing if not any(name in path for name in examples)] == []


@by_name
def test_a_page_never_calls_what_is_not_told_apart_no_difference(page):
    assert "no difference" not in page.read_text().lower().replace('never "no difference"', "")


def test_the_index_has_a_line_for_every_page():
    listed = re.findall(r"^- \[.*?\]\(([\w-]+\.md)\): .+", (DOCS / "index.md").read_text(), re.M)
    assert sorted([*listed, "index.md"]) == [page.name for page in PAGES]


def test_the_map_of_readme_names_every_package():
    packages = {path.parent.name for path in (checkout.ROOT / "workflow/realgap").glob("*/__init__.py")}
    shown = README.split("## Map")[1]
    assert {name for name in packages if f" {name}/" not in shown} == set()


def test_the_keys_of_readme_are_keys_of_the_config():
    config = yaml.safe_load((checkout.ROOT / "config.yaml").read_text())
    rows = re.findall(r"^\| `([\w.]+)` \|", README.split("## Ten keys")[1].split("\n## ")[0], re.M)
    assert len(rows) == 10
    for key in rows:
        place = config
        for part in key.split("."):
            place = place[part]


@pytest.mark.parametrize(
    ("heading", "study"),
    [
        ("#digits", "digits"),
        ("#photographs-100-a-class", "cifar10-mini"),
        ("#photographs-500-a-class", "cifar10-mini-500-2000-steps"),
    ],
)
def test_readme_has_a_row_of_numbers_for_each_study(heading, study):
    table = pd.read_csv(PUBLISHED / study / "table.csv").set_index("training_set")
    cells = [f"{100 * table.accuracy_mean.real:.1f}"]
    for name in ("stable_diffusion", "diffusion_inversion", "real+diffusion_inversion"):
        row = 100 * table.loc[name, ["difference_to_real", "difference_low", "difference_high"]].astype(float)
        cells.append("{:+.1f} ({:+.1f} to {:+.1f})".format(*row))
    (line,) = [line for line in README.splitlines() if f"results.md{heading})" in line and line.startswith("| [")]
    assert line.endswith(f"| {' | '.join(cells)} |")


def test_readme_begins_with_what_the_default_study_found():
    table = 100 * pd.read_csv(PUBLISHED / "digits/table.csv", index_col="training_set")
    real, prompts, inverted = table.accuracy_mean[["real", "stable_diffusion", "diffusion_inversion"]]
    gain = table.loc["diffusion_inversion", ["difference_to_real", "difference_low", "difference_high"]]
    for said in (
        f"a small classifier reaches {real:.1f} %",
        f"it reaches {prompts:.1f} %",
        "it reaches {:.1f} %: {:.1f} points more than with the real ones ({:.1f} to {:.1f})".format(inverted, *gain),
        f"alone gains {table.difference_to_real['real@strong']:.1f} points",
    ):
        assert said in " ".join(README.split())


def test_every_promise_names_a_test_that_exists():
    rows = (DOCS / "guarantees.md").read_text().split("| promise | test |")[1].split("\n\n")[0].splitlines()[2:]
    assert len(rows) > 10
    for row in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)`", row)
        assert named, row
        assert all((checkout.ROOT / path).is_file() for path in named), row


def test_as_many_cases_of_bad_input_are_promised_as_there_are():
    promised = re.search(r"(\d+) cases in `(tests/faults/bad_input\.yaml)`", (DOCS / "guarantees.md").read_text())
    cases = yaml.safe_load((checkout.ROOT / promised[2]).read_text(encoding="utf-8"))
    assert int(promised[1]) == sum(map(len, cases.values()))


def merged(default, study):
    """A study file on top of the default study, as Snakemake merges them."""
    if not (isinstance(default, dict) and isinstance(study, dict)):
        return study
    return {key: merged(default.get(key), study[key]) if key in study else default[key] for key in {**default, **study}}


STUDIES = [
    (page.name, study)
    for page in PAGES
    for study in map(yaml.safe_load, blocks(page, "yaml"))
    if isinstance(study, dict) and "study" in study
]


@pytest.mark.parametrize(("page", "study"), STUDIES, ids=[f"{page}:{study['study']}" for page, study in STUDIES])
def test_a_study_file_of_a_page_is_valid(page, study, tmp_path, monkeypatch):
    default = yaml.safe_load((checkout.ROOT / "config.yaml").read_text())
    (tmp_path / "resources").symlink_to(checkout.ROOT / "resources")
    for folder in ("birds", "images/gan"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "birds.txt").write_text("a photo of a {}\n")  # which the pages write
    if study["study"] == "fashion":
        study = {**study, "prompts": {"templates": "birds.txt"}}
    monkeypatch.chdir(tmp_path)
    if study["study"] == "digits-blurred":  # a kind that the page adds
        study = {**study, "sources": {name: {"kind": "vae_only"} for name in study["sources"]}}
    if study["study"] == "fashion":  # a data set that the page adds
        study = {**study, "dataset": {**study["dataset"], "name": "cifar10"}}
    configuration.check(merged(default, study))


def test_the_pages_have_the_study_files_that_they_announce():
    assert {study["study"] for _, study in STUDIES} >= {"birds", "fashion", "digits-guidance", "digits-methods"}


def test_the_page_of_sources_has_every_kind_and_every_default():
    text = (DOCS / "sources.md").read_text()
    assert re.findall(r"^\| `(\w+)` \| [^|]+ \| [^|]+ \|$", text, re.M) == sorted(
        sources.KINDS, key=lambda kind: text.index(f"| `{kind}` | ")
    )
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \| [^|]+ \|$", text, re.M)
    shown = {name: [cell.strip() for cell in cells] for name, *cells in rows}
    kinds = [sources.KINDS[kind].settings for kind in ("prompts", "inversion", "class_inversion", "img2img")]
    declared = dict.fromkeys(itertools.chain.from_iterable(kinds))
    assert set(shown) == set(declared)
    for name in declared:
        usual = ["–" if name not in kind else kind[name]["default"] for kind in kinds]
        assert shown[name] == ["null" if value is None else str(value) for value in usual], name
    for kind in sources.KINDS.values():
        for name, setting in kind.settings.items():
            assert f"`{name}`" in text
            jsonschema.Draft202012Validator.check_schema(setting)


def test_results_say_what_a_number_without_a_table_is(capsys, monkeypatch):
    """The code of the page prints the inversion's own loss; the page says the same numbers."""
    monkeypatch.chdir(checkout.ROOT)
    (code,) = blocks(DOCS / "results.md", "python")
    exec(compile(code, "results.md", "exec"), {})
    printed = capsys.readouterr().out
    said = re.search(r"loses (1\.\d points? \(.*?\))\. With 100 a class it loses (1\.\d \(.*?\))", RESULTS)
    assert printed.splitlines()[1].endswith("points: " + said[1].replace(" points", ""))
    assert printed.splitlines()[0].endswith("points: " + said[2])


def test_results_say_how_much_of_the_prompts_loss_is_classes_without_a_name():
    (path,) = (PUBLISHED / "cifar10-mini").glob("*/classes.csv")
    lost = -pd.read_csv(path).query("training_set == 'stable_diffusion'").set_index("class").difference
    unnamed, all_ten = 10 * lost[["airplane", "deer", "horse", "ship"]].sum(), 10 * lost.sum()
    assert f"lose {unnamed:.1f} of the {all_ten:.1f} points, which is {100 * unnamed / all_ten:.0f} %" in RESULTS


def test_results_name_the_class_that_stands_out_as_its_file_has_it():
    (path,) = (PUBLISHED / "digits").glob("*/classes.csv")
    table = pd.read_csv(path)
    worst = table[table.training_set == "stable_diffusion"].sort_values("difference_high").iloc[0]
    cell = [100 * worst[key] for key in ("difference", "difference_low", "difference_high")]
    assert (
        '| "{}", {:.1f} ({:.1f} to {:.1f}) | none of ten | VAE only: none of ten |'.format(worst["class"], *cell)
        in RESULTS
    )
    others = table[table.training_set.isin(("diffusion_inversion", "vae_only"))]
    assert worst.difference_high < 0
    assert len(others) == 20
    assert not (others.difference_high < 0).any()


@pytest.mark.parametrize("name", ["mini-sd-digits", "mini-sd-natural"])
def test_a_shipped_card_has_the_words_of_its_template_and_the_terms_of_its_weights(name):
    template = (DOCS / f"{name}.md").read_text()
    card = (checkout.ROOT / "resources" / name / "README.md").read_text()
    # what the template leaves open may be a word or a table
    pattern = ".+?".join(re.escape(part) for part in re.split(r"\$\w+", template))
    assert re.fullmatch(pattern, card, re.S)
    assert "\n## Terms\n" in card
