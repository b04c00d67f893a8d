"""Report: one page, whole by itself, in which names are text whatever they are."""

import base64
import hashlib
import io
import json
import math
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import attrs
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment
from PIL import Image

from artifact_fn.folds import at_most
from artifact_fn.optim import sgd
from artifact_fn.runs import Damaged, Missing, load_run, run
from artifact_fn.runs.reports import page as page_module
from artifact_fn.runs.reports import report
from artifact_fn.runs.reports.curves import Chart, Curve, charts, thinned
from artifact_fn.runs.reports.drawn import COLOURS, strokes, svg
from artifact_fn.runs.reports.facts import architecture, duration
from artifact_fn.runs.reports.frames import strips
from tests.runs.examples import done, fault
from tests.runs.pages import HOSTILE, Page, with_artifacts


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs; the names of the second one mean harm."""
    root = tmp_path_factory.mktemp("runs")
    done(run(with_artifacts(until=at_most(4)), root / "plain"))
    hostile = with_artifacts(HOSTILE.replace("/", "|"), until=at_most(2), optimizer=sgd(0.05))
    done(run(hostile, root / HOSTILE.replace("/", "|")))
    return root


@pytest.fixture(scope="module")
def plain(root: Path) -> str:
    return Path(done(report(root / "plain"))).read_text(encoding="utf-8")


def test_it_is_written_beside_the_run(root: Path, plain: str) -> None:
    assert (root / "plain" / "report.html").stat().st_size < 2_000_000
    page = Page(plain)
    assert not page.wrong
    assert not page.open
    assert plain.startswith("<!doctype html>")


def test_it_needs_no_network(plain: str) -> None:
    page = Page(plain)
    for tag, attributes in page.tags:
        for name in ("src", "href", "srcset", "action"):
            address = attributes.get(name)
            assert address is None or address.startswith(("data:", "#")), (tag, address)
    assert not re.search(r"@import|url\(", plain)
    assert "default-src 'none'" in str(page.of("meta")[2]["content"])


def test_only_its_own_script_is_allowed(plain: str) -> None:
    script = re.findall(r"<script>(.*?)</script>", plain, re.DOTALL)
    assert len(script) == 1
    digest = base64.b64encode(hashlib.sha256(script[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in plain


def test_it_says_what_ran_and_how_it_ended(plain: str) -> None:
    texts = Page(plain).texts
    for told in ("ended", "4 epochs are done", "best epoch", "val/loss", "train/lr", "torch"):
        assert told in texts, told
    assert any(text.startswith("Sequential(") for text in texts)
    assert "data[train].batch_size" in texts


def test_every_score_is_a_curve_and_every_curve_has_words(plain: str) -> None:
    pictures = [a for a in Page(plain).of("img") if "svg" in str(a["src"])]
    told = {str(a["alt"]).split(" by epoch")[0]: str(a["alt"]) for a in pictures}
    assert list(told) == ["loss", "accuracy", "lr", "grad_norm", "<b>score</b>"]
    assert re.search(r"train: [\d.]+ at epoch 1, [\d.]+ at epoch 4, lowest", told["loss"])
    assert "val: " in told["loss"]
    for picture in pictures:
        document = base64.b64decode(str(picture["src"]).split(",")[1])
        texts = [e.text for e in ElementTree.fromstring(document).iter() if e.tag.endswith("}text")]
        assert texts
        assert all(re.fullmatch(r"[\d.\-\u2212\u00d7e+ ]+", str(t)) for t in texts), texts


def test_plots_have_a_frame_an_epoch_and_a_slider_with_a_name(plain: str) -> None:
    page = Page(plain)
    pictures = [a for a in page.of("img") if "webp" in str(a["src"])]
    assert [a["alt"] for a in pictures] == [f"val/PLOT at epoch {n}" for n in (1, 2, 3, 4)]
    for picture in pictures:
        with Image.open(io.BytesIO(base64.b64decode(str(picture["src"]).split(",")[1]))) as image:
            assert image.size == (400, 300)
    sliders = page.of("input")
    names = [a["aria-label"] for a in sliders]
    assert "Epoch of val/PLOT" in names
    assert {(a["min"], a["max"]) for a in sliders} == {("0", "3")}
    # Without JavaScript the slider is away, and every frame is there to be scrolled to.
    labels = [a for a in page.of("label") if a["class"] == "control"]
    assert labels
    assert all("hidden" in a for a in labels)
    assert not any("hidden" in a for a in page.of("div"))
    strips = [a for a in page.of("div") if a.get("class") == "frames"]
    assert all(a.get("tabindex") == "0" for a in strips)


def test_the_script_moves_the_frames(plain: str) -> None:
    """The page's own script, run on the little of a document that it touches.

    What a browser makes of the page is not tested: there is none here.
    """
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node")
    harness = """
    const frame = (epoch) => ({hidden: false, dataset: {epoch}});
    const frames = ["1", "2", "4"].map(frame);
    let moved;
    const input = {value: "2", setAttribute(n, v) { this[n] = v; }, addEventListener(n, f) { moved = f; }};
    const output = {}, box = {removed: "", removeAttribute(n) { this.removed = n; }};
    const control = {hidden: true, querySelector: (q) => (q === "input" ? input : output)};
    const strip = {querySelectorAll: () => frames, querySelector: (q) => (q === ".control" ? control : box)};
    globalThis.document = {querySelectorAll: () => [strip, {querySelectorAll: () => [], querySelector: () => null}]};
    %s
    const seen = () => frames.map((f) => f.hidden);
    const told = [control.hidden, box.removed, seen(), output.textContent];
    input.value = "0";
    moved();
    console.log(JSON.stringify([...told, seen(), output.textContent, input["aria-valuetext"]]));
    """
    (script,) = re.findall(r"<script>(.*?)</script>", plain, re.DOTALL)
    found = subprocess.run(
        [node, "-e", harness % script.replace('"use strict";', "", 1)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(found.stdout) == [
        False, "tabindex", [True, True, False], "4", [False, True, True], "1", "epoch 1",
    ]  # fmt: skip


def test_what_is_seen_has_a_name(plain: str) -> None:
    page = Page(plain)
    assert all(a.get("alt") for a in page.of("img"))
    assert page.of("html")[0]["lang"] == "en"
    assert page.of("main")
    ids = [str(a["id"]) for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    for link in page.of("a"):
        assert str(link["href"])[1:] in ids
    for heading in page.of("section"):
        assert heading["aria-labelledby"] in ids


def test_arrays_and_values_are_tables(plain: str) -> None:
    texts = Page(plain).texts
    assert "val/MATRIX at epoch 4" in texts
    assert "116" in texts  # 29 * 4
    assert "5 more rows" in texts
    assert HOSTILE in texts


def test_names_are_text(root: Path) -> None:
    name = HOSTILE.replace("/", "|")
    text = Path(done(report(root / name, root / "plain", out=root / "both.html"))).read_text()
    page = Page(text)
    assert not page.wrong
    assert len(page.of("script")) == len(page.of("style")) == len(page.of("title")) == 1
    assert not page.of("b")
    assert name in page.texts
    assert f"{name}/<b>score</b>" in page.texts
    assert "<script>alert" not in text
    assert "{{7*7}}" in text


def test_a_page_that_does_not_escape_is_noticed(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What shows that the tests above can fail."""
    monkeypatch.setattr(
        page_module, "Environment", lambda **how: Environment(**{**how, "autoescape": False})
    )
    name = HOSTILE.replace("/", "|")
    text = Path(done(report(root / name, out=tmp_path / "page.html"))).read_text()
    assert "<script>alert" in text
    assert len(Page(text).of("script")) > 1


def test_forty_plots_of_thirty_epochs_are_a_small_page(
    root: Path,
) -> None:
    recorded: Any = done(load_run(root / "plain"))
    listing = {
        f"val/PLOT{i}": {n: recorded.artifacts["val/PLOT"][1 + n % 4] for n in range(1, 31)}
        for i in range(40)
    }
    shown = strips("a", attrs.evolve(recorded, artifacts=listing), 1_200_000)
    assert sum(len(frame.image) for strip in shown for frame in strip.frames) < 1_500_000
    for strip in shown:
        assert strip.of == 30
        assert {recorded.best.index, 30} <= {frame.epoch for frame in strip.frames}


def test_runs_side_by_side(root: Path) -> None:
    name = HOSTILE.replace("/", "|")
    path = done(report(root / "plain", root / name))
    assert path == root / "report.html"
    texts = Page(path.read_text(encoding="utf-8")).texts
    assert texts[0] == "2 runs"
    row = texts.index("What differs between them")
    assert "until.fold.extract.<epochs>" in texts[row:] or "4" in texts[row:]
    assert "plain · train" in texts
    assert f"{name} · val" in texts


def test_what_there_is_no_room_for_is_said(root: Path, tmp_path: Path) -> None:
    path = done(report(root / "plain", out=tmp_path / "small.html", room=0))
    text = path.read_text(encoding="utf-8")
    assert "of 4 epochs are shown" in text
    frames = [a for a in Page(text).of("img") if "webp" in str(a["src"])]
    assert "val/PLOT at epoch 4" in [a["alt"] for a in frames]


def test_a_damaged_artifact_is_told_in_its_place(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root / "plain", tmp_path / "run")
    picture = next((tmp_path / "run" / "artifacts").rglob("PLOT/000002.png"))
    picture.write_bytes(picture.read_bytes()[:-1] + b"x")
    text = done(report(tmp_path / "run")).read_text(encoding="utf-8")
    assert "000002.png is damaged; got other bytes than were written" in text
    assert "val/PLOT at epoch 3" in text


def test_a_page_of_the_same_run_is_the_same(root: Path, tmp_path: Path, plain: str) -> None:
    assert done(report(root / "plain", out=tmp_path / "a" / "b.html")).read_text() == plain


def test_a_run_without_an_epoch(tmp_path: Path) -> None:
    done(run(with_artifacts(until=at_most(1)), tmp_path / "run"))
    (tmp_path / "run" / "journal.jsonl").write_bytes(b"")
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    text = done(report(tmp_path / "run")).read_text(encoding="utf-8")
    assert "No epoch is completed yet." in Page(text).texts
    assert "left" in Page(text).texts


def test_faults(tmp_path: Path) -> None:
    assert isinstance(fault(report(tmp_path / "none")), Missing)
    done(run(with_artifacts(until=at_most(1)), tmp_path / "run"))
    (tmp_path / "run" / "experiment.json").write_text("{}")
    assert isinstance(fault(report(tmp_path / "run")), Damaged)
    with pytest.raises(ValueError, match=r"of one run or more; give their directories"):
        report()


def test_ten_thousand_epochs_are_a_small_page(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    history = pd.DataFrame(
        {f"{split}/s{i}": rng.random(10_000) for split in ("train", "val") for i in range(2)},
        index=range(1, 10_001),
    )
    (first, _) = charts({"a": history})
    text, _ = svg(first, strokes([("a", "train"), ("a", "val")]), {"a": 5000})
    assert len(text) < 60_000


@given(st.lists(st.floats(), min_size=1, max_size=400), st.integers(4, 50))
def test_thinning_keeps_the_extremes_and_the_ends(values: list[float], most: int) -> None:
    kept = thinned(values, most)
    assert kept == sorted(set(kept))
    assert {0, len(values) - 1} <= set(kept)
    finite = [v for v in values if math.isfinite(v)]
    if finite:
        left = [values[i] for i in kept if math.isfinite(values[i])]
        assert (min(left), max(left)) == (min(finite), max(finite))
    assert len(kept) <= max(len(values) if len(values) <= most else 2 * most, 6)


def test_members_are_a_band() -> None:
    history = pd.DataFrame(
        {"val/loss": [2.0, 1.0], "val/loss[0]": [1.0, 0.5], "val/loss[1]": [3.0, 1.5]}, index=[1, 2]
    )
    (chart,) = charts({"a": history})
    (curve,) = chart.curves
    assert curve == Curve("a", "val", (1, 2), (2.0, 1.0), (1.0, 0.5), (3.0, 1.5))
    alone = charts({"a": history.drop(columns="val/loss")})
    assert alone[0].curves[0].values == (2.0, 1.0)
    text, logarithmic = svg(Chart("loss", (curve,)), strokes([("a", "val")]), {})
    assert "FillBetween" in text or "PolyCollection" in text
    assert not logarithmic


def test_what_is_not_finite_is_drawn_round() -> None:
    curve = Curve("a", "", (1, 2, 3), (1.0, math.nan, math.inf))
    assert curve.told() == "1 at epoch 1, 1 at epoch 1, lowest 1 at epoch 1, highest 1 at epoch 1"
    assert Curve("a", "", (1,), (math.nan,)).told() == "no finite value"
    text, logarithmic = svg(Chart("x", (curve,)), strokes([("a", "")]), {"a": 2})
    ElementTree.fromstring(text)
    assert not logarithmic
    assert "nan" not in text.lower().replace("nano", "")


def test_colours_can_be_read_on_white() -> None:
    def light(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    css = (Path(page_module.__file__).parent / "page.css").read_text()
    written = {
        colour if len(colour) == 7 else "#" + "".join(2 * digit for digit in colour[1:])
        for colour in re.findall(r"(?<=[ :])(?:color|--ink|--soft|--link): *(#[0-9a-f]+)", css)
    }
    assert len(written) >= 4
    for colour in (*COLOURS, *written):
        assert 1.05 / (light(colour) + 0.05) >= 4.5, colour


def test_facts(root: Path) -> None:
    assert duration(7260) == "2 h 1 min"
    assert architecture({"model.init": "functional.init 12"}) == ""
    recorded: Any = done(load_run(root / "plain"))
    assert architecture(recorded.experiment).startswith("Sequential(")
