"""A page as a browser takes it, and what holds for every page: it is whole, loads nothing, trusts no text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser

#: Elements whose text runs on from what stands before; all others begin anew.
INLINE = {"bdi", "span", "strong", "a", "i"}
#: Elements that run, load or send something.
ACTIVE = {"script", "iframe", "object", "embed", "link", "form", "base", "svg"}
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


#: Text that comes from elsewhere and wants to be more than text, or cannot be shown as it is.
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "</style><style>*{display:none}",
    "</bdi></td></table><h1>gone",
    "{{ 7 * 7 }}{% raw %}",
    "<!-- --> ]]> &lt; &amp;",
    "safe\u202egnp\x00.exe",
    "bell\x07 csi\x9b\u2066",
    "lone \ud800 surrogate",
    "$\\frac{1}$",
    "字 عربي 🏮",
    "x" * 20_000,
]
#: Those that can be shown as they are.
PLAIN = [text for text in HOSTILE if text.isascii() and text.isprintable() and len(text) < 40]


def said(html: str) -> str:
    """Give the text in sight, its spaces made one."""
    return " ".join(parse(html).text.split())


def check_whole(html: str, sections: Sequence[str]) -> None:
    """Fail unless a page has these sections, is well formed, loads nothing and shows no missing value."""
    page = parse(html)
    assert not page.unclosed
    assert [attrs["id"] for tag, attrs in page.tags if tag == "section"] == list(sections)
    assert {link[1:] for link in page.links if link.startswith("#")} == set(sections)
    check_loads_nothing(html)
    assert all(attrs.get("alt") for tag, attrs in page.tags if tag == "img")
    # What a missing value would leave behind.
    assert not re.search(r"\b(None|nan|inf|Undefined)\b", page.text)


def check_loads_nothing(html: str) -> None:
    """Fail if a page could run or load anything."""
    page = parse(html)
    assert not page.names & ACTIVE
    assert not [a for _, attrs in page.tags for a in attrs if a.startswith("on")]
    assert all(re.match(r"#[a-z]+$|data:image/svg\+xml;base64,", link) for link in page.links)
    assert "url(" not in html
    assert "@import" not in html


def check_foreign(html: str, harmless: str) -> None:
    """Fail if a page full of foreign text differs from one full of harmless text in more than text."""
    html.encode()  # a lone surrogate has no encoding
    page = parse(html)
    assert not page.unclosed
    assert skeleton(page) == skeleton(parse(harmless))
    assert not re.search("[\x00-\x08\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", html)


def skeleton(page: Page) -> list[tuple[str, tuple[str, ...]]]:
    """Give the elements with the names of their attributes."""
    return [(tag, tuple(sorted(attrs))) for tag, attrs in page.tags]


def longest_run(html: str, letter: str = "x") -> int:
    """Give the length of the longest run of a letter in sight."""
    return max(len(run) for run in re.findall(f"{letter}+", parse(html).text))
