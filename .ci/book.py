"""Follows every link of a book that mdBook built: `python3 book.py DIR` fails if a page, a heading or a file is missing."""

import pathlib
import sys
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

book = pathlib.Path(sys.argv[1]).resolve()


class Page(HTMLParser):
    def __init__(self, path):
        super().__init__()
        self.names, self.links = set(), []
        self.feed(path.read_text())

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.names |= {attributes[key] for key in ("id", "name") if attributes.get(key)}
        self.links += [attributes[key] for key in ("href", "src") if attributes.get(key)]


# All pages once more, and one for servers.
pages = {path: Page(path) for path in book.rglob("*.html") if path.name not in ("print.html", "404.html", "toc.html")}
missing, followed = [], 0
for path, page in pages.items():
    for link in page.links:
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        there = target.exists() and target.is_relative_to(book)
        if there and parts.fragment and target in pages:
            there = unquote(parts.fragment) in pages[target].names
        followed += 1
        if not there:
            missing.append(f"{path.relative_to(book)}: {link}")
if missing or len(pages) < 10:
    sys.exit("\n".join(["the book has links to nothing:", *missing]))
print(f"{len(pages)} pages, {followed} links")
