"""The documentation site is whole: it builds without a warning, every link leads somewhere, and nothing is foreign."""

from __future__ import annotations

from pathlib import Path

import pytest

from .built_site import REPOSITORY, BuiltSite, Page
from .documents import ROOT

pytestmark = pytest.mark.timeout(150)  # the site is built in the first test that looks at it


def test_the_strict_build_says_nothing(built_site: BuiltSite) -> None:
    """`mkdocs build --strict` ends without a warning, and has made a page for each document."""
    assert built_site.said == ""
    documents = {path.relative_to(ROOT / "docs").with_suffix(".html").as_posix() for path in ROOT.glob("docs/**/*.md")}
    assert documents | {"404.html"} == set(built_site.pages)


def test_every_internal_link_has_its_target(built_site: BuiltSite) -> None:
    """Each link within the site leads to a file, and to an anchor that is there; those of the navigation, too."""
    checked = [(page.url, link) for page in built_site.pages.values() for link in page.links]
    checked = [(page, link) for page, link in checked if not built_site.is_foreign(page, link)]
    assert len(checked) > 1000
    assert [(page, link) for page, link in checked if not built_site.has(page, link)] == []


def test_every_link_into_the_repository_has_its_target(built_site: BuiltSite) -> None:
    """Each link to a file of the repository, in the pages and in the documents, names one that exists."""
    links = {link for page in built_site.pages.values() for link in page.links}
    texts = [path.read_text() for path in [ROOT / "README.md", *ROOT.glob("packages/*/README.md")]]
    named = {match[1] for text in [*links, *texts] for match in REPOSITORY.finditer(text.replace(")", "#"))}
    assert len(named) > 5
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_nothing_is_loaded_from_another_host(built_site: BuiltSite) -> None:
    """Scripts, styles, fonts and pictures are files of the site, and exist."""
    loaded = [(page.url, url) for page in built_site.pages.values() for url in page.loaded]
    loaded += built_site.loaded_by_styles()
    assert len(loaded) > 100
    assert [each for each in loaded if built_site.is_foreign(*each)] == []
    assert [each for each in loaded if not each[1].startswith("data:") and not built_site.has(*each)] == []


def test_the_checks_see_what_is_wrong(tmp_path: Path) -> None:
    """A missing page, a missing anchor and a foreign picture would be found."""
    text = '<a href="b.html">x</a><a id="here" href="#there">y</a><img src="//cdn.example/z.png"><a href="#here">z</a>'
    (tmp_path / "a.html").write_text(text)
    (tmp_path / "extra.css").write_text("body { background: url('https://cdn.example/w.png') }")
    site = BuiltSite(tmp_path, "")
    page: Page = site.pages["a.html"]
    assert {link for link in page.links if not site.has("a.html", link)} == {"b.html", "#there"}
    assert [url for url in page.loaded if site.is_foreign("a.html", url)] == ["//cdn.example/z.png"]
    assert [url for name, url in site.loaded_by_styles() if site.is_foreign(name, url)] == ["https://cdn.example/w.png"]
