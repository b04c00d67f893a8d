"""Report in a browser: what Chromium makes of a page, at a desk and on a phone."""

import base64
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from artifact_fn.folds import at_most
from artifact_fn.optim import sgd
from artifact_fn.runs import run
from artifact_fn.runs.reports import report
from tests.runs.browser import Browser, browsing
from tests.runs.examples import done
from tests.runs.pages import HOSTILE, with_artifacts

NAME = HOSTILE.replace("/", "|")
SEEN = """
return [...document.querySelectorAll(".strip")].map(strip =>
  [...strip.querySelectorAll(".frame")].filter(f => f.getClientRects().length).map(f =>
    [Number(f.dataset.epoch), f.querySelector("img")?.src ?? f.textContent]));
"""
"""Of each artifact, the frames that are shown: an epoch, and what it shows."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as found:
        yield found


@pytest.fixture(scope="module")
def pages(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Of a run, of one whose names mean harm, and of both."""
    root = tmp_path_factory.mktemp("runs")
    done(run(with_artifacts(until=at_most(4)), root / "plain"))
    done(run(with_artifacts(NAME, until=at_most(2), optimizer=sgd(0.05)), root / NAME))
    return {
        "plain": done(report(root / "plain")),
        "hostile": done(report(root / NAME)),
        "both": done(report(root / "plain", root / NAME)),
    }


def shown(browser: Browser, page: Path, width: int = 1280, *, phone: bool = False) -> None:
    browser.size(width, 900 if width > 600 else 844, phone=phone)
    browser.open(page.absolute().as_uri())


def kept(browser: Browser, tmp_path: Path, name: str) -> Path:
    """A picture of the whole page; in the directory `SCREENSHOTS` names, to be looked at."""
    place = Path(os.environ.get("SCREENSHOTS", tmp_path))
    return browser.picture(place / f"{name}.png", whole=True)


@pytest.mark.parametrize("name", ["plain", "hostile", "both"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_loads_without_a_word_and_fits(
    browser: Browser, pages: dict[str, Path], name: str, width: int, tmp_path: Path
) -> None:
    shown(browser, pages[name], width, phone=width < 600)
    assert browser.said() == []
    sizes = browser.ask(
        "return [...document.images].map(i => [i.complete, i.naturalWidth, i.alt.length])"
    )
    assert len(sizes) >= 4
    assert all(complete and wide > 0 and alt > 0 for complete, wide, alt in sizes)
    # Nothing is wider than the screen; wide tables are scrolled by themselves.
    assert browser.ask("return document.documentElement.scrollWidth") <= width
    small = browser.ask(
        "return [...document.querySelectorAll('p, td, th, li')].filter(e => e.innerText &&"
        " parseFloat(getComputedStyle(e).fontSize) < 12).length"
    )
    assert small == 0
    with Image.open(kept(browser, tmp_path, f"{name}-{width}")) as picture:
        assert picture.width == width * (2 if width < 600 else 1)
        assert len(picture.convert("RGB").resize((64, 64)).getcolors(4096) or []) > 50


def test_the_slider_moves_through_epochs(browser: Browser, pages: dict[str, Path]) -> None:
    shown(browser, pages["plain"])
    first = browser.ask(SEEN)
    assert all(len(frames) == 1 for frames in first)
    browser.press(".strip input", "left")
    second = browser.ask(SEEN)
    assert first[0][0][0] - second[0][0][0] == 1
    assert first[0][0][1] != second[0][0][1]
    assert first[1:] == second[1:]  # each has its own
    for _ in range(3):
        browser.press(".strip input", "right")
    last = browser.ask(SEEN)
    assert last[0][0][0] == 4
    about = browser.ask(
        "const i = document.querySelector('.strip input');"
        "return [i.getAttribute('aria-valuetext'), i.nextElementSibling.textContent]"
    )
    assert about == ["epoch 4", "4"]


def test_names_are_shown_as_text(browser: Browser, pages: dict[str, Path]) -> None:
    """Whatever a run, a score, an artifact or a column is called."""
    for name in ("hostile", "both"):
        shown(browser, pages[name])
        text = browser.ask("return document.body.textContent")
        assert NAME in text
        assert HOSTILE in text
        assert f"{NAME}/<b>score</b>" in text
        assert browser.ask("return document.scripts.length") == 1
        assert browser.ask("return document.querySelectorAll('b, main script, iframe').length") == 0
        assert browser.ask("return document.querySelectorAll('style, title').length") == 2
        handlers = (
            "return [...document.all].some(e => [...e.attributes].some(a => /^on/.test(a.name)))"
        )
        assert browser.ask(handlers) is False
        assert browser.said() == []
    shown(browser, pages["hostile"])
    assert NAME in browser.ask("return document.title")


def test_a_script_that_came_in_would_not_run(browser: Browser, pages: dict[str, Path]) -> None:
    """The test can fail: what the page would do with a name that was not escaped."""
    page = pages["plain"].with_name("broken.html")
    text = pages["plain"].read_text(encoding="utf-8")
    page.write_text(text.replace("<main", "<script>document.title = 'in'</script><main"), "utf-8")
    shown(browser, page)
    assert browser.ask("return document.scripts.length") == 2
    assert browser.ask("return document.title") != "in"
    assert "Content Security Policy" in "".join(browser.said())


def test_without_scripts_all_epochs_are_there(browser: Browser, pages: dict[str, Path]) -> None:
    browser.devtools("Emulation.setScriptExecutionDisabled", value=True)
    try:
        shown(browser, pages["plain"])
        browser.devtools("Emulation.setScriptExecutionDisabled", value=False)
        strips = [[epoch for epoch, _ in frames] for frames in browser.ask(SEEN)]
        assert len(strips) >= 4
        assert all(epochs == [1, 2, 3, 4] for epochs in strips), strips
        assert browser.ask("return document.querySelector('.control').getClientRects().length") == 0
    finally:
        browser.devtools("Emulation.setScriptExecutionDisabled", value=False)


def test_by_keyboard_and_on_paper(browser: Browser, pages: dict[str, Path]) -> None:
    shown(browser, pages["plain"])
    browser.press("body", "tab")
    assert browser.ask("return document.activeElement.className") == "skip"
    assert browser.ask("return document.activeElement.getBoundingClientRect().top") >= 0
    paper = base64.b64decode(browser.devtools("Page.printToPDF")["data"])
    assert paper.startswith(b"%PDF")


def test_words_stand_out_from_what_is_behind_them(browser: Browser, pages: dict[str, Path]) -> None:
    """Contrast of 4.5 at least (WCAG 2 AA), in light and in dark."""
    for scheme in ("light", "dark"):
        feature = {"name": "prefers-color-scheme", "value": scheme}
        browser.devtools("Emulation.setEmulatedMedia", features=[feature])
        shown(browser, pages["both"])
        least = browser.ask(CONTRAST)
        assert least[0] >= 4.5, (scheme, least)
    browser.devtools("Emulation.setEmulatedMedia", features=[])


CONTRAST = """
const parts = c => c.match(/[\\d.]+/g).map(Number);
const light = c => parts(c).slice(0, 3).map(v => v / 255).map(v =>
  v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce((s, v, i) =>
  s + v * [0.2126, 0.7152, 0.0722][i], 0);
const behind = e => { for (; e; e = e.parentElement) {
  const c = getComputedStyle(e).backgroundColor;
  if (!(parts(c).length === 4 && parts(c)[3] === 0)) return c; } return "rgb(255, 255, 255)"; };
let least = [99, ""];
for (const e of document.querySelectorAll("main *, header *, .skip")) {
  if (![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())) continue;
  const [a, b] = [light(getComputedStyle(e).color), light(behind(e))];
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (ratio < least[0]) least = [ratio, e.tagName + " " + e.className + " " + e.textContent.slice(0, 40)];
}
return least;
"""
