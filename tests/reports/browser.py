"""A real browser, driven at a given width, that notes what it complains of and what it asks for."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

AXE = Path(__file__).parents[2] / "build" / "node" / "node_modules" / "axe-core" / "axe.min.js"
SWITCHES = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
    "--hide-scrollbars", "--disable-dev-shm-usage",
)  # fmt: skip


def missing(what: str) -> None:
    """Nothing is passed over in silence where CI says that everything is installed."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


PAINTED = """
const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
const light = rgb => {
  const [r, g, b] = rgb.map(v => v / 255).map(v => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const contrast = (one, other) => {
  const [low, high] = [light(one), light(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
};
function behind(element) {
  for (let one = element; one; one = one.parentElement) {
    const [r, g, b, alpha = 1] = numbers(getComputedStyle(one).backgroundColor);
    if (alpha === 1) return [r, g, b];
  }
}
function seen(element, kind, back) {
  const style = getComputedStyle(element);
  // Black is what a shape is painted with that was given no colour.
  if (style[kind] === "none" || style[kind] === "rgb(0, 0, 0)") return 0;
  const [r, g, b, own = 1] = numbers(style[kind]);
  let alpha = own * style[`${kind}-opacity`];
  for (let one = element; one; one = one.parentElement) alpha *= getComputedStyle(one).opacity;
  return contrast([r, g, b].map((v, i) => alpha * v + (1 - alpha) * back[i]), back);
}
return [...document.querySelectorAll(".plot")].flatMap(plot =>
  arguments[0].flatMap(([selector, kinds]) =>
    [...plot.querySelectorAll(selector)].map(one => {
      const strongest = Math.max(...kinds.map(kind => seen(one, kind, behind(plot))));
      return [`${plot.dataset.plot}: ${one.outerHTML.slice(0, 160)}`, strongest];
    }),
  ),
);
"""
"""Every painted shape of every plot with its contrast against what is behind it, as WCAG 2 counts it; 0 without a colour.
https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio"""
SHAPES = [["g.mark > *", ["fill", "stroke"]], ["g.front path, g.gate line, g.cold line", ["stroke"]]]
WRITING = [["svg text", ["fill"]]]


class Browser:
    def __init__(self, driver: Any, width: int) -> None:
        self.driver = driver
        self.width = width

    def open(self, page: Path, dark: bool = False) -> None:
        theme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": theme})
        self.driver.get("about:blank")
        self.complaints(), self.requests()
        self.driver.get(page.as_uri())

    def run(self, script: str, *arguments: object) -> Any:
        return self.driver.execute_script(script, *arguments)

    def faint(self) -> list[str]:
        """Shapes under 3 to 1, which WCAG 2 asks of graphics, and writing under 4.5 to 1."""
        shapes, writing = self.run(PAINTED, SHAPES), self.run(PAINTED, WRITING)
        return [one for one, found in shapes if found < 3] + [one for one, found in writing if found < 4.5]

    def complaints(self) -> list[str]:
        return [line["message"] for line in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """Addresses that were asked for since the last call."""
        events = [json.loads(line["message"])["message"] for line in self.driver.get_log("performance")]
        return [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]

    def violations(self) -> list[str]:
        """What axe-core finds serious or critical, with the element it is about."""
        if not AXE.exists():
            missing("axe-core is not there; type: npm install --no-save --prefix build/node axe-core@4")
        # Through the debugging protocol, because the page's own policy rightly refuses further scripts.
        self.driver.execute_cdp_cmd("Runtime.evaluate", {"expression": AXE.read_text(encoding="utf-8")})
        found = self.driver.execute_async_script(
            "const done = arguments[0], failed = e => [{impact: 'critical', id: String(e), nodes: []}];"
            "axe.run().then(r => done(r.violations), e => done(failed(e)))"
        )
        return [
            f"{one['id']}: {[node['html'][:120] for node in one['nodes']][:3]}"
            for one in found
            if one["impact"] in ("serious", "critical")
        ]


@contextmanager
def browser(width: int, profile: Path) -> Iterator[Browser]:
    chromium, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not chromedriver:
        missing("chromium and chromium-driver are not there")
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for switch in (*SWITCHES, f"--user-data-dir={profile}", f"--window-size={width},900"):
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(chromedriver))
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        yield Browser(driver, width)
    finally:
        driver.quit()
