"""A browser without a window, driven by the protocol that chromedriver speaks (W3C WebDriver).

It is JSON over HTTP, so nothing needs to be installed but the browser and its driver; where there
are none, tests that ask for one are skipped.
"""

import base64
import contextlib
import json
import re
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
_KEYS = {"right": "\ue014", "left": "\ue012", "end": "\ue010", "tab": "\ue004"}


class Browser:
    """A session with a browser.

    Args:
        address: Of it, at the driver.
    """

    def __init__(self, address: str) -> None:
        self.address = address

    def call(self, method: str, path: str, **body: Any) -> Any:
        """One command of the protocol."""
        data = json.dumps(body).encode() if method == "POST" else None
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.address}{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as found:
                return json.loads(found.read())["value"]
        except urllib.error.HTTPError as cause:
            told = json.loads(cause.read())["value"]
            raise AssertionError(f"{path}: {told['error']}: {told['message']}") from cause

    def open(self, address: str) -> None:
        """Load a page, and what it wants."""
        self.call("POST", "/url", url=address)

    def size(self, width: int, height: int, *, phone: bool = False) -> None:
        """Make the screen so wide and high; a phone's has a density of two."""
        self.devtools(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if phone else 1,
            mobile=phone,
        )

    def devtools(self, command: str, **options: Any) -> Any:
        """One command of Chromium's own protocol."""
        return self.call("POST", "/goog/cdp/execute", cmd=command, params=options)

    def ask(self, script: str, *arguments: Any) -> Any:
        """What a function body answers in the page."""
        return self.call("POST", "/execute/sync", script=script, args=list(arguments))

    def press(self, selector: str, key: str) -> None:
        """Press a key in the first element that a selector finds."""
        found = self.call("POST", "/element", using="css selector", value=selector)
        self.call("POST", f"/element/{found[_ELEMENT]}/value", text=_KEYS.get(key, key))

    def said(self) -> list[str]:
        """What the console was told since this was asked last."""
        return [entry["message"] for entry in self.call("POST", "/se/log", type="browser")]

    def picture(self, path: Path, *, whole: bool = False) -> Path:
        """A screenshot as PNG, of what is seen or of the whole page."""
        options: dict[str, Any] = {"captureBeyondViewport": True} if whole else {}
        if whole:
            size = self.devtools("Page.getLayoutMetrics")["cssContentSize"]
            options["clip"] = {**size, "scale": 1}
        data = self.devtools("Page.captureScreenshot", format="png", **options)["data"]
        path.write_bytes(base64.b64decode(data))
        return path


@contextlib.contextmanager
def browsing() -> Iterator[Browser]:
    """A browser of one's own, or the test is skipped."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("there is no Chromium, or no chromedriver")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        process = subprocess.Popen(
            [driver, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        try:
            assert process.stdout is not None
            lines = iter(process.stdout.readline, "")
            found = (re.search(r"successfully on port (\d+)", line) for line in lines)
            port = next((match[1] for match in found if match), None)
            assert port is not None, "chromedriver has ended"
            browser = Browser(f"http://127.0.0.1:{port}/session")
            chrome = {"binary": program, "args": [*OPTIONS, f"--user-data-dir={place}"]}
            wanted = {"goog:chromeOptions": chrome, "goog:loggingPrefs": {"browser": "ALL"}}
            try:
                begun = browser.call("POST", "", capabilities={"alwaysMatch": wanted})
            except AssertionError as cause:
                pytest.skip(f"the browser does not begin: {cause}")
            browser.address += f"/{begun['sessionId']}"
            yield browser
            with contextlib.suppress(Exception):
                browser.call("DELETE", "")
        finally:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
