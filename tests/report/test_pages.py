"""realgap.report.pages: the page holds what its inputs say, everything in it is escaped, nothing is elsewhere."""

import base64
import hashlib
import io
import re

import jinja2
import numpy as np
import pytest
from PIL import Image

from realgap.report import pages, sections
from tests import pages as browsed

HOSTILE = "<script>alert(1)</script>'\"&{{ 7 * 7 }}{% raw %}$"


def test_the_page_shows_the_table_the_answer_the_sections_and_the_config(tmp_path):
    html = browsed.render(tmp_path, analyses=[browsed.analysis(tmp_path)], config={"inversion": {"visits": 480}})
    for text in ("are worse training data", "1,697 real test images", "visits: 480", "Farther by 3.1 (2.0 to 4.2)."):
        assert text in html
    assert html.count('<th scope="row">') == 6
    assert html.count('<section aria-labelledby="fidelity">') == 1
    assert "nan" not in re.sub(r"base64,[^\"]+", "", html)


def test_a_source_of_any_name_is_described_by_its_kind(tmp_path):
    html = browsed.render(
        tmp_path,
        by_seed={"real": [0.9, 0.91], "guidance_3": [0.8, 0.81]},
        config={"sources": {"guidance_3": {"kind": "inversion"}}},
    )
    assert "<dt>guidance 3</dt>\n<dd>sampled from the inverted embedding of each real image.</dd>" in html


def test_what_a_study_does_not_have_is_absent(tmp_path):
    html = browsed.render(tmp_path, by_seed={"real": [0.9, 0.91], "vae_only": [0.8, 0.82]})
    for text in ("Stable Diffusion", "fidelity", "miniature of"):
        assert text not in re.sub(r"<pre.*</pre>|base64,[^\"]+", "", html, flags=re.DOTALL).replace(
            "for Stable Diffusion on photographs", ""
        )


def test_one_seed_shows_no_bounds(tmp_path):
    html = browsed.render(tmp_path, by_seed={"real": [0.9], "vae_only": [0.8]})
    assert "nan" not in re.sub(r"base64,[^\"]+", "", html)
    assert "one seed" in html


def test_learning_curves_lead_where_the_table_has_too_few_seeds_to_say(tmp_path):
    """Ten draws say more than one seed."""
    gains = "Generated images help with 3 real images of each class."
    curves = [browsed.analysis(tmp_path, name="learning_curves", text=gains)]
    rows = {"real": [0.9], "real+diffusion_inversion": [0.95]}
    led = browsed.render(tmp_path, by_seed=rows, analyses=curves)
    first = led.split("</ol>")[0]
    assert f"<strong>By the number of real images:</strong> {gains}" in first
    assert "<strong>With all 100 real images no row is judged:</strong> each is trained with one seed." in first
    assert "With other numbers of real images" not in led
    assert "cannot be told yet" not in led
    several = browsed.render(tmp_path, by_seed={key: row * 3 for key, row in rows.items()}, analyses=curves)
    assert f"<strong>With other numbers of real images:</strong> {gains}" in several
    assert "By the number of real images" not in several
    alone = browsed.render(tmp_path, by_seed=rows)
    assert "cannot be judged by one seed" in alone
    assert "cannot be told yet" in alone


def test_hostile_text_stays_text(tmp_path):
    analyses = [browsed.analysis(tmp_path, title=HOSTILE, text=HOSTILE)]
    html = browsed.render(
        tmp_path,
        by_seed={"real": [0.9, 0.91], HOSTILE: [0.8, 0.81]},
        study=HOSTILE,
        class_names=[HOSTILE, "one"],
        analyses=analyses,
        config={"base_model": {"path": HOSTILE}, "sources": {HOSTILE: {"kind": "prompts"}}},
    )
    script = (browsed.TEMPLATE.parent / "page.js").read_text()
    assert html.count("<script") == 1
    assert "<script" not in html.replace(f"<script>{script}</script>", "")
    assert html.count("&lt;script&gt;") >= 8
    assert "{{ 7 * 7 }}" in html


def test_the_page_needs_nothing_from_elsewhere(tmp_path):
    html = browsed.render(tmp_path, analyses=[browsed.analysis(tmp_path)])
    sources = re.findall(r'(?:src|srcset|href)="([^"]*)"', html)
    assert all(source.startswith(("data:", "#")) for source in sources)
    assert "http" not in re.sub(r"base64,[^\"]+|http-equiv", "", html)


def test_the_policy_allows_this_script_and_this_style_only(tmp_path):
    html = browsed.render(tmp_path)
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html)[1].replace("&#39;", "'")
    assert policy.startswith("default-src 'none'; img-src data:; ")
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        text = re.search(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)[1]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert " style=" not in re.sub(r"base64,[^\"]+", "", html)


def test_equal_inputs_give_equal_pages(tmp_path):
    assert browsed.render(tmp_path) == browsed.render(tmp_path)


def test_every_link_within_the_page_leads_somewhere(tmp_path):
    html = browsed.render(tmp_path, analyses=[browsed.analysis(tmp_path)])
    ids = re.findall(r' id="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    links = set(re.findall(r'href="#([^"]+)"', html))
    assert {"images", "fidelity", "limits"} <= links <= set(ids)


TABLE = {"intervals": {"ece": ("low", "high")}, "percent": ["ece"]}


def test_a_cell_shows_its_value_and_interval_and_sorts_by_the_value():
    row = {"ece": 0.1234, "low": 0.1, "high": 0.15, "n": 1200.0, "source": "vae_only", "none": np.nan, "x": -0.00123}
    assert pages.cell(row, "ece", TABLE) == {
        "text": "12.34 %",
        "interval": "10 to 15",
        "sort": 0.1234,
        "number": True,
    }
    assert pages.cell(row, "n", TABLE)["text"] == "1,200"
    assert pages.cell(row, "source", TABLE)["text"] == "VAE only"
    assert pages.cell(row, "none", TABLE)["text"] == "–"
    assert pages.cell(row, "none", TABLE)["sort"] == ""
    assert pages.cell(row, "x", TABLE)["text"] == "\N{MINUS SIGN}0.00123"
    assert pages.cell({**row, "low": np.nan}, "ece", TABLE)["interval"] == ""


def test_bounds_in_columns_of_their_own_go_behind_their_value():
    columns = {
        "source": "Set",
        "value": "Value",
        "low": "from",
        "high": "to",
        "gap": "Gap",
        "gap_low": "",
        "gap_high": "",
    }
    table = pages.folded(sections.Table("t.csv", "", columns))
    assert list(table.columns) == ["source", "value", "gap"]
    assert table.intervals == {"value": ("low", "high"), "gap": ("gap_low", "gap_high")}
    alone = sections.Table("t.csv", "", {"value": "Value", "gap_low": "Lowest gap"})
    assert pages.folded(alone) == alone


def test_a_promised_column_that_is_missing_is_named(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="t.csv: must have the column 'low', got a, b"):
        pages.rows(sections.Table("t.csv", "", {"a": "A"}, {"a": ("low", "high")}), tmp_path)


def test_pictures_are_embedded_without_visible_loss(tmp_path):
    for size in (20, 500):  # noise: one stays without loss, the other is too large for that
        image = np.random.default_rng(0).integers(96, 160, (size, size, 3), np.uint8)
        Image.fromarray(image).save(tmp_path / "a.png")
        uri = pages.data_uri(tmp_path / "a.png")
        decoded = np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).convert("RGB"))
        if size == 20:
            np.testing.assert_array_equal(decoded, image)
        assert np.abs(decoded.astype(int) - image).mean() < 20
        assert len(uri) < 500 * 500 * 2


def test_a_template_that_asks_for_something_unknown_is_an_error(tmp_path):
    for name in ("page.css", "page.js"):
        (tmp_path / name).write_text("")
    (tmp_path / "template").write_text("{{ accuracy_of_nothing }}")
    with pytest.raises(jinja2.UndefinedError):
        browsed.render(tmp_path, template=tmp_path / "template")
