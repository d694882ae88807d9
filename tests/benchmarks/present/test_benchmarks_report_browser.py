"""The page of a run in a real browser: it sorts, wipes, fits a phone, and asks for nothing."""

import pytest

pytest.importorskip("matplotlib", reason="pip install 'nlmeans[bench]'")
pytest.importorskip("jinja2", reason="pip install 'nlmeans[bench]'")
pytest.importorskip("selenium", reason="pip install selenium")

from browsing import media, settle, size
from selenium.webdriver import Keys
from selenium.webdriver.common.by import By


@pytest.fixture
def opened(browser, small_run):
    media(browser, "light")
    size(browser, 1280)
    browser.get((small_run / "report.html").as_uri())
    settle(browser)
    yield browser
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def column(browser, index):
    return browser.execute_script(
        "return [...document.querySelectorAll('#figures tbody tr')].map((row) => row.children[arguments[0]].innerText)",
        index,
    )


def test_the_table_of_figures_sorts_both_ways(opened):
    button = opened.find_elements(By.CSS_SELECTOR, "#figures thead button")[1]
    button.click()
    first = [float(text) for text in column(opened, 1)]
    button.click()
    second = [float(text) for text in column(opened, 1)]
    assert len(set(first)) > 4
    assert {tuple(first), tuple(second)} == {tuple(sorted(first)), tuple(sorted(first, reverse=True))}


def test_the_slider_of_the_gallery_moves(opened):
    slider = opened.find_element(By.CSS_SELECTOR, "#look input.wipe")
    before = slider.get_attribute("value")
    slider.send_keys(Keys.ARROW_RIGHT)
    assert float(slider.get_attribute("value")) > float(before)
    assert len(opened.find_elements(By.CSS_SELECTOR, "#look .viewer")) == 2


def test_charts_take_the_page_s_ink_and_tell_their_numbers(opened):
    ink = "return getComputedStyle(document.querySelector('#answer svg text')).fill"
    light = opened.execute_script(ink)
    media(opened, "dark")
    settle(opened)
    assert opened.execute_script(ink) != light
    titles = opened.execute_script(
        "return [...document.querySelectorAll('#answer svg title')].map((t) => t.textContent)"
    )
    assert any(title.startswith("nlmeans-balanced: ") for title in titles)


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_hangs_over_the_side_and_nothing_is_asked_for(opened, width):
    size(opened, width)
    settle(opened)
    assert opened.execute_script("return document.documentElement.scrollWidth") <= width
    loaded = opened.execute_script("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert [name for name in loaded if not name.startswith("data:")] == []
