"""The pages in a real browser: they draw, open quickly, follow the mode, and can be used without a mouse."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from drivetrain.ui import create_app
from tests.ui import stores

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (shutil.which("chromium") and shutil.which("chromedriver")) and "DRIVETRAIN_CI" not in os.environ,
        reason="needs chromium and chromedriver: apt install chromium chromium-driver",
    ),
]
PATIENCE = 20.0


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with stores.trained(tmp_path_factory.mktemp("ui") / "drivetrain.db") as store:
        stores.car(store)
        stores.apollo(store)
        server = uvicorn.Server(uvicorn.Config(create_app(store), host="127.0.0.1", port=0, log_level="error"))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive()
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1280,1400"):
        options.add_argument(word)
    options.binary_location = shutil.which("chromium") or ""
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    yield driver
    driver.quit()


def test_charts_are_drawn_and_nothing_is_fetched_from_elsewhere(browser: webdriver.Chrome, address: str) -> None:
    browser.get(f"{address}/systems/perception/patterns")
    wait(browser, lambda: len(browser.find_elements(By.CSS_SELECTOR, ".chart[data-drawn] .scatterlayer")) == 2)
    asked = browser.execute_script("return performance.getEntriesByType('resource').map(each => each.name)")
    assert [name for name in asked if not name.startswith(address)] == []
    assert [line["message"] for line in browser.get_log("browser") if line["level"] == "SEVERE"] == []
    keep(browser, "patterns")


@pytest.mark.parametrize("page", ["matrix", "patterns", ""])
def test_a_page_of_2000_combinations_of_28_models_opens_in_under_a_second(
    browser: webdriver.Chrome, address: str, page: str
) -> None:
    seconds = []
    for _ in range(5):
        browser.get(f"{address}/systems/apollo/{page}".rstrip("/"))
        seconds.append(
            browser.execute_script("return performance.timing.loadEventEnd - performance.timing.navigationStart")
        )
    keep(browser, f"apollo {page or 'system'}")
    assert sorted(seconds)[2] < 1000


def test_the_grid_is_walked_with_the_arrow_keys_and_a_cell_opens_with_enter(
    browser: webdriver.Chrome, address: str
) -> None:
    browser.get(f"{address}/systems/car/matrix?across=eye&down=beam")
    keep(browser, "matrix")
    browser.find_element(By.CSS_SELECTOR, ".heat td a").send_keys(Keys.ARROW_RIGHT)
    here = browser.switch_to.active_element
    here.send_keys(Keys.ARROW_DOWN)
    below = browser.switch_to.active_element
    assert (here.text, below.text) == ("0.57", "0.62")
    below.send_keys(Keys.ENTER)
    wait(browser, lambda: "with eye 2 as eye and beam 2 as beam" in browser.page_source)


def test_everything_that_can_be_done_is_reached_with_the_tab_key(browser: webdriver.Chrome, address: str) -> None:
    browser.get(f"{address}/systems/car/promotions")
    wanted = browser.execute_script("return document.querySelectorAll('a[href], button, input, select').length")
    browser.find_element(By.TAG_NAME, "body").click()
    reached = set()
    for _ in range(wanted + 5):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        reached.add(browser.switch_to.active_element.id)
    reached.discard(browser.find_element(By.TAG_NAME, "body").id)
    assert len(reached) >= wanted - 1
    first = browser.execute_script("return document.querySelector('.skip').getAttribute('href')")
    assert first == "#content"


def test_a_version_is_promoted_by_hand(browser: webdriver.Chrome, address: str) -> None:
    browser.get(f"{address}/systems/car/promotions")
    browser.find_element(By.NAME, "why").send_keys("best on the track")
    browser.find_element(By.CSS_SELECTOR, "button.first").click()
    wait(browser, lambda: "is production now" in browser.page_source)
    browser.get(f"{address}/")
    assert "production: version" in browser.page_source
    keep(browser, "home")


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_words_can_be_read_in_both_modes(browser: webdriver.Chrome, address: str, mode: str) -> None:
    media = {"features": [{"name": "prefers-color-scheme", "value": mode}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    for page in ("", "/lineage", "/runs", "/matrix"):
        browser.get(f"{address}/systems/perception{page}")
        keep(browser, f"{page.strip('/') or 'system'} {mode}")
        assert browser.execute_script(WORST_CONTRAST) >= 4.5  # WCAG 2.1, success criterion 1.4.3
    assert [line["message"] for line in browser.get_log("browser") if line["level"] == "SEVERE"] == []
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def wait(browser: webdriver.Chrome, holds: Any) -> None:
    WebDriverWait(browser, PATIENCE).until(lambda _: holds())


def keep(browser: webdriver.Chrome, name: str) -> None:
    """Leave a picture for whoever wants to look, in the folder $DRIVETRAIN_PICTURES."""
    folder = os.environ.get("DRIVETRAIN_PICTURES")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        browser.save_screenshot(str(Path(folder) / f"{name}.png"))


WORST_CONTRAST = """
const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
function rgb(colour) { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
  return [...canvas.getImageData(0, 0, 1, 1).data]; }
function over(front, back) { const a = front[3] / 255;
  return front.slice(0, 3).map((v, i) => v * a + back[i] * (1 - a)); }
function light(colour) { const [r, g, b] = colour.map(v => { v /= 255;
  return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; }
function behind(element) { const layers = [];
  for (let e = element; e; e = e.parentElement)
    layers.unshift(rgb(getComputedStyle(e).backgroundColor));
  return layers.reduce((back, front) => over(front, back), [255, 255, 255]); }
let worst = 21;
for (const element of document.querySelectorAll('main *')) {
  const own = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
  const box = element.getBoundingClientRect();
  if (!own || !box.width || element.closest('svg, script, option, .chart')) continue;
  const back = behind(element), ink = over(rgb(getComputedStyle(element).color), back);
  const [a, b] = [light(ink), light(back)].sort((x, y) => y - x);
  worst = Math.min(worst, (a + 0.05) / (b + 0.05));
}
return worst;
"""
