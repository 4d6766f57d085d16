"""The one-file report in a real browser: quiet, harmless, usable by keyboard, phone and paper."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser.conftest import PHONE

pytestmark = pytest.mark.browser

#: What a page is made of; hostile text must add nothing to it.
_ELEMENTS = "[...new Set([...document.querySelectorAll('*')].map((one) => one.localName))]"
_HANDLERS = """[...document.querySelectorAll('*')].flatMap((one) => [...one.attributes])
  .filter((one) => /^(on|style|srcdoc|formaction)/.test(one.name)).map((one) => one.name)"""
_LINKS = """[...document.querySelectorAll('[href], [src], [action]')]
  .map((one) => one.getAttribute('href') ?? one.getAttribute('src') ?? 'action')"""
_TASKS = "[...document.querySelectorAll('#tasks tbody tr')].map((one) => one.cells[0].dataset.key)"


def _status(page):
    return page.locator("#flip-status").inner_text()


def _chosen(page):
    return page.locator("#flip-list [aria-selected=true]")


def _wait_for_status(page, text):
    page.locator("#flip-status", has_text=re.compile(f"^{re.escape(text)}$")).wait_for()


def _walk_through(page):
    """Use everything once."""
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    for heading in page.locator("[id$=tasks] thead button").all():
        heading.click()
    page.locator("#flip-search").fill("the")
    page.locator("#flip-direction").select_option("gained")
    page.locator("#flip-task").select_option(index=1)
    page.locator("#flip-search").fill("")
    page.locator("#flip-direction").select_option("")
    page.locator("#flip-task").select_option("")


@pytest.mark.parametrize("name", ["one", "many", "big"])
def test_no_request_leaves_and_the_console_stays_silent(visit, name):
    opened = visit(name)
    _walk_through(opened.page)
    assert opened.requests == [opened.path.as_uri()]
    assert opened.complaints == []


def test_hostile_text_stays_text(visit):
    elements = set(visit("many").page.evaluate(_ELEMENTS))
    opened = visit("nasty")
    for _ in range(21):  # every text of the corpus stands in one of the flips
        opened.page.keyboard.press("j")
        assert set(opened.page.evaluate(_ELEMENTS)) <= elements
    _chosen(opened.page).focus()
    opened.page.keyboard.press("End")
    assert "<script>" in opened.page.locator("#flip-detail").inner_text()
    assert opened.page.evaluate(_HANDLERS) == []
    assert all(link[0] in "#d" for link in opened.page.evaluate(_LINKS))
    assert opened.page.locator("script").count() == 2
    assert opened.page.evaluate("window.pwned") is None
    assert opened.requests == [opened.path.as_uri()]
    assert opened.complaints == []


def test_the_policy_stops_a_script_that_got_in_all_the_same(visit):
    opened = visit("one")
    opened.page.evaluate(
        """() => {
          const script = document.createElement('script');
          script.textContent = 'window.pwned = 1';
          document.body.append(script);
          const image = document.createElement('img');
          image.src = 'https://example.invalid/x.png';
          image.setAttribute('onerror', 'window.pwned = 1');
          document.body.append(image);
        }"""
    )
    opened.page.wait_for_timeout(50)
    assert opened.page.evaluate("window.pwned") is None
    assert any("Content Security Policy" in one for one in opened.complaints)


def test_a_click_on_a_heading_sorts_and_a_second_turns_the_order(visit):
    page = visit("one").page
    heading = page.locator("#tasks th", has_text="Δ")
    heading.get_by_role("button").click()
    assert heading.get_attribute("aria-sort") == "descending"
    assert page.evaluate(_TASKS)[:2] == ["gsm8k", "minerva_math_algebra"]
    heading.get_by_role("button").click()
    assert heading.get_attribute("aria-sort") == "ascending"
    assert page.evaluate(_TASKS)[-1] == "gsm8k"


def test_a_heading_sorts_by_keyboard(visit):
    page = visit("one").page
    heading = page.locator("#tasks th", has_text="Task")
    heading.get_by_role("button").focus()
    page.keyboard.press("Enter")
    ascending = page.evaluate(_TASKS)
    page.keyboard.press("Space")
    assert ascending == sorted(ascending)
    assert page.evaluate(_TASKS) == ascending[::-1]
    assert page.locator("#tasks [aria-sort]").count() == 1


def test_rows_without_a_number_come_last_in_both_directions(visit):
    page = visit("one").page
    button = page.locator("#tasks th", has_text="Holm").get_by_role("button")
    for _ in range(2):
        button.click()
        assert page.evaluate(_TASKS)[-1] == "triviaqa"


def test_filters_and_search_narrow_the_flips_together(visit):
    page = visit("one").page
    assert _status(page) == "60 flips"
    page.locator("#flip-task").select_option(label="gsm8k")
    assert _status(page) == "40 of 60 flips"
    page.locator("#flip-direction").select_option("lost")
    assert _status(page) == "20 of 60 flips"
    target = page.locator("#flip-detail .said").nth(1).inner_text()
    page.locator("#flip-search").fill(f"RESULT {target}")
    _wait_for_status(page, "1 of 60 flips")
    assert "item 1 · lost" in page.locator("#flip-detail h3").inner_text()
    page.locator("#flip-search").fill("no such words anywhere")
    _wait_for_status(page, "0 of 60 flips")
    assert page.locator("#flip-detail").inner_text() == "No flip fits this filter."


def test_flips_of_several_candidates_can_be_told_apart(visit):
    page = visit("many").page
    page.locator("#flip-candidate").select_option(label="adapter-2")
    assert _status(page) == "15 of 30 flips"
    assert "adapter-2" in page.locator("#flip-detail h3").inner_text()


def test_a_flip_shows_both_answers_with_what_differs_marked(visit):
    detail = visit("one").page.locator("#flip-detail")
    base, candidate = detail.locator(".answers > div").all()
    assert base.locator("h4").inner_text() == "base wrong"
    assert candidate.locator("h4").inner_text() == "adapter right"
    assert base.locator("del").count() == 1
    assert base.locator("ins").count() == 0
    assert candidate.locator("ins").count() == 1
    assert base.locator(".said").inner_text().endswith("is the result.")


def test_with_a_script_the_static_flips_step_back(visit):
    page = visit("one").page
    assert page.locator("#flip-browser").is_visible()
    assert not page.locator("#flip-static").is_visible()


def test_flips_can_be_read_without_a_mouse(visit):
    page = visit("one").page
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "flip-search"
    page.keyboard.type("jk/")  # letters are letters while one types
    assert page.locator("#flip-search").input_value() == "jk/"
    _wait_for_status(page, "0 of 60 flips")
    page.locator("#flip-search").fill("")
    page.keyboard.press("Escape")  # at once: what was typed counts
    assert _status(page) == "60 flips"
    assert page.evaluate("document.activeElement.getAttribute('role')") == "option"
    for key, place in (
        ("j", 2),
        ("j", 3),
        ("k", 2),
        ("ArrowDown", 3),
        ("ArrowUp", 2),
        ("PageDown", 27),
        ("End", 60),
        ("j", 60),
        ("Home", 1),
        ("k", 1),
    ):
        page.keyboard.press(key)
        assert _chosen(page).get_attribute("aria-posinset") == str(place), key
        assert _chosen(page).evaluate("(one) => one === document.activeElement"), key
    outline = _chosen(page).evaluate("(one) => getComputedStyle(one).outlineStyle")
    assert outline == "solid"


def test_the_way_through_the_page_by_tab_is_visible(visit):
    page = visit("one").page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.locator(".skip").bounding_box()["x"] >= 0
    for _ in range(40):
        page.keyboard.press("Tab")
        style = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert style != "none", page.evaluate("document.activeElement.outerHTML")


def test_letter_keys_can_be_turned_off(visit):
    page = visit("one").page
    page.locator("#flip-keys").uncheck()
    page.keyboard.press("j")
    page.keyboard.press("/")
    assert _chosen(page).get_attribute("aria-posinset") == "1"
    assert page.evaluate("document.activeElement.id") == "flip-keys"


def test_ten_thousand_flips_stay_small_and_usable(visit):
    opened = visit("big")
    page = opened.page
    assert opened.path.stat().st_size < 5_000_000
    assert _status(page) == "10,000 flips"
    assert page.evaluate("document.querySelectorAll('*').length") < 3_000
    _chosen(page).focus()
    page.keyboard.press("End")
    assert _chosen(page).get_attribute("aria-posinset") == "10000"
    assert page.locator("#flip-list [role=option]").count() <= 25
    last = page.locator("#flip-detail .said").first.inner_text()
    page.locator("#flip-search").fill(last)
    _wait_for_status(page, "1 of 10,000 flips")
    page.locator("#flip-search").fill("")
    _wait_for_status(page, "10,000 flips")
    page.locator("#flip-direction").select_option("lost")
    page.locator("#flip-on").click()
    assert page.locator("#flip-page").inner_text() == "Page 2 of 134"
    assert page.evaluate("document.querySelectorAll('*').length") < 3_000
    assert opened.complaints == []


@pytest.mark.parametrize("name", ["one", "many", "nasty"])
def test_a_phone_scrolls_no_page_sideways(visit, name):
    page = visit(name, viewport=PHONE).page
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    for _ in range(3):
        page.keyboard.press("j")
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


def test_a_phone_gets_the_narrow_plot(visit):
    page = visit("one", viewport=PHONE).page
    assert page.locator(".plot.narrow").is_visible()
    assert not page.locator(".plot.wide").is_visible()


def test_paper_gets_no_controls_and_everything_open(visit):
    page = visit("many").page
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert not page.locator("#flip-browser").is_visible()
    assert not page.locator("nav").is_visible()
    assert page.locator("#flip-static article").first.is_visible()
    assert page.locator("#c2-tasks table").is_visible()
    arrows = "getComputedStyle(document.querySelector('th button'), '::after').display"
    assert page.evaluate(arrows) == "none"
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    page.emulate_media(media="screen")
    assert not page.locator("#c2-tasks table").is_visible()


def test_paper_without_a_script_has_everything_open_too(visit):
    page = visit("many", java_script_enabled=False).page
    assert not page.locator("#c2-tasks table").is_visible()
    page.emulate_media(media="print")
    assert page.locator("#c2-tasks table").is_visible()


def test_the_page_can_be_read_without_javascript(visit):
    page = visit("one", java_script_enabled=False).page
    assert page.locator("h1").is_visible()
    assert page.locator("#tasks tbody tr").count() == 10
    assert page.locator(".plot.wide").is_visible()
    assert page.locator("#tasks button").count() == 0
    assert not page.locator("#flip-browser").is_visible()
    assert page.locator("#flip-static article:visible").count() == 20
    assert "needs JavaScript" in page.locator("#flip-static .note").inner_text()


def test_a_browser_that_cannot_unpack_shows_the_static_flips(browser, written):
    context = browser.new_context()
    page = context.new_page()
    page.add_init_script("delete window.DecompressionStream")
    page.goto(written("big").as_uri())
    page.locator("#flip-static").wait_for()
    assert not page.locator("#flip-browser").is_visible()
    context.close()


@pytest.mark.parametrize(
    ("name", "size", "scheme"),
    [
        ("one", "wide", "light"),
        ("one", "wide", "dark"),
        ("one", "phone", "light"),
        ("one", "phone", "dark"),
        ("many", "wide", "light"),
        ("many", "phone", "dark"),
    ],
)
def test_axe_finds_nothing(visit, name, size, scheme):
    options = {"viewport": PHONE} if size == "phone" else {}
    page = visit(name, color_scheme=scheme, **options).page
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    found = Axe().run(page).response["violations"]
    told = [(one["id"], one["impact"], one["nodes"][0]["html"][:200]) for one in found]
    assert told == []
