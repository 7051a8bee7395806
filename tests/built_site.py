"""The documentation site, built as it is published, and what its pages link to and load."""

from __future__ import annotations

import functools
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urljoin, urlsplit

from .documents import ROOT

ADDRESS: Final = "https://hotherio.github.io/cancelable/"
"""Where the site is published, as `mkdocs.yml` says."""

REPOSITORY: Final = re.compile(r"https://github\.com/hotherio/cancelable/(?:blob|tree)/main/([^#?]+)")
_URL_IN_CSS: Final = re.compile(r"url\(\s*[\"']?([^\"')]+)|@import\s+[\"']([^\"']+)")
_LOADED: Final = {"audio", "embed", "iframe", "img", "input", "object", "script", "source", "video"}
_LOADED_LINKS: Final = {"icon", "manifest", "modulepreload", "preconnect", "preload", "stylesheet"}


@dataclass
class Page(HTMLParser):
    """A page: the anchors in it, what it links to, and what a browser loads for it."""

    url: str
    anchors: set[str] = field(default_factory=set[str])
    links: set[str] = field(default_factory=set[str])
    loaded: set[str] = field(default_factory=set[str])

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        values = {name: value for name, value in attrs if value is not None}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.add(values["href"])
        if tag in _LOADED:
            self.loaded |= {values[name] for name in ("src", "data", "poster", "srcset") if name in values}
        if tag == "link" and _LOADED_LINKS & set(values.get("rel", "").split()):
            self.loaded.add(values["href"])


@dataclass(frozen=True)
class BuiltSite:
    """The folder of a site."""

    folder: Path
    said: str
    """What the build printed: warnings, as long as it prints nothing else."""

    @functools.cached_property
    def pages(self) -> dict[str, Page]:
        """The pages by their path in the folder."""
        return {path.relative_to(self.folder).as_posix(): self._read(path) for path in self.folder.rglob("*.html")}

    def loaded_by_styles(self) -> Iterator[tuple[str, str]]:
        """Yield each URL that a stylesheet loads, with the path of the stylesheet."""
        for path in self.folder.rglob("*.css"):
            for match in _URL_IN_CSS.finditer(path.read_text()):
                yield path.relative_to(self.folder).as_posix(), match[1] or match[2]

    def is_foreign(self, page: str, url: str) -> bool:
        """Return whether a URL on a page leads to another site."""
        absolute = urljoin(ADDRESS + page, url)
        return not absolute.startswith(("data:", ADDRESS))

    def has(self, page: str, url: str) -> bool:
        """Return whether there is what a URL on a page leads to, with its anchor."""
        split = urlsplit(urljoin(ADDRESS + page, url))
        path = unquote(split.path).removeprefix(urlsplit(ADDRESS).path) or "index.html"
        if path not in self.pages:
            return (self.folder / path).is_file()
        return not split.fragment or unquote(split.fragment) in self.pages[path].anchors

    def _read(self, path: Path) -> Page:
        page = Page(path.relative_to(self.folder).as_posix())
        page.feed(path.read_text())
        return page


def build(folder: Path) -> BuiltSite:
    """Build the site into a folder; a warning is an error."""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    silent = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}  # the theme's news about its own future
    done = subprocess.run(command, cwd=ROOT, env=silent, capture_output=True, text=True, timeout=120, check=False)
    return BuiltSite(folder, done.stdout + done.stderr + (f"exit code {done.returncode}" if done.returncode else ""))
