"""Chromium without a window, and what one does in it."""

import json
import shutil
import time

import pytest

BROWSER, DRIVER = "/usr/bin/chromium", "/usr/bin/chromedriver"
PATIENCE_S = 30
_MISSING = [name for name in (BROWSER, DRIVER) if shutil.which(name) is None]

needs_browser = pytest.mark.skipif(
    bool(_MISSING), reason=f"{' and '.join(_MISSING)} not there: apt-get install chromium chromium-driver"
)


_AS_AT_FIRST = """
    for (const one of document.querySelectorAll(".toggle[aria-expanded=true]")) one.click();
    HTMLFormElement.prototype.reset.call(document.getElementById("filters"));
    location.hash = "";
    return new Promise((done) => setTimeout(done, 20));
"""


class Browser:
    """One window of it; `requests` and `complaints` are those since they were asked for last."""

    def __init__(self):
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        options = webdriver.ChromeOptions()
        options.binary_location = BROWSER
        for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1280,900"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(DRIVER))
        self.run = self.driver.execute_script

    def open(self, address):
        self.driver.get("about:blank")
        for kind in ("browser", "performance"):
            self.driver.get_log(kind)
        self.driver.get(address)

    def open_report(self, path, fragment=""):
        self.open(f"file://{path}{fragment}")
        self.wait("return performance.getEntriesByName('table shown').length")

    def turn_to(self, path, fragment=""):
        """As `open_report`, by a link within the page where it is open already: to draw it takes seconds of a core."""
        if self.driver.current_url.partition("#")[0] != f"file://{path}":
            self.open_report(path, fragment)
            return
        self.run(_AS_AT_FIRST)
        self.run("location.hash = arguments[0]; return new Promise((done) => setTimeout(done))", fragment)

    def wait(self, script, *arguments):
        """Until `script` gives something; returns that."""
        until = time.monotonic() + PATIENCE_S
        while not (found := self.run(script, *arguments)):
            assert time.monotonic() < until, f"expected something of {script}; got {found!r}, and {self.complaints()}"
            time.sleep(0.02)
        return found

    def wait_for_charts(self):
        self.wait("return performance.getEntriesByName('charts shown').length")

    def complaints(self):
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] != "INFO"]

    def requests(self):
        entries = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        sent = [
            entry["params"]["request"]["url"] for entry in entries if entry["method"] == "Network.requestWillBeSent"
        ]
        return [url for url in sent if not url.startswith(("data:", "about:"))]

    def prefer(self, scheme):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def press(self, *keys):
        from selenium.webdriver import ActionChains

        ActionChains(self.driver).send_keys(*keys).perform()

    def text(self, selector):
        return self.run("return document.querySelector(arguments[0]).textContent", selector)

    def texts(self, selector):
        return self.run("return [...document.querySelectorAll(arguments[0])].map((one) => one.textContent)", selector)
