"""Site: the pages as a site, whole, and read without a network."""

import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SITE = "mkdocs", "material", "mkdocstrings"
FETCHED = re.compile(
    r"""(?:<script|<link|<img|<iframe)[^>]*(?:src|href)=["']?(?:https?:)?//[^>]*"""
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for name in SITE:
        pytest.importorskip(name)
    made = tmp_path_factory.mktemp("site")
    found = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", made],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stderr
    return made


def packages() -> list[str]:
    """Modules that the reference shows, by the pages that show them."""
    pages = sorted((ROOT / "docs" / "api").glob("*.md"))
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    return sorted(set(re.findall(r"^::: ([\w.]+)$", text, re.M)))


def test_every_public_name_is_in_the_reference(site: Path) -> None:
    pages = sorted((site / "api").glob("*.html"))
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    shown = set(re.findall(r'id="(artifact_fn[\w.]*)"', text))
    for package in packages():
        module = importlib.import_module(package)
        for name in getattr(module, "__all__", []):
            if not inspect.ismodule(getattr(module, name)):
                assert f"{package}.{name}" in shown


def test_every_package_is_in_the_reference() -> None:
    found = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for path in (ROOT / "artifact_fn").rglob("__init__.py")
        if "__all__" in path.read_text(encoding="utf-8")
    }
    # The door is a table of links, and the command line is shown by its own page.
    assert found - set(packages()) == {"artifact_fn", "artifact_fn.cli"}


def test_the_door_is_a_table_of_its_names() -> None:
    import artifact_fn

    text = (ROOT / "docs" / "api" / "artifact_fn.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| \[`af\.(\w+)`\]", text, re.M) == artifact_fn.__all__


def test_nothing_is_fetched(site: Path) -> None:
    for page in site.rglob("*.html"):
        assert not FETCHED.findall(page.read_text(encoding="utf-8")), page.name
    for style in site.rglob("*.css"):
        assert not re.search(r"url\(\s*[\"']?(?:https?:)?//", style.read_text(encoding="utf-8"))


def test_bars_in_tables_are_bars(site: Path) -> None:
    shown = (site / "from_lightning.html").read_text(encoding="utf-8")
    assert "until=af.at_most(n) | within(seconds)" in shown


def test_search_needs_no_server(site: Path) -> None:
    index = (site / "search" / "search_index.js").read_text(encoding="utf-8")
    assert "gotchas.html" in index
    assert '<script src="site/iframe-worker.js">' in (site / "gotchas.html").read_text("utf-8")


def test_pictures_are_small() -> None:
    pictures = list((ROOT / "docs" / "gallery").glob("*.png"))
    text = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
    assert {f"gallery/{path.name}" for path in pictures} == set(
        re.findall(r"\]\((gallery/\S+)\)", text)
    )
    assert all(path.stat().st_size < 100_000 for path in pictures)
