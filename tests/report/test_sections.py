"""A section goes to a file and back, and what is not one is named."""

import pytest

from realgap.report import sections

SECTION = sections.Section(
    "fidelity",
    "Fidelity",
    ["Farther by 3.1."],
    [sections.Table("fidelity.csv", "Distances", {"value": "distance"})],
    [sections.Figure("figures/fidelity.svg", "Distances", "bars")],
)


def test_a_section_is_read_as_it_was_saved(tmp_path):
    sections.save(tmp_path / "one.json", SECTION)
    loaded = sections.load(tmp_path / "one.json")
    assert loaded.tables == SECTION.tables
    assert loaded.figures == SECTION.figures
    assert (loaded.name, loaded.sentences, loaded.notes) == ("fidelity", ["Farther by 3.1."], [])


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"name": 1, "tables": [], "figures": []}', "\xff"])
def test_what_is_not_a_section_is_named(tmp_path, text):
    (tmp_path / "one.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match="one.json: not a section"):
        sections.load(tmp_path / "one.json")
