"""realgap.reporting: the report's sentences follow the numbers, and its page holds nothing else."""

import math
import re

import jinja2
import pandas as pd
import pytest

from realgap import provenance, reporting

TEMPLATE = provenance.ROOT / "report" / "report.html.j2"
HOSTILE = "<script>alert(1)</script>'\"&{{ 7 * 7 }}{% raw %}"


def row(training_set, mean, difference, low, high, n_seeds=3):
    one = n_seeds == 1
    return {
        "training_set": training_set,
        "n_real": 1100,
        "n_generated": 0,
        "n_seeds": n_seeds,
        "accuracy_mean": mean,
        "accuracy_low": math.nan if one else mean - 0.01,
        "accuracy_high": math.nan if one else mean + 0.01,
        "difference_to_real": difference,
        "difference_low": low,
        "difference_high": high,
    }


REAL = row("real", 0.9353, 0, 0, 0)


def said_of(*rows):
    return reporting.sentences(pd.DataFrame([REAL, *rows]))


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.001, 0.05, "better than real, "),
        (-0.05, -0.001, "worse than real, "),
        (-0.001, 0.05, "not told apart from real, "),
        (-0.05, 0.001, "not told apart from real, "),
        (0.0, 0.05, "not told apart from real, "),
        (-0.05, 0.0, "not told apart from real, "),
    ],
)
def test_a_verdict_needs_an_interval_that_excludes_zero(low, high, verdict):
    difference = (low + high) / 2
    sentence = said_of(row("vae_only", 0.9, difference, low, high))[1]
    assert sentence.startswith(f"VAE only: {verdict}{reporting.points(difference)} points against real (95 % interval ")
    others = {"better than real", "worse than real", "not told apart from real"} - {verdict.rstrip(", ")}
    assert not any(other in sentence for other in others)


def test_one_seed_gives_no_verdict():
    real = row("real", 0.9, 0, math.nan, math.nan, n_seeds=1)
    other = row("diffusion_inversion", 0.95, 0.05, math.nan, math.nan, n_seeds=1)
    first, second = reporting.sentences(pd.DataFrame([real, other]))
    assert first == "Trained on 1,100 real images the classifier reaches 90.0 % (one seed, no interval)."
    assert second == (
        "Diffusion Inversion: +5.0 points against real (one seed, no interval); one seed says nothing of the noise."
    )


def test_the_first_sentence_says_what_real_images_reach_and_each_row_has_one():
    sentences = said_of(row("vae_only", 0.9, -0.03, -0.04, -0.02), row("real+stable_diffusion", 0.97, 0.03, 0.02, 0.04))
    assert sentences == [
        "Trained on 1,100 real images the classifier reaches 93.5 % (95 % interval 92.5 % to 94.5 %, 3 seeds).",
        "VAE only: worse than real, −3.0 points against real (95 % interval −4.0 to −2.0, 3 seeds).",  # noqa: RUF001
        "Real + Stable Diffusion: better than real, +3.0 points against real (95 % interval +2.0 to +4.0, 3 seeds).",
    ]


def test_numbers_are_rounded_to_a_tenth_with_a_sign_where_it_matters():
    assert [reporting.percent(value) for value in (0, 0.93449, 0.9345001, 1)] == [
        "0.0 %",
        "93.4 %",
        "93.5 %",
        "100.0 %",
    ]
    assert [reporting.points(value) for value in (0.0231, -0.0231, 0)] == ["+2.3", "\N{MINUS SIGN}2.3", "+0.0"]


def test_a_difference_that_rounds_to_nothing_has_no_minus_sign():
    assert reporting.points(-0.0001) == reporting.points(0.0001) == "+0.0"


@pytest.fixture
def page(tmp_path):
    """Renders the real template, with the table's second row named by the caller."""

    def render(second="vae_only", n_seeds=3, study="digits", config=None, template=TEMPLATE, analyses=()):
        (tmp_path / "plot.svg").write_text("<svg/>")
        bound = math.nan if n_seeds == 1 else 0.02
        rows = [row("real", 0.93, 0, 0, 0, n_seeds), row(second, 0.95, 0.03, bound, 2 * bound, n_seeds)]
        return reporting.render(
            template,
            table=pd.DataFrame(rows),
            accuracies=pd.DataFrame({"n_test": [1697] * 4, "seed": [1, 0, 1, 0], "accuracy": [0.9] * 4}),
            figures={"accuracy": str(tmp_path / "plot.svg"), "samples": str(tmp_path / "plot.svg")},
            analyses=analyses,
            folder=tmp_path,
            config={"study": study, **(config or {})},
            versions={"torch": "2.15"},
        )

    return render


def test_the_page_shows_the_table_the_sentences_and_the_config(page):
    html = page(config={"inversion": {"visits": 480}})
    for text in ("better than real, +3.0 points", "93.0 %", "1,697 real test images", "visits: 480", "torch 2.15"):
        assert text in html
    assert html.count('<th scope="row">') == 2
    assert "nan" not in html


def test_one_seed_shows_no_bounds(page):
    html = page(n_seeds=1)
    assert "nan" not in html
    assert "one seed" in html


def test_hostile_text_stays_text(page):
    html = page(second=HOSTILE, study=HOSTILE, config={"base_model": {"path": HOSTILE}})
    assert "<script" not in html
    assert html.count("&lt;script&gt;") >= 4
    assert "{{ 7 * 7 }}" in html


def test_the_page_needs_nothing_from_elsewhere(page):
    html = page()
    assert "default-src 'none'" in html
    sources = re.findall(r'(?:src|href)="([^"]+)"', html)
    assert sources
    assert all(source.startswith("data:") for source in sources)
    assert "http" not in re.sub(r"http-equiv|http://www\.w3\.org", "", html)


def test_a_template_that_asks_for_something_unknown_is_an_error(page, tmp_path):
    (tmp_path / "template").write_text("{{ accuracy_of_nothing }}")
    with pytest.raises(jinja2.UndefinedError):
        page(template=tmp_path / "template")
