"""A page as a browser takes it: elements, attributes and text."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

#: Elements whose text runs on from what stands before; all others begin anew.
INLINE = {"bdi", "span", "strong", "a", "i"}
VOID = {"meta", "img", "br", "link", "hr", "input"}


@dataclass
class Page:
    """Tags with their attributes, ids, and the text in sight; `unclosed` is what is not nested well."""

    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    text: str = ""
    unclosed: list[str] = field(default_factory=list)

    @property
    def links(self) -> list[str]:
        wanted = ("href", "src", "action", "data", "srcset", "poster", "formaction")
        return [value or "" for _, attrs in self.tags for name, value in attrs.items() if name in wanted]

    @property
    def names(self) -> set[str]:
        return {tag for tag, _ in self.tags}


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.page, self.open = Page(), list[str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.page.tags.append((tag, dict(attrs)))
        self.page.text += "" if tag in INLINE else " "
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.page.unclosed.append(tag)

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.page.text += data


def parse(html: str) -> Page:
    parser = _Parser()
    parser.feed(html)
    parser.close()
    parser.page.unclosed += parser.open
    return parser.page
