"""The page without a browser: its files fit together and ask nobody else, and its modules keep their promises."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import faceinpaint_fast

PAGE = Path(faceinpaint_fast.__file__).parent / "service" / "page"
MODULES = sorted(PAGE.glob("*.js"))
HTML = (PAGE / "index.html").read_text()


def test_it_asks_nobody_else_and_keeps_to_its_policy():
    for path in PAGE.iterdir():
        text = path.read_text().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"(https?:)?//[a-z]", re.sub(r"(^|\s)// .*", "", text)), path.name
    # default-src 'self' refuses what stands in the page itself
    assert not re.search(r"\s(style|on[a-z]+)=", HTML)
    assert not re.search(r"<script(?![^>]*\ssrc=)|<style", HTML)
    for path in MODULES:
        assert not re.search(r"\beval\(|new Function|innerHTML|setAttribute\(\"style", path.read_text()), path.name


def test_its_files_name_files_that_are_there_and_each_is_named():
    named = {f"page/{path.name}": path for path in PAGE.iterdir()}
    found = {name for name in re.findall(r'(?:href|src)="([^"#]+)"', HTML) if name not in ("./", "docs")}
    for path in MODULES:
        found |= {f"page/{name}" for name in re.findall(r'from "\./([^"]+)"', path.read_text())}
    assert found == named.keys() - {"page/index.html"}


def test_its_elements_are_those_that_it_asks_for():
    ids = re.findall(r'\sid="([^"]+)"', HTML)
    assert len(ids) == len(set(ids))
    main = (PAGE / "main.js").read_text()
    asked = set(re.findall(r'\bthe\("([^"]+)"\)', main))
    clicked = main[main.index("const clicks = {") : main.index("\n};", main.index("const clicks = {"))]
    asked |= set(re.findall(r'^ {2}"?([a-z-]+)"?[:,]', clicked, re.MULTILINE))
    assert asked <= set(ids)
    for name in ("for", "aria-describedby", "aria-labelledby"):
        assert set(" ".join(re.findall(rf'\s{name}="([^"]+)"', HTML)).split()) <= set(ids)


@pytest.mark.skipif(not shutil.which("node"), reason="node runs the modules of the page")
def test_its_modules_keep_their_promises():
    tests = sorted(map(str, Path(__file__).with_name("page").glob("*.test.mjs")))
    done = subprocess.run(["node", "--test", *tests], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert re.search(r"^# pass [1-9]\d*$", done.stdout, re.MULTILINE)
