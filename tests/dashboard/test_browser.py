"""The dashboard in a real browser: open, pan, select, click, download.

Set HSCZ_SCREENSHOTS to a folder to look at what the browser showed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from astropy.io import fits

from hscz.dashboard import write_html

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
if not (shutil.which("chromium") and shutil.which("chromedriver")):
    pytest.skip("no chromium with chromedriver", allow_module_level=True)

SECONDS = 15

# The frame of a map on the page, in px, and what it shows.
FRAME = """
const find = (views) => {
  for (const view of views) {
    const model = view.model
    if (model.type === 'Figure' && model.below[0]?.axis_label === arguments[0]) return view
    const found = find(view.child_views ?? [])
    if (found) return found
  }
}
const view = find(Array.from(Bokeh.index.roots ?? Object.values(Bokeh.index)))
if (!view) return null
const rect = view.el.getBoundingClientRect(), box = view.frame.bbox
const source = view.model.renderers[0].data_source
return {
  left: rect.left + box.left, top: rect.top + box.top, width: box.width, height: box.height,
  x: [view.model.x_range.start, view.model.x_range.end],
  y: [view.model.y_range.start, view.model.y_range.end],
  drawn: source.get_array('count').length, at: source.get_array('x')[0],
}
"""
TEXT = """
const text = (node) => node.nodeType === 3 ? node.data
  : ['STYLE', 'SCRIPT'].includes(node.tagName) ? ''
  : [...(node.shadowRoot?.childNodes ?? []), ...node.childNodes].map(text).join(' ')
return text(document.body)
"""
PLACE = """
const [selector, words] = arguments
const place = (node) => {
  for (const child of node.querySelectorAll('*')) {
    const found = child.shadowRoot && place(child.shadowRoot)
    if (found) return found
    const rect = child.getBoundingClientRect()
    if (child.matches(selector) && child.textContent.includes(words) && rect.width > 0)
      return [rect.left + rect.width / 2, rect.top + rect.height / 2]
  }
}
return place(document)
"""


class Page:
    """A page in the browser, by what is written on it and where its maps are."""

    def __init__(self, driver: Any, downloads: Path) -> None:
        self.driver, self.downloads = driver, downloads

    def wait(self, condition: Any) -> Any:
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            if found := condition():
                return found
            time.sleep(0.1)
        raise AssertionError(f"waited in vain; the page says:\n{self.text()[:2000]}")

    def text(self) -> str:
        return str(self.driver.execute_script(TEXT))

    def says(self, words: str) -> None:
        self.wait(lambda: words in " ".join(self.text().split()))

    def frame(self, axis: str) -> dict[str, Any]:
        return self.wait(lambda: self.driver.execute_script(FRAME, axis))

    def drag(self, axis: str, start: tuple[float, float], end: tuple[float, float]) -> None:
        mouse = self._mouse()
        self._to(mouse, axis, start)
        mouse.pointer_action.pointer_down()
        self._to(mouse, axis, ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2))
        self._to(mouse, axis, end)
        mouse.pointer_action.pointer_up()
        mouse.perform()

    def click(self, axis: str, at: tuple[float, float]) -> None:
        mouse = self._mouse()
        self._to(mouse, axis, at)
        mouse.pointer_action.pointer_down().pointer_up()
        mouse.perform()

    def press(self, selector: str, words: str = "") -> None:
        x, y = self.wait(lambda: self.driver.execute_script(PLACE, selector, words))
        mouse = self._mouse()
        mouse.pointer_action.move_to_location(round(x), round(y)).pointer_down().pointer_up()
        mouse.perform()

    def shot(self, name: str) -> None:
        if folder := os.environ.get("HSCZ_SCREENSHOTS"):
            self.driver.save_screenshot(f"{folder}/{name}.png")

    def errors(self) -> list[str]:
        return [e["message"] for e in self.driver.get_log("browser") if e["level"] == "SEVERE"]

    def downloaded(self, pattern: str) -> Path:
        return self.wait(lambda: next(iter(self.downloads.glob(pattern)), None))

    def _mouse(self) -> Any:
        from selenium.webdriver.common.actions.action_builder import ActionBuilder

        return ActionBuilder(self.driver, duration=30)

    def _to(self, mouse: Any, axis: str, at: tuple[float, float]) -> None:
        """Move to a place of a map, from (0, 0) at its top left to (1, 1)."""
        f = self.frame(axis)
        mouse.pointer_action.move_to_location(
            round(f["left"] + at[0] * f["width"]), round(f["top"] + at[1] * f["height"])
        )


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.add_argument("--window-size=1850,1300")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    options.add_experimental_option("prefs", {"download.default_directory": str(tmp_path)})
    service = webdriver.ChromeService(str(shutil.which("chromedriver")))
    driver = webdriver.Chrome(options=options, service=service)
    try:
        yield Page(driver, tmp_path)
    finally:
        driver.quit()


@pytest.fixture
def address(pair: list[Path]) -> Iterator[str]:
    command = [sys.executable, "-m", "hscz.cli", "dashboard", *map(str, pair), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().split(" at ")[1].split()[0]
        finally:
            server.terminate()


SKY, GALAXIES = "right ascension (deg)", "i magnitude"


def test_open_pan_select_click_download(page: Page, address: str) -> None:
    assert address.startswith("http://127.0.0.1:")
    page.driver.get(address)
    page.says("400 of 400 objects")
    page.says("Mean PDF of all 400 selected objects.")
    before = page.frame(SKY)
    page.shot("opened")

    page.drag(SKY, (0.5, 0.5), (0.7, 0.5))
    after = page.wait(lambda: (f := page.frame(SKY))["x"] != before["x"] and f)
    # East is to the left: dragged to the right, the view goes east.
    assert after["x"][0] > before["x"][0]
    page.wait(lambda: page.frame(SKY)["at"] != before["at"])
    page.shot("panned")

    page.click(SKY, (0.4, 0.5))
    page.says("object_id 442234614757")
    page.shot("clicked")

    page.press(".bk-tool-icon-box-select")
    page.drag(SKY, (0.3, 0.3), (0.6, 0.7))
    page.wait(lambda: " of 400 objects" in page.text() and "anywhere" not in page.text())
    page.wait(lambda: "all 400 selected" not in page.text())
    page.says("Mean PDF of all")
    page.shot("selected")

    page.press(".bk-btn", "Catalogue")
    path = page.downloaded("F-v0-selection.fits")
    n = len(fits.getdata(path, 1))
    assert 0 < n < 400
    page.says(f"{n} of 400 objects")
    assert page.errors() == []


def test_the_static_page_links_what_it_can(page: Page, pair: list[Path], tmp_path: Path) -> None:
    page.driver.get(write_html(pair, tmp_path / "page.html").as_uri())
    page.says("400 of 400 objects of the sample selected")
    page.click(GALAXIES, (0.5, 0.6))
    page.says("object_id 442234614757")
    page.press(".bk-tool-icon-box-select")
    page.drag(SKY, (0.3, 0.3), (0.6, 0.7))
    page.wait(lambda: "400 of 400" not in page.text())
    page.shot("static")
    assert page.errors() == []
