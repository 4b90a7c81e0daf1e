"""The report in Chromium, as people open it: from disk, without a network, on a phone, by keyboard, on paper.

Skipped where no Chromium is installed; REALGAP_BROWSER=required (as .ci/run sets it) makes that a failure.
"""

import os
import shutil

import pytest

from tests import checkout, pages

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
AXE = checkout.ROOT / "tests/browser/node_modules/axe-core/axe.min.js"
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-quic"]
FLAGS += ["--disable-component-update", "--disable-sync"]
HOSTILE = "<img src=x onerror=alert(1)>'\"&$"
WIDTHS = [390, 1400]
SCHEMES = ["light", "dark"]

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("study")]


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        needs = "needs Chromium (Debian: apt-get install chromium)"
        pytest.fail(needs) if os.environ.get("REALGAP_BROWSER") == "required" else pytest.skip(needs)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def axe():
    if not AXE.exists():
        needs = "needs axe-core (npm ci --prefix tests/browser)"
        pytest.fail(needs) if os.environ.get("REALGAP_BROWSER") == "required" else pytest.skip(needs)
    return AXE.read_text()


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """A page with a section, hostile names in every place that takes a name, and a table of eight rows."""
    folder = tmp_path_factory.mktemp("page")
    analyses = [pages.analysis(folder), pages.analysis(folder, "hostile", HOSTILE, HOSTILE)]
    html = pages.render(folder, study=HOSTILE, class_names=[HOSTILE, "one"], analyses=analyses)
    (folder / "report.html").write_text(html, encoding="utf-8")
    return folder / "report.html"


@pytest.fixture
def opened(browser):
    """Opens a page from disk with the network off; what it logs, asks for or throws is an error at the end."""
    contexts, wrong = [], []

    def open_page(path, width=1400, **options):
        context = browser.new_context(viewport={"width": width, "height": 900}, offline=True, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: (wrong.append(f"dialog {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda one: one.url.startswith(("file://", "data:")) or wrong.append(one.url))
        page.goto(path.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.mark.long
@pytest.mark.parametrize("width", [1000, 1200, 1311, 1312, 1400])
def test_the_table_of_the_answer_is_seen_whole_on_a_screen(opened, tmp_path, width):
    """Two seeds that differ have the widest intervals."""
    accuracies = {name: [values[0], values[0] - 0.6] for name, values in pages.ACCURACIES.items()}
    (tmp_path / "report.html").write_text(pages.render(tmp_path, {**accuracies, "real": [0.9, 0.89]}), encoding="utf-8")
    hidden = "[...document.querySelectorAll('.scroll.whole')].map(one => one.scrollWidth - one.clientWidth)"
    assert max(opened(tmp_path / "report.html", width).evaluate(hidden)) <= 1


@pytest.mark.parametrize("width", WIDTHS)
def test_every_picture_shows_and_nothing_sticks_out(opened, report, width):
    page = opened(report, width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for image in page.locator("main img").all():
        image.scroll_into_view_if_needed()
        assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
        assert image.get_attribute("alt")


def test_a_phone_shows_the_whole_table(opened, report):
    assert opened(report, 390).locator(".whole").evaluate("e => e.scrollWidth <= e.clientWidth")


def test_the_answer_the_table_and_its_plot_are_on_the_first_screen(opened, report):
    page = opened(report)
    for seen in (page.locator("h1"), page.locator(".answer"), page.locator("table").first, page.locator(".plot img")):
        box = seen.bounding_box()
        assert box["y"] + box["height"] <= 900, seen


def first_cells(page, table):
    return table.locator("tbody tr").evaluate_all("rows => rows.map(row => row.cells[0].textContent.trim())")


def test_a_heading_sorts_its_table_by_value_up_and_down(opened, report):
    page = opened(report)
    table = page.locator("table").first
    heading = table.get_by_role("columnheader", name="Accuracy")
    heading.get_by_role("button").click()
    assert heading.get_attribute("aria-sort") == "ascending"
    rising = first_cells(page, table)
    assert rising[0] == "Stable Diffusion"
    assert rising[-1] == "real + Diffusion Inversion"
    heading.get_by_role("button").press("Enter")
    assert heading.get_attribute("aria-sort") == "descending"
    falling = first_cells(page, table)
    assert (falling[0], falling[-1]) == (rising[-1], rising[0])


def test_numbers_sort_as_numbers_and_what_is_unknown_stays_last(opened, report):
    page = opened(report)
    table = page.locator("section[aria-labelledby=fidelity] table")
    button = table.get_by_role("button", name="Distance")
    button.click()
    assert first_cells(page, table) == ["b <i>", "a", "real"]
    button.click()
    assert first_cells(page, table) == ["a", "b <i>", "real"]


def test_a_picture_is_enlarged_and_put_away_by_keyboard(opened, report):
    page = opened(report)
    button = page.locator("section[aria-labelledby=fidelity] figure button")
    button.focus()
    button.press("Enter")
    dialog = page.get_by_role("dialog")
    assert dialog.is_visible()
    large, small = dialog.locator("img"), button.locator("img")
    assert large.get_attribute("src") == small.get_attribute("src")
    assert large.bounding_box()["width"] > small.bounding_box()["width"]
    assert "Farther by 3.1" in dialog.inner_text()
    page.keyboard.press("Escape")
    assert not dialog.is_visible()
    assert button.evaluate("button => button === document.activeElement")


def test_a_link_leads_to_its_section(opened, report):
    page = opened(report)
    page.get_by_role("navigation").get_by_role("link", name="Fidelity").click()
    assert page.url.endswith("#fidelity")
    assert page.locator("#fidelity").evaluate("e => Math.abs(e.getBoundingClientRect().top) < innerHeight / 2")


def test_hostile_names_are_shown_as_they_are(opened, report):
    page = opened(report)
    assert HOSTILE in page.title()
    assert page.locator("[onerror]").count() == 0
    assert page.get_by_role("heading", name=HOSTILE).is_visible()


def test_without_scripts_the_page_holds_the_same(opened, report):
    page = opened(report, java_script_enabled=False)
    assert page.locator("tbody tr").count() == 6 + 3 + 3
    assert page.locator("figure img").count() == 3 + 2 + 2
    assert page.locator("button:visible").count() == 0


def test_on_paper_everything_is_there(opened, report, tmp_path):
    page = opened(report, color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.get_by_role("navigation").is_visible()
    clipped = "[...document.querySelectorAll('.scroll')].filter(e => e.scrollHeight > e.clientHeight + 1).length"
    assert page.evaluate(clipped) == 0
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("pre").is_visible()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_nothing(opened, report, axe, width, scheme):
    assert violations(opened(report, width, color_scheme=scheme, bypass_csp=True), axe) == []


@pytest.mark.long
@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_of_a_study_that_ran_holds_the_same(opened, finished_study, axe, width):
    path = finished_study / "results/reduced/report.html"
    page = opened(path, width, bypass_csp=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert path.stat().st_size < 10_000_000
    assert violations(page, axe) == []


def violations(page, axe):
    """What axe-core objects to, of any impact, as rule and first place."""
    page.evaluate(axe)
    found = page.evaluate("axe.run().then(result => result.violations)")
    return [(one["id"], one["impact"], one["nodes"][0]["html"][:200]) for one in found]
