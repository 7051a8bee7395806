"""The operations page in a real browser: keyboard, themes, contrast, phones, screen readers."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Locator, expect

from .chromium import Visitor, visiting
from .operations_page_app import Site

pytestmark = pytest.mark.server


def names(visitor: Visitor) -> Locator:
    """Return the names that are listed as running."""
    return visitor.page.locator("#operations tbody .open")


def test_keyboard(browser: Browser, site: Site) -> None:
    """The page can be used without a mouse: search, move, open, cancel, close, help."""
    site.start_several(["first", "second", "third"])
    with visiting(browser, site) as visitor:
        visitor.visit()
        press = visitor.page.keyboard.press
        focused = visitor.page.locator(":focus")
        expect(names(visitor)).to_have_count(3)
        press("j")
        expect(focused).to_have_text("first")
        press("j")
        press("ArrowDown")
        press("j")
        expect(focused).to_have_text("third")
        press("k")
        expect(focused).to_have_text("second")
        press("Enter")
        expect(visitor.page.locator("#detail h2")).to_have_text("second")
        press("Escape")
        expect(visitor.page.locator("#detail")).to_be_hidden()
        expect(focused).to_have_text("second")
        press("c")
        expect(visitor.page.locator("#cancel-title")).to_have_text("Cancel second?")
        press("Escape")
        expect(visitor.page.locator("#cancel")).to_be_hidden()
        press("c")
        visitor.page.keyboard.type("no c, j, k or / here")
        press("Enter")
        expect(visitor.row("second").locator(".why")).to_have_text("manual: no c, j, k or / here")
        expect(visitor.row("second")).to_have_count(0)
        expect(focused).to_have_text("third")
        press("?")
        expect(visitor.page.get_by_role("heading", name="Keyboard")).to_be_visible()
        press("Escape")
        press("/")
        expect(focused).to_have_attribute("name", "name")
        visitor.page.keyboard.type("j/k?c")
        expect(focused).to_have_value("j/k?c")
        focused.fill("fir")
        expect(names(visitor)).to_have_text(["first"])
        press("Escape")
        press("ArrowUp")
        expect(focused).to_have_text("first")


def brightness(visitor: Visitor) -> int:
    """Return how bright the page is, from 0 to 255."""
    pixel = """() => {
        const context = document.createElement("canvas").getContext("2d");
        context.fillStyle = getComputedStyle(document.documentElement).backgroundColor;
        context.fillRect(0, 0, 1, 1);
        return context.getImageData(0, 0, 1, 1).data[0];
    }"""
    return int(visitor.page.evaluate(pixel))


def test_light_and_dark(browser: Browser, site: Site) -> None:
    """The page is light or dark as the system is, until a button says otherwise, which the browser keeps."""
    with visiting(browser, site, color_scheme="dark") as visitor:
        visitor.visit()
        assert brightness(visitor) < 60
        theme = visitor.page.locator("#theme")
        expect(theme).to_have_text("Theme: system")
        theme.click()
        expect(theme).to_have_text("Theme: light")
        assert brightness(visitor) > 200
        visitor.visit()
        assert brightness(visitor) > 200
        theme.click()
        assert brightness(visitor) < 60
    with visiting(browser, site, color_scheme="light") as visitor:
        visitor.visit()
        assert brightness(visitor) > 200


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(browser: Browser, site: Site, scheme: str) -> None:
    """Every text stands out from what is behind it by 4.5 to 1 at least."""
    job = site.start("stubborn", is_stubborn=True)
    site.report(site.start("load"), "page 3", 30)
    site.finish(site.start("done"))
    with visiting(browser, site, color_scheme=scheme) as visitor:
        visitor.visit()
        site.cancel(job, "enough")
        expect(visitor.row("stubborn").locator(".badge")).to_have_text("told to stop")
        assert visitor.page.evaluate(CONTRASTS) == []
        visitor.row("stubborn").locator(".open").click()
        assert visitor.page.evaluate(CONTRASTS) == []


CONTRASTS = """() => {
    const context = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const light = (...colours) => {
        context.clearRect(0, 0, 1, 1);
        for (const colour of colours) { context.fillStyle = colour; context.fillRect(0, 0, 1, 1); }
        const [r, g, b] = [...context.getImageData(0, 0, 1, 1).data].map(value => {
            const part = value / 255;
            return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const low = [];
    for (const element of document.querySelectorAll("body *")) {
        const hasText = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
        if (!hasText || !element.checkVisibility() || element.matches(":disabled, option")) continue;
        const behind = [];
        for (let each = element; each; each = each.parentElement) {
            behind.unshift(getComputedStyle(each).backgroundColor);
        }
        const [a, b] = [light(...behind), light(...behind, getComputedStyle(element).color)];
        const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (contrast < 4.5) low.push(`${element.tagName} ${element.textContent.trim()}: ${contrast.toFixed(2)}`);
    }
    return low;
}"""


def test_on_a_phone(browser: Browser, site: Site) -> None:
    """On a narrow screen nothing is cut off at the side, and all of it can be used."""
    site.report(site.start("import all the customers of the last ten years"), "a message that is rather long " * 4, 30)
    with visiting(browser, site, viewport={"width": 375, "height": 700}, has_touch=True) as visitor:
        visitor.visit()
        row = visitor.page.locator("#operations tbody tr")
        expect(row.locator("[data-cell=progress] span")).to_have_text("30 %")
        too_wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        assert not visitor.page.evaluate(too_wide)
        for cell in ("name", "status", "age", "progress", "message"):
            box = row.locator(f"[data-cell={cell}]").bounding_box()
            assert box is not None
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= 375
        row.locator(".cancel").tap()
        visitor.page.get_by_role("button", name="Tell to stop").tap()
        expect(row.locator(".badge")).to_have_text("cancelled")
        assert not visitor.page.evaluate(too_wide)


def test_what_screen_readers_are_told(browser: Browser, site: Site) -> None:
    """Rows and cells keep their roles, every control has a name, and changes are told politely."""
    site.report(site.start("load"), "page 3", 30)
    with visiting(browser, site) as visitor:
        visitor.visit()
        table = visitor.page.get_by_role("table", name="Operations that run")
        expect(table.get_by_role("columnheader")).to_have_count(7)
        row = table.get_by_role("row", name="load")
        expect(row.get_by_role("cell")).to_have_count(6)
        expect(row.get_by_role("rowheader")).to_have_text("load")
        expect(row.get_by_role("button", name="Cancel load")).to_be_visible()
        expect(row.get_by_role("progressbar", name="Progress")).to_have_attribute("value", "30")
        expect(visitor.page.get_by_role("button", name="List")).to_have_attribute("aria-pressed", "true")
        expect(visitor.page.locator("#announce")).to_have_attribute("aria-live", "polite")
        expect(visitor.page.locator("#announce")).to_have_text("1 running, 0 told to stop, 0 stuck.")
        for control in visitor.page.get_by_role("textbox").all() + visitor.page.get_by_role("combobox").all():
            assert control.evaluate("control => control.labels.length || control.ariaLabel")
