"""Every table of a study is documented with exactly its columns in workflow/docs/tables.md."""

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
    assert len(tables) == 25
    folders = {name.split("/")[0] for name in tables if "/" in name}
    undocumented = {name for name in found if name.split("/")[0] in folders} - set(tables)
    assert all(re.search(r"/seed-\d+\.csv$", name) for name in undocumented), undocumented
    for name in tables:
        columns = set(pd.read_csv(results / name).columns)
        names, same = documented(name)
        assert names <= columns if same else names >= columns, (name, names ^ columns)
