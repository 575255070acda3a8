"""The page works where it is read: in a browser, wide and narrow, with and without its filters."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from report_rows import record, row, violation

from conformance.reporting import Reading, publish, tables
from conformance.reporting.comparison import compare
from conformance.reporting.faults import answered
from conformance.values import Target

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium drives the browser of these tests")
if not (shutil.which("chromium") and shutil.which("chromedriver")):
    pytest.skip("chromium and chromedriver are not installed", allow_module_level=True)

from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402 - needs selenium
from selenium.webdriver.common.by import By  # noqa: E402 - needs selenium
from selenium.webdriver.common.keys import Keys  # noqa: E402 - needs selenium
from selenium.webdriver.support.ui import Select, WebDriverWait  # noqa: E402 - needs selenium

if TYPE_CHECKING:
    from collections.abc import Iterator

AXE = Path(__file__).with_name("node_modules") / "axe-core" / "axe.min.js"
"""The checker of accessibility that others are made of, as it is published; `npm ci` in this folder brings it."""

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
    browser.execute_script("location.hash = '/'")
    browser.refresh()


def cell(browser: Any, target: str, family: str) -> Any:
    heads = [
        one.get_attribute("data-target") for one in browser.find_elements(By.CSS_SELECTOR, "#grade-table thead th")
    ]
    row = browser.find_element(By.CSS_SELECTOR, f'#grade-table tr[data-family="{family}"]')
    return row.find_elements(By.TAG_NAME, "td")[heads.index(target) - 1]


def lines(browser: Any) -> list[Any]:
    """The faults that are shown."""
    return [line for line in browser.find_elements(By.CSS_SELECTOR, ".faults > li") if line.is_displayed()]


def opened(browser: Any, title: str) -> Any:
    """The page of the first fault with a title, by a click on its line."""
    next(line for line in lines(browser) if title in line.text).find_element(By.TAG_NAME, "a").click()
    (shown,) = [one for one in browser.find_elements(By.CSS_SELECTOR, ".fault-page") if one.is_displayed()]
    return shown


def test_the_matrix_says_of_each_target_what_goes_wrong(browser: Any) -> None:
    def state(target: str, aspect: str) -> tuple[str, str]:
        cell = browser.find_element(By.CSS_SELECTOR, f'#matrix tr[data-name="{target}"] td[data-aspect="{aspect}"]')
        return cell.get_attribute("data-state"), cell.text.split()[0]

    assert ("violation", "✗") == state("numpy/raising/cpu", "shapes")
    assert ("fine", "✓") == state("numpy/honest/cpu", "nan")
    assert ("none", "–") == state("numpy/honest/cpu", "gradients")
    assert [] == browser.find_elements(By.CSS_SELECTOR, '#matrix tr[data-name="numpy/definition/cpu"]')


def test_grades_read_as_the_record(browser: Any, small: Reading) -> None:
    due = tables.matrix(small)
    browser.find_element(By.CSS_SELECTOR, "#grades > summary").click()

    for target in due.index:
        for family in ("magnitude", "underflow"):
            got = cell(browser, target, family)
            grade = due.loc[target, (family, "grade")]
            assert grade == got.get_attribute("data-grade")
            assert (grade[:1].upper() or "–") == got.text.split()[0]


def test_a_fault_is_a_page_that_can_be_linked_to(browser: Any) -> None:
    page = opened(browser, "raises ValueError")

    assert "<script>" in page.text  # as text: the hostile message of the framework
    assert "✗" in page.text
    assert not browser.find_element(By.ID, "faults").is_displayed()
    address = browser.current_url
    assert "#/fault/new-" in address
    page.find_element(By.CSS_SELECTOR, ".back a").click()
    assert browser.find_element(By.ID, "faults").is_displayed()
    browser.get(address)
    assert page.is_displayed()


def test_a_witness_has_decimal_and_hex(browser: Any) -> None:
    page = opened(browser, "where")
    lanes = {row.text.split()[0]: row.text for row in page.find_elements(By.CSS_SELECTOR, ".lanes tr")}

    assert "0x" in lanes["answer"]
    assert "0x" in lanes["right"]


def test_what_somebody_uses_is_kept_in_the_address(browser: Any) -> None:
    whole, everything = len(browser.find_elements(By.CSS_SELECTOR, ".faults > li")), len(lines(browser))
    Select(browser.find_element(By.NAME, "mode")).select_by_visible_text("honest")

    assert [] == lines(browser)
    assert browser.current_url.endswith("#/?mode=honest")
    assert f"0 of {whole} faults" == browser.find_element(By.ID, "counted").text
    shown = [one for one in browser.find_elements(By.CSS_SELECTOR, "#matrix tbody tr") if one.is_displayed()]
    assert ["numpy/honest/cpu"] == [one.get_attribute("data-name") for one in shown]
    browser.refresh()
    assert [] == lines(browser)
    browser.find_element(By.CSS_SELECTOR, "#picker button").click()
    assert everything == len(lines(browser))


def test_the_matrix_is_of_the_dtype_and_the_op_that_are_chosen(browser: Any, small: Reading) -> None:
    def cell(aspect: str) -> str:
        place = f'#matrix tr[data-name="numpy/raising/cpu"] td[data-aspect="{aspect}"]'
        return str(browser.find_element(By.CSS_SELECTOR, place).text)

    aspects = ("shapes", "numbers", "sums")
    whole = [cell(aspect) for aspect in aspects]
    Select(browser.find_element(By.NAME, "op")).select_by_visible_text("log_softmax")
    found = [cell(aspect) for aspect in aspects]
    due = [sum(f"numpy/raising/cpu: {aspect}" in one.cells and "log_softmax" in one.values("op") for one in small.faults)
           for aspect in aspects]  # fmt: skip

    assert [f"✗ {count}" if count else "✓" for count in due] == found
    assert found != whole
    browser.find_element(By.NAME, "q").send_keys("nothing is called so")
    assert [] == lines(browser)
    assert found == [cell(aspect) for aspect in aspects]  # what is searched for makes nothing fine


def test_a_word_finds_faults(browser: Any) -> None:
    browser.find_element(By.NAME, "q").send_keys("raises valueerror")

    assert lines(browser)
    assert all("raises ValueError" in line.text for line in lines(browser))


def test_a_cell_leads_to_its_faults(browser: Any) -> None:
    cell = browser.find_element(By.CSS_SELECTOR, '#matrix tr[data-name="numpy/raising/cpu"] td[data-aspect="shapes"] a')
    due = int(cell.find_element(By.TAG_NAME, "small").text)
    cell.click()

    assert due == len(lines(browser))
    assert all("numpy/raising/cpu: shapes" in json.loads(line.get_attribute("data-cell")) for line in lines(browser))


def pictures(browser: Any) -> list[Any]:
    """The pictures of errors, drawn."""
    WebDriverWait(browser, 20).until(lambda _: len(browser.find_elements(By.CSS_SELECTOR, "#errors-figures svg")) == 4)
    return browser.find_elements(By.CSS_SELECTOR, "#errors-figures svg")  # type: ignore[no-any-return]


def test_the_table_of_errors_counts_what_the_record_holds(browser: Any, small: Reading) -> None:
    pictures(browser)
    rows = small.record.observations
    mine = rows[(rows["op"] == "softmax") & (rows["dtype"] == "float32") & (rows["digest"] != "")]
    told = {
        row.find_element(By.TAG_NAME, "th").text: [cell.text for cell in row.find_elements(By.TAG_NAME, "td")]
        for row in browser.find_elements(By.CSS_SELECTOR, "#errors-totals tbody tr")
    }

    # One framework: its first mode stands for it where every framework is looked at.
    assert ["numpy/honest/cpu"] == list(told)
    errors = mine[mine["target"] == "numpy/honest/cpu"]["error_over_bound"].dropna()
    assert [f"{len(errors):,}", f"{(errors > 1).sum():,}"] == told["numpy/honest/cpu"][:2]
    assert float(told["numpy/honest/cpu"][3]) == pytest.approx(errors.max(), rel=1e-2)


def test_a_choice_of_pictures_is_kept_in_the_address_and_a_number_leads_to_its_rows(
    browser: Any, small: Reading
) -> None:
    pictures(browser)
    Select(browser.find_element(By.NAME, "whose")).select_by_visible_text("numpy 1.0")
    wanted = ["numpy/honest/cpu", "numpy/raising/cpu", "numpy/partial/cpu"]
    heads = lambda _: [one.text for one in browser.find_elements(By.CSS_SELECTOR, "#errors-totals tbody th")] == wanted  # noqa: E731
    WebDriverWait(browser, 20).until(heads)
    browser.refresh()
    pictures(browser)
    WebDriverWait(browser, 20).until(heads)
    assert "errors=numpy+1.0%7Csoftmax%7Cfloat32" in browser.current_url

    rows = small.record.observations
    due = rows[
        (rows["mode"] == "raising")
        & (rows["op"] == "softmax")
        & (rows["dtype"] == "float32")
        & (rows["error_over_bound"] > 1)
    ]
    link = browser.find_elements(By.CSS_SELECTOR, "#errors-totals tbody tr")[1].find_elements(By.TAG_NAME, "td")[1]
    assert str(len(due)) == link.text
    browser.execute_script("arguments[0].click()", link.find_element(By.TAG_NAME, "a"))
    note = browser.find_element(By.ID, "rows-note")
    WebDriverWait(browser, 20).until(lambda _: note.text.startswith(f"{len(due)} of "))


def test_an_address_that_names_no_picture_draws_the_first(browser: Any) -> None:
    browser.get(f"{browser.current_url.partition('#')[0]}#/?errors=nobody|softmax")
    browser.refresh()

    assert 4 == len(pictures(browser))
    assert "every framework" == Select(browser.find_element(By.NAME, "whose")).first_selected_option.text
    assert [] == browser.get_log("browser")


@pytest.mark.parametrize("figure", range(4))
def test_a_cell_of_a_picture_says_what_it_holds_and_leads_to_it(browser: Any, figure: int) -> None:
    picture = pictures(browser)[figure]
    cell = picture.find_elements(By.CSS_SELECTOR, "[data-mark=rect] rect")[5]
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", cell)
    ActionChains(browser).move_to_element(cell).perform()
    WebDriverWait(browser, 20).until(
        lambda _: " answers (" in picture.find_element(By.CSS_SELECTOR, "[data-mark=tip]").text
    )
    said = picture.find_element(By.CSS_SELECTOR, "[data-mark=tip]").text
    (count,) = re.findall(r"(?:bound|ulp|error at all)([\d,]+) of [\d,]+ answers", said)

    assert said.startswith("numpy/honest/cpu")
    ActionChains(browser).click(cell).perform()
    note = browser.find_element(By.ID, "rows-note")
    WebDriverWait(browser, 20).until(lambda _: note.text.startswith(f"{count} of "))
    assert "numpy/honest/cpu:" in browser.find_element(By.ID, "rows-query").get_attribute("value")


def test_a_fault_has_a_picture_of_its_row(browser: Any) -> None:
    page = opened(browser, "where")
    figure = page.find_element(By.CLASS_NAME, "lanes-figure")
    told = json.loads(figure.find_element(By.TAG_NAME, "script").get_attribute("textContent"))
    truths = figure.find_elements(By.TAG_NAME, "svg")[1].find_element(By.CSS_SELECTOR, "[data-mark=dot]")

    assert figure.is_displayed()
    assert 2 == len(figure.find_elements(By.TAG_NAME, "svg"))
    assert len(told["lane"]) == len(truths.find_elements(By.XPATH, "./*"))
    assert f"the error of lane {told['at']} (cross)" in figure.text
    assert "The record keeps no answer of the other lanes" in figure.text


def test_what_was_not_asked_is_marked_in_its_cells_and_above_them(browser: Any, small: Reading) -> None:
    due = tables.matrix(small).loc["numpy/partial/cpu"]
    unasked = [family for family in small.record.families if due.get((family, "not_asked"), 0)]

    banner = browser.find_element(By.CSS_SELECTOR, '[data-outcome="not_asked"]')
    assert "Not asked. numpy/partial/cpu:" in banner.text
    assert "it ended 3 processes" in banner.text
    assert unasked
    browser.find_element(By.CSS_SELECTOR, "#grades > summary").click()
    for family in unasked:
        assert cell(browser, "numpy/partial/cpu", family).text.endswith("?")


def test_a_program_can_be_copied_from_a_fault(browser: Any) -> None:
    page = opened(browser, "where")

    text = page.find_element(By.TAG_NAME, "pre").text
    assert text.startswith("# numpy/raising/cpu 1.0: ")
    assert "numbers(f(x, " in text
    assert page.find_element(By.CSS_SELECTOR, "button.copy").is_displayed()


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
        shown = len(lines(browser)), len(browser.find_elements(By.CSS_SELECTOR, ".fault-page"))
        text = browser.find_element(By.CSS_SELECTOR, '#matrix tr[data-name="numpy/raising/cpu"]').text
        filters = browser.find_element(By.ID, "picker").is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})

    assert shown[0] > 0
    assert shown[1] >= shown[0]
    assert "✗" in text
    assert not filters


def test_a_query_of_the_address_opens_the_rows(browser: Any, small: Reading) -> None:
    note = browser.find_element(By.ID, "rows-note")
    browser.get(f"{browser.current_url.partition('#')[0]}#/?rows=raising:violation and op:softmax")
    WebDriverWait(browser, 20).until(lambda _: " questions" in note.text)
    rows = small.record.observations
    mine = rows[(rows["mode"] == "raising") & (rows["severity"] == "violation") & (rows["op"] == "softmax")]
    shown = browser.find_elements(By.CSS_SELECTOR, "#rows-table .tabulator-row")

    assert note.text.startswith(f"{len(mine):,} of ")
    assert shown
    browser.execute_script("arguments[0].firstElementChild.click()", shown[0])
    assert "✗ violation" in browser.find_element(By.ID, "row-detail").text

    field = browser.find_element(By.ID, "rows-query")
    field.clear()
    field.send_keys("numpi:violation")
    WebDriverWait(browser, 20).until(lambda _: "numpi is no target" in note.text)
    assert "true" == field.get_attribute("aria-invalid")


def two_targets(browser: Any, a: str, b: str) -> None:
    """Open the address of the two side by side, and wait for their figures."""
    browser.get(f"{browser.current_url.partition('#')[0]}#/?{urlencode({'two': f'{a}|{b}||'})}")
    WebDriverWait(browser, 20).until(lambda _: browser.find_element(By.ID, "two-said").text)


def test_two_targets_are_compared_and_each_figure_leads_to_its_rows(browser: Any, small: Reading) -> None:
    a, b = "numpy/honest/cpu", "numpy/raising/cpu"
    rows = compare(small.record, a, b).rows
    two_targets(browser, a, b)

    assert a == Select(browser.find_element(By.CSS_SELECTOR, '#two-form [name="a"]')).first_selected_option.text
    answered = int(((rows["digest_first"] != "") & (rows["digest_second"] != "")).sum())
    assert (
        f"Both answered {answered:,} questions, {int(rows['same_bits'].sum()):,} of them"
        in browser.find_element(By.ID, "two-said").text
    )
    figure = browser.find_element(By.CSS_SELECTOR, "#two-verdicts tbody a")
    count = figure.text
    figure.click()
    WebDriverWait(browser, 20).until(lambda _: browser.find_elements(By.CSS_SELECTOR, ".tabulator-row"))
    assert browser.find_element(By.ID, "rows-note").text.startswith(f"{count} of ")
    assert "two=" in browser.current_url


def test_other_targets_are_chosen_and_kept_in_the_address(browser: Any) -> None:
    two_targets(browser, "numpy/honest/cpu", "numpy/raising/cpu")
    before = browser.find_element(By.ID, "two-said").text
    Select(browser.find_element(By.CSS_SELECTOR, '#two-form [name="dtype"]')).select_by_visible_text("float32")

    assert "two=numpy%2Fhonest%2Fcpu%7Cnumpy%2Fraising%2Fcpu%7C%7Cfloat32" in browser.current_url
    WebDriverWait(browser, 20).until(lambda _: browser.find_element(By.ID, "two-said").text != before)
    said = browser.find_element(By.ID, "two-said").text
    browser.refresh()
    WebDriverWait(browser, 20).until(lambda _: browser.find_element(By.ID, "two-said").text == said)


def test_an_address_of_two_targets_shows_their_section_and_says_what_it_does_not_know(browser: Any) -> None:
    two_targets(browser, "numpy/raising/cpu", "numpy/gone/cpu")
    heading = browser.find_element(By.ID, "two-title")

    WebDriverWait(browser, 20).until(lambda _: abs(heading.rect["y"] - browser.execute_script("return scrollY")) < 5)
    assert "holds no target “numpy/gone/cpu”; shown is" in browser.find_element(By.ID, "two-unknown").text
    two_targets(browser, "numpy/raising/cpu", "numpy/honest/cpu")
    unknown = browser.find_element(By.ID, "two-unknown")
    WebDriverWait(browser, 20).until(lambda _: not unknown.is_displayed())


def test_other_targets_leave_the_query_about_those_before(browser: Any) -> None:
    two_targets(browser, "numpy/honest/cpu", "numpy/raising/cpu")
    browser.find_element(By.CSS_SELECTOR, "#two-verdicts tbody a").click()
    WebDriverWait(browser, 20).until(lambda _: browser.find_element(By.ID, "rows-query").get_attribute("value"))
    Select(browser.find_element(By.CSS_SELECTOR, '#two-form [name="a"]')).select_by_visible_text("numpy/raising/cpu")

    WebDriverWait(browser, 20).until(lambda _: not browser.find_element(By.ID, "rows-query").get_attribute("value"))
    assert "rows=" not in browser.current_url


def test_the_faults_of_two_targets_are_named_and_lead_to_their_pages(browser: Any) -> None:
    two_targets(browser, "numpy/honest/cpu", "numpy/raising/cpu")
    heads = [one.text for one in browser.find_elements(By.CSS_SELECTOR, "#two-faults thead th")]
    first = browser.find_element(By.CSS_SELECTOR, "#two-faults tbody a")

    assert ["fault", "numpy/honest/cpu", "numpy/raising/cpu"] == heads
    title = first.text
    first.click()
    (page,) = [one for one in browser.find_elements(By.CSS_SELECTOR, ".fault-page") if one.is_displayed()]
    assert title in page.find_element(By.TAG_NAME, "h2").text


def test_what_one_uses_reduces_headline_and_tables(browser: Any) -> None:
    whole = browser.find_element(By.ID, "headline").text
    browser.get(f"{browser.current_url.partition('#')[0]}#/?mode=honest")

    assert "No fault was found in honest" == browser.find_element(By.ID, "headline").text
    for path in ("#policy-table tbody th", "#agreement-table tbody th"):
        names = [one.text for one in browser.find_elements(By.CSS_SELECTOR, path) if one.is_displayed()]
        assert {"numpy/honest/cpu"} >= set(names)
    browser.find_element(By.CSS_SELECTOR, "#grades > summary").click()
    heads = [one for one in browser.find_elements(By.CSS_SELECTOR, "#grade-table thead th") if one.is_displayed()]
    assert ["numpy/honest/cpu"] == [
        one.get_attribute("data-target") for one in heads[1:] if "control" not in one.get_attribute("class")
    ]
    browser.find_element(By.CSS_SELECTOR, "#picker [type=reset]").click()
    WebDriverWait(browser, 20).until(lambda _: whole == browser.find_element(By.ID, "headline").text)


@pytest.mark.parametrize("query", ["dtype=float16", "dtype=int8", "op=log_softmax", "op=softmax&dtype=float64"])
def test_a_choice_of_dtype_and_op_calls_fine_what_was_answered_alone(browser: Any, small: Reading, query: str) -> None:
    chosen = dict(part.split("=") for part in query.split("&"))
    browser.get(f"{browser.current_url.partition('#')[0]}#/?{query}")
    asked = answered(small)
    signs = {}
    for cell in browser.find_elements(By.CSS_SELECTOR, "#matrix tbody td"):
        row = cell.find_element(By.XPATH, "..").get_attribute("data-name")
        signs[row, cell.get_attribute("data-aspect")] = cell.text.split()[0]

    assert signs
    for (name, aspect), sign in signs.items():
        pairs = [{"op": op, "dtype": dtype} for op, dtype in asked.get(name, {}).get(aspect, ())]
        assert (sign == "–") == (not any(chosen.items() <= pair.items() for pair in pairs)), (name, aspect, sign)


def test_a_choice_that_the_report_does_not_have_is_said_and_is_no_good_news(browser: Any) -> None:
    whole = browser.find_element(By.ID, "headline").text
    browser.get(f"{browser.current_url.partition('#')[0]}#/?framework=numpi")

    assert "This report holds no framework “numpi”; it has" in browser.find_element(By.ID, "unknown").text
    assert whole == browser.find_element(By.ID, "headline").text
    browser.get(f"{browser.current_url.partition('#')[0]}#/?mode=honest&device=cuda:0")
    assert "holds no device “cuda:0”" in browser.find_element(By.ID, "unknown").text


def test_the_targets_of_a_framework_are_folded_where_there_are_many(browser: Any, tmp_path: Path) -> None:
    targets = [Target("f", f"mode{i}", "cpu", version="1.0") for i in range(21)]
    rows = [row(target, case="a", findings=[violation()] if target is targets[3] else []) for target in targets]
    publish(Reading(record(*rows, row(Target("g", "eager", "cpu", version="1.0"), case="a"))), tmp_path / "many")
    before = browser.current_url

    def names() -> list[str]:
        heads = browser.find_elements(By.CSS_SELECTOR, "#matrix tbody th")
        return [one.text.split()[0] for one in heads if one.is_displayed()]

    try:
        browser.get((tmp_path / "many" / "index.html").as_uri())
        assert ["f", "g/eager/cpu"] == names()
        group = browser.find_element(By.CSS_SELECTOR, '#matrix tr[data-name="f"]')
        assert "✗ 1" == group.find_element(By.CSS_SELECTOR, 'td[data-aspect="nan"]').text
        button = group.find_element(By.TAG_NAME, "button")
        assert "false" == button.get_attribute("aria-expanded")
        button.send_keys(Keys.ENTER)
        assert ["f", *(f"f/mode{i}/cpu" for i in range(21)), "g/eager/cpu"] == names()
        browser.get(f"{browser.current_url.partition('#')[0]}#/?mode=mode3")
        assert ["f/mode3/cpu"] == names()
    finally:
        browser.get(before)


def shown(browser: Any, state: str) -> None:
    """Bring the page into one of the states that it is read in."""
    if state == "fault":
        opened(browser, "where")
    if state == "rows":
        browser.get(f"{browser.current_url.partition('#')[0]}#/?rows=raising:violation")
        WebDriverWait(browser, 20).until(lambda _: browser.find_elements(By.CSS_SELECTOR, ".tabulator-row"))
        browser.execute_script("document.querySelector('.tabulator-row .tabulator-cell').click()")
    if state == "two":
        two_targets(browser, "numpy/honest/cpu", "numpy/raising/cpu")
    if state == "everything":
        browser.execute_script("document.querySelectorAll('details').forEach((one) => { one.open = true; })")


@pytest.fixture
def medium(browser: Any) -> Iterator[Any]:
    """Makes the page one of a screen that is light or dark, or of paper."""

    def make(kind: str, scheme: str = "light") -> None:
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": kind, "features": features})

    yield make
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
    browser.set_window_size(1400, 1000)


@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not installed: npm ci in tests/reporting")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("state", "width"),
    [("home", 1400), ("fault", 1400), ("rows", 1400), ("two", 1400), ("two", 390), ("everything", 500)],
)
def test_it_keeps_to_the_guidelines_for_accessibility(
    browser: Any, medium: Any, scheme: str, state: str, width: int
) -> None:
    medium("screen", scheme)
    browser.set_window_size(width, 1000)
    shown(browser, state)

    browser.execute_script(AXE.read_text("utf-8"))
    found = browser.execute_async_script(
        "const rules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];"
        "axe.run(document, { runOnly: rules, resultTypes: ['violations'] }).then(arguments[0]);"
    )

    assert len(found["passes"]) > 10
    assert [] == [(one["id"], node["html"]) for one in found["violations"] for node in one["nodes"]]


CONTRAST = """
const light = (text) => {
  const [r, g, b] = text.match(/[\\d.]+/g).map((part) => part / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
return [...document.querySelectorAll(arguments[0])].map((one) => {
  const style = getComputedStyle(one), both = [light(style.color), light(style.backgroundColor)].sort();
  return (both[1] + 0.05) / (both[0] + 0.05);
});
"""
"""The ratio of contrast of each element that has a background of its own, as WCAG 2.2 defines it."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_signs_are_seen_on_their_colours(browser: Any, medium: Any, scheme: str) -> None:
    medium("screen", scheme)

    ratios = browser.execute_script(CONTRAST, ".sign, .swatch, #matrix td > *, #grade-table td > *, .release")

    assert len(ratios) > 50
    assert min(ratios) >= 4.5  # level AA; axe-core leaves out what is a sign and no text


def test_each_control_is_reached_by_the_keyboard_and_seen_there(browser: Any) -> None:
    reached, outlined = [], []
    while True:
        browser.switch_to.active_element.send_keys(Keys.TAB)
        one = browser.switch_to.active_element
        if one.tag_name == "body":
            break
        reached.append(one.get_attribute("name") or one.text)
        outlined.append(one.value_of_css_property("outline-style"))

    assert ["to the faults", "to the matrix"] == reached[:2]
    assert {"mode", "op", "dtype", "q", "everything"} <= set(reached)
    assert "none" not in outlined
    browser.find_element(By.LINK_TEXT, "to the matrix").send_keys(Keys.ENTER)
    assert "Who, and what" == browser.switch_to.active_element.text


def test_a_row_is_opened_by_the_keyboard(browser: Any) -> None:
    shown(browser, "rows")
    case = browser.execute_script(
        "const row = document.querySelectorAll('.tabulator-row')[1]; row.focus();"
        "return row.querySelector('[tabulator-field=case]').innerText"
    )
    browser.switch_to.active_element.send_keys(Keys.ENTER)

    assert case in browser.find_element(By.ID, "row-detail").text


def test_paper_shows_the_faults_with_their_evidence(browser: Any, medium: Any) -> None:
    wrong = browser.find_elements(By.CSS_SELECTOR, ".fault-page.violation")
    medium("print", "dark")
    browser.set_window_size(718, 1000)  # A4 without its margins, at 96 dots an inch

    assert wrong
    assert all(page.find_element(By.CSS_SELECTOR, ".lanes, pre").is_displayed() for page in wrong)
    assert not browser.find_element(By.ID, "picker").is_displayed()
    assert "rgb(253, 253, 252)" in browser.find_element(By.TAG_NAME, "body").value_of_css_property("background")
    wide = "return [...document.querySelectorAll('table')].filter((one) => one.getBoundingClientRect().right > innerWidth).map((one) => one.id)"
    assert [] == browser.execute_script(wide)
    medium("screen")
    browser.get(f"{browser.current_url.partition('#')[0]}#/?mode=honest")
    medium("print")
    assert [] == [page for page in wrong if page.is_displayed()]
