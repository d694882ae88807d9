"""Pages in a real browser: what is dragged moves, what is sorted is sorted, and nothing leaves the page."""

import json
import re

import numpy as np
import pytest

pytest.importorskip("jinja2")
pytest.importorskip("selenium")

from browsing import media, one, settle, size
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.common.by import By

from nlmeans.show.page import Scene, Shot, page

HEIGHT, WIDTH = 200, 640
SHOTS = {
    name: np.random.default_rng(k).integers(0, 256, (HEIGHT, WIDTH), np.uint8)
    for k, name in enumerate(("Noisy", "Fast", "Best", "Truth"))
}
ROWS = [
    {"method": "b2", "dB": 9.0, "seconds": 0.5},
    {"method": "b10", "dB": 30.0, "seconds": None},
    {"method": "a", "dB": 9.0, "seconds": 0.25},
    {"method": "c", "dB": 100.0, "seconds": 4.0},
]


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    grey = {name: Shot(name, pixels, f"note on {name}") for name, pixels in SHOTS.items()}
    colour = {name: Shot(name, np.stack([pixels, pixels // 2, pixels], -1)) for name, pixels in SHOTS.items()}
    scenes = [
        Scene(title, of["Noisy"], (of["Fast"], of["Best"]), of["Truth"]) for title, of in (("A", grey), ("B", colour))
    ]
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(page(scenes, "Pictures <b>", ["A sentence."], ROWS), encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def opened(browser, address):
    """Open the page anew at 1280 × 900 in light colours; afterwards no error may have been logged."""
    media(browser, "light")
    size(browser, 1280)
    browser.get(address)
    browser.execute_script("localStorage.clear()")
    browser.get(address)
    settle(browser)
    browser.get_log("browser")
    yield browser
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def choose(browser, side, name):
    browser.execute_script(
        "const list = document.querySelector(`.${arguments[0]} select`);"
        "list.value = [...list.options].find((option) => option.text === arguments[1]).value;"
        "list.dispatchEvent(new Event('change'));",
        side,
        name,
    )
    settle(browser)


def which(browser, share):
    """Return which side's picture is seen at a share of the width, by what the pointer would hit there."""
    script = (
        "const box = document.querySelector('.picture').getBoundingClientRect();"
        "return document.elementsFromPoint(box.left + arguments[0] * box.width, box.top + 5)"
        ".find((element) => element.tagName === 'IMG').className"
    )
    return browser.execute_script(script, share)


def crops(browser):
    """Return the lens's pictures by name, and the places they are of."""
    found = browser.execute_script(
        "return [...document.querySelectorAll('.scene .crops')[0].querySelectorAll('figure')].map((figure) => {"
        "const canvas = figure.querySelector('canvas');"
        "const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;"
        "return [figure.textContent, canvas.dataset.x, canvas.dataset.y, canvas.width, [...data]] })"
    )
    pictures = {name: np.array(data).reshape(side, side, 4)[..., 0] for name, _, _, side, data in found}
    places = {(int(x), int(y), side) for _, x, y, side, _ in found}
    return pictures, places


def column(browser, k):
    return [
        row.find_elements(By.CSS_SELECTOR, "th, td")[k].text
        for row in browser.find_elements("css selector", "tbody tr")
    ]


def test_no_request_leaves_the_page(opened):
    opened.get_log("performance")
    opened.refresh()
    settle(opened)
    one(opened, ".differs").click()
    settle(opened)
    loaded = opened.execute_script("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert [name for name in loaded if not name.startswith("data:")] == []
    messages = [json.loads(entry["message"])["message"] for entry in opened.get_log("performance")]
    asked = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert asked
    assert {url.partition(":")[0] for url in asked} <= {"file", "data"}


def test_the_slider_moves_by_keyboard(opened):
    slider = one(opened, ".wipe")
    assert (which(opened, 0.45), which(opened, 0.55)) == ("left", "right")
    slider.send_keys(*[Keys.ARROW_RIGHT] * 20)
    assert slider.get_attribute("value") == "70"
    assert (which(opened, 0.65), which(opened, 0.75)) == ("left", "right")
    slider.send_keys(Keys.HOME)
    assert which(opened, 0.02) == "right"
    assert slider.get_attribute("aria-valuetext") == "Noisy on the left 0 %, Best on the rest"


@pytest.mark.parametrize("what", [".picture", ".grip"])
def test_the_slider_moves_by_drag(opened, what):
    picture = one(opened, ".picture")
    across = picture.size["width"]
    start = one(opened, what)
    ActionChains(opened).move_to_element(start).click_and_hold().move_by_offset(
        int(across * 0.3), 20
    ).release().perform()
    assert int(float(one(opened, ".wipe").get_attribute("value"))) == pytest.approx(80, abs=1)
    assert (which(opened, 0.78), which(opened, 0.82)) == ("left", "right")
    divider = one(opened, ".divider").rect["x"] - picture.rect["x"]
    assert divider == pytest.approx(0.8 * across, abs=2)
    ActionChains(opened).move_by_offset(-100, 0).perform()  # the button is up: nothing follows
    assert which(opened, 0.78) == "left"


def test_a_finger_moves_the_slider_and_the_lens_and_may_still_scroll(opened):
    size(opened, 390)
    opened.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True})
    box = one(opened, ".picture").rect
    y = box["y"] + box["height"] * 0.75
    try:
        for kind, share in (("Start", 0.5), ("Move", 0.6), ("Move", 0.7), ("End", None)):
            points = [] if share is None else [{"x": box["x"] + box["width"] * share, "y": y}]
            opened.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": points})
    finally:
        opened.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})
    settle(opened)
    assert (which(opened, 0.67), which(opened, 0.73)) == ("left", "right")
    ((x, _, side),) = crops(opened)[1]
    assert x + side / 2 == pytest.approx(0.7 * WIDTH, abs=3)
    assert one(opened, ".picture").value_of_css_property("touch-action") == "pan-y"


def test_a_click_moves_the_lens_and_not_the_slider(opened):
    ActionChains(opened).move_to_element_with_offset(one(opened, ".picture"), 150, 40).click().perform()
    settle(opened)
    assert one(opened, ".wipe").get_attribute("value") == "50"
    ((x, y, _),) = crops(opened)[1]
    assert abs(x + 16 - (WIDTH / 2 + 150)) <= 2
    assert abs(y + 16 - (HEIGHT / 2 + 40)) <= 2


def test_selects_change_the_pictures_and_what_is_said_of_them(opened):
    sources = opened.execute_script("return [...document.querySelectorAll('.shots img')].slice(0, 4).map((o) => o.src)")
    assert one(opened, "img.left").get_attribute("src") == sources[0]
    assert one(opened, "img.right").get_attribute("src") == sources[2]
    choose(opened, "left", "Truth")
    choose(opened, "right", "Fast")
    assert one(opened, "img.left").get_attribute("src") == sources[3]
    assert one(opened, "img.right").get_attribute("src") == sources[1]
    assert one(opened, ".left small").text == "note on Truth"
    assert one(opened, ".chip.right").text == "Fast"
    one(opened, ".swap").click()
    assert one(opened, "img.left").get_attribute("src") == sources[1]
    assert one(opened, "img.right").get_attribute("alt") == "right: Truth"


def test_the_lens_shows_the_same_place_of_all_to_the_pixel(opened):
    choose(opened, "left", "Fast")
    ActionChains(opened).move_to_element_with_offset(one(opened, ".picture"), -120, -30).perform()
    settle(opened)
    pictures, places = crops(opened)
    assert list(pictures) == ["Noisy", "Fast", "Best", "Truth"]
    ((x, y, side),) = places
    for name, picture in pictures.items():
        np.testing.assert_array_equal(picture, SHOTS[name][y : y + side, x : x + side])
    assert one(opened, ".crops canvas").value_of_css_property("image-rendering") == "pixelated"
    spot, box = one(opened, ".spot").rect, one(opened, ".picture").rect
    assert spot["x"] - box["x"] == pytest.approx(x * box["width"] / WIDTH, abs=1)


def test_the_lens_moves_by_keyboard_and_stays_inside(opened):
    picture = one(opened, ".picture")
    ((x, y, side),) = crops(opened)[1]
    picture.send_keys(Keys.ARROW_LEFT, Keys.SHIFT + Keys.ARROW_DOWN)
    settle(opened)
    assert crops(opened)[1] == {(x - side // 4, y + 1, side)}
    picture.send_keys(*[Keys.ARROW_LEFT] * 99, *[Keys.ARROW_UP] * 99)
    settle(opened)
    pictures, places = crops(opened)
    assert places == {(0, 0, side)}
    np.testing.assert_array_equal(pictures["Truth"], SHOTS["Truth"][:side, :side])


def test_the_lens_has_three_sizes(opened):
    opened.execute_script(
        "const list = document.querySelector('.zoom'); list.value = 64; list.dispatchEvent(new Event('change'))"
    )
    settle(opened)
    pictures, ((x, y, side),) = crops(opened)
    assert side == 64
    np.testing.assert_array_equal(pictures["Best"], SHOTS["Best"][y : y + 64, x : x + 64])


def test_the_difference_is_left_minus_right_about_grey(opened):
    choose(opened, "left", "Truth")
    one(opened, ".differs").click()
    one(opened, "input.gain").send_keys(Keys.HOME, Keys.ARROW_RIGHT)
    settle(opened)
    shown = opened.execute_script(
        "const canvas = document.querySelector('canvas.difference');"
        "const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;"
        "return [canvas.width, canvas.height, [...data.filter((value, k) => k % 4 === 0)]]"
    )
    assert shown[:2] == [WIDTH, HEIGHT]
    expected = np.clip(128 + 2 * (SHOTS["Truth"].astype(int) - SHOTS["Best"]), 0, 255)
    np.testing.assert_array_equal(np.array(shown[2]).reshape(HEIGHT, WIDTH), expected)
    assert one(opened, "canvas.difference").is_displayed()
    assert one(opened, ".chip.minus").text == "Truth − Best, ×2; grey is no difference"
    assert not one(opened, ".wipe").is_enabled()
    pictures, ((x, y, side),) = crops(opened)
    np.testing.assert_array_equal(pictures["Difference"], expected[y : y + side, x : x + side])
    choose(opened, "right", "Truth")
    assert (crops(opened)[0]["Difference"] == 128).all()
    one(opened, ".differs").click()
    assert not one(opened, "canvas.difference").is_displayed()
    assert one(opened, ".wipe").is_enabled()


def test_one_to_one_shows_pixels_as_they_are_and_the_slider_wipes_what_is_seen(opened):
    size(opened, 360)
    one(opened, ".full").click()
    settle(opened)
    picture, frame = one(opened, ".picture"), one(opened, ".frame")
    assert picture.size == {"width": WIDTH, "height": HEIGHT}
    assert frame.size["width"] < 360
    opened.execute_script("arguments[0].scrollLeft = 200", frame)
    settle(opened)
    middle = frame.rect["x"] + frame.size["width"] / 2
    assert one(opened, ".divider").rect["x"] == pytest.approx(middle, abs=1.5)


def test_headings_sort_both_ways(opened):
    headings = opened.find_elements(By.CSS_SELECTOR, "thead th")
    headings[1].find_element(By.TAG_NAME, "button").click()
    assert column(opened, 1) == ["9.00", "9.00", "30.00", "100.00"]
    assert column(opened, 0)[:2] == ["b2", "a"]  # as they were
    assert headings[1].get_attribute("aria-sort") == "ascending"
    headings[1].find_element(By.TAG_NAME, "button").click()
    assert column(opened, 1) == ["100.00", "30.00", "9.00", "9.00"]
    assert column(opened, 0)[2:] == ["b2", "a"]
    assert headings[1].get_attribute("aria-sort") == "descending"
    headings[0].find_element(By.TAG_NAME, "button").send_keys(Keys.ENTER)
    assert column(opened, 0) == ["a", "b2", "b10", "c"]
    assert [heading.get_attribute("aria-sort") for heading in headings] == ["ascending", None, None]


def test_empty_cells_stay_last(opened):
    button = opened.find_elements(By.CSS_SELECTOR, "thead button")[2]
    button.send_keys(Keys.SPACE)
    assert column(opened, 2) == ["0.250", "0.500", "4.000", "–"]
    button.send_keys(Keys.SPACE)
    assert column(opened, 2) == ["4.000", "0.500", "0.250", "–"]


def background(browser):
    return tuple(map(int, re.findall(r"\d+", one(browser, "body").value_of_css_property("background-color"))[:3]))


def test_the_theme_is_the_systems_until_the_button_says_otherwise(opened):
    assert min(background(opened)) > 200
    media(opened, "dark")
    assert max(background(opened)) < 50
    button = one(opened, "button.theme")
    assert button.text == "Light theme"
    button.click()
    assert min(background(opened)) > 200
    assert button.text == "Dark theme"
    opened.refresh()
    assert min(background(opened)) > 200


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_is_readable(opened, theme):
    media(opened, theme)
    found = opened.execute_script(
        "const probe = document.body.appendChild(document.createElement('i'));"
        "return Object.fromEntries(['paper', 'panel', 'ink', 'muted', 'accent', 'edge'].map((name) => {"
        "probe.style.color = `var(--${name})`; return [name, getComputedStyle(probe).color] }))"
    )

    def luminance(colour):
        channels = np.array([int(v) for v in re.findall(r"\d+", colour)[:3]]) / 255
        return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4) @ [
            0.2126,
            0.7152,
            0.0722,
        ]

    for ground in ("paper", "panel"):
        for name, least in (("ink", 4.5), ("muted", 4.5), ("accent", 4.5), ("edge", 3)):
            dark, light = sorted(luminance(found[key]) for key in (ground, name))
            assert (light + 0.05) / (dark + 0.05) >= least, (ground, name)


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_the_page_is_no_wider_than_the_window(opened, width):
    size(opened, width)
    one(opened, ".differs").click()
    settle(opened)
    assert opened.execute_script("return document.documentElement.scrollWidth") <= width
    inside = opened.execute_script(
        "return [...document.querySelectorAll('.picture, .crops, select, button, h1')]"
        ".every((element) => element.getBoundingClientRect().right <= innerWidth)"
    )
    assert inside


def test_on_paper_all_pictures_lie_side_by_side_without_controls(opened):
    media(opened, "dark", "print")
    assert not one(opened, ".viewer").is_displayed()
    assert not one(opened, "button.theme").is_displayed()
    boxes = [figure.rect for figure in opened.find_elements(By.CSS_SELECTOR, ".shots figure")[:4]]
    assert len({box["y"] for box in boxes[:3]}) == 1
    assert [box["x"] for box in boxes[:3]] == sorted({box["x"] for box in boxes[:3]})
    assert background(opened) == (255, 255, 255)


def test_without_scripts_the_pictures_are_listed(browser, address):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(address)
        assert one(browser, ".shots figure:nth-child(4) img").is_displayed()
        assert not browser.find_elements(By.CSS_SELECTOR, ".viewer")
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_controls_can_be_reached_by_tab_and_show_it(opened):
    reached = set()
    for _ in range(20):
        ActionChains(opened).send_keys(Keys.TAB).perform()
        element = opened.switch_to.active_element
        reached.add(element.get_attribute("class") or element.tag_name)
        ring = opened.execute_script(
            "const style = (part) => getComputedStyle(arguments[0], part);"
            "return [style(null).outlineStyle, style('::after').borderTopStyle]",
            element,
        )
        assert "solid" in ring
    assert {"theme", "select", "swap", "picture", "wipe", "differs", "full", "zoom"} <= reached


def test_the_browser_would_refuse_one(opened):
    refused = opened.execute_async_script(
        "addEventListener('securitypolicyviolation', (event) => arguments[0](event.effectiveDirective));"
        "new Image().src = 'http://127.0.0.1:9/picture.png'"
    )
    assert refused == "img-src"
    opened.get_log("browser")  # which mentions it
