"""Reading a page as a browser does."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"meta", "link", "input"}


class Element:
    """An element of a page."""

    def __init__(self, tag: str, attributes: dict[str, str]) -> None:
        self.tag = tag
        self.attributes = attributes
        self.content: list[Element | str] = []

    @property
    def children(self) -> list[Element]:
        """The elements right below this one."""
        return [each for each in self.content if isinstance(each, Element)]

    def all(self, tag: str, **attributes: str) -> list[Element]:
        """Return the elements below this one that have a tag and attributes; not those of a template."""
        wanted = {key.replace("_", "-"): value for key, value in attributes.items()}
        found: list[Element] = [self] if self.tag == tag and wanted.items() <= self.attributes.items() else []
        for child in self.children if self.tag != "template" else ():
            found += child.all(tag, **attributes)
        return found

    def one(self, tag: str, **attributes: str) -> Element:
        """Return the only one of them."""
        [found] = self.all(tag, **attributes)
        return found

    @property
    def text(self) -> str:
        """The text in the element."""
        parts = (each if isinstance(each, str) else each.text for each in self.content)
        return " ".join("".join(parts).split())


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open = [Element("page", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {key: value or "" for key, value in attrs})
        self.open[-1].content.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].tag == tag, f"</{tag}> where <{self.open[-1].tag}> is open"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].content.append(data)


def parsed(text: str) -> Element:
    """Read a page; every element must be closed where it belongs."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    [page] = reader.open
    return page


def everything(element: Element) -> list[Element]:
    """Return an element and all below it, those of templates included."""
    return [element, *(each for child in element.children for each in everything(child))]
