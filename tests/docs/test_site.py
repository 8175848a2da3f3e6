"""The site of the documents: it is built without a warning, holds together, and asks nothing of another host."""

from __future__ import annotations

import re
import subprocess
import sys
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import typer
from sphinx.util.inventory import InventoryFile

import faceinpaint_fast
from faceinpaint_fast import reference
from faceinpaint_fast.cli.main import app

ROOT = Path(__file__).parents[2]
# of a link's meanings, those for which a browser fetches it
FETCHED = {"stylesheet", "icon", "preload", "modulepreload", "prefetch", "dns-prefetch", "preconnect", "manifest"}
# the attributes whose address a browser fetches by itself
LOADS = {"src", "srcset", "data", "poster", "background", "action", "formaction", "xlink:href"}


class Page(HTMLParser):
    """A page's addresses that are fetched with it, those that its links lead to, and the names within it."""

    def __init__(self, text):
        super().__init__()
        self.fetched, self.links, self.names, self.styles = [], [], set(), []
        self.within = ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = {name: value or "" for name, value in attributes}
        self.within = tag
        self.names |= {found[name] for name in ("id", "name") if name in found}
        self.fetched += [found[name] for name in LOADS & found.keys()]
        self.styles += [found["style"]] if "style" in found else []
        if tag == "link" and FETCHED & set(found.get("rel", "").split()):
            self.fetched.append(found["href"])
        if tag == "use" and "href" in found:
            self.fetched.append(found["href"])
        if tag == "meta" and found.get("http-equiv") == "refresh":
            self.links.append(found["content"].partition("url=")[2])
        if tag == "a" and "href" in found:
            self.links.append(found["href"])

    def handle_data(self, data):
        if self.within == "style":
            self.styles.append(data)

    def handle_endtag(self, _tag):
        self.within = ""


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The site, built as `make docs` builds it."""
    out = tmp_path_factory.mktemp("site")
    line = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-c", "docs/site", ".", out]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return out


@pytest.fixture(scope="session")
def pages(site):
    return {path: Page(path.read_text()) for path in site.rglob("*.html")}


def outside(address):
    """Whether an address is another host's."""
    parts = urlsplit(address.strip())
    return bool(parts.netloc) or parts.scheme not in ("", "data")


def test_pages_ask_nothing_of_another_host(site, pages):
    assert len(pages) > 60
    for path, page in pages.items():
        assert page.fetched or page.links, path
        assert [address for address in page.fetched if outside(address)] == [], path
        assert [style for style in page.styles if asks_outside(style)] == [], path
    for path in site.rglob("*.css"):
        assert not asks_outside(path.read_text()), path
    scripts = sorted(site.rglob("*.js"))
    assert scripts
    for path in scripts:
        text = path.read_text()
        assert not re.search(
            r"""(?:fetch|import|importScripts|open|src\s*=|href\s*=)\s*\(?\s*["'`](?:https?:)?//""", text
        ), path
        assert "sendBeacon" not in text, path
        assert "WebSocket" not in text, path


def asks_outside(style):
    addresses = re.findall(r"""(?:url\(|@import)\s*["']?([^"')\s;]+)""", style)
    return [address for address in addresses if outside(address)]


@pytest.mark.parametrize(
    "page",
    [
        '<script src="https://cdn.example/x.js"></script>',
        '<link rel="stylesheet" href="//fonts.example/css">',
        '<img srcset="http://example/x.png 2x">',
    ],
)
def test_an_outside_address_is_noticed(page):
    assert any(outside(address) for address in Page(page).fetched)


def test_an_outside_font_is_noticed():
    assert asks_outside("@import 'https://fonts.example/css'; a { background: url(x.png) }")
    assert not asks_outside("a { background: url('data:image/png;base64,AA==') url(x.png) }")


def test_every_link_within_the_site_leads_somewhere(pages):
    for path, page in pages.items():
        for link in [*page.links, *page.fetched]:
            if outside(link) or link.startswith(("data:", "mailto:")):
                continue
            parts = urlsplit(link)
            there = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert there.exists(), f"{path}: {link}"
            if parts.fragment and there.suffix == ".html":
                assert unquote(parts.fragment) in pages[there].names, f"{path}: {link}"


def test_the_site_begins_with_the_first_page(site, pages):
    assert pages[site / "index.html"].links == ["docs/index.html"] * 2
    assert any(address.endswith("/photo.png") for address in pages[site / "docs/index.html"].fetched)


def test_the_reference_has_every_public_name(site):
    inventory = InventoryFile.loads((site / "objects.inv").read_bytes(), uri="").data
    known = {name for kind, names in inventory.items() if kind.startswith("py:") for name in names}
    public = {f"faceinpaint_fast.{name}" for name in faceinpaint_fast.__all__}
    plain = {f"faceinpaint_fast.reference.{name}" for name in reference.__all__}
    assert (public | plain) - known == set()


def test_the_reference_says_what_each_docstring_says(site):
    """Two columns of a docstring are a list, single backticks are code, and nothing is lost on the way."""
    text = (site / "docs/reference/python.html").read_text()
    words = " ".join(re.sub(r"<[^>]+>", " ", text).split())
    assert "batch_invariant" in words
    assert "window_size of the Gaussian, in pixels a side, odd, 3 to 31" in words
    assert "`" not in re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)


def test_the_commands_have_every_option(site):
    words = unescape(re.sub(r"<[^>]+>", "", (site / "docs/reference/commands.html").read_text()))
    commands = typer.main.get_command(app).commands
    assert len(commands) >= 14
    for name, command in commands.items():
        assert f"faceinpaint {name}" in words
        assert command.help.split("\n")[0] in words
        for parameter in command.params:
            if parameter.opts[0].startswith("-") and not getattr(parameter, "hidden", False):
                assert max(parameter.opts, key=len) in words, (name, parameter.opts)


def test_equations_are_mathml(site):
    text = (site / "docs/theory.html").read_text()
    assert text.count("<math") > 20
    assert "\\frac" not in text
