"""The page in a real browser, from disk, with the network blocked: Debian's chromium and chromium-driver, selenium."""

import json
import shutil
import time

import pytest

from snnvtg.page.recording import unpacked

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed (extra browser)")
By = pytest.importorskip("selenium.webdriver.common.by").By
Keys = pytest.importorskip("selenium.webdriver.common.keys").Keys
Select = pytest.importorskip("selenium.webdriver.support.ui").Select

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="chromium and chromedriver are not installed")


@pytest.fixture(scope="module")
def browser(html, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(html)
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    # no address resolves and no proxy is asked: whatever the page wanted from a network would be an error
    quiet = ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--window-size=1280,900")
    for argument in (
        *quiet,
        "--host-resolver-rules=MAP * ~NOTFOUND",
        "--no-proxy-server",
        "--disable-background-networking",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.get(f"file://{path}")
    yield driver
    driver.quit()


def wait(condition):
    for _ in range(100):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("what was waited for did not come")


def column(table, place):
    return [
        row.find_elements(By.CSS_SELECTOR, "th, td")[place].text
        for row in table.find_elements(By.CSS_SELECTOR, "tbody tr")
    ]


def test_it_loads_from_disk_without_a_word_on_the_console_and_asks_nobody(browser):
    assert "What does spiking buy" in browser.title
    assert browser.get_log("browser") == []
    sent = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [m["params"]["request"]["url"] for m in sent if m["method"] == "Network.requestWillBeSent"]
    assert asked and all(address.startswith("file:///") for address in asked)


def test_every_table_is_filled(browser):
    counts = browser.execute_script("return [...document.querySelectorAll('table')].map(t => t.tBodies[0].rows.length)")
    assert len(counts) > 10 and min(counts) > 0


def test_every_column_of_every_table_sorts_by_keyboard(browser):
    # a press of Enter on each head, both ways; what the browser makes of the key is tried on one table below
    wrong = browser.execute_script("""
        const wrong = [];
        for (const table of document.querySelectorAll("table")) for (const head of table.tHead.rows[0].cells) {
            const button = head.querySelector("button"), rows = table.tBodies[0].rows.length;
            if (button.tabIndex !== 0) wrong.push(["not reached", table.id, head.textContent]);
            for (const way of ["ascending", "descending"]) {
                button.click();
                if (head.getAttribute("aria-sort") !== way) wrong.push([way, table.id, head.textContent]);
                const said = [...table.tBodies[0].rows].map((row) => row.cells[head.cellIndex]);
                const numbers = said.map((c) => Number(c.dataset.v ?? c.textContent.replaceAll(",", "")));
                if (said.every((c) => c.textContent !== "–") && numbers.every((n) => !Number.isNaN(n))) {
                    const sorted = [...numbers].sort((a, b) => (way === "ascending" ? a - b : b - a));
                    if (String(sorted) !== String(numbers)) wrong.push(["order", table.id, head.textContent]);
                }
            }
            if (table.tBodies[0].rows.length !== rows) wrong.push(["rows lost", table.id]);
            const sorted = table.querySelectorAll("[aria-sort]:not([aria-sort=none])");
            if (sorted.length !== 1) wrong.push(["two sorted", table.id]);
        }
        return wrong;""")
    assert wrong == []


def test_a_table_sorts_and_filters_by_keyboard(browser):
    table = browser.find_element(By.ID, "table-energy-charades-sta-models")
    head = table.find_elements(By.CSS_SELECTOR, "thead th")[2]
    button = head.find_element(By.TAG_NAME, "button")
    button.send_keys(Keys.ENTER)
    assert head.get_attribute("aria-sort") == "ascending"
    cheap = [float(text.replace(",", "")) for text in column(table, 2)]
    assert cheap == sorted(cheap)
    button.send_keys(Keys.SPACE)
    assert head.get_attribute("aria-sort") == "descending"
    box = browser.find_element(By.CSS_SELECTOR, "[aria-controls=table-energy-charades-sta-models]")
    box.send_keys("loihi keras")
    assert {text for text in column(table, 0) if text} == {"loihi_keras_spiking"}
    assert box.find_element(By.XPATH, "ancestor::div[@class='tools']/output").text == "4 of 56 rows"
    box.send_keys(*[Keys.BACKSPACE] * 11)
    assert len([text for text in column(table, 0) if text]) == 56


def test_a_number_tells_its_origin_by_key_and_the_dialog_closes_again(browser):
    cell = browser.find_element(By.CSS_SELECTOR, "#table-comparison-charades-sta td[tabindex='0']")
    cell.send_keys(Keys.ARROW_DOWN)
    below = browser.switch_to.active_element
    below.send_keys(Keys.ENTER)
    dialog = browser.find_element(By.ID, "origin")
    assert dialog.is_displayed()
    row = below.find_element(By.XPATH, "..").find_element(By.TAG_NAME, "th").text
    assert browser.find_element(By.ID, "origin-number").text.startswith(row)
    assert "compare <them> & all" in dialog.text and "abc123" in dialog.text and "2026-11-21" in dialog.text
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    wait(lambda: not dialog.is_displayed())
    link = browser.find_element(By.CSS_SELECTOR, ".answer .number")
    link.send_keys(Keys.ENTER)
    assert dialog.is_displayed() and link.text in dialog.text
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    wait(lambda: not dialog.is_displayed())


def picture(browser, side="left"):
    return browser.execute_script(f"return document.querySelector('[data-side={side}] canvas').toDataURL()")


def words(browser, side="left"):
    return browser.find_element(By.CSS_SELECTOR, f"[data-side={side}] .words").text


def test_the_explorer_answers_every_choice(browser, recording):
    form = browser.find_element(By.ID, "explorer-controls")
    assert not form.find_element(By.CSS_SELECTOR, "[data-for=recording]").is_displayed()  # there is one
    assert "firing rate" in browser.find_element(By.CSS_SELECTOR, "[data-side=left] table").get_attribute("textContent")
    for name, choice in (("layer", "0"), ("layer", "1"), ("step", "1"), ("head", "1"), ("video", "1"), ("left", "1")):
        before = picture(browser), words(browser)
        Select(form.find_element(By.NAME, name)).select_by_value(choice)
        assert (picture(browser), words(browser)) != before, name
    asked = recording["videos"][1]["answers"][1]["query"]
    assert browser.find_element(By.CSS_SELECTOR, "[data-side=left] h3").text == f"“{asked}”"
    Select(form.find_element(By.NAME, "right")).select_by_value("")
    assert not browser.find_element(By.CSS_SELECTOR, "[data-side=right]").is_displayed()
    assert browser.get_log("browser") == []


def test_the_explorer_is_walked_by_keys_and_its_table_has_the_same_numbers(browser, recording):
    form = browser.find_element(By.ID, "explorer-controls")
    for name, choice in (("video", "0"), ("layer", "0"), ("step", ""), ("left", "0")):
        Select(form.find_element(By.NAME, name)).select_by_value(choice)
    canvas = browser.find_element(By.CSS_SELECTOR, "[data-side=left] canvas")
    before = picture(browser)
    canvas.send_keys(Keys.HOME, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_DOWN)
    assert picture(browser) != before
    said = words(browser)
    assert said.startswith("Clip 3 of ") and "Neuron 2:" in said
    spikes, _ = unpacked(recording["videos"][0]["answers"][0]["layers"][0])
    assert f": {spikes[:, 2].sum()} spikes of 24" in said
    cells = browser.execute_script("""
        const texts = (row) => [...row.cells].map((cell) => cell.textContent);
        const tables = [...document.querySelectorAll("[data-side=left] table")];
        return tables.map((table) => [...table.tBodies[0].rows].map(texts));""")
    assert [int(row[5]) for row in cells[0]] == spikes.sum((0, 2)).tolist()
    assert [int(row[2]) for row in cells[1]] == spikes.sum((0, 1)).tolist()
    levels = [int(3 * rate + 1e-9) for rate in spikes.mean((0, 2))]
    assert [int(row[7]) for row in cells[0]] == levels


def test_it_follows_light_and_dark(browser):
    ground = {}
    for scheme in ("light", "dark"):
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        ground[scheme] = (
            browser.execute_script("return getComputedStyle(document.body).backgroundColor"),
            picture(browser),
        )
    assert ground["light"][0] == "rgb(255, 255, 255)" and ground["dark"][0] == "rgb(20, 24, 29)"
    assert ground["light"][1] != ground["dark"][1]
    pages = browser.execute_cdp_cmd("Page.printToPDF", {})
    assert len(pages["data"]) > 10_000
