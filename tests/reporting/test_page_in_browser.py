"""The page works where it is read: in a browser, wide and narrow, with and without its filters."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from conformance.reporting import Reading, publish, tables

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium drives the browser of these tests")
if not (shutil.which("chromium") and shutil.which("chromedriver")):
    pytest.skip("chromium and chromedriver are not installed", allow_module_level=True)

from selenium.webdriver.common.by import By  # noqa: E402 - needs selenium
from selenium.webdriver.support.ui import Select  # noqa: E402 - needs selenium

if TYPE_CHECKING:
    from collections.abc import Iterator

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
    "--force-prefers-reduced-motion",
)  # fmt: skip


@pytest.fixture(scope="module")
def browser(small: Reading, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Headless Chromium with the report open."""
    folder = tmp_path_factory.mktemp("report")
    publish(small, folder)
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    driver.set_window_size(1400, 1000)
    driver.get((folder / "index.html").as_uri())
    yield driver
    driver.quit()


@pytest.fixture(autouse=True)
def fresh(browser: Any) -> None:
    """Each test starts with the page as it is loaded."""
    browser.refresh()


def cell(browser: Any, target: str, family: str) -> Any:
    return browser.find_element(By.CSS_SELECTOR, f'#matrix td[data-target="{target}"][data-family="{family}"]')


def test_the_matrix_reads_as_the_record(browser: Any, small: Reading) -> None:
    due = tables.matrix(small)

    for target in due.index:
        for family in ("magnitude", "underflow"):
            got = cell(browser, target, family)
            grade = due.loc[target, (family, "grade")]
            assert grade == got.get_attribute("data-grade")
            assert (grade[:1].upper() or "–") == got.text.split()[0]


def test_a_divergence_can_be_read_from_the_page(browser: Any) -> None:
    card = browser.find_element(By.CSS_SELECTOR, 'details[data-target*="numpy/raising/cpu"][data-kind="raised"]')
    card.find_element(By.TAG_NAME, "summary").click()

    assert "violation" in card.text
    assert "not in the ledger" in card.text
    assert "<script>" in card.text  # as text: the hostile message of the framework


def test_a_witness_has_decimal_and_hex(browser: Any) -> None:
    cell(browser, "numpy/definition/cpu", "magnitude").find_element(By.TAG_NAME, "a").click()
    cards = browser.find_elements(
        By.CSS_SELECTOR, 'details[data-target*="numpy/definition/cpu"][data-kind="nonfinite"]'
    )
    card = next(card for card in cards if card.is_displayed())
    card.find_element(By.TAG_NAME, "summary").click()
    lanes = {row.text.split()[0]: row.text for row in card.find_elements(By.CSS_SELECTOR, ".lanes tr")}

    assert "nan" in lanes["got"]
    assert "0x" in lanes["true,"]


def test_filters_repaint_the_matrix_and_the_findings(browser: Any, small: Reading) -> None:
    Select(browser.find_element(By.ID, "op")).select_by_visible_text("log_softmax")

    due = tables.matrix(small, op="log_softmax")
    shown = [c for c in browser.find_elements(By.CSS_SELECTOR, "details.finding[data-op]") if c.is_displayed()]
    assert "" == cell(browser, "numpy/partial/cpu", "random").get_attribute("data-grade")
    got = cell(browser, "numpy/honest/cpu", "random").get_attribute("data-grade")
    assert due.loc["numpy/honest/cpu", ("random", "grade")] == got
    assert shown
    assert all("log_softmax" in json.loads(card.get_attribute("data-op")) for card in shown)


def test_a_cell_leads_to_its_findings_and_back(browser: Any) -> None:
    everything = len(browser.find_elements(By.CSS_SELECTOR, "details.finding[data-target]"))
    cell(browser, "numpy/raising/cpu", "all_equal").find_element(By.TAG_NAME, "a").click()
    hidden = browser.find_elements(By.CSS_SELECTOR, "details.finding[data-target][hidden]")

    note = browser.find_element(By.ID, "filtered")
    assert f"{everything - len(hidden)} of {everything} findings for numpy/raising/cpu" in note.text
    note.find_element(By.TAG_NAME, "button").click()
    assert [] == browser.find_elements(By.CSS_SELECTOR, "details.finding[data-target][hidden]")


def test_what_was_not_asked_is_marked_in_its_cells_and_above_them(browser: Any, small: Reading) -> None:
    due = tables.matrix(small).loc["numpy/partial/cpu"]
    unasked = [family for family in small.record.families if due.get((family, "not_asked"), 0)]

    banner = browser.find_element(By.CSS_SELECTOR, '[data-outcome="not_asked"]')
    assert "Not asked. numpy/partial/cpu:" in banner.text
    assert "it ended 3 processes" in banner.text
    assert unasked
    for dtype, mark in (("all", True), ("float16", True), ("float32", False)):
        Select(browser.find_element(By.ID, "dtype")).select_by_visible_text(dtype)
        for family in unasked:
            assert mark == cell(browser, "numpy/partial/cpu", family).text.endswith("?")


def test_a_program_can_be_copied_from_a_finding(browser: Any) -> None:
    card = browser.find_element(By.XPATH, "//details[.//pre][contains(@class, 'finding')]")
    card.find_element(By.TAG_NAME, "summary").click()

    text = card.find_element(By.TAG_NAME, "pre").text
    assert text.startswith("# numpy/partial/cpu 1.0: softmax of float32\n")
    assert "numbers(f(x, -1))" in text
    assert card.find_element(By.CSS_SELECTOR, "button.copy").is_displayed()


def test_controls_can_be_hidden(browser: Any) -> None:
    browser.find_element(By.ID, "controls").click()

    assert not cell(browser, "numpy/definition/cpu", "magnitude").is_displayed()
    assert cell(browser, "numpy/honest/cpu", "magnitude").is_displayed()


@pytest.mark.parametrize("width", [320, 390, 1400])
def test_nothing_but_the_matrix_scrolls_sideways(browser: Any, width: int) -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        wide = browser.execute_script("return document.documentElement.scrollWidth")
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

    assert wide <= width


def test_the_page_is_quiet_and_alone(browser: Any) -> None:
    requests = [e["message"] for e in browser.get_log("performance") if "Network.requestWillBeSent" in e["message"]]

    assert [] == browser.get_log("browser")
    assert any('"url":"file:' in text for text in requests)
    assert [] == [text for text in requests if '"url":"http' in text or '"url":"ws' in text]
    assert "softmax conformance, 2026-11-23" == browser.title


def test_it_reads_without_javascript(browser: Any) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.refresh()
        text = cell(browser, "numpy/definition/cpu", "magnitude").text
        filters = browser.find_element(By.ID, "filters").is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})

    assert text.startswith("D")
    assert not filters
