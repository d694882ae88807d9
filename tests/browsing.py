"""A real browser for tests of pages, and what they do with it."""

import os
import shutil

import pytest
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.by import By

FLAGS = [
    *("--headless=new", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--force-device-scale-factor=1"),
]


def browsers(profile):
    """Yield a browser, or skip the test visibly."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
    driver = shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("no Chromium with a chromedriver: Debian has them as chromium and chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    if hasattr(os, "geteuid") and os.geteuid() == 0:  # Chromium's sandbox is not for the superuser
        options.add_argument("--no-sandbox")
    try:
        started = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    except WebDriverException as error:
        pytest.skip(f"Chromium does not start here: {error.msg}")
    yield started
    started.quit()


def media(browser, scheme, kind="screen"):
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": kind, "features": features})


def size(browser, width, height=900):
    shape = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", shape)


def settle(browser):
    """Wait for two frames: what a change draws is drawn by then."""
    browser.execute_async_script(
        "const done = arguments[0]; document.fonts.ready.then(() => Promise.all("
        "[...document.images].filter((one) => one.src).map((one) => one.decode()))).then(() => "
        "requestAnimationFrame(() => requestAnimationFrame(() => done())))"
    )


def one(browser, selector):
    return browser.find_element(By.CSS_SELECTOR, selector)
