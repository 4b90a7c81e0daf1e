"""What the documents say of results: the columns of every table, and the numbers of the published ones."""

import re

import pandas as pd
import pytest

from tests import checkout

TEXT = (checkout.ROOT / "workflow/docs/tables.md").read_text()

pytestmark = pytest.mark.xdist_group("study")


def documented(table):
    """The columns that the paragraphs about a table name; one that is "the same" adds to the one before it."""
    paragraphs = TEXT.split("\n\n")
    at = next(i for i, text in enumerate(paragraphs) if text.startswith(f"`{table}`"))
    names = set(re.findall(r"`(\w+)`", paragraphs[at]))
    same = re.search(r"the same", paragraphs[at].split(":")[0] + paragraphs[at].split(":")[-1])
    return names, bool(same)


def test_every_table_is_documented_with_its_columns(finished_study):
    results = finished_study / "results/reduced"
    found = [path.relative_to(results).as_posix() for path in results.rglob("*.csv")]
    tables = sorted(name for name in found if f"`{name}`" in TEXT)
    assert len(tables) == 30
    folders = {name.split("/")[0] for name in tables if "/" in name}
    undocumented = {name for name in found if name.split("/")[0] in folders} - set(tables)
    assert all(re.search(r"/seed-\d+\.csv$", name) for name in undocumented), undocumented
    for name in tables:
        columns = set(pd.read_csv(results / name).columns)
        names, same = documented(name)
        assert names <= columns if same else names >= columns, (name, names ^ columns)


@pytest.mark.parametrize(
    "path", sorted(checkout.ROOT.glob("results/published/*/table.csv")), ids=lambda p: p.parent.name
)
def test_results_show_the_published_table(path):
    shown = (checkout.ROOT / "workflow/docs/results.md").read_text()
    for row in pd.read_csv(path).itertuples():
        counts = f"| {row.n_real:,} | {row.n_generated:,} |"
        accuracy = f" {100 * row.accuracy_mean:.1f} | {100 * row.accuracy_low:.1f} to {100 * row.accuracy_high:.1f} |"
        to_real = [100 * value for value in (row.difference_to_real, row.difference_low, row.difference_high)]
        difference = " – | – |" if row.training_set == "real" else " {:+.1f} | {:+.1f} to {:+.1f} |".format(*to_real)
        assert counts + accuracy + difference in shown, row.training_set


@pytest.mark.parametrize("study", ["textures", "histology"])
def test_what_is_said_of_pictures_from_elsewhere_is_what_their_studies_found(study):
    verdicts = pd.read_csv(checkout.ROOT / f"results/published/{study}/verdicts.csv").set_index("training_set")
    rows = ("vae_only", "stable_diffusion", "diffusion_inversion", "real+stable_diffusion", "real+diffusion_inversion")
    differences = [
        "{:+.1f} ({:+.1f} to {:+.1f})".format(*(100 * row[["difference_to_real", "difference_low", "difference_high"]]))
        for _, row in verdicts.loc[list(rows)].iterrows()
    ]
    real = f"{100 * verdicts.accuracy_mean.real:.1f}"
    shown = (checkout.ROOT / "workflow/docs/results.md").read_text()
    assert f"| `{study}` | {real} | {' | '.join(differences)} |" in shown
    prompts, inverted, _, both = differences[1:]
    assert f"| {real} | {prompts} | {inverted} | {both} |" in (checkout.ROOT / "README.md").read_text()


def test_the_loss_that_all_tiles_together_hide_is_the_published_one():
    found = pd.read_csv(checkout.ROOT / "results/published/histology/metrics.csv")
    row = found[(found.training_set == "real+diffusion_inversion") & (found.metric == "balanced_accuracy")].iloc[0]
    numbers = [-100 * row[name] for name in ("difference", "difference_high", "difference_low")]
    shown = (checkout.ROOT / "workflow/docs/results.md").read_text()
    assert "is {:.1f} points ({:.1f} to {:.1f}) below real".format(*numbers) in shown


def test_what_a_guarantee_costs_is_what_the_private_study_found():
    folder = checkout.ROOT / "results/published/digits-private"
    verdicts, pairs, claims = (pd.read_csv(folder / f"{name}.csv") for name in ("verdicts", "pairs", "audit/claims"))
    attacks = pd.read_csv(folder / "audit/attacks.csv")
    found = attacks[attacks.attack == "LiRA"].set_index("training_set")[["found_1", "low_1", "high_1", "p"]]
    accuracies = 100 * verdicts.set_index("training_set").accuracy_mean
    to_prompts = pairs[pairs.reference == "stable_diffusion"].set_index("training_set")
    proven = claims.set_index("source").proven_epsilon
    shown = (checkout.ROOT / "workflow/docs/privacy.md").read_text()
    rows = {"real": "real, no guarantee", "diffusion_inversion": "Diffusion Inversion, no guarantee"}
    rows |= {"infinity": "no noise, no guarantee", "epsilon_10": "epsilon 10", "epsilon_3": "epsilon 3"}
    for row, said in {**rows, "epsilon_1": "epsilon 1"}.items():
        cells = [said, f"{accuracies[row]:.1f}", "–"]
        if row != "real":
            numbers = 100 * to_prompts.loc[row, ["difference", "difference_low", "difference_high"]]
            cells[2] = "{:+.1f} ({:+.1f} to {:+.1f})".format(*numbers)
        lira = 100 * found.loc[row, ["found_1", "low_1", "high_1"]]
        cells.append("{:.1f} % ({:.1f} to {:.1f})".format(*lira) + ", more than chance" * bool(found.p[row] < 0.05))
        cells.append(f"{proven[row]:.2f}" if row in proven.index else "–")
        assert f"| {' | '.join(cells)} |" in shown
    assert f"| prompts | {accuracies['stable_diffusion']:.1f} |" in shown
    to_real = 100 * verdicts.set_index("training_set")[["difference_to_real", "difference_low", "difference_high"]]
    prompts, released = (
        "{:+.1f} ({:+.1f} to {:+.1f})".format(*to_real.loc[row]) for row in ("stable_diffusion", "epsilon_10")
    )
    readme = (checkout.ROOT / "README.md").read_text()
    assert f"| {accuracies['real']:.1f} | {prompts} | released with a guarantee: {released} | – |" in readme
