"""The dashboard with a million objects in a browser: first view, selections, memory.

``python -m benchmarks.dashboard --objects 100000`` is quicker.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from hscz.plan.synthetic import pdf_cube

OBJECTS = 1_000_000
INTERACTIONS = 200
WARM_UP = 20
TRIES = 3

FIND = """
const find = (views, what) => {
  for (const view of views) {
    if (what(view.model)) return view.model
    const found = find(view.child_views ?? [], what)
    if (found) return found
  }
}
const model = (what) => find(Array.from(Bokeh.index.roots ?? Object.values(Bokeh.index)), what)
const map = () => model((m) => m.type === 'Figure')?.renderers[0].data_source
const status = () => model((m) => m.text?.includes('selected objects'))?.text
"""
READING = FIND + "return Boolean(status())"
EXACT = FIND + "return Boolean(status()?.includes(' all '))"
DRAWN = FIND + "return (map()?.get_array('mean') ?? []).length > 0"
# Answered once the map has been redrawn and n(z) is of the new selection, from all the PDFs
# that were read meanwhile; ms.
LIMIT = (
    FIND
    + """
const [low, high, done] = arguments
const slider = model((m) => m.type.includes('Slider') && m.label?.startsWith('i magnitude')
  || m.title?.startsWith('i magnitude'))
const picture = map().get_array('mean')[0], before = status(), started = performance.now()
const total = (text) => text.match(/([0-9,]+) selected/)[1]
slider.value = [low, high]
slider.value_throttled = [low, high]
const look = () => {
  if (map().get_array('mean')[0] !== picture && total(status()) !== total(before))
    done(performance.now() - started)
  else setTimeout(look, 5)
}
look()
"""
)


def run(n: int = OBJECTS) -> dict[str, float]:
    """Return seconds and MB; nothing where chromium or an extra is absent."""
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        print("no chromium with chromedriver: the dashboard is not measured")
        return {}
    with tempfile.TemporaryDirectory() as name:
        cubes = [Path(name) / f"{model}-F" / "F.zarr" for model in ("v0", "v2")]
        pdf_cube(cubes[0], n)
        cubes[1].parent.mkdir()
        cubes[1].symlink_to(cubes[0])
        driver = _browser()
        try:
            return _measure(driver, cubes, n)
        finally:
            driver.quit()


def _measure(driver: Any, cubes: list[Path], n: int) -> dict[str, float]:
    import psutil

    label = f"dashboard, {n:,} objects, 2 models"
    first = []
    for _ in range(TRIES):
        started = time.perf_counter()
        server, address = _start(cubes)
        _open(driver, address)
        first.append(time.perf_counter() - started)
        if len(first) < TRIES:
            server.terminate()
            server.wait()
    # The line on what is selected comes after the first map.
    _wait(driver, READING)
    process = psutil.Process(server.pid)
    answers, memory, exact = [], {}, []
    for k in range(WARM_UP + INTERACTIONS + 1):
        if k in (WARM_UP, WARM_UP + INTERACTIONS):
            # Of the page at rest, with the last n(z) read to its end.
            _wait(driver, EXACT)
            time.sleep(5)
            memory[k] = process.memory_info().rss / 1e6
        if k % 3 == 0:
            low = 18 + (k % 17) * 0.2
            answers.append(driver.execute_async_script(LIMIT, low, low + 3.05) / 1e3)
        else:
            _drag(driver, 0 if k % 3 == 1 else (-1) ** k * 40)
    for low in (18.1, 18.3, 18.5):
        started = time.perf_counter()
        driver.execute_async_script(LIMIT, low, low + 3.05)
        _wait(driver, EXACT)
        exact.append(time.perf_counter() - started)
    server.terminate()
    server.wait()
    return {
        f"{label}, start to first view, s": min(first),
        f"{label}, selection answered, best, s": min(answers),
        f"{label}, selection answered, median, s": sorted(answers)[len(answers) // 2],
        f"{label}, n(z) of all PDFs of a selection, median, s": sorted(exact)[len(exact) // 2],
        f"{label}, resident memory after {WARM_UP} interactions, MB": memory[WARM_UP],
        f"{label}, resident memory after {INTERACTIONS} more, MB": memory[WARM_UP + INTERACTIONS],
    }


def _browser() -> Any:
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.add_argument("--window-size=1850,1300")
    service = webdriver.ChromeService(str(shutil.which("chromedriver")))
    driver = webdriver.Chrome(options=options, service=service)
    driver.set_script_timeout(60)
    return driver


def _start(cubes: list[Path]) -> tuple[subprocess.Popen[str], str]:
    command = [sys.executable, "-m", "hscz.cli", "dashboard", *map(str, cubes), "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    return server, server.stdout.readline().split(" at ")[1].split()[0]


def _open(driver: Any, address: str) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            driver.get(address)
            break
        except Exception:  # The address is printed just before the server listens.
            time.sleep(0.05)
    _wait(driver, f"if (!window.Bokeh) return false\n{DRAWN}")


def _wait(driver: Any, script: str, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not driver.execute_script(script):
        if time.monotonic() > until:
            raise TimeoutError(f"not true after {seconds:g} s: {script}")
        time.sleep(0.02)


def _drag(driver: Any, by_px: int) -> None:
    """Drag the map of the sky, or click on it where it is not moved."""
    from selenium.webdriver.common.actions.action_builder import ActionBuilder

    mouse = ActionBuilder(driver, duration=20)
    mouse.pointer_action.move_to_location(500, 250).pointer_down()
    mouse.pointer_action.move_to_location(500 + by_px, 250).pointer_up()
    mouse.perform()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dashboard", description=__doc__)
    parser.add_argument("--objects", type=int, default=OBJECTS)
    for key, value in run(parser.parse_args().objects).items():
        print(f"{key:80} {value:10.3f}")
