"""What several tests need: a browser, and something to look at."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from .built_site import BuiltSite
    from .operations_page_app import Site


@pytest.fixture(scope="module")
def browser() -> Generator[Browser]:
    """A browser. One for all modules would keep an event loop running in which others start theirs."""
    from playwright.sync_api import expect

    from .chromium import chromium

    expect.set_options(timeout=15_000)  # in ms: machines may be busy
    with chromium() as started:
        yield started


@pytest.fixture
def site() -> Generator[Site]:
    """An app of its own."""
    from .operations_page_app import serving_page

    with serving_page() as served:
        yield served


@pytest.fixture(scope="session")
def built_site(tmp_path_factory: pytest.TempPathFactory) -> BuiltSite:
    """The documentation site, built once for all tests that look at it."""
    from .built_site import build

    return build(tmp_path_factory.mktemp("site"))
